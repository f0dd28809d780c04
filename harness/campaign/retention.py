"""Which run folders of a campaign stay, and which make room."""

from __future__ import annotations

import shutil
from pathlib import Path

from .ledger import Ledger
from .plan import Keep
from .results import INFRASTRUCTURE, INVALID, KILLED, UNKNOWN, VALID


def prune(ledger: Ledger, runs: Path, keep: Keep) -> None:
    """Remove the folders of valid runs and of known failures that are too many."""
    for outcome, most in (
        (VALID, keep.passes),
        (UNKNOWN, keep.unknown),
        (INFRASTRUCTURE, keep.unknown),
        (KILLED, keep.unknown),
    ):
        for number, name, _ in ledger.runs(outcome)[most:]:
            _drop(ledger, runs, number, name)
    seen: dict[str | None, int] = {}
    for number, name, signature in sorted(ledger.runs(INVALID)):
        seen[signature] = seen.get(signature, 0) + 1
        if seen[signature] > keep.failures:
            _drop(ledger, runs, number, name)


def make_room(ledger: Ledger, runs: Path, disk_mb: float) -> bool:
    """Remove folders until those that are left fit; whether they do.

    Valid runs go first, then those without a verdict, each the oldest first, then failures that
    are not the first of their signature. The first of each stay.
    """
    too_much = ledger.bytes - disk_mb * 1e6
    if too_much <= 0:
        return True
    order = [
        each
        for kind in (VALID, UNKNOWN, INFRASTRUCTURE, KILLED)
        for each in ledger.runs(kind)[::-1]
    ]
    firsts: set[str | None] = set()
    for number, name, signature in sorted(ledger.runs(INVALID)):
        if signature in firsts:
            order.append((number, name, signature))
        firsts.add(signature)
    for number, name, _ in order:
        _drop(ledger, runs, number, name)
        if ledger.bytes <= disk_mb * 1e6:
            return True
    return False


def _drop(ledger: Ledger, runs: Path, number: int, name: str) -> None:
    remove(runs, name)
    ledger.run_removed(number)


def remove(runs: Path, name: str) -> None:
    """Remove a run folder, if there is one."""
    if name:
        shutil.rmtree(runs / name, ignore_errors=True)
