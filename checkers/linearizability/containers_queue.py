"""FIFO queues with distinct values, crashed calls included: O(n log n), O(n) without them.

Applies when no value is enqueued twice and the queue starts empty. The four
violations of complete histories are those of Henzinger, Sezgin and Vafeiadis,
*Aspect-oriented linearizability proofs*, CONCUR 2013; the proof below, the order
and the crashed calls are ours.

Write e_v, d_v for the enqueue and dequeue of v, ( and ) for invocation and
completion, X ≺ Y if X) < (Y. Never dequeued: (d_v = d_v) = ∞. Cuts are gaps
between events.

**Without crashed dequeues** the calls are linearizable iff

1. every dequeued v is enqueued, dequeued once, and not d_v ≺ e_v;
2. for no v, w: e_v ≺ e_w and d_w ≺ d_v;
3. every dequeue that found nothing contains a cut t that no v *covers*, that is,
   e_v) < t < (d_v for no v.

Necessary: plain. Sufficient: let v→w iff e_v ≺ e_w, d_v ≺ d_w or d_v ≺ e_w. A
shortest cycle has length two: adjacent edges of one kind compose; so do D and X
(d_u ≺ d_v ≺ e_w gives d_u ≺ e_w), X and E, and X and X (by 1); E, X, D (e_a ≺ e_v,
d_v ≺ e_u, d_u ≺ d_b) gives d_v ≺ d_b by 1, a shortcut, or with a = b a 2-cycle. An
E,D-alternation e_1 ≺ e_2, d_2 ≺ d_3, e_3 ≺ e_4, … has, as ≺ is an interval order,
e_1 ≺ e_4 (a shortcut) or e_3 ≺ e_2 (a 2-cycle). And 2-cycles contradict 1 or 2. Fix
one cut for each call of 3. A cut t *fixes v before* if e_v) < t or d_v) < t, *after* if
t < (e_v or t < (d_v; by 1 and 3 not both. Put v after t unless it is fixed before.
If v→w and w is fixed before t, so is v: check the three edges, using that w is not
fixed after t and 1. Hence there is an order L of the values that extends → and
respects the cuts. Put e_v at the greatest (e_u of all u up to v in L, and d_v at
the greatest (e_u, (d_u so far, both not before the last cut before v: since u→v
or u = v exclude e_v ≺ e_u, d_v ≺ d_u, d_v ≺ e_u, these points lie within the
calls, and before the next cut. Both sequences follow L, e_v comes no later than
d_v (first, if at one point), and at a cut the queue is empty.

**Crashed enqueues.** One whose value a completed dequeue returned took effect: e_v) = ∞.
Any other can be left out, with the crashed dequeue that took it, if any: taking an
element out of the whole run changes no other result but makes the queue emptier.

**Crashed dequeues.** By the same reasoning one that took effect took one of U, the
values of completed enqueues that no completed dequeue returned; any one, and d_v)
= ∞. Say v ∈ U must leave by *deadline* T if it needs a crashed dequeue with (c < T.
Then 1 holds; 2 says that v has the deadline B_v = min of d_w) over e_v ≺ e_w (no
other pairs involve U); 3 says that at a cut t, each v ∈ U with e_v) < t has the
deadline t. Whether cuts can be chosen and deadlines met is for
:mod:`containers_deadlines`. Who has none is not taken, rightly: if e_v ≺ e_w, v's deadline is
no later than w's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import containers_deadlines as deadlines
from .calls import CRASHED, INSERT, TAKE
from .containers_cover import cover
from .containers_deadlines import choose_cuts, hand_out
from .containers_queue_order import arrange
from .decision import Decision
from .kernel import Kernel
from .timeline import Timeline, dense

if TYPE_CHECKING:
    from .calls import Calls

ALGORITHM = "queue-order"

FINE, NOT_ENQUEUED, TAKEN_TWICE, TOO_EARLY, OVERTAKEN, LEFT_BEHIND, NOT_EMPTY = range(7)

NOTES = {
    NOT_ENQUEUED: "a value was dequeued that nothing enqueued",
    TAKEN_TWICE: "a value was dequeued twice",
    TOO_EARLY: "a value was dequeued before its enqueue began",
    OVERTAKEN: "a value was dequeued although an older one was still in the queue",
    LEFT_BEHIND: "more values were overtaken or missing than crashed dequeues could have taken",
    NOT_EMPTY: "a dequeue found the queue empty although at every moment something was in it",
}


def applies(calls: Calls) -> bool:
    """Empty at first, enqueues and dequeues only, no value twice, no ``None``. One pass."""
    f = calls.f
    if calls.initial != 0:
        return False
    if len(f) and (f.max() > TAKE or f.min() < INSERT):
        return False
    inserted = calls.a[f == INSERT]
    if not len(inserted):
        return True
    if inserted.min() <= 0:
        return False
    if int(inserted.max()) <= 4 * len(f) + 64:
        return int(np.bincount(inserted).max()) <= 1
    return len(np.unique(inserted)) == len(inserted)


def decide(calls: Calls) -> Decision:
    """Whether the calls on a queue, empty at first, are linearizable; :func:`applies` must hold."""
    n = len(calls)
    line = Timeline.of(calls)
    a, _, values = dense(calls.a, 0)
    enqueue = np.full(values, -1, np.int32)
    dequeue = np.full(values, -1, np.int32)
    due = np.full(values, line.end, np.int32)
    cuts = np.empty(n, np.int32)
    status, x, y = _solver.for_size(n)(
        line.inv, line.ret, line.event, calls.f, a, line.end, enqueue, dequeue, due
    )
    if status == FINE:
        how, where, cuts = choose_cuts(line, calls.f, a, enqueue, dequeue, due)
        if how == deadlines.FINE:
            hand_out(line, calls.f, a, enqueue, dequeue, due, cuts)
            witness = arrange(line, calls.f, a, enqueue, dequeue, cuts)
            return Decision(True, witness, algorithm=ALGORITHM)
        status, x, y = (LEFT_BEHIND if how == deadlines.OVERDUE else NOT_EMPTY), where, -1
    certificate = _certificate(calls, line, a, enqueue, dequeue, due, status, int(x), int(y))
    return Decision(False, None, certificate, ALGORITHM, NOTES[status])


def _certificate(
    calls: Calls, line: Timeline, a: Any, enqueue: Any, dequeue: Any, due: Any,
    status: int, x: int, y: int,
) -> tuple[int, ...] | None:  # fmt: skip
    """Calls that alone contradict. ``x``, ``y``: calls, values or a deadline, by status."""
    if status in (NOT_ENQUEUED, TAKEN_TWICE):
        return tuple(sorted({x, y} - {-1} | {int(i) for i in enqueue[a[[x]]] if i >= 0}))
    if status in (TOO_EARLY, OVERTAKEN):
        calls_of = {int(enqueue[x]), int(dequeue[x]), int(enqueue[y]), int(dequeue[y])}
        return tuple(sorted(calls_of - {-1}))
    crashed = (calls.f == TAKE) & (calls.returned == CRASHED)
    if status == LEFT_BEHIND:
        # The values due by x, what overtook each of them, and who could have taken them. Cuts
        # play no part: if v is due, inserted after the last cut, then whatever was inserted
        # before that cut came before what overtook v, and is due as well; and what was due at
        # the cut could be taken.
        late = np.flatnonzero(due <= x)
        by = np.array([a[~line.event[deadline]] for deadline in due[late]])
        chosen = {*enqueue[late].tolist(), *enqueue[by].tolist(), *dequeue[by].tolist()}
        chosen |= set(np.flatnonzero(crashed & (line.inv < x)).tolist())
        return tuple(sorted(int(i) for i in chosen))
    # What a crashed dequeue may have taken proves nothing by itself.
    call = int(~line.event[x])
    there = np.flatnonzero((enqueue >= 0) & ((dequeue >= 0) | (not crashed.any())))
    begin = line.ret[enqueue[there]]
    stop = np.where(dequeue[there] >= 0, line.inv[dequeue[there]], line.end)
    covering = cover(begin, stop, int(line.inv[call]), int(line.ret[call]))
    if covering is None:
        return None
    found = there[covering]
    return tuple(sorted({call, *enqueue[found].tolist(), *dequeue[found].tolist()} - {-1}))


# -- the kernel: plain Python over arrays -------------------------------------------


def _pair(inv, ret, f, a, end, enqueue, dequeue):
    """The calls of each value; what must not have happened is forgotten. (status, x, y)."""
    n = len(f)
    for i in range(n):
        if f[i] == 0:
            enqueue[a[i]] = i
    for i in range(n):
        if f[i] == 1 and ret[i] != end and a[i] != 0:
            if enqueue[a[i]] < 0:
                return NOT_ENQUEUED, i, -1
            if dequeue[a[i]] >= 0:
                return TAKEN_TWICE, i, dequeue[a[i]]
            dequeue[a[i]] = i
            if ret[i] < inv[enqueue[a[i]]]:
                return TOO_EARLY, a[i], a[i]
    for v in range(len(enqueue)):
        if enqueue[v] >= 0 and dequeue[v] < 0 and ret[enqueue[v]] == end:
            enqueue[v] = -1
    return FINE, -1, -1


def _deadlines(inv, ret, event, f, a, enqueue, dequeue, due):
    """B of values without a dequeue into ``due``; the first overtaken value and by whom."""
    n = len(inv)
    end = len(event)
    least = end
    by = -1
    for p in range(end - 1, -1, -1):
        i = event[p]
        if i == n:
            continue
        returned = i < 0
        if returned:
            i = ~i
        v = a[i]
        if f[i] != 0 or enqueue[v] != i:
            continue
        if not returned:
            if dequeue[v] >= 0 and ret[dequeue[v]] < least:
                least = ret[dequeue[v]]
                by = v
        elif dequeue[v] < 0:
            due[v] = least
        elif inv[dequeue[v]] > least:
            return v, by
    return -1, -1


def _solve(inv, ret, event, f, a, end, enqueue, dequeue, due):
    """(status, x, y); fills the arrays of values and deadlines."""
    status, x, y = _pair(inv, ret, f, a, end, enqueue, dequeue)
    if status != FINE:
        return status, x, y
    x, y = _deadlines(inv, ret, event, f, a, enqueue, dequeue, due)
    if x >= 0:
        return OVERTAKEN, x, y
    return FINE, -1, -1


_solver = Kernel(_solve, _pair, _deadlines)
