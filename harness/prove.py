"""Measures duress itself: are planted bugs found, how soon, and is the right version left in peace?

A checker that never complains and a nemesis that never bites look like a protocol that is
right. So every mutant is hunted, several times with other seeds, and every protocol without a
mutant is tried as often as there is time for.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from .attempts import Attempt, AttemptPool, Trials
from .hunt import hunt
from .shrink import Shrinker
from .spec import TrialSpec

SEEDS_APART = 100_000
"""Between the first seeds of two hunts for one mutant."""


@dataclass(frozen=True)
class Case:
    """A mutant to be hunted.

    ``anomalies``  one of which must be reported; the first is the one it is known by.
    ``spec``     the first trial, in which the strategy ``mixed`` decides about faults.
    ``usual``    the trial of ``duress run``, as :func:`~.hunt.hunt` takes it.
    """

    system: str
    mutant: str
    anomalies: tuple[str, ...]
    spec: TrialSpec
    usual: TrialSpec | None = None


@dataclass(frozen=True)
class Hunted:
    """One hunt for a mutant. ``found`` is ``None`` if the budget ended before."""

    trials: int
    wall_s: float
    found: Attempt | None
    error: str | None = None


@dataclass
class Detection:
    """All hunts for one mutant, and the smallest trial that shows it if that was asked for."""

    case: Case
    hunts: list[Hunted] = field(default_factory=list)
    smallest: Attempt | None = None

    @property
    def found(self) -> int:
        """In how many hunts it was found."""
        return sum(each.found is not None for each in self.hunts)

    @property
    def is_as_expected(self) -> bool:
        """Whether every hunt found it, by the anomaly that it must show."""
        return bool(self.hunts) and all(
            each.found is not None and not set(self.case.anomalies).isdisjoint(each.found.anomalies)
            for each in self.hunts
        )

    @property
    def median_trials(self) -> float | None:
        """``None`` where it was missed so often that the median is beyond the budget."""
        return self._median([float(each.trials) for each in self.hunts])

    @property
    def median_s(self) -> float | None:
        """Wall seconds, in the same way."""
        return self._median([each.wall_s for each in self.hunts])

    def _median(self, values: Sequence[float]) -> float | None:
        # A hunt in vain took longer than anything that was measured.
        known = [
            value if each.found is not None else float("inf")
            for value, each in zip(values, self.hunts, strict=True)
        ]
        middle = statistics.median_low(known) if known else float("inf")
        return None if middle == float("inf") else middle


@dataclass
class Innocence:
    """Trials of a protocol without a mutant: every violation is a false alarm (or a real bug)."""

    system: str
    trials: int = 0
    unknown: int = 0
    wall_s: float = 0.0
    alarms: list[Attempt] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Nothing was reported, and something was tried."""
        return self.trials > self.unknown and not self.alarms and not self.errors


def detect(
    case: Case,
    pool: Trials,
    *,
    hunts: int,
    trials: int,
    minutes: float,
    shrink: bool = False,
    progress: Callable[[Detection], None] = lambda _: None,
) -> Detection:
    """Hunt a mutant ``hunts`` times, each for at most so many trials and minutes."""
    detection = Detection(case)
    for number in range(hunts):
        spec, usual = (
            each and msgspec.structs.replace(each, seed=each.seed + number * SEEDS_APART)
            for each in (case.spec, case.usual)
        )
        assert spec is not None
        strategy = "default" if usual is None else "mixed"
        result = hunt(spec, pool, trials=trials, minutes=minutes, strategy=strategy, usual=usual)
        error = result.errors[0] if result.errors else None
        detection.hunts.append(Hunted(result.trials, result.wall_s, result.found, error))
        progress(detection)
    if shrink and isinstance(pool, AttemptPool):
        detection.smallest = _smallest(detection, pool, minutes)
    return detection


def _smallest(detection: Detection, pool: AttemptPool, minutes: float) -> Attempt | None:
    found = next((each.found for each in detection.hunts if each.found is not None), None)
    if found is None:
        return None
    return Shrinker(pool, trials=3000, minutes=minutes).shrink(found.spec).smallest


def acquit(
    system: str,
    specs: Sequence[TrialSpec],
    pool: Trials,
    *,
    trials: int,
    progress: Callable[[Innocence], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Innocence:
    """Run the trials of a protocol that is right, its workloads in turn, seed after seed."""
    result, began = Innocence(system), clock()

    def each_seed() -> Iterator[TrialSpec]:
        for number in range(trials):
            spec = specs[number % len(specs)]
            yield msgspec.structs.replace(spec, seed=spec.seed + number // len(specs))

    for attempt in pool.run(each_seed()):
        result.trials += 1
        if attempt.failed:
            result.alarms.append(attempt)
        elif attempt.error is not None:
            result.errors.append(f"seed {attempt.spec.seed}: {attempt.error}")
        elif attempt.outcome == "unknown":
            result.unknown += 1
        result.wall_s = clock() - began
        progress(result)
    return result
