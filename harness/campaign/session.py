"""Where campaigns are on disk, and how one is begun, gone on with and run: for every way to ask."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from .. import trial_flags
from ..errors import UserError
from ..spec import TrialSpec
from . import plan as plans
from .engine import RUNS, Aftermath, Campaign
from .ledger import FILE, Failure, Ledger
from .plan import Cell, Plan, Planned
from .results import Result
from .summary import Summary, summary_of
from .workers import Executor, LocalWorkers

DEFAULT_FOLDER = "campaigns"
EARLIER_MAX = 20
"""How many campaigns before this one its page tells of."""


def adjusted(plan: Plan, minutes: float | None, parallel: int | None) -> Plan:
    """The plan with another budget of minutes and another number of trials at once, if given."""
    if minutes is not None:
        plan = msgspec.structs.replace(
            plan, budget=msgspec.structs.replace(plan.budget, minutes=minutes)
        )
    if parallel is not None:
        plan = msgspec.structs.replace(
            plan, limits=msgspec.structs.replace(plan.limits, parallel=parallel)
        )
    return plan


def opened(plan: Plan, folder: Path, new: bool = False) -> tuple[Ledger, str]:
    """The ledger to go on with, or a new one; and which, in words."""
    digest = plans.digest(plan)
    for path in folders(folder / plan.name)[::-1]:
        ledger = Ledger(path / FILE)
        if not new and not ledger.ended and ledger.digest == digest:
            left = ledger.planned - ledger.count("done")
            return ledger, f"going on with {path}: {left:,} of {ledger.planned:,} trials are left"
        ledger.close()
        break
    plans.cells(plan)
    planned = list(plans.trials(plan, spec_of_cell))
    path = _made(folder / plan.name)
    trials = "1 trial" if len(planned) == 1 else f"{len(planned):,} trials"
    return Ledger.create(path / FILE, plan, digest, planned), f"{trials} in {path}"


def _made(of_name: Path) -> Path:
    """A new folder, named by the time; of two that are made in one second, the second is later."""
    name = now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    for number in range(2, 100):
        try:
            (of_name / name / RUNS).mkdir(parents=True)
            return of_name / name
        except FileExistsError:
            name = f"{now}-{number:02d}"
        except OSError as error:
            problem = f"{of_name / name}: cannot make the campaign's folder: {error.strerror}"
            raise UserError(problem) from None
    raise UserError(f"{of_name}: too many campaigns were begun in the second {now}")


def folders(of_name: Path) -> list[Path]:
    """The folders of a campaign's runs, the oldest first."""
    return sorted(path.parent for path in of_name.glob(f"*/{FILE}"))


def earlier_ones(folder: Path) -> list[Ledger]:
    """The ledgers of the last campaigns of this name that are over, before this one, the newest
    first."""
    found: list[Ledger] = []
    for path in folders(folder.parent)[::-1]:
        if path.name >= folder.name or len(found) == EARLIER_MAX:
            continue
        ledger = Ledger(path / FILE)
        if ledger.ended:
            found.append(ledger)
        else:
            ledger.close()
    return found


def with_earlier(ledger: Ledger) -> tuple[Summary, list[Summary]]:
    """Its summary and those of the campaigns of its name that are over, the newest first, each
    compared with the one before it."""
    ledgers = [ledger, *earlier_ones(ledger.path.parent)]
    try:
        found = [
            summary_of(now, before)
            for now, before in zip(ledgers, [*ledgers[1:], None], strict=True)
        ]
    finally:
        for each in ledgers[1:]:
            each.close()
    return found[0], found[1:]


def spec_of_cell(cell: Cell, seed: int) -> TrialSpec:
    """As ``duress run`` would; ``UserError`` names the cell."""
    where = {"mutant": cell.mutant, "workload": cell.workload}
    where |= {"nemesis": cell.nemesis, "cluster": cell.cluster}
    chosen = {name: value for name, value in where.items() if value is not None}
    flags: dict[str, Any] = {**plans.flag_words(cell.flags), **chosen, "seed": seed}
    if "concurrency" in flags:
        flags["concurrency"] = str(flags["concurrency"])
    given = set(flags)
    pairs = tuple(f"{name}={value}" for name, value in cell.settings.items())
    whole = {**trial_flags.defaults(), **flags, "settings": pairs}
    try:
        return trial_flags.spec_of(cell.system, whole, given)
    except trial_flags.NemesesAsked:
        raise
    except UserError as error:
        raise UserError(f"{cell.name}: {error}") from None


async def run(
    ledger: Ledger,
    plan: Plan,
    scheduler: str | None,
    care: Aftermath,
    progress: Callable[[Planned, Result], None],
    again: Callable[[Planned, Result], None] = lambda trial, result: None,
    known: Callable[[Failure], bool] = lambda failure: False,
) -> str:
    """Run what the ledger has waiting, on this machine or on the workers of a Dask scheduler; why
    it ended. The other parameters are those of :class:`.engine.Campaign`."""
    executor: Executor = LocalWorkers(plan.limits)
    if scheduler is not None:
        from .dask_workers import DaskWorkers

        executor = await DaskWorkers.connect(scheduler, plan.limits)
    return await Campaign(ledger, plan, executor, care, progress, again, known).run()
