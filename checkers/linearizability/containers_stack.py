"""Stacks with distinct values: O(n log n); with crashed pops mostly.

Applies when no value is pushed twice and the stack starts empty. After the idea
of Lee and Mathur, *Efficient decrease-and-conquer linearizability monitoring*,
OOPSLA 2025 (remove values that cannot matter until none is left); the criterion by
free gaps, its proof and the crashed calls are ours. (Abdulla et al., PLDI 2025: O(n²).)

Write p_v, q_v for the push and pop of v, ( and ) for invocation and completion, never
popped: q_v after everything. Gaps lie between events. v *covers* the gaps g with
p_v) < g < (q_v; it is *forward* if there are any.

**Values that are not forward** can be pushed and popped in one moment, max((p_v, (q_v),
without anyone noticing, given (p_v < q_v). Leave them out.

**Criterion** (no crashed pops). A gap is *free* if no value left covers it. While there is
a value with a free gap in its push (before p_v)) and one in its pop, remove it. The
calls are linearizable iff every popped v is pushed, popped once, (p_v < q_v); every pop
that found nothing contains a gap free at the beginning; and all values get removed.

*Necessary.* Take a linearization and a moment when values S are left, none removable. Let
(s, e) be a maximal run of gaps that are not free. In it the stack restricted to S
(a stack too) is never empty, so one b ∈ S lies at the bottom throughout, and its
p_b precedes and its q_b follows all of (s, e). Hence (p_b < s and e < q_b). As the
gaps that b covers form one run, it is within this one, and p_b) > s, (q_b < e: the
gap before s is free and in p_b, the one after e free and in q_b. b was removable.
(If the stack is never empty again, the run reaches to the end; q_b is after it.)

*Sufficient.* When v is removed, let x_v be the last free gap before p_v), y_v the first
free one after (q_v: both in its calls. These intervals nest or are disjoint: let w be
removed after v. What w covers contains no free gap, in particular neither x_v nor y_v, and
free gaps stay free, so [x_w, y_w] cannot extend past x_v or y_v: it lies
between them, before, or after. Within a gap: first those that leave, later removed
first; then those that enter, earlier removed first. Gaps free at the beginning are never
inside any interval: there the stack is empty.

*Algorithm.* A tree over gaps for "cover one less, find the zeros"; a tree over the
calls by invocation for "which contain this gap". Removing is monotone, so any order does.

**Crashed pushes.** One whose value a completed pop returned took effect: p_v) = ∞, so v
is not forward. Any other may be left out with the crashed pop that took it, if any: a
stack's run restricted to other values is one.

**Crashed pops.** By the same argument one that took effect took some u of U, the values
of completed pushes that no completed pop returned, and q_u) = ∞ (so its pop always
has a free gap, after everything). For each choice the criterion decides; *valid* needs one
good choice, and a plausible one is tried (:mod:`containers_stack_guess`). *Invalid* is
certain if the criterion fails with U left out, or if deadlines that always hold cannot
be met (:mod:`containers_deadlines`): if p_w) < (p_u and p_u) < (q_w, u is pushed above w and
must leave before q_w). Otherwise: undecided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .calls import CRASHED, TAKE, Calls
from .containers_cover import cover
from .containers_queue import applies as applies_to_queue
from .containers_stack_guess import guess, possible
from .containers_stack_nesting import MANY, nest
from .containers_stack_order import order, place
from .decision import Decision
from .kernel import Kernel
from .timeline import Timeline, dense

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALGORITHM = "stack-nesting"

NOT_PUSHED = "a value was popped that nothing pushed"
TAKEN_TWICE = "a value was popped twice"
TOO_EARLY = "a value was popped before its push began"
CROSSED = "values were not popped in the reverse order of their pushes, whichever came first"
NOT_EMPTY = "a pop found the stack empty although at every moment something was on it"
TOO_MANY = "more values are missing from among others than crashed pops could have taken"
UNDECIDED = "which values the crashed pops took could not be settled"

SHRINK_WORK = 40
"""Evidence is made smaller until so many times its first size was judged: near-linear."""


def applies(calls: Calls) -> bool:
    """Empty at first, pushes and pops only, no value pushed twice, no ``None``. One pass."""
    return applies_to_queue(calls)


def decide(calls: Calls) -> Decision:
    """Whether the calls on a stack, empty at first, are linearizable; :func:`applies` must hold.

    ``valid`` is ``None`` only with crashed pops.
    """
    n = len(calls)
    line = Timeline.of(calls)
    a, _, values = dense(calls.a, 0)
    push = np.full(values, -1, np.int32)
    pop = np.full(values, -1, np.int32)
    status, x, y = _pairer.for_size(n)(line.inv, line.ret, calls.f, a, line.end, push, pop)
    if status:
        certificate = tuple(sorted({int(x), int(y), int(push[a[x]])} - {-1}))
        note = (NOT_PUSHED, TAKEN_TWICE, TOO_EARLY)[status - 1]
        return Decision(False, None, certificate, ALGORITHM, note)
    lost = np.flatnonzero((push >= 0) & (pop < 0)).astype(np.int32)
    takers = np.flatnonzero((calls.f == TAKE) & (calls.returned == CRASHED)).astype(np.int32)
    if not (len(lost) and len(takers)):
        return _judge(_Nesting(line, calls.f, a, push, pop))
    without = push.copy()
    without[lost] = -1
    nesting = _Nesting(line, calls.f, a, without, pop)
    decision = _judge(nesting)
    if decision.valid is False:
        return decision
    guessed = pop.copy()
    guess(line, calls.f, a, push, guessed, lost, takers, nesting)
    decision = _judge(_Nesting(line, calls.f, a, push, guessed), evidence=False)
    if decision.valid:
        return decision
    if not possible(line, calls.f, a, push, pop, lost):
        return Decision(False, None, None, ALGORITHM, TOO_MANY)
    return Decision(None, algorithm=ALGORITHM, note=UNDECIDED)


class _Nesting:
    """The values of a stack peeled as far as possible, and placed if that was all of them."""

    def __init__(self, line: Timeline, f: Any, a: Any, push: Any, pop: Any) -> None:
        n, values = len(f), len(push)
        self.line, self.f, self.a, self.push, self.pop = line, f, a, push, pop
        self.forward = np.zeros(values, np.int8)
        self.piece = np.zeros(line.end + 1, np.int32)
        self.rank = np.zeros(values, np.int32)
        self.freed = np.full(line.end + 2, MANY, np.int32)
        self.last, self.stuck = nest.for_size(n)(
            line.inv, line.ret, line.end, push, pop, self.forward, self.piece, self.rank,
            self.freed,
        )  # fmt: skip
        self.opens = np.zeros(values, np.int32)
        self.closes = np.zeros(values, np.int32)
        self.wrongly_empty = -1
        self.witness: NDArray[np.int64] | None = None
        if self.stuck == 0:
            self._place(n)

    def _place(self, n: int) -> None:
        line = self.line
        place.for_size(n)(
            line.inv, line.ret, self.push, self.pop, self.forward, self.piece, self.last,
            self.rank, self.freed, self.opens, self.closes,
        )  # fmt: skip
        witness = np.empty(n, np.int64)
        count = order.for_size(n)(
            line.inv, line.ret, self.f, self.a, line.end, self.push, self.pop, self.forward,
            self.piece, self.last, self.rank, self.freed, self.opens, self.closes, witness,
        )  # fmt: skip
        if count < 0:
            self.wrongly_empty = int(~count)
        else:
            self.witness = witness[:count].copy()


def _judge(nesting: _Nesting, evidence: bool = True) -> Decision:
    if nesting.witness is not None:
        return Decision(True, nesting.witness, algorithm=ALGORITHM)
    if nesting.stuck:
        certificate = _crossing(nesting) if evidence else None
        return Decision(False, None, certificate, ALGORITHM, CROSSED)
    certificate = _filling(nesting) if evidence else None
    return Decision(False, None, certificate, ALGORITHM, NOT_EMPTY)


def _filling(nesting: _Nesting) -> tuple[int, ...]:
    """A pop that found nothing, and values that together are there throughout it."""
    line, push, pop = nesting.line, nesting.push, nesting.pop
    call = nesting.wrongly_empty
    there = np.flatnonzero(nesting.forward)
    begin = line.ret[push[there]]
    stop = np.where(pop[there] >= 0, line.inv[pop[there]], line.end)
    found = there[cover(begin, stop, int(line.inv[call]), int(line.ret[call])) or []]
    return tuple(sorted({call, *push[found].tolist(), *pop[found].tolist()} - {-1}))


def _crossing(nesting: _Nesting) -> tuple[int, ...]:
    """Calls of stuck values that cover a run of gaps (the run with the fewest), made fewer."""
    line, push, pop = nesting.line, nesting.push, nesting.pop
    stuck = np.flatnonzero((nesting.forward != 0) & (nesting.rank == 0))
    begin = line.ret[push[stuck]]
    stop = np.where(pop[stuck] >= 0, line.inv[pop[stuck]], line.end)
    by_begin = np.argsort(begin, kind="stable")
    stuck, begin, stop = stuck[by_begin], begin[by_begin], stop[by_begin]
    furthest = np.maximum.accumulate(stop)
    breaks = np.flatnonzero(begin[1:] > furthest[:-1]) + 1
    runs = np.split(stuck, breaks)
    values = _fewer(nesting, min(runs, key=len))
    return tuple(sorted({*push[values].tolist(), *pop[values].tolist()} - {-1}))


def _fewer(nesting: _Nesting, values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Leave out as many values as possible in growing detail, while the rest stays stuck."""
    at = len(values) // 2
    work = SHRINK_WORK * len(values) + 10_000
    while at >= 1:
        start = 0
        while start < len(values) and work > 0:
            work -= len(values)
            fewer = np.concatenate((values[:start], values[start + at :]))
            if len(fewer) and _is_stuck(nesting, fewer):
                values = fewer
            else:
                start += at
        at //= 2
    return values


