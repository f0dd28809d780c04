"""The search for smallest cycles in the part of a graph that lies on cycles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .cycle_kernel import STATES, feedback, shortest, walk
from .families import (
    APART,
    BUDGET,
    CLOSED,
    CLOSED_TABLES,
    KINDS,
    OPEN_TABLES,
    PLAIN_BUDGET,
    PROCESS,
    REALTIME,
    SUFFIXES,
)
from .graph import LINK, ORDER, RW, WR, WW, Graph, build, components, restricted
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
    """The part of a graph that lies on cycles, with its nodes renumbered; ``old`` undoes that.

    First the transactions, then those that join edges, and from ``barriers`` on those of real time.
    """

    graph: Graph
    old: Any
    transactions: int
    barriers: int


@dataclass(frozen=True)
class _Layer:
    """What a kind of cycle may walk on: its strong components, those of two nodes or more.

    ``component`` int32 per node, or -1; ``groups``: the members of each, ascending; the edges of
    component ``c`` are ``edges[border[c]:border[c + 1]]``.
    """

    component: Any
    groups: list[Any]
    edges: Any
    border: Any


@dataclass(frozen=True)
class _Part:
    """One component with its nodes renumbered, transactions first; ``members`` undoes that."""

    members: Any
    graph: Graph
    target: Any
    kind: Any
    real: int

    def feedback(self) -> Any:
        """Transactions of which every cycle has one."""
        graph = self.graph
        into = build(graph.nodes, graph.target, graph.source, graph.kind, graph.label)
        return feedback.for_size(len(graph))(
            graph.nodes, self.real, graph.offset, graph.out, graph.target, into.offset, into.out,
            graph.source,
        )  # fmt: skip


class Search:
    """The searches in one core."""

    def __init__(self, core: Core, txns: Transactions | None) -> None:
        graph, old = core.graph, core.old
        self.core = core
        real = core.transactions
        self.process = np.full(graph.nodes, -2, np.int32)
        self.invoked = np.zeros(graph.nodes, np.int32)
        self.completed = np.full(graph.nodes, NEVER, np.int32)
        if txns is not None:
            self.process[:real] = txns.process[old[:real]]
            self.invoked[:real] = txns.invoked[old[:real]]
            self.completed[:real] = txns.completed[old[:real]]
        self.layers: dict[tuple[tuple[int, ...], int], _Layer] = {}
        self.by_walk: dict[int, Any] = {}
        self.barred = (graph.kind == ORDER) | (graph.source >= core.barriers)
        # An order edge between transactions is a session's; the others lead through barriers.
        self.session = (graph.kind == ORDER) & (graph.source < real) & (graph.target < real)

    def layer(self, kinds: tuple[int, ...], closing: int) -> _Layer:
        """The layer of cycles of some kinds of edges."""
        if (kinds, closing) not in self.layers:
            graph = self.core.graph
            keep = np.isin(graph.kind, kinds)
            if closing == PROCESS:
                keep |= self.session
            elif closing == REALTIME:
                keep |= graph.kind >= ORDER
            component = components(restricted(graph, keep))
            members = np.flatnonzero(component >= 0)
            members = members[np.argsort(component[members], kind="stable")]
            borders = np.flatnonzero(np.diff(component[members])) + 1
            of = component[graph.source]
            edges = np.flatnonzero(keep & (of >= 0) & (of == component[graph.target]))
            edges = edges[np.argsort(of[edges], kind="stable")]
            count = int(component.max(initial=-1)) + 1
            border = np.searchsorted(of[edges], np.arange(count + 1))
            groups = np.split(members, borders) if len(members) else []
            self.layers[kinds, closing] = _Layer(component, groups, edges, border)
        return self.layers[kinds, closing]

    def components(self, family: str, closing: int) -> list[Any]:
        """The members of every component that may hold a cycle of the family."""
        layer = self.layer(KINDS[family], closing)
        graph = self.core.graph
        needed = _NEEDED[family]
        has = np.zeros(len(layer.groups), np.bool_)
        has[layer.component[graph.source[layer.edges[graph.kind[layer.edges] == needed]]]] = True
        if family in APART and has.any():
            apart = self.apart(closing)
            has &= np.array([apart[members].any() for members in layer.groups])
        return [members for members, fits in zip(layer.groups, has, strict=True) if fits]

    def apart(self, closing: int) -> Any:
        """bool per node: it lies on a closed walk with an rw edge but never two in a row.

        Strong components of the doubled graph, whose nodes remember whether an rw edge came last.
        """
        if closing not in self.by_walk:
            graph = self.core.graph
            at = self.layer(KINDS[APART[0]], closing).edges
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

    def _part(self, family: str, closing: int, members: Any) -> _Part:
        """The edges that a cycle of the family may take in a component."""
        layer, graph = self.layer(KINDS[family], closing), self.core.graph
        number = layer.component[members[0]]
        at = layer.edges[layer.border[number] : layer.border[number + 1]]
        if closing == REALTIME:  # what leads through barriers is left to the closing
            at = at[~self.barred[at]]
        if family in APART:
            apart = self.apart(closing)
            members = members[apart[members]]
            at = at[apart[graph.source[at]] & apart[graph.target[at]]]
        local = build(
            len(members), np.searchsorted(members, graph.source[at]),
            np.searchsorted(members, graph.target[at]), graph.kind[at], at,
        )  # fmt: skip
        real = int(np.searchsorted(members, self.core.transactions))
        return _Part(members, local, local.target[local.out], local.kind[local.out], real)

    def smallest(self, family: str, closing: int, members: Any) -> tuple[Cycle, Any] | None:
        """The smallest cycle in a component, and its nodes in the core; none if there is none."""
        part = self._part(family, closing, members)
        table, accepting = (OPEN_TABLES if closing else CLOSED_TABLES)[family]
        rows = np.full((len(table), LINK + 1), -1, np.int8)
        rows[:, :LINK] = table
        if closing == REALTIME:
            rows[:, ORDER] = -1
        accepts = np.zeros(len(table), np.bool_)
        accepts[accepting] = True
        nodes = part.members
        if closing == CLOSED:
            group = begin = end = np.zeros(len(nodes), np.int32)
            sources = part.feedback()
        else:
            begin, end = self.invoked[nodes], self.completed[nodes]
            group = np.zeros(len(nodes), np.int32)
            if closing == PROCESS:
                group, end = self.process[nodes], begin
            sources = np.lexsort((begin[: part.real], group[: part.real])).astype(np.int32)
        given = (part.real, part.graph.offset, part.target, part.kind, rows, accepts, closing,
                 group, begin, end)  # fmt: skip
        length, source, exact = _shortest(sources, given)
        if not length:
            return None
        path, steps = walk.for_size(len(part.graph))(source, *given, length)
        found = part.members[path]
        edges = part.graph.label[part.graph.out[steps]]
        return self._cycle(family, closing, found, edges, exact), found

    def _cycle(self, family: str, closing: int, nodes: Any, edges: Any, smallest: bool) -> Cycle:
        """From a path of core nodes: LINK edges and further nodes vanish into the edge before."""
        graph, old = self.core.graph, self.core.old
        txns = [int(old[node]) for node in nodes if node < self.core.transactions]
        kinds, labels = graph.kind[edges].tolist(), graph.label[edges].tolist()
        steps = [(k, label) for k, label in zip(kinds, labels, strict=True) if k != LINK]
        if closing:
            steps.append((ORDER, -1))
        else:  # begin with the edge that makes it one of the family
            first = next((i for i, (k, _) in enumerate(steps) if k == _NEEDED[family]), 0)
            txns, steps = txns[first:] + txns[:first], steps[first:] + steps[:first]
        size = len(txns)
        txns, steps = _without_relays(txns, steps)
        # Several orders of sessions in one cycle are walked one transaction at a time.
        if closing == PROCESS and size > _LEAST_WITH_TWO_SESSIONS:
            smallest = False
        return Cycle(family + SUFFIXES[closing], txns, steps, closing, smallest)


_NEEDED = {"G0": WW, "G1c": WR, "any": WW, "G-single": RW, "G-nonadjacent": RW, "G2-item": RW}

_LEAST_WITH_TWO_SESSIONS = 4
"""Transactions of a cycle with two orders of sessions, which have a dependency between them."""


def _shortest(sources: Any, given: tuple[Any, ...]) -> tuple[int, int, bool]:
    """Length (0: there is none) and source of a shortest cycle, and whether it is surely that.

    Looked for with more and more steps, so that a short one costs no walk through everything.
    """
    nodes, edges = len(given[1]) - 1, len(given[2])
    size = nodes * STATES
    seen, now, later, bit_of = (np.zeros(n, np.int64) for n in (size, size, size, nodes))
    scratch = (seen, now, later, *(np.empty(size + nodes, np.int32) for _ in range(3)), bit_of)
    kernel, budget = shortest.for_size(edges * 4), BUDGET
    if kernel is shortest.function:
        budget = PLAIN_BUDGET
    spent, limit = 0, 2
    while True:
        length, source, used, cut = kernel(sources, *given, limit, budget - spent, False, *scratch)
        spent += used
        if spent > budget < BUDGET:  # uncompiled
            kernel, budget, spent = shortest.compiled(), BUDGET, 0
            continue
        if length or (spent <= budget and not cut):
            return length, source, spent <= budget
        if spent > budget:  # be content with any
            length, source, _, _ = kernel(sources, *given, size, BUDGET * 8, True, *scratch)
            return length, source, False
        limit = 2 * limit + 2


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
