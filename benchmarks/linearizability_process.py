"""A process of its own that judges saved histories: their time and its memory, nothing else's.

Reads one JSON object on standard input, the task::

    {"model": "cas-register", "initial": null, "failed_cas": "drop", "warm": [file],
     "runs": [[file, …], …], "repeat": 1, "time_limit_s": 60.0}

and writes one JSON list, an object for each run: seconds to prepare and to decide its files
together (the fastest of ``repeat``), the verdict, the procedure, and in bytes what the process
held before and at most while it did. Files are pickled histories that the benchmark itself made.
"""

from __future__ import annotations

import json
import pickle
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numba  # noqa: F401  (what is compiled is used from the first history on)

from duress.checkers.linearizability.algorithms import decide
from duress.checkers.linearizability.models import model_named
from duress.checkers.linearizability.preparation import prepare
from duress.checkers.linearizability.search import Budget
from duress.harness.history import History


def main() -> None:
    """Judge all runs of the task."""
    task = json.load(sys.stdin)
    _judge(task, _loaded(task["warm"]))
    json.dump([_measured(task, files) for files in task["runs"]], sys.stdout)


def _loaded(files: list[str]) -> list[History]:
    histories = [pickle.loads(Path(file).read_bytes()) for file in files]
    for history in histories:
        history.columns()
    return histories


def _judge(task: dict[str, Any], histories: list[History]) -> tuple[float, float, Any, str]:
    """Seconds to prepare and to decide, the verdict, what gave it."""
    model = model_named(task["model"], task["initial"])
    prepared_s = decided_s = 0.0
    judged = []
    for history in histories:
        budget = Budget(time_limit_s=task["time_limit_s"], clock=time.monotonic)
        began = time.perf_counter()
        problems = prepare(history, model, task["failed_cas"])
        prepared = time.perf_counter()
        judged += decide(problems, "auto", budget)
        decided_s += time.perf_counter() - prepared
        prepared_s += prepared - began
    verdicts = [each.valid for each in judged]
    valid = False if False in verdicts else None if None in verdicts else True
    return prepared_s, decided_s, valid, judged[0].algorithm if judged else ""


def _measured(task: dict[str, Any], files: list[str]) -> dict[str, Any]:
    histories = _loaded(files)
    _forget_peak()
    held = _status("VmRSS")
    runs = [_judge(task, histories)]
    peak = _status("VmHWM")
    runs += [_judge(task, histories) for _ in range(task["repeat"] - 1)]
    prepared_s, decided_s, valid, algorithm = min(runs, key=lambda run: run[0] + run[1])
    return {
        "prepared_s": prepared_s,
        "decided_s": decided_s,
        "valid": valid,
        "algorithm": algorithm,
        "held_bytes": held,
        "peak_bytes": peak,
    }


def _forget_peak() -> None:
    """Make the kernel count the peak from now on (Linux; elsewhere it stays what it was)."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def _status(name: str) -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    for line in status.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) << 10
    return 0


if __name__ == "__main__":
    main()