def _is_stuck(nesting: _Nesting, values: NDArray[np.int64]) -> bool:
    line, pop = nesting.line, nesting.pop[values]
    calls = np.sort(np.concatenate((nesting.push[values], pop[pop >= 0])))
    returned = line.ret[calls].astype(np.int64)
    returned[returned == line.end] = CRASHED
    few = Calls(line.inv[calls].astype(np.int64), returned, nesting.f[calls], nesting.a[calls],
                nesting.a[calls])  # fmt: skip
    small = Timeline.of(few)
    back = np.full(len(line.inv), -1, np.int32)
    back[calls] = np.arange(len(calls), dtype=np.int32)
    pushes = back[nesting.push[values]]
    pops = np.where(pop >= 0, back[pop], -1).astype(np.int32)
    return _Nesting(small, few.f, few.a, pushes, pops).stuck > 0


# -- the kernel: plain Python over arrays -------------------------------------------


def _pair(inv, ret, f, a, end, push, pop):
    """The calls of each value; what must not have happened is forgotten. (status, x, y)."""
    for i in range(len(f)):
        if f[i] == 0:
            push[a[i]] = i
    for i in range(len(f)):
        if f[i] == 1 and ret[i] != end and a[i] != 0:
            v = a[i]
            if push[v] < 0:
                return 1, i, -1
            if pop[v] >= 0:
                return 2, i, pop[v]
            pop[v] = i
            if ret[i] < inv[push[v]]:
                return 3, i, -1
    for v in range(len(push)):
        if push[v] >= 0 and pop[v] < 0 and ret[push[v]] == end:
            push[v] = -1
    return 0, -1, -1


_pairer = Kernel(_pair)
