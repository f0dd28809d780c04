"""Reduces a failing trial of real programs, which need not fail every time.

What repeats is said to be so: the faults and their times, what clients ask, the schedule of the
network. What the programs do is up to them and to the machine. So a smaller trial is kept only if
it failed several times in a few tries, and every try takes as long as the trial does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from .attempts import Attempt, came_out
from .errors import UserError
from .shrink import Shrinker, Shrunk
from .shrink_steps import REAL_PASSES, Pass, scheduled
from .spec import TrialSpec
from .verdict import Verdict

if TYPE_CHECKING:
    from .store import RunFolder

TRIES = 4
"""How often a smaller trial is tried at most."""

FAILURES = 2
"""So many of them must fail."""

FIRST_TRIES = 10
"""The same of the trial itself, with its faults as a schedule."""


def attempt_of(folder: RunFolder, spec: TrialSpec) -> Attempt:
    """A saved run as if it had just been tried. ``UserError`` if it was not invalid."""
    from .trial import Outcome

    verdict = folder.read_json("verdict.json", Verdict)
    if verdict.valid is not False:
        raise UserError(f"shrink: expected a run that is invalid; {folder.path} is not")
    return came_out(spec, folder, Outcome("invalid", verdict, str(folder.path)), 0.0)


class RealShrinker(Shrinker):
    """A :class:`~.shrink.Shrinker` for which ``seeds`` is how often each candidate is tried, always
    with the same seed."""

    def shrink_run(self, before: Attempt) -> Shrunk:
        """The smallest trial that breaks the same promise, as far as could be seen."""
        self._wanted = frozenset(before.anomalies)
        concrete = scheduled(before.spec, before.faults)
        baseline = self._first_failing([concrete], max(self._seeds, FIRST_TRIES))
        if baseline is None:
            raise UserError(
                f"shrink: when it was run again with the same faults, {self._tried} times, it did "
                f"not fail at least {FAILURES} times; duress replay tells how often it does"
            )
        state = Shrunk(before, baseline)
        self._report(state, "as a schedule")
        self._reduce(state, REAL_PASSES)
        state.complete = not self._spent()
        self._count(state)
        return state

    def _seeds_for(self, smallest: Attempt, change: Pass) -> int:
        return self._seeds

    def _first_failing(self, candidates: Iterable[TrialSpec], seeds: int) -> Attempt | None:
        for each in candidates:
            key = msgspec.json.encode(each)
            if key in self._known:
                continue
            self._known.add(key)
            if (found := self._failing(each, seeds)) is not None:
                return found
        return None

    def _failing(self, spec: TrialSpec, tries: int) -> Attempt | None:
        """Try a trial until it has failed often enough, or cannot any more."""
        needed = min(FAILURES, tries)
        failed, left = 0, tries
        coming = self._pool.run(self._again_and_again(spec, tries))
        for each in coming:
            left -= 1
            if each.failed and self._wanted & set(each.anomalies):
                failed += 1
                if failed == needed:
                    return each
            if failed + left < needed:
                break
        return None

    def _again_and_again(self, spec: TrialSpec, tries: int) -> Iterable[TrialSpec]:
        for _ in range(tries):
            if self._spent():
                return
            self._tried += 1
            yield spec
