"""Findings of others, shown again: which ones, by what trials, and what came of each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from . import registry
from .errors import UserError
from .finding import Finding
from .spec import TrialSpec
from .store import LineFile
from .trial_flags import defaults, spec_of

LEDGER = "rediscovered.jsonl"
"""In the store: an :class:`Outcome` a line; of those of the same finding the last one counts."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of a finding. ``said`` is what its last trial reported; ``folder`` its run."""

    finding: Finding
    is_as_expected: bool
    said: str
    trials: int
    wall_s: float
    version: str
    folder: str


def chosen(names: Sequence[str], systems: Sequence[str]) -> list[Finding]:
    """Those of these names and systems; all, if neither is given. ``UserError``: there is none."""
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


def first_trial(finding: Finding, seed: int) -> TrialSpec:
    """The trial of a finding, with its first seed."""
    flags = {**defaults(), **finding.flags, "settings": tuple(finding.settings), "seed": seed}
    if path := finding.flags.get("schedule"):
        flags["schedule"] = Path(path)
    return spec_of(finding.system, {"mutant": None, **flags}, set(finding.flags) | {"seed"})


def prepare(specs: Iterable[TrialSpec]) -> None:
    """See that there are the clusters that they need, and make them ready."""
    for spec in specs:
        kind = registry.load("clusters", spec.cluster)
        if why := kind.reason_unavailable():
            raise UserError(f"rediscover: {spec.system} needs the cluster {spec.cluster}: {why}")
        kind.prepare(registry.load("systems", spec.system).image)


def tried(
    finding: Finding,
    first: TrialSpec,
    run: Callable[[TrialSpec], Any],
    show: Callable[[str], object] = lambda _: None,
) -> Outcome:
    """Run its trials until it shows; a control as often as it says, until it is not valid.

    ``run``: runs one in a folder that stays. ``KeyboardInterrupt`` after one was interrupted.
    """
    began = time.monotonic()
    said, folder, version, number = "", "", "", 0
    expected = finding.is_control
    for number in range(1, finding.trials + 1):
        show(f"{finding.name}: trial {number} of at most {finding.trials}, {finding.system}")
        spec = msgspec.structs.replace(first, seed=first.seed + number - 1)
        outcome = run(spec)
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


def remember(outcome: Outcome, store_path: Path) -> None:
    """At once, so that an hour's work is not lost with the last minute of it."""
    ledger = LineFile(store_path / LEDGER)
    try:
        ledger.write(msgspec.json.encode(outcome) + b"\n")
    finally:
        ledger.close()


def _version(folder: Path) -> str:
    told = json.loads((folder / "trial.json").read_bytes()).get("system_info") or {}
    return str(told.get("version", ""))
