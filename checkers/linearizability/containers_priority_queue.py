"""Priority queues with distinct values: O(n α(n)); crashed removals mostly, O(n log n).

Applies when no value is inserted twice and the queue starts empty; remove-min
takes the value with the least code. Lee and Mathur, *Efficient
decrease-and-conquer linearizability monitoring*, OOPSLA 2025, reach O(n log n) for
complete histories by peeling off the greatest value; here all values are judged
at once, by union-find.

Write i_v, r_v for the insertion and removal of v, ( and ) for invocation and
completion, never removed: (r_v = ∞. Gaps lie between events. v *covers* a gap g if
i_v) < g < (r_v.

**Criterion** (crashed removals aside). Linearizable iff every removed v is inserted,
removed once, and there is a gap g_v with max((i_v, (r_v) < g_v < r_v) that no
smaller value covers; and every removal that found nothing contains a gap that
nothing covers. Necessary: v leaves at such a gap, as no smaller value is inside
then. Sufficient: let g_v be the first such gap; remove v there. If i_v) < g_v, insert
v just before i_v), after all else in that gap; if not, immediately before its
removal. Within a gap: first removals in order of value, each with its insertion if that
is there, then removals that found nothing, then the other insertions. When v is
removed at g_v, let w < v be inside. Then w was inserted before i_w) < g_v and leaves
after g_v, so g_w > g_v (if at g_v, the smaller left first). w does not cover g_v, so
(r_w < g_v; and as g_w is the first gap after max((r_w, (i_w) that no u < w covers, some
u < w < v covers g_v: contradiction. The same with v = ∞ for those that found nothing.

*Algorithm.* Values in order, smallest first: find the first gap not covered, in a
union-find over gaps whose sets are runs of covered gaps and the gap after them; then
cover the gaps of v.

**Crashed insertions.** One whose value a completed removal returned took effect:
i_v) = ∞. Any other may be left out, with the crashed removal that took it, if
any: nothing else can tell, except that there is less to be smaller than others.

**Crashed removals.** By the same argument one that took effect took some u ∈ U, the
values of completed insertions that no completed removal returned. Which, is a choice; for
every choice the criterion decides, with r_u) = ∞. So *valid* needs one good choice, and a
greedy one is tried (:mod:`containers_priority_queue_guess`). *Invalid* is certain if the
criterion fails without U altogether (only U's presence can be affected by the
choice, and less of it is better), or if deadlines that hold in every linearization cannot
be met (:mod:`containers_deadlines`): let h_v be v's first gap uncovered by smaller values
outside U. Each u ∈ U with u < v, i_u) < h_v is inside at the true g_v ≥ h_v unless
taken by a removal with (c < g_v < r_v). So u has the deadline min{r_v): v > u,
h_v > i_u)}. Otherwise: undecided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .calls import CRASHED, TAKE
from .containers_cover import cover
from .containers_priority_queue_guess import guess
from .containers_queue import applies as applies_to_queue
from .decision import Decision
from .kernel import Kernel
from .timeline import Timeline, dense

if TYPE_CHECKING:
    from .calls import Calls

ALGORITHM = "priority-queue-gaps"

FINE, NOT_INSERTED, TAKEN_TWICE, TOO_EARLY, NOT_LEAST, NOT_EMPTY = range(6)

NOTES = {
    NOT_INSERTED: "a value was removed that nothing inserted",
    TAKEN_TWICE: "a value was removed twice",
    TOO_EARLY: "a value was removed before its insertion began",
    NOT_LEAST: "a value was removed although at every moment a smaller one was in the queue",
    NOT_EMPTY: "a removal found nothing although at every moment something was in the queue",
}
TOO_MANY = "more values were passed over or missing than crashed removals could have taken"
UNDECIDED = "which values the crashed removals took could not be settled"


def applies(calls: Calls) -> bool:
    """Empty at first, inserts and removals only, no value twice, no ``None``. One pass."""
    return applies_to_queue(calls)


def decide(calls: Calls) -> Decision:
    """Whether the calls on a priority queue, empty at first, are linearizable.

    :func:`applies` must hold. ``valid`` is ``None`` only with crashed removals.
    """
    n = len(calls)
    line = Timeline.of(calls)
    a, _, values = dense(calls.a, 0)
    insert = np.full(values, -1, np.int32)
    remove = np.full(values, -1, np.int32)
    status, x, y = _pairer.for_size(n)(line.inv, line.ret, calls.f, a, line.end, insert, remove)
    if status != FINE:
        certificate = {int(x), int(y), int(insert[a[x]])} - {-1}
        return Decision(False, None, tuple(sorted(certificate)), ALGORITHM, NOTES[status])
    lost = np.flatnonzero((insert >= 0) & (remove < 0)).astype(np.int32)
    takers = np.flatnonzero((calls.f == TAKE) & (calls.returned == CRASHED)).astype(np.int32)
    first_gap = np.full(values, -1, np.int32)
    empty_gap = np.full(n, -1, np.int32)

    def judge(insert: Any) -> tuple[int, int]:
        return _judge.for_size(n)(
            line.inv, line.ret, calls.f, a, line.end, insert, remove, first_gap, empty_gap
        )

    if len(lost) and len(takers):
        without = insert.copy()
        without[lost] = -1
        status, x = judge(without)
        if status == FINE:
            guessed = guess(line, calls.f, a, insert, remove, lost, takers, first_gap, empty_gap)
            if guessed is None:
                return Decision(False, None, None, ALGORITHM, TOO_MANY)
            remove = guessed
            status, x = judge(insert)
            if status != FINE:
                return Decision(None, algorithm=ALGORITHM, note=UNDECIDED)
        else:
            insert = without
    else:
        status, x = judge(insert)
    if status != FINE:
        certificate = _evidence(line, insert, remove, status, int(x))
        return Decision(False, None, certificate, ALGORITHM, NOTES[status])
    witness = np.empty(n, np.int64)
    count = _order.for_size(n)(
        line.inv, line.ret, line.end, insert, remove, first_gap, empty_gap, witness
    )
    return Decision(True, witness[:count].copy(), algorithm=ALGORITHM)


def _evidence(line: Timeline, insert: Any, remove: Any, status: int, x: int) -> tuple[int, ...]:
    """``x``: the call that found nothing, or the value that was not the least."""
    if status == NOT_EMPTY:
        smaller = np.flatnonzero(insert >= 0)
        low, high = int(line.inv[x]), int(line.ret[x])
        chosen = {x}
    else:
        smaller = np.flatnonzero(insert[:x] >= 0)
        low = max(int(line.inv[remove[x]]), int(line.inv[insert[x]]))
        high = int(line.ret[remove[x]])
        chosen = {int(insert[x]), int(remove[x])}
    begin = line.ret[insert[smaller]]
    stop = np.where(remove[smaller] >= 0, line.inv[remove[smaller]], line.end)
    for k in cover(begin, stop, low, high) or ():
        chosen |= {int(insert[smaller[k]]), int(remove[smaller[k]])}
    return tuple(sorted(chosen - {-1}))


# -- the kernels: plain Python over arrays ------------------------------------------


def _pair(inv, ret, f, a, end, insert, remove):
    """The calls of each value; what must not have happened is forgotten. (status, x, y)."""
    for i in range(len(f)):
        if f[i] == 0:
            insert[a[i]] = i
    for i in range(len(f)):
        if f[i] == 1 and ret[i] != end and a[i] != 0:
            v = a[i]
            if insert[v] < 0:
                return NOT_INSERTED, i, -1
            if remove[v] >= 0:
                return TAKEN_TWICE, i, remove[v]
            remove[v] = i
            if ret[i] < inv[insert[v]]:
                return TOO_EARLY, i, -1
    for v in range(len(insert)):
        if insert[v] >= 0 and remove[v] < 0 and ret[insert[v]] == end:
            insert[v] = -1
    return FINE, -1, -1


def _find(parent, gap):
    """The first gap from this one on that is not covered."""
    while parent[gap] != gap:
        parent[gap] = parent[parent[gap]]
        gap = parent[gap]
    return gap


def _gaps(inv, ret, f, a, end, insert, remove, first_gap, empty_gap):
    """(status, value or call). Fills the gap of each removed value and of each that found none.

    Gap p follows position p.
    """
    parent = np.arange(end + 1).astype(np.int32)
    for v in range(len(insert)):
        if insert[v] < 0:
            continue
        i = insert[v]
        stop = end
        if remove[v] >= 0:
            r = remove[v]
            stop = inv[r]
            gap = _find(parent, max(inv[i], inv[r]))
            if gap >= ret[r]:
                return NOT_LEAST, v
            first_gap[v] = gap
        gap = _find(parent, ret[i])
        while gap < stop:
            parent[gap] = gap + 1
            gap = _find(parent, gap + 1)
    for i in range(len(f)):
        if f[i] == 1 and a[i] == 0 and ret[i] != end:
            gap = _find(parent, inv[i])
            if gap >= ret[i]:
                return NOT_EMPTY, i
            empty_gap[i] = gap
    return FINE, -1


def _arrange(inv, ret, end, insert, remove, first_gap, empty_gap, witness):
    """The order of the proof: buckets by gap. Returns the number of calls."""
    values = len(insert)
    n = len(inv)
    leaving = np.full(end + 1, -1, np.int32)
    entering = np.full(end + 1, -1, np.int32)
    nothing = np.full(end + 1, -1, np.int32)
    next_leaving = np.empty(values, np.int32)
    next_entering = np.empty(values, np.int32)
    next_nothing = np.empty(n, np.int32)
    for v in range(values - 1, -1, -1):
        if insert[v] < 0:
            continue
        if remove[v] >= 0:
            next_leaving[v] = leaving[first_gap[v]]
            leaving[first_gap[v]] = v
            if ret[insert[v]] > first_gap[v]:
                continue
        gap = ret[insert[v]] - 1
        next_entering[v] = entering[gap]
        entering[gap] = v
    for i in range(n):
        if empty_gap[i] >= 0:
            next_nothing[i] = nothing[empty_gap[i]]
            nothing[empty_gap[i]] = i
    count = 0
    for gap in range(end + 1):
        v = leaving[gap]
        while v >= 0:
            if ret[insert[v]] > gap:
                witness[count] = insert[v]
                count += 1
            witness[count] = remove[v]
            count += 1
            v = next_leaving[v]
        i = nothing[gap]
        while i >= 0:
            witness[count] = i
            count += 1
            i = next_nothing[i]
        v = entering[gap]
        while v >= 0:
            witness[count] = insert[v]
            count += 1
            v = next_entering[v]
    return count


_pairer = Kernel(_pair)
_judge = Kernel(_gaps, _find)
_order = Kernel(_arrange)
