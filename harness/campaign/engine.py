"""Runs what a ledger has waiting, until all is done or enough."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from ..errors import DuressError, UserError
from ..store import RunFolder
from . import retention
from .ledger import Failure, Ledger
from .plan import Plan, Planned
from .remains import cluster_of
from .results import INFRASTRUCTURE, Result, of_folder
from .workers import Executor

RUNS = "runs"
STILL_S = 1.0
"""How often the ledger is told for how long the campaign has been run."""

LOCK_TRIES, LOCK_AGAIN_S = 5, 0.05

ALL_DONE = "all trials are done"


class Aftermath(Protocol):
    """What is done about a failure once it is found."""

    async def found(self, ledger: Ledger, runs: Path) -> None:
        """Look through the ledger for failures about which nothing was done. Cancellable."""
        ...


class Campaign:
    """A campaign under way, in the folder of its ledger.

    ``progress``: called after every trial; ``again``: with one that could not be run and is going
    to be run again. ``known``: which failures do not count among those that end it early. The plan
    may differ from the ledger's in how much is run (budget, limits, …), not in what.
    """

    def __init__(
        self,
        ledger: Ledger,
        plan: Plan,
        executor: Executor,
        aftermath: Aftermath,
        progress: Callable[[Planned, Result], None],
        again: Callable[[Planned, Result], None] = lambda trial, result: None,
        known: Callable[[Failure], bool] = lambda failure: False,
    ) -> None:
        self._ledger = ledger
        self._plan = plan
        self._executor = executor
        self._aftermath = aftermath
        self._progress = progress
        self._again = again
        self._known = known
        self._runs = ledger.path.parent / RUNS
        self._began = time.monotonic()
        self._before_s = ledger.seconds
        self._under_way: dict[asyncio.Task[Result], Planned] = {}
        self._care: asyncio.Task[None] | None = None

    async def run(self) -> str:
        """Until all trials are done or something says stop; why it ended.

        Cancelled, it ends the trials under way, which are run again another time.
        """
        self._runs.mkdir(parents=True, exist_ok=True)
        kinds = recover(self._ledger, self._runs)
        self._ledger.go_on()
        session = self._ledger.begin_session()
        why = "interrupted"
        try:
            if kinds:
                await self._executor.tidy(kinds)
            why = await self._until_the_end(session)
            await self._take_care()
            self._ledger.end(why)
            return why
        finally:
            await self._stop_all()
            await self._executor.close()
            self._ledger.still(session, time.monotonic() - self._began, why)

    async def _until_the_end(self, session: int) -> str:
        while True:
            why = self._enough()
            if why is None:
                self._fill()
            if not self._under_way:
                return why or ALL_DONE
            if why is not None and why.startswith("time"):
                return why  # what is under way is run another time
            waited = [*self._under_way, *([self._care] if self._care else [])]
            done, _ = await asyncio.wait(
                waited, timeout=STILL_S, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                if task is self._care:
                    self._care = None
                    task.result()
                else:
                    self._ended(self._under_way.pop(task), task.result())  # type: ignore[arg-type]
            self._ledger.still(session, time.monotonic() - self._began)

    def _fill(self) -> None:
        free = self._executor.slots - len(self._under_way)
        if free <= 0:
            return
        done = self._ledger.planned - self._ledger.count("waiting")
        if self._plan.budget.trials is not None:
            free = min(free, self._plan.budget.trials - done)
        for each in self._ledger.waiting(max(0, free)):
            name = f"{each.number:06d}-{_label(each)}-{self._ledger.tries(each.number)}"
            if self._ledger.sessions > 1:  # of the last one a trial may be just about to end
                name += f"-{self._ledger.sessions}"
            self._ledger.begin(each.number, name)
            shutil.rmtree(self._runs / name, ignore_errors=True)
            task = asyncio.create_task(self._executor.run(each.spec, self._runs / name))
            self._under_way[task] = each

    def _ended(self, each: Planned, result: Result) -> None:
        if (
            result.outcome == INFRASTRUCTURE
            and self._ledger.tries(each.number) <= self._plan.limits.retries
        ):
            self._ledger.again(each.number)
            retention.remove(self._runs, result.run)
            self._again(each, result)
            return
        new = self._ledger.finish(each.number, result)
        retention.prune(self._ledger, self._runs, self._plan.keep)
        self._progress(each, result)
        if new and self._care is None:
            self._care = asyncio.create_task(self._aftermath.found(self._ledger, self._runs))

    async def _take_care(self) -> None:
        """Of the failures that were found while others were being taken care of, too."""
        if self._care is not None:
            await self._care
            self._care = None
        await self._aftermath.found(self._ledger, self._runs)

    def _enough(self) -> str | None:
        plan, ledger = self._plan, self._ledger
        spent_s = self._before_s + time.monotonic() - self._began
        if plan.budget.minutes is not None and spent_s > 60 * plan.budget.minutes:
            return f"time: {plan.budget.minutes:g} minutes are over"
        if plan.budget.trials is not None and (
            ledger.planned - ledger.count("waiting") >= plan.budget.trials
        ):
            return f"trials: {plan.budget.trials} were run"
        if plan.stop.failures:
            fresh = sum(not self._known(each) for each in ledger.failures())
            if fresh >= plan.stop.failures:
                return f"failures: {plan.stop.failures} different ones were found"
        row = plan.stop.infrastructure
        if row and ledger.infrastructure_in_a_row() >= row:
            return f"infrastructure: {row} trials in a row could not be run"
        if not retention.make_room(ledger, self._runs, plan.budget.disk_mb):
            return f"disk: the failures alone take more than {plan.budget.disk_mb:g} MB"
        return None

    async def _stop_all(self) -> None:
        tasks = [*self._under_way, *([self._care] if self._care else [])]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, DuressError):
                await task
        for each in self._under_way.values():
            self._ledger.again(each.number, uncounted=True)
        self._under_way.clear()


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Let no other process run this campaign meanwhile (``UserError`` if one does)."""
    with (folder / "lock").open("w") as file:
        for left in reversed(range(LOCK_TRIES)):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:  # pages look for a moment whether somebody has it
                if not left:
                    problem = f"{folder}: another process is running this campaign"
                    raise UserError(problem) from None
                time.sleep(LOCK_AGAIN_S)
        yield


def recover(ledger: Ledger, runs: Path) -> set[str]:
    """After a crash: what was under way has come to its end, or is run again.

    The kinds of clusters of which such trials may have left something.
    """
    kinds: set[str | None] = set()
    for number, name in ledger.running():
        kinds.add(cluster_of(runs / name))
        result = of_folder(RunFolder(runs / name))
        if result is None:
            retention.remove(runs, name)
            ledger.again(number, uncounted=True)
        else:
            ledger.finish(number, result)
    return {kind for kind in kinds if kind is not None}


def _label(each: Planned) -> str:
    system = Path(each.spec.system.split(":")[0]).stem
    return system + (f"-{each.spec.mutant}" if each.spec.mutant else "")
