"""From "not linearizable" to the few operations that show it.

**Shortest failing prefix.** The search stops at the completion that no configuration
survives; everything before it has an explanation.

**Minimal contradiction.** A set of completed calls such that, even if nothing is known
about all the others (each may have taken effect within its call, or not, with any
result), no order explains them; and such that forgetting any one of the set leaves an
explanation. Merely deleting the others instead would blame innocent reads, whose writes
had been deleted. The set alone is not linearizable either: doing without the others is one
of the possibilities that were ruled out.

In a long history the search for it starts from a window before the failure, with every
state taken as possible at its beginning; a contradiction there is one whatever came before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from .calls import CRASHED
from .preparation import Problem
from .search import Budget, Outcome, Search, Stepper
from .values import box

WHOLE = 300
"""Prefixes of so many calls are searched whole; longer ones by windows."""

CONFIGURATIONS = 5_000
"""How many configurations one question of the minimisation may cost."""

FRONTIER_BEAM = 512


@dataclass(frozen=True)
class Evidence:
    """Why a problem has no explanation.

    ``calls``     the minimal contradiction, as call numbers in order of invocation.
    ``minimal``   whether forgetting any one of them was shown to leave an explanation.
    ``anywhere``  whether it holds whatever the object held before the first of them.
    ``outcome``   where the search stopped: the failing completion, states, longest order.
    ``number``    for the calls in ``outcome``: their numbers in the problem.
    """

    calls: list[int]
    minimal: bool
    anywhere: bool
    outcome: Outcome


def prefix_calls(problem: Problem, position: int) -> tuple[list[int], list[int], list[int]]:
    """Calls invoked before a position of the history: numbers, invocations, completions."""
    calls = problem.calls
    count = int(calls.invoked.searchsorted(position))
    invoked = calls.invoked[:count].tolist()
    returned = [at if at <= position else CRASHED for at in calls.returned[:count].tolist()]
    return list(range(count)), invoked, returned


def explain(
    problem: Problem,
    position: int,
    certificate: Sequence[int] | None = None,
    final: Outcome | None = None,
) -> Evidence:
    """The evidence for a problem known to fail at the completion at ``position``.

    ``final``: the configurations before that completion, where the search told them.
    """
    numbers, invoked, returned = prefix_calls(problem, position)
    if len(numbers) <= WHOLE:
        judge = _Judge(problem, numbers, invoked, returned, (problem.model.initial,))
        return judge.evidence(anywhere=False)
    if certificate and len(certificate) <= 2:
        judge = _certified(problem, certificate, invoked, returned)
        if judge.contradicts(judge.completed):
            return judge.evidence(anywhere=False)
    window, judge = 16, None
    every = _Every(problem)
    while window <= WHOLE and every.known:
        judge = _window(problem, numbers, invoked, returned, window, every)
        if judge.contradicts(judge.completed):
            return judge.evidence(anywhere=True)
        window *= 2
    if certificate:
        judge = _certified(problem, certificate, invoked, returned)
        if judge.contradicts(judge.completed):
            return judge.evidence(anywhere=False)
    last = sorted(at for at in numbers if returned[at] <= position)[-window:]
    if final is None and judge is None:
        final = Outcome(False, [], position, returned.index(position))
    return Evidence(list(certificate or last), False, False, final or judge.outcome)  # type: ignore[union-attr]


def _certified(
    problem: Problem, certificate: Sequence[int], invoked: list[int], returned: list[int]
) -> _Judge:
    """The certificate's calls alone."""
    some = sorted(at for at in certificate if at < len(invoked))
    return _Judge(
        problem,
        some,
        [invoked[at] for at in some],
        [returned[at] for at in some],
        (problem.model.initial,),
    )


def _window(
    problem: Problem, numbers: list[int], invoked: list[int], returned: list[int], size: int,
    every: _Every,
) -> _Judge:  # fmt: skip
    """The last ``size`` calls and whatever crashed earlier, from any state at all."""
    start = invoked[-size]
    some = [at for at in numbers if returned[at] >= start]
    starts = every.states(some)
    # What was open at the start may have taken effect before it: any time, or never.
    ends = [returned[at] if invoked[at] >= start else CRASHED for at in some]
    return _Judge(problem, some, [invoked[at] for at in some], ends, starts)


class _Every:
    """Every state there can be, where that is known: of registers, and of models with few."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._few: list[object] | None = None
        self._register = getattr(problem.model, "family", None) in ("register", "map")
        if not self._register:
            from .table_decide import every_state

            self._few = every_state(problem)
        self.known = self._register or self._few is not None

    def states(self, calls: Iterable[int]) -> tuple[object, ...]:
        """Those that matter to some calls."""
        if not self._register:
            return tuple(self._few or ())
        arrays, values = self.problem.calls, self.problem.values
        codes = {int(arrays.a[at]) for at in calls} | {int(arrays.b[at]) for at in calls}
        return (*(box(values[code]) for code in sorted(codes)), box("some other value"))


class _Judge:
    """Answers whether a set of calls contradicts itself whatever the others did."""

    def __init__(
        self,
        problem: Problem,
        numbers: Sequence[int],
        invoked: Sequence[int],
        returned: Sequence[int],
        starts: tuple[object, ...],
    ) -> None:
        self.numbers, self.invoked, self.returned = numbers, invoked, returned
        self.starts = starts
        self.kinds, operations = problem.kinds_of(numbers)
        self.stepper = Stepper(problem.model, operations)
        self.completed = [at for at, end in enumerate(returned) if end < CRASHED]
        self.outcome = self._search(frozenset(), FRONTIER_BEAM)

    def contradicts(self, firm: Sequence[int]) -> bool:
        """True if it was shown, False if not or if showing it would cost too much."""
        kept = set(firm)
        optional = frozenset(at for at in self.completed if at not in kept)
        return self._search(optional, None).valid is False

    def evidence(self, anywhere: bool) -> Evidence:
        """The minimal contradiction among the calls here."""
        by_return = sorted(self.completed, key=lambda at: self.returned[at])
        size = 2
        while size < len(by_return) and not self.contradicts(by_return[-size:]):
            size *= 2
        firm = by_return[-size:]
        proved = self.contradicts(firm)
        if proved:
            firm = minimal(firm, self.contradicts)
        outcome = self.outcome
        return Evidence(
            sorted(self.numbers[at] for at in firm),
            proved,
            anywhere,
            replace(
                outcome,
                witness=[self.numbers[at] for at in outcome.witness],
                call=self.numbers[outcome.call] if outcome.call >= 0 else -1,
                states=tuple(
                    (state, tuple(self.numbers[at] for at in calls))
                    for state, calls in outcome.states
                ),
            ),
        )

    def _search(self, optional: frozenset[int], beam: int | None) -> Outcome:
        return Search(
            self.stepper,
            self.invoked,
            self.returned,
            self.kinds,
            optional=optional,
            beam=beam,
            budget=Budget(limit=CONFIGURATIONS),
        ).run(self.starts)


def minimal(items: Sequence[int], fails: Callable[[Sequence[int]], bool]) -> list[int]:
    """A subset that still fails and of which no single item can be left out.

    Delta debugging by halves, then one by one (Zeller & Hildebrandt 2002, ddmin's
    "reduce to complement"). ``fails(items)`` must hold.
    """
    kept, size = list(items), max(1, len(items) // 2)
    while True:
        at, removed = 0, False
        while at < len(kept):
            without = kept[:at] + kept[at + size :]
            if without and fails(without):
                kept, removed = without, True
            else:
                at += size
        if size > 1:
            size //= 2
        elif not removed:
            return kept
