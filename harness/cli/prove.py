"""``duress prove``: every planted bug hunted, every right version left in peace?"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from .. import registry
from ..attempts import Attempt, AttemptPool
from ..errors import UserError
from ..prove import Case, Detection, Innocence, acquit, detect
from ..spec import TrialSpec
from .hunt import planned
from .trial_options import defaults, spec_of

QUICK = {"hunts": 1, "trials": 150, "minutes": 1.0, "clean_trials": 12}
FULL = {"hunts": 5, "trials": 2000, "minutes": 3.0, "clean_trials": 2000}


@click.command(
    epilog="""\b
Examples:
  duress prove --quick
  duress prove raft two-phase-commit --shrink
  duress prove --clean-trials 0 --hunts 9 --json > matrix.json"""
)
@click.argument("systems", nargs=-1)
@click.option("--quick", is_flag=True, help="One hunt each and few clean trials: minutes.")
@click.option("--hunts", type=click.IntRange(0), help="Hunts for each mutant [5; quick: 1].")
@click.option("--budget-trials", type=click.IntRange(1), help="Most trials a hunt [2000; 150].")
@click.option(
    "--minutes", type=click.FloatRange(0, min_open=True), help="Most minutes a hunt [3; 1]."
)
@click.option(
    "--clean-trials", type=click.IntRange(0), help="Trials of each right version [2000; 12]."
)
@click.option("--shrink", is_flag=True, help="Say how small the smallest failing trial is.")
@click.option("--seed", type=int, default=0, show_default=True, help="The first seed.")
@click.option("--jobs", type=click.IntRange(1, 512), help="Processes (default: one a core).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def command(systems: tuple[str, ...], quick: bool, as_json: bool, **flags: Any) -> int:
    """Hunt every mutant of SYSTEMS (default: all that run on sim), and try the right versions.

    Prints the kill matrix: how often each planted bug was found, whether by the anomaly that it
    must show, the median trials and seconds until then; and false alarms. Exit code 1 if a mutant
    was missed or found by another anomaly, or if a right version was accused.
    """
    usual = QUICK if quick else FULL
    limits = {"trials": flags["budget_trials"], **flags}
    limits = {name: usual[name] if limits[name] is None else limits[name] for name in usual}
    chosen = _systems(systems)
    show = sys.stderr if as_json else sys.stdout
    detections: list[Detection] = []
    clean: list[Innocence] = []
    with AttemptPool(flags["jobs"]) as pool:
        for case in _cases(chosen, flags["seed"]):
            found = detect(
                case,
                pool,
                hunts=limits["hunts"],
                trials=limits["trials"],
                minutes=limits["minutes"],
                shrink=flags["shrink"],
            )
            detections.append(found)
            click.echo(_detection_line(found), file=show)
        if limits["clean_trials"]:
            for system in chosen:
                specs = _right_versions(system, flags["seed"])
                result = acquit(system, specs, pool, trials=limits["clean_trials"])
                clean.append(result)
                click.echo(_clean_line(result), file=show)
    _show_matrix(show, chosen, detections, clean)
    if as_json:
        click.echo(json.dumps(_as_json(detections, clean)))
    is_proven = all(each.is_as_expected for each in detections)
    return 0 if is_proven and all(each.is_clean for each in clean) else 1


def _systems(wanted: Sequence[str]) -> list[str]:
    able = [n for n in registry.names("systems") if "sim" in registry.load("systems", n).clusters]
    for name in wanted:
        if name not in able:
            raise UserError(f"prove: {name!r} does not run on sim; there are: {', '.join(able)}")
    return list(wanted) or able


def _flags(**changes: Any) -> dict[str, Any]:
    return {**defaults(), "cluster": "sim", "settings": (), "mutant": None, **changes}


def _cases(systems: Sequence[str], seed: int) -> list[Case]:
    return [
        Case(
            mutant.system,
            mutant.name,
            mutant.anomaly,
            *planned(
                mutant.system,
                _flags(mutant=mutant.name, seed=seed, strategy="mixed"),
                {"cluster", "seed"},
            ),
        )
        for mutant in registry.mutants()
        if mutant.system in systems
    ]


def _right_versions(system: str, seed: int) -> list[TrialSpec]:
    return [
        spec_of(system, _flags(workload=workload, seed=seed), {"cluster", "seed", "workload"})
        for workload in registry.load("systems", system).workloads
    ]


def _detection_line(each: Detection) -> str:
    said = (
        f"{each.case.system}:{each.case.mutant}: found in {each.found} of {len(each.hunts)} hunts"
    )
    if each.median_trials is not None and each.median_s is not None:
        said += f", median {each.median_trials:g} trials, {each.median_s:.1f} s"
    if each.found and not each.is_as_expected:
        seen = sorted({n for h in each.hunts if h.found for n in h.found.anomalies})
        said += f"; expected {each.case.anomaly}, got {', '.join(seen)}"
    errors = [hunt.error for hunt in each.hunts if hunt.error]
    return said + (f"; {errors[0]}" if errors else "")


def _clean_line(each: Innocence) -> str:
    said = f"{each.system} without a mutant: {len(each.alarms)} alarms in {each.trials} trials"
    said += f" ({each.unknown} said nothing), {each.wall_s:.0f} s"
    if each.alarms:
        first = each.alarms[0]
        said += f"; the first: --workload {first.spec.workload} --seed {first.spec.seed}: "
        said += ", ".join(first.anomalies)
    return said + (f"; {each.errors[0]}" if each.errors else "")


def _show_matrix(
    stream: Any, systems: Sequence[str], detections: list[Detection], clean: list[Innocence]
) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("system", "mutant", "found", "anomaly", "trials", "seconds", "smallest")
    for each in detections:
        table.add_row(
            each.case.system,
            each.case.mutant,
            f"{each.found}/{len(each.hunts)}",
            each.case.anomaly + (" ✓" if each.is_as_expected else " ✗"),
            _figure(each.median_trials, "g"),
            _figure(each.median_s, ".1f"),
            _size(each.smallest),
        )
    console = Console(file=stream)
    if detections:
        console.print(table)
    scores = Table("system", "mutants killed", "right version: alarms / trials")
    for system in systems:
        mine = [each for each in detections if each.case.system == system]
        killed = sum(each.is_as_expected for each in mine)
        tried = next((each for each in clean if each.system == system), None)
        score = f"{killed}/{len(mine)}" if mine else "no mutants"
        alarms = f"{len(tried.alarms)} / {tried.trials}" if tried else "not tried"
        scores.add_row(system, score, alarms)
    console.print(scores)


def _figure(value: float | None, form: str) -> str:
    return "> budget" if value is None else format(value, form)


def _size(attempt: Attempt | None) -> str:
    if attempt is None:
        return ""
    return f"{len(attempt.spec.schedule or [])} faults, {attempt.operations} operations"


def _as_json(detections: list[Detection], clean: list[Innocence]) -> dict[str, Any]:
    return {
        "mutants": [
            {
                "system": each.case.system,
                "mutant": each.case.mutant,
                "anomaly": each.case.anomaly,
                "hunts": len(each.hunts),
                "found": each.found,
                "as_expected": each.is_as_expected,
                "median_trials": each.median_trials,
                "median_s": None if each.median_s is None else round(each.median_s, 3),
                "seeds": [hunt.found.spec.seed for hunt in each.hunts if hunt.found],
                "smallest": None
                if each.smallest is None
                else {
                    "faults": len(each.smallest.spec.schedule or []),
                    "operations": each.smallest.operations,
                },
            }
            for each in detections
        ],
        "right_versions": [
            {
                "system": each.system,
                "trials": each.trials,
                "alarms": [
                    {
                        "seed": alarm.spec.seed,
                        "workload": alarm.spec.workload,
                        "anomalies": alarm.anomalies,
                    }
                    for alarm in each.alarms
                ],
                "unknown": each.unknown,
                "errors": each.errors,
                "wall_s": round(each.wall_s, 3),
            }
            for each in clean
        ],
    }
