"""Causal consistency and PRAM, decided exactly; see ``weak``.

Only the edges that an order at hand does not have already are added: the writers of ``x`` that
stand between ``t1`` and ``t3`` in it and that ``t3`` has seen. If that order is close to the one in
which things happened, those are few and what ``t3`` has seen is found by going back from it a
little; else by vector clocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..linearizability.kernel import Kernel
from .graph import Graph, serial_order
from .searches import as_rows, first_after
from .sorting import distinct
from .transactions import Transactions
from .weak import Derived, Relations, graph_of

_INT = np.int32

_STEPS_A_READ = 100
"""How far back, on average, a reader's past is searched before vector clocks are made of it."""

CLOCK_BYTES = 400_000_000
"""Memory for the vector clocks of as many sessions as fit at a time."""


def causal(
    relations: Relations, transitive: bool = True, members: Any = None
) -> tuple[Graph, Derived]:
    """The commit order of causal consistency: acyclic exactly if the history is causal.

    Who read whom and the sessions must be acyclic together (else it is not, by G1c). If not
    ``transitive``, of PRAM: a transaction sees what its session has read from, and what the
    sessions of those did before, but not what those had read (Burckhardt: "Principles of eventual
    consistency", 2014, section 5.2: so, vis;so and so;vis are part of vis). ``members`` (bool per
    transaction): those that can have been seen by a reader that should have read from them.
    """
    txns = relations.txns
    empty = np.empty(0, _INT)
    derived = Derived(empty, empty, empty, empty)
    sessions = _Sessions(relations, transitive, members)
    while True:
        graph = graph_of(relations, derived, sessions=True)
        order, complete = serial_order(graph, txns, realtime=False)
        if not complete:
            return graph, derived
        place = timely(graph, order, txns)
        fresh = sessions.contradictions(place)
        if not len(fresh):
            return graph, derived
        columns = (derived.seen, derived.source, derived.reader, derived.key)
        derived = Derived(*(np.concatenate((c, fresh[:, i])) for i, c in enumerate(columns)))


def timely(graph: Graph, order: Any, txns: Transactions) -> Any:
    """int32 per node: its place in an order along all edges that is close to that of completion.

    Then hardly any writer stands between a read and what it read, save where it was concurrent.
    """
    end = np.full(graph.nodes, -1, np.int64)
    end[: len(txns)] = txns.completed
    end = _latest.for_size(len(graph))(order, graph.offset, graph.target[graph.out], end)
    place = np.empty(graph.nodes, _INT)
    place[order[np.argsort(end[order], kind="stable")]] = np.arange(graph.nodes, dtype=_INT)
    return place


def _latest_plain(order: Any, offset: Any, target: Any, end: Any) -> Any:
    """When each node must be over: before any that follows it. ``end``: when it was."""
    for at in range(len(order) - 1, -1, -1):
        node = order[at]
        for edge in range(offset[node], offset[node + 1]):
            end[node] = min(end[node], end[target[edge]])
    return end


_latest = Kernel(_latest_plain)


