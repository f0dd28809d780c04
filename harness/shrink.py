"""Reduces a failing trial while the same anomaly remains.

Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input",
2002, §3) over the faults, then one change at a time. A candidate is tried with a few seeds,
for another schedule is another run, and what is left must only fail once to be a witness.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from .attempts import Attempt, AttemptPool
from .errors import UserError
from .shrink_steps import AIM, MANY_SEEDS, PASSES, SCRIPT, Pass, scheduled
from .spec import TrialSpec

BASELINE_SEEDS = 20
"""With so many seeds the schedule is tried where it does not fail with the first."""


@dataclass
class Shrunk:
    """The original, the smallest so far, and what it took."""

    before: Attempt
    smallest: Attempt
    trials: int = 0
    wall_s: float = 0.0
    complete: bool = False
    """Whether nothing smaller was found, as opposed to the budget being spent."""


class Shrinker:
    """One reduction. ``seeds`` is with how many a candidate is tried."""

    def __init__(
        self,
        pool: AttemptPool,
        *,
        trials: int,
        minutes: float,
        seeds: int = 2,
        progress: Callable[[Shrunk, str], None] = lambda _, __: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._trials = trials
        self._minutes = minutes
        self._seeds = seeds
        self._progress = progress
        self._clock = clock
        self._began = clock()
        self._tried = 0
        self._wanted: frozenset[str] = frozenset()
        self._known: set[bytes] = set()

    def shrink(self, spec: TrialSpec) -> Shrunk:
        """The smallest trial that breaks the same promise; ``UserError`` if this one does not."""
        before = next(self._pool.run([spec]))
        self._tried = 1
        if not before.failed:
            raise UserError(f"shrink: expected a run that is invalid, got one {before.outcome}")
        self._wanted = frozenset(before.anomalies)
        concrete = scheduled(spec, before.faults)
        baseline = self._first_failing([concrete], BASELINE_SEEDS)
        if baseline is None:
            raise UserError("shrink: with its faults as a schedule the run no longer fails")
        state = Shrunk(before, baseline)
        self._report(state, "as a schedule")
        known = None
        while state.smallest is not known:
            known = state.smallest
            self._reduce(state, (AIM,))
            if not _is_concrete(state.smallest):
                self._reduce_aimed(state)
            self._reduce(state, PASSES)
        state.complete = not self._spent()
        self._count(state)
        return state

    def _reduce(self, state: Shrunk, passes: Sequence[Pass]) -> None:
        improved = True
        while improved and not self._spent():
            improved = False
            for each in passes:
                while True:
                    seeds = self._seeds_for(state.smallest, each)
                    smaller = self._first_failing(each.change(state.smallest), seeds)
                    if smaller is None:
                        break
                    state.smallest = smaller
                    improved = True
                    self._report(state, each.name)

    def _reduce_aimed(self, state: Shrunk) -> None:
        """Aims find their targets whatever else is taken away, where names would miss them."""
        self._reduce(state, PASSES)
        by_name = scheduled(state.smallest.spec, state.smallest.faults)
        found = self._first_failing([by_name], 1)
        if found is not None:
            state.smallest = found
            self._report(state, "by name")

    def _seeds_for(self, smallest: Attempt, change: Pass) -> int:
        if smallest.operations > SCRIPT:
            return max(change.seeds, self._seeds)
        least = change.quick if _is_concrete(smallest) else MANY_SEEDS
        return max(least, self._seeds)

    def _first_failing(self, candidates: Iterable[TrialSpec], seeds: int) -> Attempt | None:
        """In their order, so that the result does not depend on how many processes there are."""

        def specs() -> Iterator[TrialSpec]:
            wanted = list(candidates)
            for number in range(seeds):
                for each in wanted:
                    spec = msgspec.structs.replace(each, seed=each.seed + number)
                    key = msgspec.json.encode(spec)
                    if self._spent():
                        return
                    if key not in self._known:
                        self._known.add(key)
                        self._tried += 1
                        yield spec

        for each in self._pool.run(specs()):
            if each.failed and self._wanted & set(each.anomalies):
                return each
        return None

    def _spent(self) -> bool:
        spent_s = self._clock() - self._began
        return self._tried >= self._trials or spent_s >= self._minutes * 60

    def _count(self, state: Shrunk) -> None:
        state.trials, state.wall_s = self._tried, self._clock() - self._began

    def _report(self, state: Shrunk, name: str) -> None:
        self._count(state)
        self._progress(state, name)


def _is_concrete(attempt: Attempt) -> bool:
    return all(fault.is_concrete for fault in attempt.spec.schedule or [])
