"""``duress gate``: for some minutes, in CI; a change passes or it does not."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from .. import registry
from ..campaign import gate as gates
from ..campaign import plan as plans
from ..campaign import session
from ..campaign.aftermath import Care
from ..campaign.baseline import Baseline
from ..campaign.engine import only_one
from ..campaign.gate_end import Wanted, conclude
from ..campaign.ledger import Ledger
from ..campaign.plan import Matrix, Plan
from ..errors import InfrastructureError, UserError
from . import interruption
from .campaign_flags import campaign_options
from .campaign_progress import Progress, run_to_its_end
from .trial_options import (
    PHASES,
    SEED,
    flag_options,
    given_flags,
    help_answered,
    settings_of,
)

DEFAULT_SEEDS = "1000"
SHRINK_MINUTES = 1.0

_LISTS = {"workload": "workloads", "nemesis": "nemeses", "cluster": "clusters", "mutant": "mutants"}
_FLAGS = {"time_limit_s": "time", "timeout_s": "timeout", "interval_s": "interval"}
_FLAGS |= {"settle_s": "settle"} | {name: name for name in ("nodes", "rate", "concurrency")}
_OF_A_TRIAL = {*_LISTS, *_FLAGS, "settings"}


@click.command(
    epilog="""\b
Exit code, what comes first outweighs the rest:
  1  a failure that the baseline does not know, or no longer
  3  some trial could not be run (after it was run again), or the gate was interrupted
  4  some trial ended without a verdict, or was killed, or a cell was not reached
  0  pass
  2  your mistake: a flag, a file; nothing was run

\b
Examples:
  duress gate raft paxos --on sim --nemesis partition,kill --minutes 5 --seeds 200
  duress gate pull-request.toml --baseline known.json --artifacts gate-artifacts
  duress gate pull-request.toml --baseline known.json --update-baseline --why "issue 12\""""
)
@click.argument("selection", nargs=-1, required=True, metavar="FILE.toml | SYSTEM...")
@functools.partial(flag_options, without=(PHASES, SEED))
@click.option(
    "--seeds",
    metavar="SEEDS",
    default=DEFAULT_SEEDS,
    show_default=True,
    help="Of each SYSTEM: a number (from 1 on), 5-20, or 1,5,9.",
)
@click.option(
    "--baseline",
    "baseline_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file of the failures that are known; they are listed and fail nothing.",
)
@click.option(
    "--update-baseline",
    is_flag=True,
    help="Add the failures that are new to --baseline, and remove those that are fixed.",
)
@click.option(
    "--why", metavar="TEXT", help="Why the new ones are accepted; with --update-baseline."
)
@click.option(
    "--expires",
    metavar="DATE",
    help="The last day on which they are, as 2026-12-31; with --update-baseline.",
)
@click.option(
    "--artifacts",
    type=click.Path(path_type=Path),
    help="Folder to make, for CI to keep: all reports, and the runs they link to.",
)
@click.option("--fail-fast", is_flag=True, help="End with the first new failure.")
@click.option("--no-shrink", is_flag=True, help="Do not look for the smallest run of new failures.")
@campaign_options
def command(selection: tuple[str, ...], **flags: Any) -> int:
    """Run FILE (as of duress campaign) or SYSTEMs for some minutes, and say whether a change may
    pass.

    It ends after --minutes, or the file's budget, or 5 minutes. Trials that could not be run are
    run again; a verdict never is. The exit code tells a violation from an unknown verdict and from
    a machine that failed.
    """
    today = datetime.now(UTC).date()
    plan = _plan(selection, flags)
    wanted = _wanted(flags)
    known = wanted.known(today)
    show = sys.stderr if flags["as_json"] else sys.stdout
    interruption.listen()
    with help_answered():
        ledger, said = session.opened(plan, flags["folder"], new=True)
    click.echo(said, file=show)
    try:
        stopped = _run(ledger, plan, known, today, flags, show)
        interruption.listen()  # the loop has given the signals back
        done = conclude(ledger, known, today, wanted, stopped)
    finally:
        ledger.close()
    if done.entries is not None:
        click.echo(f"{wanted.baseline}: {_changes(known, done.entries)}", file=show)
    report_on = registry.load("reports", "campaign")
    report_on.tell_gate(done.report, done.summary, show, wanted.artifacts)
    report_on.tell_github(done.summary, done.report, show, os.environ)
    if flags["as_json"]:
        click.echo(msgspec.json.encode(done.report).decode())
    return done.report.exit_code


