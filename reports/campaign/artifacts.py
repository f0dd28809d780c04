"""The folder that a CI job keeps of a gate: its links work wherever it is unpacked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ...harness.campaign.gate import Report
from ...harness.campaign.ledger import Ledger
from ...harness.campaign.results import INFRASTRUCTURE, KILLED, UNKNOWN
from ...harness.campaign.summary import Summary
from ...harness.errors import InfrastructureError, UserError
from . import junit

MARK = "gate.json"
FILES = ("campaign.html", "campaign.json", MARK, "junit.xml", "summary.md")
RUNS = "runs"


def check(folder: Path) -> None:
    """``UserError`` unless it is a new or empty folder, or one of an earlier gate."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"--artifacts {folder}: expected a folder, got a file")
    there = {path.name for path in folder.iterdir()}
    if there and (MARK not in there or there - {*FILES, RUNS}):
        other = sorted(there - {*FILES, RUNS}) or sorted(there)
        raise UserError(
            f"--artifacts {folder}: expected a new or empty folder, or one of an earlier gate; "
            f"{other[0]} is in it"
        )


def gather(ledger: Ledger, summary: Summary, gate: Report, folder: Path) -> None:
    """Copy the reports there, and the run folders that they link to.

    They take the place of what an earlier gate left there."""
    check(folder)
    source = ledger.path.parent
    try:
        shutil.rmtree(folder / RUNS, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
            shutil.copyfile(source / name, folder / name)
        portable = msgspec.structs.replace(summary, folder=".")
        (folder / "junit.xml").write_bytes(junit.document(portable, gate))
        (folder / "campaign.json").write_bytes(as_json(portable))
        for run in dict.fromkeys(_linked(ledger, summary)):
            if (source / RUNS / run).is_dir():
                target = folder / RUNS / run
                shutil.copytree(source / RUNS / run, target, symlinks=True, ignore=_special)
    except (OSError, shutil.Error) as error:
        raise InfrastructureError(f"--artifacts {folder}: cannot write: {error}") from None


def as_json(told: Summary | Report) -> bytes:
    """As people can read it, too."""
    return msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n"


def _special(folder: str, names: list[str]) -> list[str]:
    """Sockets and the like, which nobody can copy."""
    paths = {name: Path(folder, name) for name in names}
    return [n for n, p in paths.items() if not (p.is_symlink() or p.is_file() or p.is_dir())]


def _linked(ledger: Ledger, summary: Summary) -> Iterator[str]:
    for failure in summary.failures:
        yield from filter(None, (failure.shrunk, failure.run))
    doubtful: Sequence[dict[str, Any]] = list(ledger.details([UNKNOWN, INFRASTRUCTURE, KILLED]))
    yield from (each["run"] for each in doubtful if each["run"])