class _Sessions:
    """Vector clocks over sessions, a block of sessions at a time if memory is short."""

    def __init__(self, relations: Relations, transitive: bool, members: Any) -> None:
        txns = relations.txns
        self.transitive = transitive
        count = len(txns)
        self.relations = relations
        every, session = np.unique(txns.process, return_inverse=True)
        by_session = np.argsort(session, kind="stable")
        starts = np.searchsorted(session[by_session], np.arange(len(every) + 1))
        self.number = np.empty(count, _INT)
        self.number[by_session] = np.arange(count) - starts[session[by_session]] + 1
        # Only the sessions that matter have a clock.
        kept = distinct(session if members is None else session[members])
        number = np.full(len(every), -1, _INT)
        number[kept] = np.arange(len(kept), dtype=_INT)
        self.session, self.sessions = number[session], len(kept)
        graph = graph_of(relations, Derived(*(np.empty(0, _INT) for _ in range(4))), sessions=True)
        self.order = serial_order(graph, txns, realtime=False)[0]
        self.order = self.order[self.order < count]
        self.bounds = np.searchsorted(relations.reader, np.arange(count + 1)).astype(_INT)
        self.block = max(1, CLOCK_BYTES // (4 * count))
        self.clock: Any = None

    def contradictions(self, place: Any) -> Any:
        """Rows ``seen, source, reader, key``: writers that a reader saw, after the one it read."""
        relations = self.relations
        start, writer = writers_in_order(relations, relations.txns.kind, place)
        budget = _STEPS_A_READ * len(relations.reader) + 100_000
        found, complete = _near.for_size(len(relations.reader))(
            relations.reader, relations.key, relations.source, start, writer, place,
            relations.txns.previous, self.bounds, self.transitive, budget,
        )  # fmt: skip
        if complete:
            return found
        rows = []
        for low in range(0, self.sessions, self.block):
            high = min(low + self.block, self.sessions)
            if self.clock is None or self.block < self.sessions:
                self.clock = _clocks.for_size(len(self.order) * 4)(
                    self.order, relations.txns.previous, self.bounds, relations.source,
                    self.session, self.number, low, high, self.transitive,
                )  # fmt: skip
            found = _between.for_size(len(relations.reader))(
                relations.reader, relations.key, relations.source, start, writer, place,
                self.session, self.number, self.clock, low, high,
            )  # fmt: skip
            rows.append(found)
        return np.concatenate(rows) if rows else np.empty((0, 4), _INT)


def _clocks_plain(
    order: Any, previous: Any, bounds: Any, source: Any, session: Any, number: Any, low: int,
    high: int, transitive: bool,
) -> Any:  # fmt: skip
    """int32[n, high - low]: the last transaction of each session that happened before each."""
    clock = np.zeros((len(previous), high - low), np.int32)
    for at in range(len(order)):
        txn = order[at]
        mine = clock[txn]
        for which in range(bounds[txn] - 1, bounds[txn + 1]):
            other = previous[txn] if which < bounds[txn] else source[which]
            if other < 0 or other == txn:
                continue
            if transitive or which < bounds[txn]:
                theirs = clock[other]
                for s in range(high - low):
                    if theirs[s] > mine[s]:
                        mine[s] = theirs[s]
            at_session = session[other] - low
            if 0 <= at_session < high - low and number[other] > mine[at_session]:
                mine[at_session] = number[other]
    return clock


def _between_plain(
    reader: Any, key: Any, source: Any, start: Any, writer: Any, place: Any, session: Any,
    number: Any, clock: Any, low: int, high: int,
) -> Any:  # fmt: skip
    found = []
    for at in range(len(reader)):
        txn, origin = reader[at], source[at]
        if origin == txn:
            continue
        floor = -1 if origin < 0 else place[origin]
        ceiling = place[txn]
        end = start[key[at] + 1]
        left = first_after(place, writer, floor, start[key[at]], end)
        for w in range(left, end):
            seen = writer[w]
            if place[seen] >= ceiling:
                break
            of = session[seen]
            if low <= of < high and clock[txn, of - low] >= number[seen]:
                found.append((seen, origin, txn, key[at]))
    return as_rows(found)


def writers_in_order(relations: Relations, kind: Any, place: Any) -> tuple[Any, Any]:
    """The writers of each key (``start`` int32[keys+1]) by place; without those of kind 2."""
    order = np.argsort(place[: len(relations.txns)])
    return _writers_in_order.for_size(len(relations.write_key))(
        order, kind, relations.write_start, relations.write_key, len(relations.txns.keys)
    )


def _writers_in_order_plain(
    order: Any, kind: Any, write_start: Any, write_key: Any, keys: int
) -> Any:
    """The writers of each key (``start`` int32[keys+1]), in an order of all transactions."""
    start = np.zeros(keys + 1, np.int32)
    for txn in order:
        if kind[txn] != 2:
            for write in range(write_start[txn], write_start[txn + 1]):
                start[write_key[write] + 1] += 1
    for key in range(keys):
        start[key + 1] += start[key]
    fill = start[:-1].copy()
    writer = np.empty(start[keys], np.int32)
    for txn in order:
        if kind[txn] != 2:
            for write in range(write_start[txn], write_start[txn + 1]):
                writer[fill[write_key[write]]] = txn
                fill[write_key[write]] += 1
    return start, writer


_writers_in_order = Kernel(_writers_in_order_plain)


def _near_plain(
    reader: Any, key: Any, source: Any, start: Any, writer: Any, place: Any, previous: Any,
    bounds: Any, transitive: bool, budget: int,
) -> Any:  # fmt: skip
    """The same as ``_between`` by going back from each reader, no further than need be.

    And whether the budget of steps sufficed: it does not if reads are very stale.
    """
    count = len(previous)
    stamp = np.full(2 * count, -1, np.int32)
    queue = np.empty(2 * count, np.int32)
    found = []
    used = 0
    for at in range(len(reader)):
        txn, origin = reader[at], source[at]
        if origin == txn:
            continue
        floor, ceiling = -1 if origin < 0 else place[origin], place[txn]
        end = start[key[at] + 1]
        left = first_after(place, writer, floor, start[key[at]], end)
        if left == end or place[writer[left]] >= ceiling:
            continue
        lowest = place[writer[left]]
        # From its own session it sees all; if not transitive, of others only what they did.
        queue[0] = 2 * txn
        stamp[2 * txn] = at
        head, tail = 0, 1
        while head < tail and used <= budget:
            node, other_session = queue[head] // 2, queue[head] % 2
            head += 1
            for which in range(bounds[node] - 1, bounds[node + 1]):
                used += 1
                if which < bounds[node]:
                    other, way = previous[node], other_session
                elif transitive:
                    other, way = source[which], 0
                elif other_session == 0:
                    other, way = source[which], 1
                else:
                    break
                if other < 0 or place[other] < lowest:
                    continue
                if stamp[2 * other + way] != at and stamp[2 * other] != at:
                    stamp[2 * other + way] = at
                    queue[tail] = 2 * other + way
                    tail += 1
        if used > budget:
            break
        for w in range(left, end):
            seen = writer[w]
            if place[seen] >= ceiling:
                break
            if stamp[2 * seen] == at or stamp[2 * seen + 1] == at:
                found.append((seen, origin, txn, key[at]))
    return as_rows(found), used <= budget


_near = Kernel(_near_plain, first_after, as_rows)
_clocks = Kernel(_clocks_plain)
_between = Kernel(_between_plain, first_after, as_rows)
