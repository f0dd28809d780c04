"""Sets in which no element is added twice, crashed calls included: linear time.

Applies to a set, empty at first, with add, remove (both always legal), and
observations that one element is or is not in it. Elements are independent
(Herlihy and Wing 1990, locality; an order per element, all by points in time, is
an order). For complete calls compare Lee and Mathur, OOPSLA 2025, section 4.

Consider one element with its add A, removals R, completed observations H (in) and
L (not in). It is absent, then present in an interval (x, y) from the point x of A
to the point y of the first removal after x (or ∞), then absent. Let M be the
earliest completion of an H, m the latest invocation of one, ( and ) invocation and
completion.

*Crashed calls.* Observations have no effect and are left out. A crashed A that no
H saw is left out: removals and L agree with an absent element. If an H saw it,
A) = ∞. A crashed removal may be left out or be the one at y.

*No add in effect:* valid iff there is no H. *Else* all of this is required:
x ∈ A; x < h) and (h < y for all H; hence (A < M, and y > (A, y > m. The removal
at y is some r with r) > max(m, (A), a *candidate*. Every L and every other
completed removal has a point outside (x, y).

*Choice.* Let r be the candidate with the least invocation, y* = max(m, (A, (r),
or ∞ without a candidate; x* = min(A), M). If y* < x*, put A, all H, and r together
just after y* < r): all H contain this point, and whatever else contains it can step
aside. If x* < y*, then x just before x* and y just after y* (< r), and > x*) are
allowed, and any allowed (x, y) includes (x*, y*): so valid iff no L and no completed
removal lies within (x*, y*). (r does not: r) > y*. Nor, then, is a candidate other than r
within: it would have (A < (r < r) < m.)

The result is valid iff every element is. Points within the calls give the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .calls import HAS, INSERT, LACKS, TAKE
from .decision import Decision
from .kernel import Kernel
from .timeline import Timeline, dense

if TYPE_CHECKING:
    from .calls import Calls

ALGORITHM = "set-presence"

FINE, NEVER_ADDED, SEEN_BEFORE_ADD, MISSING = 0, 1, 2, 3

NOTES = {
    NEVER_ADDED: "an element was seen that nothing added",
    SEEN_BEFORE_ADD: "an element was seen before its add began",
    MISSING: "an element was missing, or removed, although it was in the set throughout the call",
}


def applies(calls: Calls) -> bool:
    """Empty at first, one element a call (no whole reads), none added twice. One pass."""
    f = calls.f
    if calls.initial != 0:
        return False
    if len(f) and (f.max() > LACKS or f.min() < INSERT):
        return False
    added = calls.a[f == INSERT]
    if not len(added):
        return True
    if added.min() < 0:
        return False
    if int(added.max()) <= 4 * len(f) + 64:
        return int(np.bincount(added).max()) <= 1
    return len(np.unique(added)) == len(added)


def decide(calls: Calls) -> Decision:
    """Whether the calls on a set, empty at first, are linearizable; :func:`applies` must hold."""
    n = len(calls)
    line = Timeline.of(calls)
    a, _, elements = dense(calls.a, 0)
    point = np.full(n, -1, np.int64)
    status, found = _solver.for_size(n)(line.inv, line.ret, calls.f, a, line.end, elements, point)
    if status == FINE:
        kept = np.flatnonzero(point >= 0)
        witness = kept[np.argsort(point[kept], kind="stable")]
        return Decision(True, witness, algorithm=ALGORITHM)
    certificate = tuple(sorted({int(call) for call in found if call >= 0}))
    return Decision(False, None, certificate, ALGORITHM, NOTES[status])


# -- the kernel: plain Python over arrays -------------------------------------------


def _gather(inv, ret, f, a, end, add, first, last, removal):
    """Per element: its add, the H completed first, the H invoked last, and the removal r.

    Calls come in order of invocation, so the first candidate is the one with the least.
    """
    for i in range(len(f)):
        v = a[i]
        if f[i] == INSERT:
            add[v] = i
        elif f[i] == HAS and ret[i] != end:
            if first[v] < 0 or ret[i] < ret[first[v]]:
                first[v] = i
            last[v] = i
    for i in range(len(f)):
        v = a[i]
        if (
            f[i] == TAKE
            and removal[v] < 0
            and add[v] >= 0
            and ret[i] > inv[add[v]]
            and (last[v] < 0 or ret[i] > inv[last[v]])
        ):
            removal[v] = i


def _solve(inv, ret, f, a, end, elements, point):
    """(status, calls that contradict). ``point``: eight times a position, plus an order in it."""
    add = np.full(elements, -1, np.int32)
    first = np.full(elements, -1, np.int32)
    last = np.full(elements, -1, np.int32)
    removal = np.full(elements, -1, np.int32)
    _gather(inv, ret, f, a, end, add, first, last, removal)
    appear = np.full(elements, -1, np.int64)
    vanish = np.full(elements, -1, np.int64)
    for v in range(elements):
        if first[v] >= 0:
            if add[v] < 0:
                return NEVER_ADDED, (first[v], -1, -1, -1, -1)
            if inv[add[v]] > ret[first[v]]:
                return SEEN_BEFORE_ADD, (add[v], first[v], -1, -1, -1)
        if add[v] < 0 or (first[v] < 0 and ret[add[v]] == end):
            continue
        x = ret[add[v]]
        y = end
        if first[v] >= 0:
            x = min(x, ret[first[v]])
        if removal[v] >= 0:
            y = max(inv[add[v]], inv[removal[v]])
            if first[v] >= 0:
                y = max(y, inv[last[v]])
            point[removal[v]] = 8 * y + 6
        appear[v] = min(8 * (x - 1) + 4, 8 * y + 1)
        vanish[v] = 8 * y + 6
        point[add[v]] = appear[v]
    for i in range(len(f)):
        v = a[i]
        if ret[i] == end or f[i] == INSERT or point[i] >= 0:
            continue
        at = 8 * np.int64(inv[i])
        if f[i] == HAS:
            at = max(at, appear[v] + 1)
        elif appear[v] >= 0 and at > appear[v] and at < vanish[v]:
            if 8 * np.int64(ret[i]) < vanish[v]:
                return MISSING, (i, add[v], first[v], last[v], removal[v])
            at = vanish[v] + 1
        point[i] = at
    return FINE, (-1, -1, -1, -1, -1)


_solver = Kernel(_solve, _gather)
