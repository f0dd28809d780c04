"""``duress prove``: every planted bug hunted, every right version left in peace?"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

import click

from .. import registry
from ..attempts import AttemptPool, Trials
from ..errors import UserError
from ..prove import Case, Detection, Innocence, acquit, detect
from ..spec import TrialSpec
from ..system import Mutant
from .hunt import planned
from .kill_matrix import as_json, as_markdown, clean_line, detection_line, show_matrix
from .real_trials import RealTrials
from .trial_options import defaults, spec_of

QUICK = {"hunts": 1, "trials": 300, "minutes": 3.0, "clean_trials": 12, "time_limit_s": 12.0}
QUICK_INTERVAL_S = 1.5
"""As many faults in shorter trials."""

FULL = {"hunts": 5, "trials": 2000, "minutes": 3.0, "clean_trials": 2000, "time_limit_s": 30.0}
REAL = {"hunts": 1, "trials": 8, "minutes": 3.0, "clean_trials": 2, "time_limit_s": 10.0}
"""On real processes, where a trial lasts as long as it says."""

REAL_SAMPLE = 2
"""Mutants of each system that are hunted there unless more are asked for."""


@click.command(
    epilog="""\b
Examples:
  duress prove --quick
  duress prove raft two-phase-commit --shrink
  duress prove raft --mutant votes-twice --hunts 9 --clean-trials 0
  duress prove --on docker --sample 1
  duress prove --clean-trials 0 --hunts 9 --json > matrix.json"""
)
@click.argument("systems", nargs=-1)
@click.option("--quick", is_flag=True, help="One hunt each and few clean trials: minutes.")
@click.option(
    "--on",
    "cluster",
    type=click.Choice(["sim", "local", "docker"]),
    default="sim",
    show_default=True,
    help="On local and docker: a sample, on real processes.",
)
@click.option("--mutant", "mutants", multiple=True, metavar="NAME", help="Only this; repeatable.")
@click.option(
    "--sample", type=click.IntRange(1), help="So many mutants of each system [all; 2 if not sim]."
)
@click.option(
    "--hunts", type=click.IntRange(0), help="Hunts for each mutant [5; quick, real: 1]; 0: none."
)
@click.option(
    "--budget-trials", type=click.IntRange(1), help="Most trials a hunt [2000; quick 300; real 8]."
)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Most minutes a hunt [3].")
@click.option(
    "--time",
    "time_limit_s",
    type=click.FloatRange(0, min_open=True),
    help="Seconds of load of a trial, unless a mutant asks for others [30; quick 12; real 10].",
)
@click.option(
    "--clean-trials",
    type=click.IntRange(0),
    help="Trials of each right version [2000; quick 12; real 2].",
)
@click.option("--shrink", is_flag=True, help="On sim: say how small the smallest failing trial is.")
@click.option("--seed", type=int, default=0, show_default=True, help="The first seed.")
@click.option("--jobs", type=click.IntRange(1, 512), help="Processes (default: one a core).")
@click.option("--json", "print_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("--markdown", is_flag=True, help="Print the tables as Markdown at the end.")
def command(
    systems: tuple[str, ...],
    quick: bool,
    cluster: str,
    mutants: tuple[str, ...],
    sample: int | None,
    print_json: bool,
    markdown: bool,
    **flags: Any,
) -> int:
    """Hunt every mutant of SYSTEMS (default: all that run there), and try the right versions.

    Prints the kill matrix: how often each planted bug was found, whether by the anomaly that it
    must show, the median trials and seconds until then; and false alarms. Exit code 1 if a mutant
    was missed or found by another anomaly, or if a right version was accused.
    """
    usual = REAL if cluster != "sim" else QUICK if quick else FULL
    limits = {"trials": flags["budget_trials"], **flags}
    limits = {name: usual[name] if limits[name] is None else limits[name] for name in usual}
    chosen = _systems(systems, cluster)
    if sample is None and cluster != "sim" and not mutants:
        sample = REAL_SAMPLE
    planted = _planted(chosen, mutants, sample, flags["seed"]) if limits["hunts"] else []
    show = sys.stderr if print_json or markdown else sys.stdout
    trial: dict[str, Any] = {"seed": flags["seed"], "time_limit_s": limits["time_limit_s"]}
    if quick:
        trial["interval_s"] = QUICK_INTERVAL_S
    detections: list[Detection] = []
    clean: list[Innocence] = []
    terminal = registry.load("reports", "terminal")
    with (
        _trials(cluster, chosen, flags["jobs"]) as pool,
        terminal.ProgressLine(show) as live,
    ):
        for mutant in planted:
            try:
                case = _case(mutant, cluster, trial)
            except UserError as unfit:
                if cluster == "sim":
                    raise
                live.say(f"  {mutant.system}:{mutant.name}: not tried: {unfit}")
                continue
            live.show(f"hunting {mutant.system}:{mutant.name}")
            found = detect(
                case,
                pool,
                hunts=limits["hunts"],
                trials=limits["trials"],
                minutes=limits["minutes"],
                shrink=flags["shrink"],
                progress=lambda so_far: live.show(f"hunting {detection_line(so_far)}"),
            )
            detections.append(found)
            sign = terminal.GOOD if found.is_as_expected else terminal.BAD
            live.say(sign, f" {detection_line(found)}")
        if limits["clean_trials"]:
            for system in chosen:
                specs = _right_versions(system, cluster, trial)
                live.show(f"trying {system} without a mutant")
                result = acquit(
                    system,
                    specs,
                    pool,
                    trials=limits["clean_trials"],
                    progress=lambda so_far: live.show(f"trying {clean_line(so_far)}"),
                )
                clean.append(result)
                sign = terminal.GOOD if result.is_clean else terminal.BAD
                live.say(sign, f" {clean_line(result)}")
    show_matrix(show, chosen, detections, clean)
    if print_json:
        click.echo(json.dumps(as_json(detections, clean)))
    if markdown:
        click.echo(as_markdown(detections, clean))
    is_proven = all(each.is_as_expected for each in detections)
    return 0 if is_proven and all(each.is_clean for each in clean) else 1


@contextlib.contextmanager
def _trials(cluster: str, systems: Sequence[str], jobs: int | None) -> Iterator[Trials]:
    if cluster == "sim":
        with AttemptPool(jobs) as pool:
            yield pool
        return
    if jobs is not None:
        raise UserError(f"--jobs: trials on {cluster} run one after the other")
    trials = RealTrials()
    trials.prepare(cluster, systems)
    yield trials


def _systems(wanted: Sequence[str], cluster: str) -> list[str]:
    # Those without the simulation are other people's, and have no mutants.
    able = [
        name
        for name in registry.names("systems")
        if {cluster, "sim"} <= set(registry.load("systems", name).clusters)
    ]
    for name in wanted:
        if name not in able:
            known = ", ".join(able)
            raise UserError(f"prove: {name!r} does not run on {cluster}; there are: {known}")
    return list(wanted) or able


def _planted(
    systems: Sequence[str], names: Sequence[str], sample: int | None, seed: int
) -> list[Mutant]:
    """The mutants that are asked for, by system; a sample is the same for the same seed."""
    everyone = [mutant for mutant in registry.mutants() if mutant.system in systems]
    known = {mutant.name for mutant in everyone}
    for name in names:
        if name not in known:
            raise UserError(f"--mutant {name}: there is no such mutant of {', '.join(systems)}")
    asked = [mutant for mutant in everyone if not names or mutant.name in names]
    if sample is None:
        return asked
    random = Random(f"{seed}/sample")
    some: list[Mutant] = []
    for system in systems:
        mine = [mutant for mutant in asked if mutant.system == system]
        some += random.sample(mine, min(sample, len(mine)))
    return some


def _flags(cluster: str, **changes: Any) -> dict[str, Any]:
    return {**defaults(), "cluster": cluster, "settings": (), "mutant": None, **changes}


def _case(mutant: Mutant, cluster: str, trial: Mapping[str, Any]) -> Case:
    strategy = "mixed" if cluster == "sim" else "default"
    flags = _flags(cluster, **trial, mutant=mutant.name, strategy=strategy)
    trials = planned(mutant.system, flags, {"cluster", "seed"})
    anomalies = (mutant.anomaly, *getattr(mutant, "or_else", ()))
    return Case(mutant.system, mutant.name, anomalies, *trials)


def _right_versions(system: str, cluster: str, trial: Mapping[str, Any]) -> list[TrialSpec]:
    flags = _flags(cluster, **trial)
    return [
        spec_of(system, {**flags, "workload": workload}, {"cluster", "seed", "workload"})
        for workload in registry.load("systems", system).workloads
    ]
