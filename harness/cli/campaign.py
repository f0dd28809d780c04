"""``duress campaign``: many trials, overnight, of which the failures are kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from .. import registry
from ..campaign import plan as plans
from ..campaign import session
from ..campaign.aftermath import Care
from ..campaign.engine import only_one
from ..campaign.results import INFRASTRUCTURE, INVALID, KILLED, UNKNOWN
from ..campaign.summary import Summary
from .campaign_flags import campaign_options
from .campaign_progress import Progress, run_to_its_end

EXIT_UNFINISHED = 3


@click.command(
    epilog="""\b
Examples:
  duress campaign nightly.toml
  duress campaign nightly.toml --minutes 10 --parallel 1
  duress campaign nightly.toml --new"""
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@campaign_options
@click.option("--new", is_flag=True, help="Begin anew, though the last one is not over.")
def command(file: Path, **flags: Any) -> int:
    """Run the campaign of FILE, or go on with it where it was.

    Exit code: 1 if a promise was broken, 3 if some trial ended without a verdict, 0 otherwise.
    (duress gate tells more apart.)
    """
    plan = session.adjusted(plans.read(file), flags["minutes"], flags["parallel"])
    show = sys.stderr if flags["as_json"] else sys.stdout
    ledger, said = session.opened(plan, flags["folder"], flags["new"])
    click.echo(said, file=show)
    terminal = registry.load("reports", "terminal")
    try:
        with (
            only_one(ledger.path.parent),
            terminal.ProgressLine(show, quiet=flags["quiet"]) as live,
        ):
            told = Progress(ledger, plan, live)
            care = Care(plan, lambda why: click.echo(f"duress: {why}", err=True))
            run_to_its_end(session.run(ledger, plan, flags["scheduler"], care, told, told.again))
        summary, earlier = session.with_earlier(ledger)
        report = registry.load("reports", "campaign")
        report.write(ledger, summary, earlier)
    finally:
        ledger.close()
    report.tell(summary, show)
    report.tell_github(summary, None, show, os.environ)
    if flags["as_json"]:
        click.echo(msgspec.json.encode(summary).decode())
    return exit_code(summary)


def exit_code(summary: Summary) -> int:
    """1 if a promise was broken, 3 if a trial ended without a verdict, 0 otherwise."""
    if summary.outcomes[INVALID]:
        return 1
    doubtful = sum(summary.outcomes[kind] for kind in (UNKNOWN, INFRASTRUCTURE, KILLED))
    return EXIT_UNFINISHED if doubtful else 0
