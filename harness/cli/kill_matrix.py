"""The kill matrix of ``duress prove``, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..attempts import Attempt
from ..prove import Detection, Innocence

WIDTH = 120
"""Columns where nobody says how many there are."""


def detection_line(each: Detection) -> str:
    """In a line: how often it was found, how soon, and what was wrong with that."""
    said = (
        f"{each.case.system}:{each.case.mutant}: found in {each.found} of {len(each.hunts)} hunts"
    )
    if each.median_trials is not None and each.median_s is not None:
        said += f", median {each.median_trials:g} trials, {each.median_s:.1f} s"
    wanted = set(each.case.anomalies)
    others = [h.found for h in each.hunts if h.found and wanted.isdisjoint(h.found.anomalies)]
    if others:
        seen = sorted({name for found in others for name in found.anomalies})
        said += f"; expected {' or '.join(each.case.anomalies)}, got {', '.join(seen)}"
    errors = [hunt.error for hunt in each.hunts if hunt.error]
    return said + (f"; {errors[0]}" if errors else "")


def clean_line(each: Innocence) -> str:
    """In a line: false alarms and what could not be said."""
    said = f"{each.system} without a mutant: {len(each.alarms)} alarms in {each.trials} trials"
    said += f" ({each.unknown} said nothing), {each.wall_s:.0f} s"
    if each.alarms:
        first = each.alarms[0]
        said += f"; the first: --workload {first.spec.workload} --seed {first.spec.seed}: "
        said += ", ".join(first.anomalies)
    return said + (f"; {each.errors[0]}" if each.errors else "")


def show_matrix(
    stream: Any, systems: Sequence[str], detections: list[Detection], clean: list[Innocence]
) -> None:
    """Print the tables: one row a mutant, one row a system."""
    from rich.console import Console
    from rich.table import Table

    table = Table("system", "mutant", "found", "anomaly", "trials", "seconds", "smallest")
    for each in detections:
        table.add_row(
            each.case.system,
            each.case.mutant,
            f"{each.found}/{len(each.hunts)}",
            each.case.anomalies[0] + (" ✓" if each.is_as_expected else " ✗"),
            _figure(each.median_trials, "g"),
            _figure(each.median_s, ".1f"),
            _size(each.smallest),
        )
    console = Console(file=stream, width=None if stream.isatty() else WIDTH)
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


def as_json(detections: list[Detection], clean: list[Innocence]) -> dict[str, Any]:
    """All figures as plain values."""
    return {
        "mutants": [
            {
                "system": each.case.system,
                "mutant": each.case.mutant,
                "anomaly": each.case.anomalies[0],
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


def as_markdown(detections: list[Detection], clean: list[Innocence]) -> str:
    """The same tables for a page of documentation."""
    sizes = any(each.smallest is not None for each in detections)
    lines = ["| system | mutant | anomaly | found | trials | seconds |" + " smallest |" * sizes]
    lines.append("|---|---|---|---|---|---|" + "---|" * sizes)
    for each in detections:
        cells = [
            each.case.system,
            f"`{each.case.mutant}`",
            each.case.anomalies[0] + ("" if each.is_as_expected else " (not in every hunt)"),
            f"{each.found}/{len(each.hunts)}",
            _figure(each.median_trials, "g"),
            _figure(each.median_s, ".1f"),
            *([_size(each.smallest)] if sizes else []),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if clean:
        lines += [
            "",
            "| right version | trials | false alarms | said nothing |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {each.system} | {each.trials:,} | {len(each.alarms)} | {each.unknown} |"
            for each in clean
        ]
    return "\n".join(lines)
