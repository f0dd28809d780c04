"""Which values crashed removals took from a priority queue: a guess, or proof of none.

A sweep over time. A removal that needs smaller values of U gone takes them
with the crashed removals invoked so far, at the first of its gaps where those
are enough. See :mod:`containers_priority_queue` for what makes the answers sound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .containers_deadlines import FINE, choose_cuts
from .kernel import Kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .timeline import Timeline


def guess(
    line: Timeline, f: Any, a: Any, insert: Any, remove: Any, lost: Any, takers: Any,
    first_gap: Any, empty_gap: Any,
) -> NDArray[np.int32] | None:  # fmt: skip
    """``remove`` with crashed calls filled in where they seem needed; ``None``: impossible.

    ``lost``: U, ascending. ``takers``: crashed removals, ascending. ``first_gap`` per value
    and ``empty_gap`` per call: h of the criterion, judged without U.
    """
    n = len(f)
    values = len(insert)
    # What is required of U: (value bound, first gap, end of the window, start of the window).
    removed = np.flatnonzero((insert >= 0) & (remove >= 0)).astype(np.int32)
    nothing = np.flatnonzero(empty_gap >= 0).astype(np.int32)
    bound = np.concatenate((removed, np.full(len(nothing), values, np.int32)))
    earliest = np.concatenate((first_gap[removed], empty_gap[nothing]))
    window_end = np.concatenate((line.ret[remove[removed]], line.ret[nothing]))
    guessed = remove.copy()
    taken_by = _sweeper.for_size(n)(
        line.inv, line.ret, line.end, insert, remove, lost, takers,
        bound, earliest, window_end,
    )  # fmt: skip
    used = taken_by >= 0
    guessed[lost[used]] = taken_by[used]
    order = np.argsort(-bound[: len(removed)], kind="stable")
    due = np.full(values, line.end, np.int32)
    _certain.for_size(n)(
        line.ret, line.end, insert, lost, bound[order], earliest[order], window_end[order], due
    )
    status, _, _ = choose_cuts(line, f, a, insert, remove, due)
    return guessed if status == FINE else None


# -- the kernels: plain Python over arrays ------------------------------------------


def _uncovered(parent, gap):
    while parent[gap] != gap:
        parent[gap] = parent[parent[gap]]
        gap = parent[gap]
    return gap


def _candidates(inv, ret, end, insert, remove, takers, bound, earliest, window_end):
    """(head per gap, link, requirement): gaps at which a requirement might be met.

    Its first one, and the first after each later crashed removal in its window: only there
    are there more of them. Bounded in number; the rest is left out.
    """
    room = 4 * len(bound) + 64
    head = np.full(end + 1, -1, np.int32)
    link = np.empty(room, np.int32)
    which = np.empty(room, np.int32)
    after = np.zeros(end + 2, np.int32)
    for c in takers:
        after[inv[c] + 1] += 1
    for p in range(end + 1):
        after[p + 1] += after[p]
    parent = np.arange(end + 1).astype(np.int32)
    made = 0
    upto = 0
    for k in range(len(bound)):
        while upto < bound[k]:
            if insert[upto] >= 0 and remove[upto] >= 0:
                stop = inv[remove[upto]]
                gap = _uncovered(parent, ret[insert[upto]])
                while gap < stop:
                    parent[gap] = gap + 1
                    gap = _uncovered(parent, gap + 1)
            upto += 1
        gap = earliest[k]
        while gap < window_end[k]:
            if made >= room or (made >= 3 * len(bound) + 64 and gap != earliest[k]):
                break
            which[made] = k
            link[made] = head[gap]
            head[gap] = made
            made += 1
            c = after[gap + 1]
            if c >= len(takers) or inv[takers[c]] >= window_end[k]:
                break
            gap = _uncovered(parent, inv[takers[c]])
    return head, link, which


def _inside(tree, prefix):
    total = 0
    while prefix > 0:
        total += tree[prefix]
        prefix &= prefix - 1
    return total


def _least(tree):
    """The first index whose count is not zero (there is one)."""
    size = len(tree) - 1
    step = 1
    while 2 * step <= size:
        step *= 2
    at = 0
    while step > 0:
        if at + step <= size and tree[at + step] == 0:
            at += step
        step //= 2
    return at


def _sweep(inv, ret, end, insert, remove, lost, takers, bound, earliest, window_end):
    """For each of ``lost`` the crashed removal that takes it, or -1."""
    head, link, which = _candidates(
        inv, ret, end, insert, remove, takers, bound, earliest, window_end
    )
    taken_by = np.full(len(lost), -1, np.int32)
    arriving = np.full(end + 1, -1, np.int32)
    for k in range(len(lost)):
        arriving[ret[insert[lost[k]]]] = k
    below = np.searchsorted(lost, bound)
    tree = np.zeros(len(lost) + 1, np.int32)
    met = np.zeros(len(bound), np.int8)
    free = 0
    used = 0
    for p in range(end):
        if arriving[p] >= 0:
            k = arriving[p] + 1
            while k < len(tree):
                tree[k] += 1
                k += k & -k
        while free < len(takers) and inv[takers[free]] <= p:
            free += 1
        entry = head[p]
        while entry >= 0:
            k = which[entry]
            entry = link[entry]
            if met[k]:
                continue
            need = _inside(tree, below[k])
            if need > free - used:
                continue
            met[k] = 1
            for _ in range(need):
                u = _least(tree)
                taken_by[u] = takers[used]
                used += 1
                j = u + 1
                while j < len(tree):
                    tree[j] -= 1
                    j += j & -j
    return taken_by


def _bounds(ret, end, insert, lost, bound, earliest, window_end, due):
    """The deadlines that always hold; requirements by falling bound."""
    tree = np.full(end + 2, end, np.int32)
    k = 0
    for at in range(len(lost) - 1, -1, -1):
        u = lost[at]
        while k < len(bound) and bound[k] > u:
            j = end + 1 - earliest[k]
            while j < len(tree):
                tree[j] = min(tree[j], window_end[k])
                j += j & -j
            k += 1
        # A gap p lies after i_u) at position q iff p >= q.
        deadline = end
        j = end + 1 - ret[insert[u]]
        while j > 0:
            deadline = min(deadline, tree[j])
            j &= j - 1
        due[u] = deadline


_sweeper = Kernel(_sweep, _uncovered, _candidates, _inside, _least)
_certain = Kernel(_bounds)
