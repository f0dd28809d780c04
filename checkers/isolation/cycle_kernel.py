"""The loops of the search for smallest cycles, over one strong component at a time.

Nodes up to ``real`` are transactions; the others join edges together: what leaves them is a LINK
and no step. A place is ``node * STATES + state`` of the family's automaton.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..linearizability.kernel import Kernel

STATES = 5
"""States that an automaton may have."""

AT_ONCE = 62
"""Sources that one walk carries, a bit each."""

_LINK = 4


def _drop(
    first: int, offset: Any, out: Any, target: Any, into_offset: Any, into: Any, source: Any,
    ins: Any, outs: Any, gone: Any, stack: Any,
) -> None:  # fmt: skip
    """Take a node away, and then all that are on no cycle for the want of it."""
    stack[0] = first
    gone[first] = True
    height = 1
    while height:
        height -= 1
        node = stack[height]
        for at in range(offset[node], offset[node + 1]):
            other = target[out[at]]
            ins[other] -= 1
            if ins[other] == 0 and not gone[other]:
                gone[other] = True
                stack[height] = other
                height += 1
        for at in range(into_offset[node], into_offset[node + 1]):
            other = source[into[at]]
            outs[other] -= 1
            if outs[other] == 0 and not gone[other]:
                gone[other] = True
                stack[height] = other
                height += 1


def _feedback_plain(
    nodes: int, real: int, offset: Any, out: Any, target: Any, into_offset: Any, into: Any,
    source: Any,
) -> Any:  # fmt: skip
    ins, outs = np.diff(into_offset), np.diff(offset)
    gone = np.zeros(nodes, np.bool_)
    stack = np.empty(nodes, np.int32)
    chosen = np.empty(real, np.int32)
    found = 0
    for node in range(nodes):
        if not gone[node] and (ins[node] == 0 or outs[node] == 0):
            _drop(node, offset, out, target, into_offset, into, source, ins, outs, gone, stack)
    for node in range(real):
        if not gone[node]:
            chosen[found] = node
            found += 1
            _drop(node, offset, out, target, into_offset, into, source, ins, outs, gone, stack)
    return chosen[:found]


feedback = Kernel(_feedback_plain, _drop)
"""Transactions of which every cycle has one (a feedback vertex set, not the least): the earliest
of those that remain is taken, and what is then on no cycle is taken away."""


def _ending_in(
    node: int, closing: int, bit_of: Any, group: Any, begin: Any, end: Any, batch: Any
) -> Any:
    """The sources, as bits, whose cycle is closed if their walk is at a node."""
    if closing == 0:
        return bit_of[node]
    # Sources are in order of group and begin: those fit that begin after this node's end.
    mine = group[node]
    low, high = 0, len(batch)
    while low < high:
        middle = (low + high) // 2
        other = batch[middle]
        if group[other] < mine or (group[other] == mine and begin[other] <= end[node]):
            low = middle + 1
        else:
            high = middle
    first, high = low, len(batch)
    while low < high:
        middle = (low + high) // 2
        if group[batch[middle]] == mine:
            low = middle + 1
        else:
            high = middle
    one = np.int64(1)
    return (one << low) - (one << first)


def _reach(
    there: int, bits: int, seen: Any, later: Any, fresh: Any, tail: int, touched: Any, marked: int
) -> Any:
    """Walks of some sources arrive at a place; ``fresh`` is a ring."""
    new = bits & ~seen[there]
    if new:
        if seen[there] == 0:
            touched[marked] = there
            marked += 1
        seen[there] |= new
        if later[there] == 0:
            fresh[tail % len(fresh)] = there
            tail += 1
        later[there] |= new
    return tail, marked


def _shortest_plain(
    sources: Any, real: int, offset: Any, target: Any, kind: Any, rows: Any, accepts: Any,
    closing: int, group: Any, begin: Any, end: Any, limit: int, budget: int, any_will_do: bool,
    seen: Any, now: Any, later: Any, queue: Any, fresh: Any, touched: Any, bit_of: Any,
) -> Any:  # fmt: skip
    """Length and source of a shortest accepted walk of at most ``limit`` steps, or zero.

    Also the edges walked, and whether there may be longer ones. Breadth first from up to
    ``AT_ONCE`` sources at a time (Then et al.: "The more the merrier", VLDB 2014).
    """
    best, best_source, used, cut = 0, -1, 0, False
    one = np.int64(1)
    for base in range(0, len(sources), AT_ONCE):
        batch = sources[base : base + AT_ONCE]
        count, marked = 0, 0
        for at in range(len(batch)):
            place = batch[at] * STATES
            bit_of[batch[at]] = one << at
            now[place] = one << at
            seen[place] = one << at
            queue[count] = place
            touched[marked] = place
            count += 1
            marked += 1
        depth, hit = 0, False
        while count and depth < limit and not hit:
            depth += 1
            head, tail = 0, 0  # of what is reached in this step, links included
            for at in range(count):
                place = queue[at]
                bits = now[place]
                now[place] = 0
                node, state = place // STATES, place % STATES
                used += offset[node + 1] - offset[node]
                for edge in range(offset[node], offset[node + 1]):
                    following = rows[state, kind[edge]]
                    if following < 0:
                        continue
                    there = target[edge] * STATES + following
                    tail, marked = _reach(there, bits, seen, later, fresh, tail, touched, marked)
            count = 0
            while head < tail:
                place = fresh[head % len(fresh)]
                head += 1
                node = place // STATES
                if node < real:
                    queue[count] = place
                    count += 1
                    continue
                bits = later[place]
                later[place] = 0
                used += offset[node + 1] - offset[node]
                for edge in range(offset[node], offset[node + 1]):
                    there = target[edge] * STATES + place % STATES
                    tail, marked = _reach(there, bits, seen, later, fresh, tail, touched, marked)
            for at in range(count):
                place = queue[at]
                now[place] = later[place]
                later[place] = 0
                if hit or not accepts[place % STATES]:
                    continue
                ending = now[place] & _ending_in(
                    place // STATES, closing, bit_of, group, begin, end, batch
                )
                if ending:
                    hit = True
                    best = depth
                    which = 0
                    while not (ending >> which) & 1:
                        which += 1
                    best_source = batch[which]
            if used > budget:
                break
        cut = cut or count > 0
        for at in range(count):
            now[queue[at]] = 0
        for at in range(marked):
            seen[touched[at]] = 0
        for at in range(len(batch)):
            bit_of[batch[at]] = 0
        if hit:
            limit = best - 1
            if any_will_do:
                break
        if limit < 1 or used > budget:
            break
    return best, best_source, used, cut


shortest = Kernel(_shortest_plain, _reach, _ending_in)


def _path(place: int, parent: Any, via: Any, closing: int) -> Any:
    """Nodes and edges that lead to a place; the start is not repeated where the cycle closes."""
    length = 0
    back = place
    while parent[back] >= 0:
        length += 1
        back = parent[back]
    path = np.empty(length + 1, np.int32)
    steps = np.empty(length, np.int32)
    back = place
    for at in range(length, 0, -1):
        path[at] = back // STATES
        steps[at - 1] = via[back]
        back = parent[back]
    path[0] = back // STATES
    if closing == 0:
        path = path[:length]
    return path, steps


def _walk_plain(
    source: int, real: int, offset: Any, target: Any, kind: Any, rows: Any, accepts: Any,
    closing: int, group: Any, begin: Any, end: Any, length: int,
) -> Any:  # fmt: skip
    """The nodes and edges of an accepted cycle of so many steps, a simple one if there is one."""
    nodes, edges = np.empty(0, np.int32), np.empty(0, np.int32)
    size = len(group) * STATES
    parent = np.full(size, -1, np.int32)
    via = np.full(size, -1, np.int32)
    seen = np.zeros(size, np.bool_)
    queue = np.empty(size, np.int32)
    queue[0] = source * STATES
    seen[queue[0]] = True
    level, stop, depth = 0, 1, 0
    while level < stop and depth < length:
        depth += 1
        size = stop
        for at in range(level, stop):
            place = queue[at]
            node = place // STATES
            if node >= real:
                continue
            for edge in range(offset[node], offset[node + 1]):
                state = rows[place % STATES, kind[edge]]
                there = target[edge] * STATES + state
                if state >= 0 and not seen[there]:
                    seen[there] = True
                    parent[there] = place
                    via[there] = edge
                    queue[size] = there
                    size += 1
        at = stop
        while at < size:  # what links lead to belongs to the same level
            place = queue[at]
            node = place // STATES
            at += 1
            if node < real:
                continue
            for edge in range(offset[node], offset[node + 1]):
                there = target[edge] * STATES + place % STATES
                if not seen[there]:
                    seen[there] = True
                    parent[there] = place
                    via[there] = edge
                    queue[size] = there
                    size += 1
        level, stop = stop, size
        if depth < length:
            continue
        for at in range(level, stop):
            place = queue[at]
            node = place // STATES
            if node >= real or not accepts[place % STATES]:
                continue
            if closing == 0:
                ends = node == source
            else:
                ends = group[node] == group[source] and end[node] < begin[source]
            if ends:
                path, steps = _path(place, parent, via, closing)
                if len(np.unique(path)) == len(path) or not len(nodes):
                    nodes, edges = path, steps
                if len(np.unique(nodes)) == len(nodes):
                    return nodes, edges
    return nodes, edges


walk = Kernel(_walk_plain, _path)
