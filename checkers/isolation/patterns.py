"""Write skew and long fork, by their shapes, also where a component holds other cycles as well.

Write skew (Berenson et al., SIGMOD 1995: A5B): two transactions that each read what the other
overwrites, and write nothing in common. Long fork (Sovran et al., "Transactional storage for
geo-replicated systems", SOSP 2011): two readers see two writes in opposite orders.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .cycles import CLOSED, Core, Cycle
from .evidence import pattern_of
from .graph import RW, WR
from .transactions import Transactions

MOST_JOINED = 4_000_000
"""Pairs of an rw and a following wr edge that are looked at, to bound memory."""

MOST_FOUND = 10_000
"""Of each pattern; the count stops there."""


def skews_and_forks(core: Core, txns: Transactions) -> dict[str, list[Cycle]]:
    """The patterns by name."""
    graph = core.graph
    real = (graph.source < core.transactions) & (graph.target < core.transactions)
    rw = np.flatnonzero(real & (graph.kind == RW))
    wr = np.flatnonzero(real & (graph.kind == WR))
    found = {"write-skew": _skews(core, rw), "long-fork": _forks(core, rw, wr)}
    return {
        name: kept
        for name, members in found.items()
        if (kept := [cycle for cycle in members if pattern_of(cycle, txns) == name])
    }


def _skews(core: Core, rw: Any) -> list[Cycle]:
    graph = core.graph
    there = graph.source[rw].astype(np.int64) * graph.nodes + graph.target[rw]
    back = graph.target[rw].astype(np.int64) * graph.nodes + graph.source[rw]
    rw, back = rw[np.argsort(there, kind="stable")], back[np.argsort(there, kind="stable")]
    there = np.sort(there)
    at = np.minimum(np.searchsorted(there, back), max(len(there) - 1, 0))
    ones = np.flatnonzero((there[at] == back) & (there < back))
    ones = (
        ones[np.concatenate(([True], there[ones[1:]] != there[ones[:-1]]))] if len(ones) else ones
    )
    return [
        _cycle(core, "write-skew", [int(rw[one]), int(rw[at[one]])]) for one in ones[:MOST_FOUND]
    ]


def _forks(core: Core, rw: Any, wr: Any) -> list[Cycle]:
    graph = core.graph
    wr = wr[np.argsort(graph.source[wr], kind="stable")]
    writers = graph.source[wr]
    low = np.searchsorted(writers, graph.target[rw])
    count = np.searchsorted(writers, graph.target[rw], side="right") - low
    enough = np.cumsum(count) <= MOST_JOINED
    rw, low, count = rw[enough], low[enough], count[enough]
    first = np.repeat(rw, count)
    then = wr[np.arange(len(first)) - np.repeat(np.cumsum(count) - count - low, count)]
    one, two = graph.source[first].astype(np.int64), graph.target[then].astype(np.int64)
    order = np.lexsort((graph.target[first], two, one))
    first, then, one, two = first[order], then[order], one[order], two[order]
    there, back = one * graph.nodes + two, two * graph.nodes + one
    at = np.searchsorted(there, back)
    at = np.minimum(at, max(len(there) - 1, 0))
    ones = np.flatnonzero((there[at] == back) & (one < two))
    ones = (
        ones[np.concatenate(([True], there[ones[1:]] != there[ones[:-1]]))] if len(ones) else ones
    )
    return [
        _cycle(core, "long-fork", [int(e) for e in (first[i], then[i], first[at[i]], then[at[i]])])
        for i in ones[:MOST_FOUND]
        if graph.target[first[i]] != graph.target[first[at[i]]]
    ]


def _cycle(core: Core, name: str, edges: list[int]) -> Cycle:
    graph = core.graph
    members = [int(core.old[graph.source[edge]]) for edge in edges]
    steps = [(int(graph.kind[edge]), int(graph.label[edge])) for edge in edges]
    return Cycle(name, members, steps, CLOSED, True)
