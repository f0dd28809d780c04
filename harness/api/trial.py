"""What came of a trial, read from its run folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from .. import registry, schedule
from ..errors import InfrastructureError, UserError
from ..formats import jsonl
from ..history import History
from ..planned_fault import PlannedFault
from ..spec import TrialSpec
from ..store import RunFolder
from ..verdict import Anomaly, Signature, Verdict

if TYPE_CHECKING:
    from ..shrink import Shrunk
    from .flags import Named

OutcomeName = Literal["valid", "invalid", "unknown", "interrupted", "error"]


class NotValid(AssertionError):
    """A trial that was to be valid is not. ``trial`` is the one."""

    def __init__(self, trial: Trial, said: str) -> None:
        super().__init__(said)
        self.trial = trial


class Violation(NotValid):
    """It broke a promise; the message tells how, where the report is, and how to run it again."""


class Undecided(NotValid):
    """Nobody knows whether it kept its promises, which is no pass; the message says why."""


for _each in (NotValid, Violation, Undecided):
    _each.__module__ = "duress"  # where users find them, and shorter where they are shown


class Trial:
    """A trial that is over, with everything that it left in its run folder.

    Made by :func:`duress.run` and the like; :func:`duress.saved` finds those of earlier days.
    """

    def __init__(self, folder: str | Path, difference: str | None = None) -> None:
        self.folder: Path = Path(folder).resolve()
        """The run folder."""
        self.difference: str | None = difference
        """Where it differs from the run that it was to repeat; ``None``: nowhere, if compared."""

    def __repr__(self) -> str:
        spec = self.spec
        who = spec.system + (f" (mutant {spec.mutant})" if spec.mutant else "")
        return f"<Trial {self.outcome}: {who} on {spec.cluster}, seed {spec.seed}, {self.folder}>"

    # -- how it ended --------------------------------------------------------------

    @property
    def outcome(self) -> OutcomeName:
        """``valid``, ``invalid``, ``unknown`` (no verdict can be given), ``interrupted``, or
        ``error`` (the machine or the cluster failed)."""
        return cast(OutcomeName, self._info.get("outcome") or "interrupted")

    @property
    def valid(self) -> bool:
        """Whether every promise was kept. Not so where nobody knows: see :attr:`outcome`."""
        return self.outcome == "valid"

    @property
    def invalid(self) -> bool:
        """Whether a promise was broken."""
        return self.verdict.valid is False

    @cached_property
    def verdict(self) -> Verdict:
        """What the checkers say."""
        if not self._run.file("verdict.json").is_file():
            return Verdict(valid="unknown", reason=self.error or "the trial has not been judged")
        return self._run.read_json("verdict.json", Verdict)

    @property
    def anomalies(self) -> list[Anomaly]:
        """How promises were broken, with the smallest evidence for each."""
        return self.verdict.anomalies

    @property
    def signature(self) -> Signature | None:
        """By which the same bug is known again; ``None`` unless it is invalid."""
        return self.verdict.signature

    @property
    def error(self) -> str | None:
        """What the machine or the cluster did wrong, in a line."""
        return self._info.get("error")

    # -- what it was ----------------------------------------------------------------

    @cached_property
    def spec(self) -> TrialSpec:
        """All that is needed to run it again."""
        return self._run.read_json("trial.json", TrialSpec)

    @property
    def seed(self) -> int:
        """The seed of every random choice."""
        return self.spec.seed

    @property
    def command(self) -> str:
        """The command line that runs it again."""
        return str(self._info.get("command", ""))

    @cached_property
    def history(self) -> History:
        """Every operation of clients and nemesis."""
        return jsonl.read(self._run.file("history.jsonl")).history

    @cached_property
    def schedule(self) -> list[PlannedFault]:
        """The faults that took effect."""
        path = self._run.file(schedule.FILE)
        return schedule.read(path) if path.is_file() else []

    @property
    def report(self) -> Path:
        """The HTML page that tells the whole trial."""
        return self._run.file("report.html")

    def story(self, anomalies: int = 1) -> str:
        """The verdict in a sentence and, for so many of the anomalies, what led to it."""
        return registry.load("reports", "story")(self.folder, anomalies)

    # -- what to do about it ------------------------------------------------------------

    def assert_valid(self) -> Trial:
        """Return the trial if it is valid.

        Raises :class:`Violation` if it broke a promise, :class:`Undecided` if nobody knows, and
        ``InfrastructureError`` if it could not be run to its end.
        """
        __tracebackhide__ = True
        if self.valid:
            return self
        places = f"report: {self.report}\nrun it again: {self.command}"
        if self.invalid:
            raise Violation(self, f"{self.story()}\n{places}")
        if self.outcome == "unknown":
            raise Undecided(self, f"{self.story()}\n{places}")
        raise InfrastructureError(f"{self.error or self.outcome}; report: {self.report}")

    def replay(self, *, on: Named | None = None, by_role: bool = False, trials: int = 1) -> Trial:
        """Run it again beside itself: see :func:`duress.replay`."""
        from .trials import replay

        return replay(self, on=on, by_role=by_role, trials=trials, store=self.folder.parent)

    def shrink(
        self,
        *,
        budget_trials: int = 3000,
        minutes: float | None = None,
        seeds: int | None = None,
        jobs: int | None = None,
        progress: Callable[[Shrunk], object] | None = None,
    ) -> Trial:
        """The smallest trial that breaks the same promise: see :func:`duress.shrink`."""
        from .trials import shrink

        return shrink(
            self,
            budget_trials=budget_trials,
            minutes=minutes,
            seeds=seeds,
            jobs=jobs,
            progress=progress,
            store=self.folder.parent,
        )

    # -- the folder --------------------------------------------------------------------

    @cached_property
    def _run(self) -> RunFolder:
        return RunFolder(self.folder)

    @cached_property
    def _info(self) -> dict[str, Any]:
        path = self._run.file("trial.json")
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}; is {self.folder} a run folder?") from None
        except msgspec.MsgspecError as error:
            raise UserError(f"{path}: {error}") from None