def _run(
    ledger: Ledger, plan: Plan, known: Baseline, today: date, flags: Mapping[str, Any], show: Any
) -> str:
    """Run it; what interrupted it, or an empty text."""

    def state(signature: str, cell: str) -> str:
        return gates.state_of(known.entry(signature, cell, today), today)

    is_known = gates.known_by(known, today)
    terminal = registry.load("reports", "terminal")
    try:
        with (
            only_one(ledger.path.parent),
            terminal.ProgressLine(show, quiet=flags["quiet"]) as live,
        ):
            told = Progress(ledger, plan, live, state)
            care = Care(plan, _complain, is_known, gates.SHRUNK_MAX)
            run_to_its_end(
                session.run(ledger, plan, flags["scheduler"], care, told, told.again, is_known)
            )
    except KeyboardInterrupt:
        return "interrupted"
    except InfrastructureError as error:
        return str(error)
    return ""


def _complain(why: str) -> None:
    click.echo(f"duress: {why}", err=True)


def _plan(selection: tuple[str, ...], flags: Mapping[str, Any]) -> Plan:
    given = given_flags(flags)
    files = [word for word in selection if word.endswith(".toml")]
    if files:
        file = files[0]
        if len(selection) != 1:
            raise UserError(f"gate: expected one FILE.toml or SYSTEMs, got {' '.join(selection)}")
        for name in sorted(given & {*_OF_A_TRIAL, "seeds"}):
            flag = {**_FLAGS, "cluster": "on", "settings": "set"}.get(name, name)
            raise UserError(f"--{flag}: {file} says which trials there are; give only one")
        plan = plans.read(Path(file))
    else:
        plan = _of_systems(selection, flags, given)
    plan = session.adjusted(gates.boxed(plan, flags["minutes"]), None, flags["parallel"])
    return gates.hurried(plan, flags["fail_fast"], not flags["no_shrink"])


def _of_systems(systems: tuple[str, ...], flags: Mapping[str, Any], given: Collection[str]) -> Plan:
    """What ``duress run`` would run, of each system with each seed."""
    lists: dict[str, Any] = {
        plural: [flags[name]] for name, plural in _LISTS.items() if flags[name]
    }
    matrix = Matrix(
        systems=list(systems),
        seeds=_seeds(flags["seeds"]),
        flags={flag: flags[name] for name, flag in _FLAGS.items() if name in given},
        settings=dict(settings_of(flags["settings"])),
        **lists,
    )
    return plans.checked(Plan(matrix=[matrix], shrink_minutes=SHRINK_MINUTES))


def _seeds(text: str) -> int | str | list[int]:
    try:
        if "," in text:
            return [int(part) for part in text.split(",")]
        return int(text) if text.strip().isdigit() else text
    except ValueError:
        raise UserError(f"--seeds: expected a number, 5-20 or 1,5,9, got {text!r}") from None


def _wanted(flags: Mapping[str, Any]) -> Wanted:
    expires = None
    if flags["expires"] is not None:
        try:
            expires = date.fromisoformat(flags["expires"])
        except ValueError:
            said = f"--expires: expected a day such as 2030-12-31, got {flags['expires']!r}"
            raise UserError(said) from None
    return Wanted(
        flags["baseline_path"],
        flags["update_baseline"],
        flags["why"] or "",
        expires,
        flags["artifacts"],
    )


def _changes(before: Baseline, after: Collection[Any]) -> str:
    """How a baseline was changed, in words."""
    added = sum(each not in before.known for each in after)
    removed = sum(each not in after for each in before.known)
    return f"{added} added, {removed} removed, {len(after)} in all"
