"""``duress rediscover``: shows again what others found in real systems."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from .. import registry
from ..errors import UserError
from ..finding import Finding
from ..spec import TrialSpec
from . import interruption
from .one_trial import run_and_report
from .trial_options import STORE, defaults, spec_of


class Outcome(msgspec.Struct, frozen=True):
    """What came of a finding. ``said`` is what its last trial reported; ``folder`` its run."""

    finding: Finding
    is_as_expected: bool
    said: str
    trials: int
    wall_s: float
    version: str
    folder: str


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
    """
    chosen = _chosen(names, systems)
    if only_list:
        for finding in chosen:
            kind = "control" if finding.is_control else "finding"
            click.echo(f"{finding.name} ({finding.system}, {kind}): {finding.claim}")
        return 0
    interruption.listen()
    specs = {finding.name: _spec(finding, seed) for finding in chosen}
    _prepare(specs.values())
    show = sys.stderr if print_json or markdown else sys.stdout
    outcomes = []
    terminal = registry.load("reports", "terminal")
    with terminal.ProgressLine(show) as live:
        for finding in chosen:
            outcome = _try(finding, specs[finding.name], store_path, live)
            outcomes.append(outcome)
            sign = terminal.GOOD if outcome.is_as_expected else terminal.BAD
            live.say(sign, f" {_line(outcome)}")
    if print_json:
        click.echo(json.dumps(msgspec.to_builtins(outcomes)))
    if markdown:
        click.echo(_markdown(outcomes))
    return 0 if all(outcome.is_as_expected for outcome in outcomes) else 1


def _chosen(names: Sequence[str], systems: Sequence[str]) -> list[Finding]:
    everything = registry.findings()
    known = {finding.name for finding in everything}
    for name in names:
        if name not in known:
            raise UserError(
                f"no finding named {name!r}{registry.did_you_mean(name, known)}; "
                "see: duress rediscover --list"
            )
    for system in systems:
        if system not in {finding.system for finding in everything}:
            raise UserError(f"--system {system}: nothing is known about it here")
    return [
        finding
        for finding in everything
        if (not names or finding.name in names) and (not systems or finding.system in systems)
    ]


def _spec(finding: Finding, seed: int) -> TrialSpec:
    flags = {**defaults(), **finding.flags, "settings": tuple(finding.settings), "seed": seed}
    if path := finding.flags.get("schedule"):
        flags["schedule"] = Path(path)
    return spec_of(finding.system, {"mutant": None, **flags}, set(finding.flags) | {"seed"})


def _prepare(specs: Any) -> None:
    for spec in specs:
        kind = registry.load("clusters", spec.cluster)
        if why := kind.reason_unavailable():
            raise UserError(f"rediscover: {spec.system} needs the cluster {spec.cluster}: {why}")
        kind.prepare(registry.load("systems", spec.system).image)


def _try(finding: Finding, first: TrialSpec, store_path: Path, live: Any) -> Outcome:
    began = time.monotonic()
    said, folder, version, number = "", "", "", 0
    expected = finding.is_control
    for number in range(1, finding.trials + 1):
        live.show(f"{finding.name}: trial {number} of at most {finding.trials}, {finding.system}")
        spec = msgspec.structs.replace(first, seed=first.seed + number - 1)
        outcome = run_and_report(spec, store_path, io.StringIO(), quiet=True)
        if outcome.outcome == "interrupted":
            raise KeyboardInterrupt
        folder = outcome.folder
        anomalies = sorted({each.name for each in outcome.verdict.anomalies})
        said = ", ".join(anomalies) or outcome.error or outcome.outcome
        version = _version(Path(folder))
        if finding.is_control:
            expected = outcome.outcome == "valid"
            if not expected:
                break
        elif set(anomalies) & set(finding.shows):
            expected = True
            break
    wall_s = time.monotonic() - began
    return Outcome(finding, expected, said, number, wall_s, version, folder)


def _version(folder: Path) -> str:
    told = json.loads((folder / "trial.json").read_bytes()).get("system_info") or {}
    return str(told.get("version", ""))


def _line(outcome: Outcome) -> str:
    finding = outcome.finding
    word = "as expected" if outcome.is_as_expected else "NOT AS EXPECTED"
    return (
        f"{finding.name}: {word}: {outcome.said}; {outcome.trials} trials, "
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
