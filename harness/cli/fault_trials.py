"""The trials of ``duress doctor --faults``: run as a user would, in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from .. import registry
from ..errors import UserError
from ..fault_matrix import (
    FAILED,
    NOT_APPLICABLE,
    UNAVAILABLE,
    WORKS,
    Cell,
    Sample,
    observed,
    samples,
    schedule_of,
    without_trying,
)
from ..schedule import Schedule

SYSTEMS = ("raft", "raft", "wal-store", "raft")
"""A trial of each at most on a cluster, for what was not tried in the one before, or failed: a
fault that damages files, say, needs a system that has such files."""

DURESS = [sys.executable, "-c", "from duress.harness.cli import main; main()"]
SECONDS_EACH, SECONDS_MORE = 0.45, 4.0

FEW = 5
"""So few faults are tried as many times in one trial."""


def matrix(
    clusters: Sequence[str], settings: Sequence[str], say: Callable[[str], None]
) -> list[Cell]:
    """A cell for every fault on every one of these clusters."""
    cells = []
    for cluster in clusters:
        say(f"trying the faults on {cluster}")
        cells += _on(cluster, settings, say)
    return cells


def _on(cluster: str, settings: Sequence[str], say: Callable[[str], None]) -> list[Cell]:
    system = registry.load("systems", SYSTEMS[0])
    everything = samples()
    known: dict[str, Cell] = {}
    why = registry.load("clusters", cluster).reason_unavailable()
    for sample in everything:
        cell = without_trying(sample, cluster, system)
        if cell is None and why is not None:
            cell = Cell(sample.fault, cluster, UNAVAILABLE, why)
        if cell is not None:
            known[sample.fault] = cell
    for name in SYSTEMS:
        kind = registry.load("systems", name)
        left = [
            sample
            for sample in everything
            if known.get(sample.fault, _UNTRIED).status == FAILED
            and without_trying(sample, cluster, kind) is None
        ]
        if left and cluster in kind.clusters:
            known |= _sorted_out(_Ground(cluster, name, settings, say), left)
    return [known.get(s.fault, Cell(s.fault, cluster, FAILED, _UNTRIED.reason)) for s in everything]


_UNTRIED = Cell("", "", FAILED, "it was never possible to inject it, for want of a target")


@dataclass(frozen=True)
class _Ground:
    cluster: str
    system: str
    settings: Sequence[str]
    say: Callable[[str], None]


def _sorted_out(ground: _Ground, wanted: Sequence[Sample]) -> dict[str, Cell]:
    """Try all in one trial; where that does not begin, find out for whose sake it does not."""
    found, problem = _tried(ground, wanted)
    if found or not problem:
        return found
    nemeses = list(dict.fromkeys(sample.nemesis for sample in wanted))
    if len(nemeses) == 1:
        return {s.fault: Cell(s.fault, ground.cluster, UNAVAILABLE, problem) for s in wanted}
    # First those that ask more of the cluster than others do.
    asking = [n for n in nemeses if getattr(registry.load("nemeses", n), "needs", None)]
    if len(asking) in (0, len(nemeses)):
        asking = nemeses[: len(nemeses) // 2]
    parts = (asking, [name for name in nemeses if name not in asking])
    for part in parts:
        found |= _sorted_out(ground, [sample for sample in wanted if sample.nemesis in part])
    return found


def _tried(ground: _Ground, wanted: Sequence[Sample]) -> tuple[dict[str, Cell], str]:
    """What one trial tells of them, and what kept it from its end."""
    with tempfile.TemporaryDirectory(prefix="duress-faults-") as name:
        folder = Path(name)
        plan = folder / "schedule.json"
        tried = list(wanted) * (1 if len(wanted) > FEW else FEW)
        plan.write_bytes(msgspec.json.encode(Schedule(schedule_of(tried))))
        done = subprocess.run(
            [
                *(*DURESS, "run", ground.system, "--on", ground.cluster),
                *("--schedule", str(plan), "--rate", "20", "--settle", "0.1"),
                *("--time", f"{SECONDS_MORE + SECONDS_EACH * len(tried):g}"),
                *("--store", str(folder / "runs"), "--json", "--quiet"),
                *(word for setting in _meant_for(ground) for word in ("--set", setting)),
            ],
            capture_output=True,
            text=True,
        )
        ledgers = list(folder.glob("runs/2*/faults.jsonl"))
        found = observed(_lines(ledgers[0]), wanted, ground.cluster) if ledgers else {}
    problem = _problem(done)
    if done.returncode == 2 and problem.startswith("--"):
        raise UserError(problem)
    seen = {fault for fault, cell in found.items() if cell.status == WORKS}
    missing = ", ".join(s.fault for s in wanted if s.fault not in seen)
    ground.say(
        f"{ground.cluster}: {ground.system}: {len(seen)} of {len(wanted)} observed"
        + (f"; not {missing}" if seen and missing else "")
        + (f" ({problem})" if problem else "")
    )
    return found, problem


def _meant_for(ground: _Ground) -> list[str]:
    """The settings without those that only other kinds of cluster take."""
    every = {name: registry.load("clusters", name) for name in registry.names("clusters")}
    taken = {name: set(getattr(kind, "options", ())) for name, kind in every.items()}
    others = set().union(*taken.values()) - taken[ground.cluster]
    return [setting for setting in ground.settings if setting.partition("=")[0] not in others]


def _lines(ledger: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ledger.read_bytes().splitlines()]


def _problem(done: subprocess.CompletedProcess[str]) -> str:
    said = [line for line in done.stderr.splitlines() if line.startswith("duress: ")]
    if said:
        return said[-1].removeprefix("duress: ")
    try:
        result = json.loads(done.stdout)
    except ValueError:
        return (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
    if result.get("outcome") != "error":
        return ""
    return str(result.get("reason") or "").rpartition("infrastructure: ")[2]


# -- shown -----------------------------------------------------------------------------

MARKS: Mapping[str, str] = {
    WORKS: "works",
    NOT_APPLICABLE: "–",
    UNAVAILABLE: "no",
    FAILED: "FAILED",
}


def rows(cells: Sequence[Cell]) -> tuple[list[str], list[list[str]], list[str]]:
    """The header, a row for each fault, and the reasons, to which small numbers refer."""
    clusters = list(dict.fromkeys(cell.cluster for cell in cells))
    cells = sorted(cells, key=lambda cell: cell.fault.split()[0])
    reasons = list(dict.fromkeys(cell.reason for cell in cells if cell.reason))
    table: dict[str, list[str]] = {}
    for cell in cells:
        note = f" [{reasons.index(cell.reason) + 1}]" if cell.reason else ""
        table.setdefault(cell.fault, []).append(MARKS[cell.status] + note)
    notes = [f"[{number}] {reason}" for number, reason in enumerate(reasons, 1)]
    return ["fault", *clusters], [[fault, *marks] for fault, marks in table.items()], notes


def as_text(cells: Sequence[Cell], markdown: bool) -> str:
    """The matrix for a terminal, or for a page."""
    header, body, notes = rows(cells)
    if markdown:
        lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
        lines += [f"| {' | '.join(row)} |" for row in body]
        return "\n".join([*lines, "", *(f"{note}  " for note in notes)])
    widths = [max(len(row[at]) for row in [header, *body]) for at in range(len(header))]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *body]
    ]
    return "\n".join([*lines, "", *notes])
