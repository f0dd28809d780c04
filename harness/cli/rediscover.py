"""``duress rediscover``: shows again what others found in real systems."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from .. import rediscovery, registry
from ..rediscovery import LEDGER as LEDGER
from ..rediscovery import Outcome as Outcome
from ..rediscovery import prepare as _prepare
from ..spec import TrialSpec
from . import interruption
from .one_trial import run_and_report
from .trial_options import STORE


@click.command(
    epilog="""\b
Examples:
  duress rediscover --list
  duress rediscover redis-loses-acknowledged-writes
  duress rediscover --system postgresql --markdown"""
)
@click.argument("names", nargs=-1)
@click.option("--system", "systems", multiple=True, help="Only findings of this; repeatable.")
@click.option("--list", "only_list", is_flag=True, help="Say what there is and run nothing.")
@click.option("--seed", type=int, default=0, show_default=True, help="The first seed.")
@STORE
@click.option("--json", "print_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("--markdown", is_flag=True, help="Print the table as Markdown at the end.")
def command(
    names: tuple[str, ...],
    systems: tuple[str, ...],
    only_list: bool,
    seed: int,
    store_path: Path,
    print_json: bool,
    markdown: bool,
) -> int:
    """Run the trials of NAMES (default: all) and say what showed.

    A finding is tried until it shows; a control must be valid every time. Exit code 1 if a
    finding did not show, or a control was invalid or said nothing.

    All of it takes an hour and a half: it is the long form of what the tests try of real systems.
    What was found is in rediscovered.jsonl of the store, a line for each as soon as it is known,
    also where the command is interrupted (Ctrl-C), which leaves nothing behind but run folders.
    """
    chosen = rediscovery.chosen(names, systems)
    if only_list:
        for finding in chosen:
            kind = "control" if finding.is_control else "finding"
            click.echo(f"{finding.name} ({finding.system}, {kind}): {finding.claim}")
        return 0
    interruption.listen()
    specs = {finding.name: rediscovery.first_trial(finding, seed) for finding in chosen}
    _prepare(specs.values())
    show = sys.stderr if print_json or markdown else sys.stdout

    def run(spec: TrialSpec) -> Any:
        return run_and_report(spec, store_path, io.StringIO(), quiet=True)

    outcomes = []
    terminal = registry.load("reports", "terminal")
    with terminal.ProgressLine(show) as live:
        for finding in chosen:
            outcome = rediscovery.tried(finding, specs[finding.name], run, live.show)
            outcomes.append(outcome)
            rediscovery.remember(outcome, store_path)
            sign = terminal.GOOD if outcome.is_as_expected else terminal.BAD
            live.say(sign, f" {_line(outcome)}")
    if print_json:
        click.echo(json.dumps(msgspec.to_builtins(outcomes)))
    if markdown:
        click.echo(_markdown(outcomes))
    return 0 if all(outcome.is_as_expected for outcome in outcomes) else 1


def _line(outcome: Outcome) -> str:
    finding = outcome.finding
    word = "as expected" if outcome.is_as_expected else "NOT AS EXPECTED"
    trials = f"{outcome.trials} trial{'' if outcome.trials == 1 else 's'}"
    return (
        f"{finding.name}: {word}: {outcome.said}; {trials}, "
        f"{outcome.wall_s:.0f} s, {finding.system} {outcome.version}; {outcome.folder}"
    )


def _markdown(outcomes: Sequence[Outcome]) -> str:
    lines = [
        "| finding | system | what showed | trials | seconds |",
        "|---|---|---|---|---|",
    ]
    for each in outcomes:
        kind = "control: " if each.finding.is_control else ""
        mark = "" if each.is_as_expected else " **(not as expected)**"
        lines.append(
            f"| {kind}{each.finding.name} | {each.finding.system} {each.version} "
            f"| {each.said}{mark} | {each.trials} | {each.wall_s:.0f} |"
        )
    return "\n".join(lines)
