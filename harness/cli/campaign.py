"""``duress campaign``: many trials, overnight, of which the failures are kept."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from .. import registry
from ..campaign import plan as plans
from ..campaign.aftermath import Care
from ..campaign.engine import RUNS, Campaign, only_one
from ..campaign.ledger import FILE, Ledger
from ..campaign.plan import Cell, Plan, Planned
from ..campaign.results import INFRASTRUCTURE, INVALID, KILLED, UNKNOWN, Result
from ..campaign.summary import Summary, summary_of
from ..campaign.workers import Executor, LocalWorkers
from ..errors import UserError
from ..spec import TrialSpec
from .trial_options import defaults, spec_of

DEFAULT_FOLDER = "campaigns"
EXIT_UNFINISHED = 3
EARLIER_MAX = 20
"""How many campaigns before this one its page tells of."""


@click.command(
    epilog="""\b
Examples:
  duress campaign nightly.toml
  duress campaign nightly.toml --minutes 10 --parallel 1
  duress campaign nightly.toml --new"""
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--folder",
    default=DEFAULT_FOLDER,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where campaigns are: in NAME/TIME, each with its ledger, runs and reports.",
)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Most minutes in all.")
@click.option("--parallel", type=click.IntRange(1, 512), help="Trials at once.")
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Run trials on the workers of this Dask scheduler (tcp://…), or of a 'local' one.",
)
@click.option("--new", is_flag=True, help="Begin anew, though the last one is not over.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("--quiet", is_flag=True, help="Print only the summary.")
def command(
    file: Path,
    folder: Path,
    minutes: float | None,
    parallel: int | None,
    scheduler: str | None,
    new: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run the campaign of FILE, or go on with it where it was.

    Exit code: 1 if a promise was broken, 3 if some trial ended without a verdict, 0 otherwise.
    """
    plan = adjusted(plans.read(file), minutes, parallel)
    show = sys.stderr if as_json else sys.stdout
    ledger, said = opened(plan, folder, new)
    click.echo(said, file=show)
    terminal = registry.load("reports", "terminal")
    try:
        with (
            only_one(ledger.path.parent),
            terminal.ProgressLine(show, quiet=quiet) as live,
        ):
            told = _Progress(ledger, plan, live)
            care = Care(plan, lambda why: click.echo(f"duress: {why}", err=True))
            run_to_its_end(_story(ledger, plan, scheduler, care, told))
        earlier = earlier_ones(ledger.path.parent)
        summary = summary_of(ledger, earlier[0] if earlier else None)
        report = registry.load("reports", "campaign")
        report.write(ledger, summary, [summary_of(each) for each in earlier])
    finally:
        ledger.close()
    report.tell(summary, show)
    if as_json:
        click.echo(msgspec.json.encode(summary).decode())
    return exit_code(summary)


def adjusted(plan: Plan, minutes: float | None, parallel: int | None) -> Plan:
    """The plan with what flags say of its budget and limits."""
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
    path = folder / plan.name / datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    plans.cells(plan)
    planned = list(plans.trials(plan, spec_of_cell))
    try:
        (path / RUNS).mkdir(parents=True)
    except OSError as error:
        raise UserError(f"{path}: cannot make the campaign's folder: {error.strerror}") from None
    return Ledger.create(path / FILE, plan, digest, planned), f"{len(planned):,} trials in {path}"


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
    try:
        return spec_of(cell.system, {**defaults(), **flags, "settings": pairs}, given)
    except UserError as error:
        raise UserError(f"{cell.name}: {error}") from None


async def _story(
    ledger: Ledger, plan: Plan, scheduler: str | None, care: Care, told: _Progress
) -> str:
    executor: Executor = LocalWorkers(plan.limits)
    if scheduler is not None:
        from ..campaign.dask_workers import DaskWorkers

        executor = await DaskWorkers.connect(scheduler, plan.limits)
    return await Campaign(ledger, plan, executor, care, told).run()


def run_to_its_end(campaign: Coroutine[Any, Any, str]) -> str:
    """Run it; the first SIGINT, SIGTERM or SIGHUP ends it, and it can be gone on with."""

    async def story() -> str:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        return await campaign

    try:
        return asyncio.run(story())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


class _Progress:
    """Says how far it is, and each failure that is new."""

    def __init__(self, ledger: Ledger, plan: Plan, live: Any) -> None:
        self._ledger = ledger
        self._minutes = plan.budget.minutes
        self._live = live
        self._began = time.monotonic()
        self._done = 0
        self._known: set[str] = {each.signature for each in ledger.failures()}

    def __call__(self, trial: Planned, result: Result) -> None:
        self._done += 1
        ledger = self._ledger
        if result.outcome == INVALID:
            sign = result.signature
            if sign is not None and sign.id not in self._known:
                self._known.add(sign.id)
                self._live.say(
                    ("  new failure   ", "bold red"),
                    f"{sign.name} ({sign.id}): {trial.cell} seed {trial.spec.seed}",
                )
        elif result.outcome in (INFRASTRUCTURE, KILLED):
            self._live.say(
                ("  not run       ", "yellow"),
                f"{trial.cell} seed {trial.spec.seed}: {result.error}",
            )
        done, planned = ledger.count("done"), ledger.planned
        self._live.show(
            f"{done:,} of {planned:,} trials, {len(self._known)} different failures, "
            f"{self._left(planned - done)}"
        )

    def _left(self, trials: int) -> str:
        """How long it may take, by how long it took so far."""
        minutes = trials * (time.monotonic() - self._began) / self._done / 60
        rest = None if self._minutes is None else self._minutes - self._ledger.seconds / 60
        if rest is not None and minutes > rest:
            return f"{rest:.0f} minutes left, which is not enough for all ({minutes:.0f})"
        return f"about {minutes:.0f} minutes left"


def exit_code(summary: Summary) -> int:
    """1 if a promise was broken, 3 if a trial ended without a verdict, 0 otherwise."""
    if summary.outcomes[INVALID]:
        return 1
    doubtful = sum(summary.outcomes[kind] for kind in (UNKNOWN, INFRASTRUCTURE, KILLED))
    return EXIT_UNFINISHED if doubtful else 0
