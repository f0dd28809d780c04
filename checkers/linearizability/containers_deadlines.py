"""Crashed removals that must take certain values by certain times: is there a way, and which?

The same for every container. U: the values of completed insertions that no completed
removal returned. A crashed removal c can take u ∈ U out by *deadline* T if (c < T. Given
are a deadline B_u for some of U, each later than u's insertion completed, and the removals
that found nothing; at a cut (a gap between events) within each of those, everything inserted
before must be gone: no other value may cover the cut, and every u with
completed insertion gets it as a deadline. Which cuts?

Different crashed removals for all who have a deadline exist iff for every T at most N(T) =
#{c: (c < T} have one ≤ T (Hall; nested sets). With ℓ the last cut ≤ T, those
are D(T, ℓ) = #{u: B_u ≤ T or u inserted before ℓ}, as B_u ≤ T implies inserted before T.
Sweep T, with the deque of all ℓ that some choice of cuts up to T, good so far, can end
with. D grows with ℓ, so when the inequality fails at T it fails for the largest ℓ: drop from
the back. When a removal that found nothing returns, an ℓ before its invocation did not serve
it: drop from the front. A new cut t may be added while the deque is not empty (any of it
can come before), no other value covers t, and D(t, t) ≤ N(t). There is a way iff the deque
never becomes empty. D(T, ℓ) takes a Fenwick tree over U by completion of the insertion:
O(n + |U| log |U|) in all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .kernel import Kernel

if TYPE_CHECKING:
    from .timeline import Timeline

FINE, OVERDUE, NOT_EMPTY = 0, 1, 2


def choose_cuts(
    line: Timeline, f: Any, a: Any, insert: Any, remove: Any, due: Any
) -> tuple[int, int, Any]:
    """(status, where, cuts). ``due``: per value of U its deadline, a position, or the end.

    ``insert``, ``remove``: per value its calls that took effect, or -1. Cuts ascend; cut p is
    the gap after position p. ``OVERDUE``: more are due by position ``where`` than could be
    taken. ``NOT_EMPTY``: no cut is left for the removal that returned at ``where``.
    """
    n = len(f)
    cuts = np.empty(n + 1, np.int32)
    status, where, count = _chooser.for_size(n)(
        line.inv, line.ret, line.event, f, a, insert, remove, due, cuts
    )
    return int(status), int(where), cuts[:count]


def hand_out(line: Timeline, f: Any, a: Any, insert: Any, remove: Any, due: Any, cuts: Any) -> None:
    """Complete ``remove`` with the crashed removals that meet the deadlines and the cuts."""
    _giver.for_size(len(f))(line.inv, line.ret, line.event, f, a, insert, remove, due, cuts)


# -- the kernels: plain Python over arrays ------------------------------------------


def _remaining(tree, prefix):
    """The sum of the first ``prefix`` entries of a Fenwick tree."""
    total = 0
    while prefix > 0:
        total += tree[prefix]
        prefix &= prefix - 1
    return total


def _choose_cuts(inv, ret, event, f, a, insert, remove, due, cuts):
    """The sweep over T. (status, position, number of cuts), cuts ascending."""
    n = len(inv)
    end = len(event)
    unmatched = 0
    waiting = 0
    for v in range(len(insert)):
        if insert[v] >= 0 and remove[v] < 0:
            unmatched += 1
    tree = np.zeros(unmatched + 1, np.int32)
    for k in range(1, unmatched + 1):
        tree[k] = k & -k
    rank = np.zeros(len(insert), np.int32)
    due_at = np.full(end + 1, -1, np.int32)
    next_due = np.full(len(insert), -1, np.int32)
    for v in range(len(insert)):
        next_due[v] = due_at[due[v]]
        due_at[due[v]] = v
    gap = np.empty(end + 1, np.int32)
    older = np.empty(end + 1, np.int32)
    size = np.empty(end + 1, np.int32)
    gap[0] = -1
    older[0] = -1
    size[0] = 0
    made = 1
    front = 0
    line = np.empty(end + 1, np.int32)
    line[0] = 0
    back = 1
    covered = 0
    inside = 0
    overdue = 0
    takers = 0
    for p in range(end):
        i = event[p]
        if i == n:
            continue
        if i >= 0:
            if f[i] == 1:
                if ret[i] == end:
                    takers += 1
                elif a[i] == 0:
                    waiting += 1
                elif ret[insert[a[i]]] < p:
                    covered -= 1
        else:
            i = ~i
            v = a[i]
            if f[i] == 0:
                if remove[v] < 0:
                    inside += 1
                    rank[v] = inside
                elif inv[remove[v]] > p:
                    covered += 1
            elif v == 0:
                waiting -= 1
                while front < back and gap[line[front]] < inv[i]:
                    front += 1
                if front == back:
                    return NOT_EMPTY, p, 0
            elif due_at[p] >= 0:
                v = due_at[p]
                while v >= 0:
                    overdue += 1
                    k = rank[v]
                    while k <= unmatched:
                        tree[k] -= 1
                        k += k & -k
                    v = next_due[v]
                while front < back and overdue + _remaining(tree, size[line[back - 1]]) > takers:
                    back -= 1
                if front == back:
                    return OVERDUE, p, 0
        if waiting > 0 and covered == 0 and inside <= takers:
            gap[made] = p
            older[made] = line[front]
            size[made] = inside
            line[back] = made
            back += 1
            made += 1
    return FINE, -1, _collect(gap, older, line[front], cuts)


def _collect(gap, older, last, cuts):
    """The cuts that led to ``last``, ascending; returns how many."""
    count = 0
    k = last
    while gap[k] >= 0:
        count += 1
        k = older[k]
    k = last
    for at in range(count - 1, -1, -1):
        cuts[at] = gap[k]
        k = older[k]
    return count


def _hand_out(inv, ret, event, f, a, insert, remove, due, cuts):
    """Crashed removals, as they come, to the values with a deadline, the earliest first."""
    end = len(event)
    head = np.full(end + 2, -1, np.int32)
    link = np.full(len(insert), -1, np.int32)
    at_cut = 0
    for p in range(end):
        i = ~event[p]
        if i < 0 or f[i] != 0:
            continue
        v = a[i]
        if remove[v] >= 0:
            continue
        while at_cut < len(cuts) and cuts[at_cut] < p:
            at_cut += 1
        deadline = due[v]
        if at_cut < len(cuts) and cuts[at_cut] + 1 < deadline:
            deadline = cuts[at_cut] + 1
        link[v] = head[deadline]
        head[deadline] = v
    taker = 0
    for deadline in range(end):
        v = head[deadline]
        while v >= 0:
            while f[taker] != 1 or ret[taker] != end:
                taker += 1
            remove[v] = taker
            taker += 1
            v = link[v]


_chooser = Kernel(_choose_cuts, _remaining, _collect)
_giver = Kernel(_hand_out)
