"""Runs trials in virtual time, and twice over to see that the second is the first again."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..errors import InfrastructureError
from ..events import Listener
from ..spec import TrialSpec
from ..store import RunFolder

if TYPE_CHECKING:
    from ..trial import Outcome

COMPARED = ("messages.jsonl", "history.jsonl", "faults.jsonl", "messages.json")
"""What must be equal, byte for byte; where the first says most about a difference."""


@dataclass(frozen=True)
class Divergence:
    """The first line of a file in which two runs differ; ``None`` where one had ended."""

    file: str
    line: int
    first: str | None
    second: str | None

    def __str__(self) -> str:
        first, second = (_shown(text) for text in (self.first, self.second))
        return (
            f"{self.file}:{self.line} differs between two runs of the same seed: first {first}, "
            f"then {second}; something reads a clock, chance, an id or the order of a set"
        )


def run(
    spec: TrialSpec, folder: RunFolder, listeners: Sequence[Listener] = (), command: str = ""
) -> Outcome:
    """Run one trial on a virtual loop of its own."""
    from .. import trial
    from .loop import VirtualLoop

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(trial.run(spec, folder, listeners, command))


def run_again(spec: TrialSpec, folder: RunFolder) -> None:
    """Run a trial in a new process in which text hashes differently; ``InfrastructureError``."""
    seed = "1" if os.environ.get("PYTHONHASHSEED") == "2" else "2"
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(folder.path)],
        input=msgspec.json.encode(spec),
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        raise InfrastructureError(f"repeating the trial failed: {said[-1]}")


def run_twice(spec: TrialSpec, first: RunFolder, second: RunFolder) -> Divergence | None:
    """Run a trial here and again elsewhere, both traced; the first difference, if there is one.

    A run that exists already need not be made again: see :func:`run_again` and
    :func:`first_difference`. Then ``spec`` must be that run's, option ``trace`` included.
    """
    traced = msgspec.structs.replace(spec, options={**spec.options, "trace": "true"})
    outcome = run(traced, first)
    if outcome.error is not None:
        raise InfrastructureError(f"a trial that failed cannot be repeated: {outcome.error}")
    run_again(traced, second)
    return first_difference(first.path, second.path)


def first_difference(first: Path, second: Path) -> Divergence | None:
    """Compare two run folders, line by line."""
    for name in COMPARED:
        found = _first_difference(name, first / name, second / name)
        if found is not None:
            return found
    return None


def _first_difference(name: str, first: Path, second: Path) -> Divergence | None:
    here, there = (p.read_bytes() if p.exists() else b"" for p in (first, second))
    if here == there:
        return None
    lines, others = here.splitlines(), there.splitlines()
    at = 0
    while at < min(len(lines), len(others)) and lines[at] == others[at]:
        at += 1
    return Divergence(name, at + 1, _line(lines, at), _line(others, at))


def _line(lines: list[bytes], at: int) -> str | None:
    return lines[at].decode(errors="replace") if at < len(lines) else None


def _shown(text: str | None) -> str:
    return "nothing" if text is None else text if len(text) <= 200 else text[:200] + "…"


if __name__ == "__main__":
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=TrialSpec)
    run(wanted, RunFolder(Path(sys.argv[1])))
