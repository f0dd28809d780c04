"""Reduces a failing trial while the same anomaly remains.

Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input",
2002, §3) over the faults, then one change at a time. A candidate is tried with a few seeds,
for another schedule is another run, and what is left must only fail once to be a witness.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from .attempts import Attempt, AttemptPool
from .errors import UserError
from .shrink_steps import PASSES, SCRIPT, SOME_SEEDS, Change, scheduled
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
        improved = True
        while improved and not self._spent():
            improved = False
            for name, candidates, least in PASSES:
                while (smaller := self._improve(state.smallest, candidates, least)) is not None:
                    state.smallest = smaller
                    improved = True
                    self._report(state, name)
        state.complete = not self._spent()
        self._count(state)
        return state

    def _improve(self, smallest: Attempt, candidates: Change, least: int) -> Attempt | None:
        is_quick = smallest.operations <= SCRIPT
        least = least if is_quick or least != SOME_SEEDS else 1
        found = self._first_failing(candidates(smallest), max(least, self._seeds))
        if found is None or all(fault.is_concrete for fault in found.spec.schedule or []):
            return found
        # Aimed faults as the ones they became, so that the passes to come can cut them down.
        return self._first_failing([scheduled(found.spec, found.faults)], 1) or found

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
