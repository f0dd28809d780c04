"""Many trials across the cores, of which only what came out is kept."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Protocol

import msgspec

from .errors import DuressError, UserError
from .planned_fault import PlannedFault
from .processor_time import OutOfTime, at_most
from .spec import TrialSpec
from .store import RunFolder

_PR_SET_PDEATHSIG = 1
"""``prctl(2)``: the signal that this process gets when its parent dies."""


class Attempt(msgspec.Struct, frozen=True):
    """What came out of a trial.

    ``anomalies``    their names, sorted, each once.
    ``operations``   how many clients invoked.
    ``shown_by_s``   when the last operation of the earliest anomaly was complete; 0 if none.
    ``faults``       those that took effect, as a schedule.
    ``wall_s``       how long it took in real time; ``cpu_s`` of that, at work.
    ``features``     what it went through (see :mod:`.coverage`), if that was asked for.
    ``messages``     the kinds of messages then seen: type, fields that are true or false, how many.
    ``folder``     where it was kept, if it was.
    """

    spec: TrialSpec
    outcome: str
    anomalies: list[str]
    operations: int
    shown_by_s: float
    faults: list[PlannedFault]
    wall_s: float
    error: str | None = None
    mistake: bool = False
    features: list[int] = []
    messages: list[tuple[str, dict[str, bool], int]] = []
    cpu_s: float = 0.0
    folder: str = ""

    @property
    def failed(self) -> bool:
        """Whether a promise was broken."""
        return self.outcome == "invalid"


def attempt(spec: TrialSpec, watched: bool = False) -> Attempt:
    """Run one trial on sim in a folder that is removed; ``watched`` for its coverage.

    One that works for longer than :func:`processor_limit_s` is ended, with that as its error.
    """
    from .simulation import repeat

    with tempfile.TemporaryDirectory(prefix="duress-attempt-") as name:
        folder = RunFolder(Path(name))
        (folder.path / "nodes").mkdir()
        result = attempted(spec, folder, lambda: repeat.run(_quick(spec, watched), folder))
        return _with_coverage(result, folder) if watched else result


def attempted(spec: TrialSpec, folder: RunFolder, run: Callable[[], object]) -> Attempt:
    """What comes of a trial in a folder, whatever becomes of it."""
    began, worked = time.perf_counter(), time.process_time()
    limit_s = processor_limit_s(spec)
    try:
        with at_most(limit_s):
            outcome = run()
    except OutOfTime:
        spent = time.perf_counter() - began
        text = f"not done after {limit_s:g} s of processor time: does a state grow without end?"
        return Attempt(spec, "error", [], 0, 0.0, [], spent, text)
    except DuressError as error:
        mistake = isinstance(error, UserError)
        spent = time.perf_counter() - began
        return Attempt(spec, "error", [], 0, 0.0, [], spent, str(error), mistake)
    result = came_out(spec, folder, outcome, time.perf_counter() - began)
    return msgspec.structs.replace(result, cpu_s=time.process_time() - worked)


def processor_limit_s(spec: TrialSpec) -> float:
    """How long a trial may work: many times what it takes, by its length and its load."""
    return 20 + spec.time_limit_s * max(spec.rate or 10_000, 100) / 100


def _quick(spec: TrialSpec, watched: bool) -> TrialSpec:
    """The same trial without a trace, and watched or not, which does not change it."""
    options = {"trace": "false", **spec.options, **({"coverage": "true"} if watched else {})}
    return msgspec.structs.replace(spec, options=options)


def _with_coverage(result: Attempt, folder: RunFolder) -> Attempt:
    from .simulation import sightings

    try:
        seen = msgspec.json.decode(folder.file(sightings.FILE).read_bytes(), type=sightings.Seen)
    except FileNotFoundError:  # it ended before there was a cluster
        return result
    return msgspec.structs.replace(result, features=seen.features, messages=seen.kinds)


def came_out(spec: TrialSpec, folder: RunFolder, outcome: object, wall_s: float) -> Attempt:
    """What a trial's folder and outcome say."""
    from . import schedule
    from .trial import Outcome

    assert isinstance(outcome, Outcome)
    anomalies = outcome.verdict.anomalies
    operations, times = 0, []
    for line in folder.file("history.jsonl").read_bytes().splitlines():
        operation = msgspec.json.decode(line)
        times.append(operation.get("time", 0))
        operations += operation["type"] == "invoke" and operation["process"] != "nemesis"
    shown = [times[max(each.operations)] for each in anomalies if each.operations]
    return Attempt(
        spec,
        "invalid" if outcome.verdict.valid is False else outcome.outcome,
        sorted({anomaly.name for anomaly in anomalies}),
        operations,
        min(shown, default=0) / 1e9,
        schedule.read(folder.file(schedule.FILE)),
        wall_s,
        outcome.error,
    )


class Trials(Protocol):
    """Whoever runs trials and says what came out."""

    def run(self, specs: Iterable[TrialSpec], watched: bool = False) -> Iterator[Attempt]:
        """Attempts in the order of the specs; ``watched`` for their coverage."""
        ...


Make = Callable[[TrialSpec, bool], Attempt]
"""Runs a trial, as :func:`attempt` does; can be pickled."""


class AttemptPool:
    """Processes that run attempts; they are new interpreters and share nothing.

    With one job attempts run in this process, one after the other. ``make`` runs one.
    """

    def __init__(self, jobs: int | None = None, make: Make = attempt) -> None:
        self._make = make
        self.jobs = jobs or len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> AttemptPool:
        if self.jobs > 1:
            self._pool = ProcessPoolExecutor(
                self.jobs,
                multiprocessing.get_context("spawn"),
                initializer=_begin_worker,
                initargs=(os.getpid(),),
            )
        return self

    def __exit__(self, *exc: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def run(self, specs: Iterable[TrialSpec], watched: bool = False) -> Iterator[Attempt]:
        """Attempts in the order of the specs, a few of which are run ahead.

        Closing the iterator forgets those. Raises the ``UserError`` of a spec.
        """
        for each in self._run(specs, watched):
            if each.mistake:
                raise UserError(each.error or "the trial makes no sense")
            yield each

    def _run(self, specs: Iterable[TrialSpec], watched: bool) -> Iterator[Attempt]:
        if self._pool is None:
            for each in specs:
                yield self._make(each, watched)
            return
        coming: list[Future[Attempt]] = []
        rest = iter(specs)
        try:
            while True:
                while len(coming) < 2 * self.jobs and (spec := next(rest, None)) is not None:
                    with _main_left_alone():  # may start a process
                        coming.append(self._pool.submit(self._make, spec, watched))
                if not coming:
                    return
                yield coming.pop(0).result()
        finally:
            for each in coming:
                each.cancel()


@contextlib.contextmanager
def _main_left_alone() -> Iterator[None]:
    """Let no new process execute the program again that runs in this one, a user's script perhaps.

    :mod:`multiprocessing` does so for the sake of what is defined there; we need nothing of it.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _begin_worker(parent: int) -> None:
    """Ctrl-C is for the process that shows what was found so far; without it there is no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before that
        os._exit(1)
