"""A process that runs trials one after the other, as it is told on its standard input.

Each line in is a :class:`Task`, each line out a :class:`~..campaign.results.Result`. Nothing else
is written to standard output. What goes wrong with a trial is said; what goes wrong with this
process is seen by whoever reads.
"""

from __future__ import annotations

import ctypes
import io
import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from .. import registry, trial
from ..campaign.results import INFRASTRUCTURE, NOT_FOR_TRIALS, Result, of_folder
from ..errors import DuressError
from ..spec import TrialSpec
from ..store import RunFolder
from . import interruption
from .one_trial import render, run_to_its_end

PR_SET_PDEATHSIG = 1


class Task(msgspec.Struct, frozen=True):
    """A trial, and the path of the folder to make for it."""

    spec: TrialSpec
    folder: str


def main(cluster: str, image: str | None) -> None:
    """Run what is asked for until there is no more."""
    interruption.listen()
    end_with_parent()
    for name in NOT_FOR_TRIALS:
        os.environ.pop(name, None)
    answers = os.dup(1)
    os.dup2(2, 1)  # whoever prints, prints elsewhere
    prepare = getattr(registry.load("clusters", cluster), "prepare", None)
    if prepare is not None:
        prepare(image)  # may fork: nothing runs yet
    decode = msgspec.json.Decoder(Task).decode
    for line in sys.stdin.buffer:
        result = one(decode(line))
        os.write(answers, msgspec.json.encode(result) + b"\n")


def one(task: Task) -> Result:
    """Run a trial in a new folder, with all its reports."""
    began = time.perf_counter()
    folder = RunFolder(Path(task.folder))
    try:
        (folder.path / "nodes").mkdir(parents=True)
        outcome = run_to_its_end(trial, task.spec, folder, [])
        error = outcome.error
        if outcome.outcome == "interrupted":
            raise KeyboardInterrupt
        render(folder, io.StringIO())
    except (DuressError, OSError) as problem:
        error = str(problem)
    wall_s = time.perf_counter() - began
    found = of_folder(folder, wall_s)
    if found is None:
        name = folder.path.name if folder.path.is_dir() else ""
        return Result(INFRASTRUCTURE, run=name, wall_s=wall_s, error=error or "without a verdict")
    return found


def end_with_parent() -> None:
    """Be asked to end when the parent dies, so that no trial goes on that nobody waits for."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2] or None)
    except KeyboardInterrupt:
        sys.exit(3)
