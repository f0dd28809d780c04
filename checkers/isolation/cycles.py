"""Cycles of dependencies by Adya's families, each searched for exactly, the smallest first.

Families (Adya 1999, chapter 4; Kingsbury, Alvaro 2020): G0 has ww edges only; G1c also wr;
G-single exactly one rw; G-nonadjacent two or more, no two of them in a row (what snapshot
isolation forbids beside G-single: Cerone, Gotsman: "Analysing snapshot isolation", JACM 2018,
theorem 10); G2-item any number. Each also with edges of session order (``-process``) or of
real time (``-realtime``).

A family is a small automaton over the kinds of edges; a cycle of it is a closed path that the
automaton accepts. The order of real time needs no edges: two of its edges in a cycle can always
be replaced by one (it is an interval order), so a cycle is a path of dependencies from a
transaction to one that completed before the first was invoked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..linearizability.kernel import Kernel
from .families import (
    APART,
    BUDGET,
    CLOSED,
    CLOSED_TABLES,
    COVERED_BY,
    FAMILIES,
    KINDS,
    OPEN_TABLES,
    PLAIN_BUDGET,
    PROCESS,
    REALTIME,
    SUFFIXES,
)
from .graph import (
    LINK,
    ORDER,
    RW,
    WR,
    WW,
    Graph,
    build,
    components,
    joined,
    session_edges,
    with_barriers,
)
from .sorting import distinct
from .transactions import NEVER, Transactions


@dataclass(frozen=True)
class Cycle:
    """``txns[i]`` is joined to ``txns[i + 1]`` (the last to the first) by ``edges[i]``.

    An edge is ``(kind, label)``; kind ``ORDER`` is the session's or real time's, as ``closing``
    tells. ``smallest``: no cycle of the family in its component is shorter.
    """

    name: str
    txns: list[int]
    edges: list[tuple[int, int]]
    closing: int
    smallest: bool


@dataclass(frozen=True)
class Core:
    """The part of a graph that lies on cycles, with its nodes renumbered; ``old`` undoes that."""

    graph: Graph
    old: Any
    transactions: int


def core(graph: Graph, txns: Transactions, realtime: bool) -> Core | None:
    """What lies on cycles of dependencies, session order and (if asked) real time; or none.

    Edges that order sessions and time are in it with kind ``ORDER``; an rw edge beside a ww or
    wr edge of the same ends is left out, for it says nothing more.
    """
    source, target = session_edges(txns)
    whole = joined(graph, graph.nodes, source, target, np.full(len(source), ORDER, np.int8))
    if realtime:
        whole = with_barriers(whole, txns)
    return _compact(whole, len(txns))


def _compact(whole: Graph, transactions: int) -> Core | None:
    component = components(whole)
    inside = (component[whole.source] >= 0) & (component[whole.source] == component[whole.target])
    if not inside.any():
        return None
    at = np.flatnonzero(inside)
    pair = whole.source[at].astype(np.int64) * whole.nodes + whole.target[at]
    order = np.lexsort((whole.kind[at], pair))
    at, pair = at[order], pair[order]
    again = np.concatenate(([False], pair[1:] == pair[:-1]))
    at = at[~(again & (whole.kind[at] <= RW))]
    old = distinct(np.concatenate((whole.source[at], whole.target[at])))
    number = np.full(whole.nodes, -1, np.int32)
    number[old] = np.arange(len(old), dtype=np.int32)
    small = build(
        len(old), number[whole.source[at]], number[whole.target[at]], whole.kind[at],
        whole.label[at],
    )  # fmt: skip
    return Core(small, old, int(np.searchsorted(old, transactions)))


def smallest_of_any_kind(graph: Graph) -> list[tuple[list[int], list[tuple[int, int]]]]:
    """In each component with a ww edge the smallest cycle: its nodes, its edges (kind, label)."""
    part = _compact(graph, graph.nodes)
    if part is None:
        return []
    search = _Search(part, None)
    found = []
    for members in search.components("any", CLOSED):
        result = search.smallest("any", CLOSED, members)
        if result is not None:
            found.append((result[0].txns, result[0].edges))
    return found


def find(core: Core, txns: Transactions, realtime: bool) -> list[Cycle]:
    """One smallest cycle of each family in each component, those that tell most first."""
    found: list[Cycle] = []
    marks = {
        name + suffix: np.zeros(core.graph.nodes, np.bool_)
        for name in FAMILIES
        for suffix in SUFFIXES
    }
    search = _Search(core, txns)
    for closing in (CLOSED, PROCESS, REALTIME) if realtime else (CLOSED, PROCESS):
        for family in FAMILIES:
            covering = [
                marks[name + SUFFIXES[c]] for name in COVERED_BY[family] for c in range(closing + 1)
            ]
            for members in search.components(family, closing):
                if any(mark[members].any() for mark in covering):
                    continue
                result = search.smallest(family, closing, members)
                if result is not None:
                    marks[family + SUFFIXES[closing]][result[1]] = True
                    found.append(result[0])
    return found


class _Search:
    """The scratch memory of the searches in one core."""

    def __init__(self, core: Core, txns: Transactions | None) -> None:
        graph, old = core.graph, core.old
        self.core = core
        self.target = graph.target[graph.out]
        self.kind = graph.kind[graph.out]
        size = graph.nodes * 5
        self.stamp = np.zeros(size, np.int32)
        self.parent = np.zeros(size, np.int32)
        self.via = np.zeros(size, np.int32)
        self.queue = np.zeros(size, np.int32)
        self.clock = 0
        real = core.transactions
        self.process = np.full(graph.nodes, -2, np.int32)
        self.invoked = np.zeros(graph.nodes, np.int32)
        self.completed = np.full(graph.nodes, NEVER, np.int32)
        if txns is not None:
            self.process[:real] = txns.process[old[:real]]
            self.invoked[:real] = txns.invoked[old[:real]]
            self.completed[:real] = txns.completed[old[:real]]
        self.by_layer: dict[tuple[tuple[int, ...], int], Any] = {}
        self.by_walk: dict[int, Any] = {}
        self.layer: Any = None
        # An order edge between transactions is a session's; the others lead through barriers.
        self.session = (graph.kind == ORDER) & (graph.source < real) & (graph.target < real)

    def components(self, family: str, closing: int) -> list[Any]:
        """The members of every component that may hold a cycle of the family."""
        kinds = KINDS[family]
        key = (kinds, closing)
        if key not in self.by_layer:
            graph = self.core.graph
            keep = np.isin(graph.kind, kinds)
            if closing == PROCESS:
                keep |= self.session
            elif closing == REALTIME:
                keep |= graph.kind >= ORDER
            ids = np.flatnonzero(keep)
            part = build(
                graph.nodes, graph.source[ids], graph.target[ids], graph.kind[ids], graph.label[ids]
            )
            component = components(part)
            members = np.flatnonzero(component >= 0)
            members = members[np.argsort(component[members], kind="stable")]
            borders = np.flatnonzero(np.diff(component[members])) + 1
            self.by_layer[key] = (component, np.split(members, borders) if len(members) else [])
        component, groups = self.by_layer[key]
        self.layer = component
        needed = {"G0": WW, "G1c": WR, "any": WW}.get(family, RW)
        graph = self.core.graph
        inner = (graph.kind == needed) & (component[graph.source] >= 0)
        inner &= component[graph.source] == component[graph.target]
        has = np.zeros(int(component.max(initial=-1)) + 1, np.bool_)
        has[component[graph.source[inner]]] = True
        if family in APART and has.any():
            apart = self.apart(closing)
            has &= np.array([apart[members].any() for members in groups])
        return [members for members, fits in zip(groups, has, strict=True) if fits]

    def apart(self, closing: int) -> Any:
        """bool per node: it lies on a closed walk with an rw edge but never two in a row.

        Strong components of the doubled graph, whose nodes remember whether an rw edge came last.
        """
        if closing not in self.by_walk:
            graph, component = self.core.graph, self.layer
            inner = (component[graph.source] >= 0) & (
                component[graph.source] == component[graph.target]
            )
            at = np.flatnonzero(inner)
            source, target, kind = graph.source[at], graph.target[at], graph.kind[at]
            rw, link = kind == RW, kind == LINK
            other = ~rw & ~link
            half = graph.nodes
            walk = build(
                2 * half,
                np.concatenate(
                    (source[rw], source[~rw], source[other] + half, source[link] + half)
                ),
                np.concatenate(
                    (target[rw] + half, target[~rw], target[other], target[link] + half)
                ),
                np.concatenate((kind[rw], kind[~rw], kind[other], kind[link])),
                np.zeros(len(at) + int((~rw).sum()), np.int32),
            )
            strong = components(walk)
            on = (strong[walk.source] >= 0) & (strong[walk.source] == strong[walk.target])
            with_rw = np.zeros(int(strong.max(initial=-1)) + 2, np.bool_)
            with_rw[strong[walk.source[on & (walk.kind == RW)]]] = True
            with_rw[-1] = False
            self.by_walk[closing] = with_rw[strong[:half]] | with_rw[strong[half:]]
        return self.by_walk[closing]

    def smallest(self, family: str, closing: int, members: Any) -> tuple[Cycle, Any] | None:
        """The smallest cycle in a component, and its nodes in the core; none if there is none."""
        table, accepting = (OPEN_TABLES if closing else CLOSED_TABLES)[family]
        rows = np.array(table, np.int8)
        accepts = np.zeros(len(table), np.bool_)
        accepts[accepting] = True
        if closing == REALTIME:
            rows[:, ORDER] = -1
        sources = members[members < self.core.transactions].astype(np.int32)
        if family in APART:
            sources = sources[self.apart(closing)[sources]]
        kernel, budget = _walks.for_size(len(members) * 4), BUDGET
        if kernel is _walks.function:
            budget = PLAIN_BUDGET
        spent, limit = 0, 1
        while True:
            nodes, edges, used, self.clock = kernel(
                sources, self.layer, self.core.graph.offset, self.target, self.kind, rows, accepts,
                closing, self.process, self.invoked, self.completed, limit, budget - spent,
                self.stamp, self.parent, self.via, self.queue, self.clock,
            )  # fmt: skip
            spent += used
            if spent >= budget < BUDGET:
                kernel, budget, spent = _walks.compiled(), BUDGET, 0
                continue
            if len(nodes):
                return self._cycle(family, closing, nodes, edges, spent < budget), nodes
            if limit > len(members) * 2:
                return None
            if spent >= budget:  # be content with any
                limit, spent = 1 << 30, 0
                budget = BUDGET * 2
            else:
                limit += 1 + limit // 3

    def _cycle(self, family: str, closing: int, nodes: Any, edges: Any, smallest: bool) -> Cycle:
        """From a path of core nodes: LINK edges and further nodes vanish into the edge before."""
        graph, old = self.core.graph, self.core.old
        txns: list[int] = []
        steps: list[tuple[int, int]] = []
        for node, edge in zip(nodes.tolist(), [*edges.tolist(), -1], strict=False):
            if node < self.core.transactions:
                txns.append(int(old[node]))
            if edge >= 0:
                at = int(graph.out[edge])
                kind = int(graph.kind[at])
                if kind != LINK:
                    steps.append((kind, int(graph.label[at])))
        if closing:
            steps.append((ORDER, -1))
        txns, steps = _without_relays(txns, steps)
        return Cycle(family + SUFFIXES[closing], txns, steps, closing, smallest)


def _without_relays(
    txns: list[int], steps: list[tuple[int, int]]
) -> tuple[list[int], list[tuple[int, int]]]:
    """Session edges in a row become one."""
    at = 0
    while len(txns) > 2 and at < len(steps):
        if steps[at][0] == ORDER and steps[at - 1][0] == ORDER:
            del steps[at], txns[at]
        else:
            at += 1
    return txns, steps


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
        path[at] = back // 5
        steps[at - 1] = via[back]
        back = parent[back]
    path[0] = back // 5
    if closing == 0:
        path = path[:length]
    return path, steps


def _walks_plain(
    sources: Any, layer: Any, offset: Any, target: Any, kind: Any, rows: Any, accepts: Any,
    closing: int, process: Any, invoked: Any, completed: Any, limit: int, budget: int,
    stamp: Any, parent: Any, via: Any, now: Any, clock: int,
) -> Any:  # fmt: skip
    best_nodes = np.empty(0, np.int32)
    best_edges = np.empty(0, np.int32)
    used = 0
    for begin in sources:
        if used > budget:
            break
        clock += 1
        size, level_start, level_end, depth = 1, 0, 1, 0
        now[0] = begin * 5
        if closing:
            stamp[begin * 5] = clock
        parent[begin * 5] = -1
        hit = -1
        while depth < limit and level_start < level_end and hit < 0:
            size = level_end
            next_start = level_end
            for at in range(level_start, level_end):
                place = now[at]
                node = place // 5
                for edge in range(offset[node], offset[node + 1]):
                    what = kind[edge]
                    used += 1
                    if what == 4:
                        continue
                    state = rows[place % 5, what]
                    other = target[edge]
                    if state < 0 or layer[other] != layer[begin]:
                        continue
                    there = other * 5 + state
                    if stamp[there] == clock:
                        continue
                    stamp[there] = clock
                    parent[there] = place
                    via[there] = edge
                    now[size] = there
                    size += 1
            level_start, level_end = next_start, size
            depth += 1
            # LINK edges are no step: what they lead to belongs to the same level.
            at = level_start
            while at < level_end:
                place = now[at]
                node = place // 5
                for edge in range(offset[node], offset[node + 1]):
                    if kind[edge] == 4 and layer[target[edge]] == layer[begin]:
                        there = target[edge] * 5 + place % 5
                        if stamp[there] != clock:
                            stamp[there] = clock
                            parent[there] = place
                            via[there] = edge
                            now[level_end] = there
                            level_end += 1
                at += 1
            for at in range(level_start, level_end):
                place = now[at]
                if not accepts[place % 5]:
                    continue
                node = place // 5
                if closing == 0:
                    ends = node == begin
                elif closing == 1:
                    ends = process[node] == process[begin] and invoked[node] < invoked[begin]
                else:
                    ends = completed[node] < invoked[begin]
                if not ends:
                    continue
                path, steps = _path(place, parent, via, closing)
                if len(np.unique(path)) < len(path):
                    continue
                hit = place
                best_nodes, best_edges = path, steps
                limit = depth - 1
                break
        if limit < 1:
            break
    return best_nodes, best_edges, used, clock


_walks = Kernel(_walks_plain, _path)
