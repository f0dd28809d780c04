"""What the fixture ``duress`` of the plugin for pytest gives to a test."""

from __future__ import annotations

import hashlib
import shutil
from collections import deque
from collections.abc import Callable, MutableSequence
from pathlib import Path
from typing import Any, TypeVar, Unpack

from .. import registry
from ..errors import DuressError, InfrastructureError, UserError
from .flags import Named, RunFlags, TrialFlags
from .run_rotation import remember
from .search import Hunted
from .search import hunt as _hunt
from .trial import Trial
from .trials import run as _run

T = TypeVar("T")

_passed: deque[Path] = deque()
"""Run folders that this process made for tests that passed, the oldest first."""


class PytestTrials:
    """Runs trials for one test, with the flags of its markers and of the command line.

    Its trials leave their run folders in ``store``, and are told of where the test fails.
    """

    def __init__(
        self,
        *,
        test: str,
        store: Path,
        system: Named | None,
        flags: dict[str, Any],
        trials: int | None,
        first_seed: int | None,
        base: str,
        properties: MutableSequence[tuple[str, object]],
    ) -> None:
        self.test = test
        """The test's id, as pytest writes it."""
        self.store = store
        """Where run folders are made."""
        self.ran: list[Trial] = []
        """The trials of this test so far."""
        self._system = system
        self._flags = flags
        self._trials = trials
        digest = hashlib.sha256(f"{base}/{test}".encode()).digest()
        self._seed = int.from_bytes(digest[:4]) >> 1 if first_seed is None else first_seed
        self._properties = properties

    def __repr__(self) -> str:
        return f"<trials of {self.test}>"

    @property
    def seed(self) -> int:
        """The seed of the next trial that is not given another one."""
        return int(self._flags.get("seed", self._seed)) + len(self.ran)

    def run(self, system: Named | None = None, **flags: Unpack[RunFlags]) -> Trial:
        """As :func:`duress.run`, where the test, its markers and the command line say the rest.

        Without a seed it has one that is made of the test's name, so that the test does the same
        each time. Raises ``InfrastructureError`` for a trial that could not be run to its end.
        """
        __tracebackhide__ = True
        system = self._system if system is None else system
        if system is None:
            raise UserError("duress.run: expected a system, here or in @pytest.mark.duress(…)")
        whole: dict[str, Any] = {"store": self.store, **self._flags, "seed": self.seed, **flags}
        if self._trials is not None:
            whole.setdefault("trials", self._trials)
        done = _without_inside(lambda: _run(system, **whole))
        self._take_note(done)
        if done.outcome in ("error", "interrupted"):
            raise InfrastructureError(f"{done.error or done.outcome}; run folder: {done.folder}")
        return done

    def hunt(
        self,
        system: Named | None = None,
        *,
        budget_trials: int = 100,
        **flags: Unpack[TrialFlags],
    ) -> Hunted:
        """As :func:`duress.hunt`, for at most a hundred trials unless the test says more."""
        __tracebackhide__ = True
        system = self._system if system is None else system
        if system is None:
            raise UserError("duress.hunt: expected a system, here or in @pytest.mark.duress(…)")
        whole = {"store": self.store, **self._flags, "seed": self.seed, **flags}
        whole["on"] = "sim"
        done = _without_inside(lambda: _hunt(system, budget_trials=budget_trials, **whole))
        if done.found is not None:
            self._take_note(done.found)
        return done

    def needs(self, *clusters: str) -> None:
        """Skip the test where a kind of cluster cannot be had, with the reason."""
        __tracebackhide__ = True
        import pytest

        for name in clusters:
            if why := registry.load("clusters", name).reason_unavailable():
                pytest.skip(f"no {name} here: {why}")

    def _take_note(self, done: Trial) -> None:
        self.ran.append(done)
        self._properties.append(("duress_outcome", done.outcome))
        self._properties.append(("duress_seed", done.seed))
        if not done.valid:
            self._properties.append(("duress_report", str(done.report)))
            self._properties.append(("duress_command", done.command))

    def end(self, result: str, keep: int) -> None:
        """The test is over, ``passed`` or ``failed``; of those that passed so many folders stay."""
        for done in self.ran:
            if self.store.resolve() not in done.folder.parents:
                continue
            remember(done.folder, self.test, result)
            if result == "passed":
                _passed.append(done.folder)
        while len(_passed) > keep:
            shutil.rmtree(_passed.popleft(), ignore_errors=True)


def _without_inside(work: Callable[[], T]) -> T:
    """What goes wrong, without the lines of duress where it did."""
    __tracebackhide__ = True
    try:
        return work()
    except DuressError as error:
        raise error.with_traceback(None) from None
