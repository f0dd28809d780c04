"""Which values crashed pops took from a stack: a guess, and what no choice can escape.

The guess nests the other values first. A lost value, wherever within its push it
entered, must leave before the value below it; that is its deadline. The crashed pops
meet deadlines in order, the earliest first. Whether it works out is for
:mod:`containers_stack` to judge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .containers_deadlines import FINE, choose_cuts, hand_out
from .kernel import Kernel

if TYPE_CHECKING:
    from .timeline import Timeline


def guess(
    line: Timeline, f: Any, a: Any, push: Any, pop: Any, lost: Any, takers: Any, nesting: Any
) -> None:
    """Fill ``pop`` for lost values with crashed pops (``takers``, ascending).

    ``nesting``: of the values that are not lost, placed.
    """
    due = np.full(len(push), line.end, np.int32)
    _deadlines.for_size(len(f))(
        line.inv, line.ret, line.event, f, a, line.end, push, pop, nesting.forward,
        nesting.piece, nesting.last, nesting.rank, nesting.opens, nesting.closes, due,
    )  # fmt: skip
    status, _, cuts = choose_cuts(line, f, a, push, pop, due)
    if status != FINE:
        return
    hand_out(line, f, a, push, pop, due, cuts)
    # What leaves earlier is never worse: nothing else could use the other crashed pops.
    left = lost[pop[lost] < 0]
    idle = np.setdiff1d(takers, pop[lost], assume_unique=False)
    count = min(len(left), len(idle))
    pop[left[:count]] = idle[:count]


def possible(line: Timeline, f: Any, a: Any, push: Any, pop: Any, lost: Any) -> bool:
    """Whether the deadlines that hold whatever the choice can be met."""
    kept = np.flatnonzero((push >= 0) & (pop >= 0)).astype(np.int32)
    kept = kept[np.argsort(line.ret[push[kept]], kind="stable")]
    lost = lost[np.argsort(line.inv[push[lost]], kind="stable")]
    due = np.full(len(push), line.end, np.int32)
    _certain.for_size(len(f))(line.inv, line.ret, line.end, push, pop, kept, lost, due)
    status, _, _ = choose_cuts(line, f, a, push, pop, due)
    return status == FINE


# -- the kernels: plain Python over arrays ------------------------------------------


def _due(inv, ret, event, f, a, end, push, pop, forward, piece, last, rank, opens, closes, due):
    """Walk through the nesting: below each lost value, as late as its push allows, who lies?"""
    values = len(push)
    by_rank = np.zeros(values + 1, np.int32)
    peeled = 0
    for v in range(values):
        peeled += int(forward[v])
        by_rank[rank[v]] = v
    opening = np.full(last + 3, -1, np.int32)
    next_opening = np.empty(values, np.int32)
    for k in range(peeled, 0, -1):
        v = by_rank[k]
        next_opening[v] = opening[opens[v]]
        opening[opens[v]] = v
    inside = np.empty(values + 1, np.int32)
    depth = 0
    current = 0
    for p in range(end):
        while current < piece[p]:
            v = opening[current]
            while v >= 0:
                inside[depth] = v
                depth += 1
                v = next_opening[v]
            current += 1
            while depth > 0 and closes[inside[depth - 1]] <= current:
                depth -= 1
        i = ~event[p]
        if i < 0 or f[i] != 0 or push[a[i]] != i or pop[a[i]] >= 0:
            continue
        begin = piece[inv[i]]
        low = 0
        high = depth
        while low < high:
            middle = (low + high) // 2
            if opens[inside[middle]] < begin:
                low = middle + 1
            else:
                high = middle
        if low > 0:
            due[a[i]] = ret[pop[inside[low - 1]]]


def _bounds(inv, ret, end, push, pop, kept, lost, due):
    """``kept`` by completion of the push, ``lost`` by its invocation."""
    tree = np.full(end + 2, end, np.int32)
    k = 0
    for u in lost:
        while k < len(kept) and ret[push[kept[k]]] < inv[push[u]]:
            j = end + 1 - inv[pop[kept[k]]]
            while j < len(tree):
                tree[j] = min(tree[j], ret[pop[kept[k]]])
                j += j & -j
            k += 1
        deadline = end
        j = end + 1 - ret[push[u]]
        while j > 0:
            deadline = min(deadline, tree[j])
            j &= j - 1
        due[u] = deadline


_deadlines = Kernel(_due)
_certain = Kernel(_bounds)
