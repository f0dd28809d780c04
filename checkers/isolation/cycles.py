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

import numpy as np

from .cycle_search import Core, Cycle, Search
from .families import CLOSED, COVERED_BY, FAMILIES, PROCESS, REALTIME, SUFFIXES
from .graph import ORDER, RW, Graph, build, components, joined, session_edges, with_barriers
from .sorting import distinct
from .transactions import Transactions

__all__ = ["CLOSED", "PROCESS", "REALTIME", "Core", "Cycle", "core", "find", "smallest_of_any_kind"]


def core(graph: Graph, txns: Transactions, realtime: bool) -> Core | None:
    """What lies on cycles of dependencies, session order and (if asked) real time; or none.

    Edges that order sessions and time are in it with kind ``ORDER``; an rw edge beside a ww or
    wr edge of the same ends is left out, for it says nothing more.
    """
    source, target = session_edges(txns)
    whole = joined(graph, graph.nodes, source, target, np.full(len(source), ORDER, np.int8))
    if realtime:
        whole = with_barriers(whole, txns)
    return _compact(whole, len(txns), graph.nodes)


def _compact(whole: Graph, transactions: int, barriers: int) -> Core | None:
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
    first = np.searchsorted(old, (transactions, barriers))
    return Core(small, old, int(first[0]), int(first[1]))


def smallest_of_any_kind(graph: Graph) -> list[tuple[list[int], list[tuple[int, int]]]]:
    """In each component with a ww edge the smallest cycle: its nodes, its edges (kind, label)."""
    part = _compact(graph, graph.nodes, graph.nodes)
    if part is None:
        return []
    search = Search(part, None)
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
    search = Search(core, txns)
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
