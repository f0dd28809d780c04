"""Many trials with a ledger: campaigns, and the gate for changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from .. import registry
from ..campaign import gate as gates
from ..campaign import plan as plans
from ..campaign import session
from ..campaign.aftermath import Care
from ..campaign.engine import only_one
from ..campaign.gate import Report
from ..campaign.gate_end import Wanted, conclude
from ..campaign.ledger import Failure, Ledger
from ..campaign.plan import Plan, Planned
from ..campaign.results import Result
from ..campaign.summary import Summary
from ..errors import InfrastructureError, UserError
from .execution import run_story

DEFAULT_FOLDER = session.DEFAULT_FOLDER

Progress = Callable[[Planned, Result], object]
"""Is called with each trial that is over, and what became of it."""


def campaign(
    plan: str | Path | Plan,
    *,
    folder: str | Path = DEFAULT_FOLDER,
    minutes: float | None = None,
    parallel: int | None = None,
    scheduler: str | None = None,
    new: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Run a campaign, or go on with it where it was: ``duress campaign``.

    ``plan``  a TOML file, or the same as an object. ``Summary.folder`` has its pages.

    Ctrl-C ends the trials under way; the same call goes on with the rest.
    """
    wanted = session.adjusted(_plan(plan), minutes, parallel)
    ledger, _ = session.opened(wanted, Path(folder), new)
    try:
        care = Care(wanted, lambda _: None)
        _run(ledger, wanted, scheduler, care, progress)
        summary, earlier = session.with_earlier(ledger)
        pages = registry.load("reports", "campaign")
        pages.write(ledger, summary, earlier)
        return summary
    finally:
        ledger.close()


def gate(
    plan: str | Path | Plan,
    *,
    baseline: str | Path | None = None,
    folder: str | Path = DEFAULT_FOLDER,
    minutes: float | None = None,
    parallel: int | None = None,
    scheduler: str | None = None,
    artifacts: str | Path | None = None,
    update_baseline: bool = False,
    why: str = "",
    expires: date | None = None,
    fail_fast: bool = False,
    shrink: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Run a campaign for some minutes and say whether a change may pass: ``duress gate``.

    ``baseline``         the JSON file of failures that are known.
    ``update_baseline``  add what is new to it, for this reason (``why``) and up to this day
                         (``expires``), and remove what is fixed. The file may be missing then.
    ``artifacts``        a folder for what CI keeps, written also where SIGTERM ends it, or Ctrl-C
                         or an ``InfrastructureError``, which are raised then.
    ``Report.result`` is ``pass``, ``violation``, ``infrastructure`` or ``unknown``.
    """
    whole = session.adjusted(gates.boxed(_plan(plan), minutes), None, parallel)
    whole = gates.hurried(whole, fail_fast, shrink)
    today = datetime.now(UTC).date()
    path, kept_in = (None if each is None else Path(each) for each in (baseline, artifacts))
    wanted = Wanted(path, update_baseline, why, expires, kept_in)
    known = wanted.known(today)
    is_known = gates.known_by(known, today)
    ledger, _ = session.opened(whole, Path(folder), new=True)
    try:
        care = Care(whole, lambda _: None, is_known, gates.SHRUNK_MAX)

        def stopped(why: str = "interrupted") -> None:
            conclude(ledger, known, today, wanted, why)

        try:
            _run(ledger, whole, scheduler, care, progress, is_known, stopped)
        except (KeyboardInterrupt, InfrastructureError) as why:
            stopped(str(why) or "interrupted")
            raise
        return conclude(ledger, known, today, wanted).report
    finally:
        ledger.close()


def _plan(plan: str | Path | Plan) -> Plan:
    if not isinstance(plan, Plan):
        return plans.read(Path(plan))
    try:  # what a program makes by hand has not been looked at yet
        whole = msgspec.convert(msgspec.to_builtins(plan), Plan)
    except (msgspec.ValidationError, TypeError) as error:
        raise UserError(f"plan: {error}") from None
    return plans.checked(whole if whole.name else msgspec.structs.replace(whole, name="campaign"))


def _run(
    ledger: Ledger,
    plan: Plan,
    scheduler: str | None,
    care: Any,
    progress: Progress | None,
    known: Callable[[Failure], bool] = lambda failure: False,
    last: Callable[[], object] = lambda: None,
) -> None:
    def told(planned: Planned, result: Result) -> None:
        if progress is not None:
            progress(planned, result)

    with only_one(ledger.path.parent):
        run_story(lambda: session.run(ledger, plan, scheduler, care, told, known=known), last)
