"""The process of one figure: it loads a history, judges it a few times and says what it took."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


def peak_mb() -> float:
    """The most memory that this process has held.

    Not ``ru_maxrss``, which begins with what the process that started this one held.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status tells no VmHWM")


def judge_arrays(task: dict[str, Any]) -> dict[str, Any]:
    """From arrays in memory. The first run loads compiled code and is not counted."""
    from benchmarks.isolation_histories import load

    from duress.checkers.isolation import Isolation
    from duress.checkers.isolation.judgement import judge_transactions

    checker = Isolation(task["model"], **task["options"])
    txns = load(task["path"])
    held, times, busy, verdict = peak_mb(), [], [], None
    for _ in range(task["repeats"] + 1):
        began, worked = time.perf_counter(), time.process_time()
        verdict = judge_transactions(checker, txns, {})
        times.append(time.perf_counter() - began)
        busy.append(time.process_time() - worked)
    return {"times": times[1:], "busy": busy[1:], "held_mb": held, **described(verdict)}


def judge_file(task: dict[str, Any]) -> dict[str, Any]:
    """From JSON lines in a file, in a fresh process: what ``duress check`` does."""
    began = time.perf_counter()
    from duress.checkers.isolation import Isolation
    from duress.harness.formats import load

    history = load(task["path"], transactions=True).history
    loaded = time.perf_counter() - began
    verdict = Isolation(task["model"], **task["options"]).check(history, {})
    total = time.perf_counter() - began
    busy = [time.process_time()]
    return {
        "times": [total], "busy": busy, "load_s": loaded, "held_mb": 0.0, **described(verdict)
    }  # fmt: skip


def described(verdict: Any) -> dict[str, Any]:
    """What a row shows of a verdict."""
    result = verdict.statistics["result"]
    cycles = [a.details["cycle"] for a in verdict.anomalies if "cycle" in a.details]
    return {
        "valid": verdict.valid,
        "anomalies": verdict.statistics["anomaly_counts"],
        "smallest_cycle": min(map(len, filter(None, cycles)), default=0),
        "strongest": result["strongest"],
        "algorithm": verdict.statistics["algorithm"],
        "reason": verdict.reason,
        "peak_mb": peak_mb(),
    }


def main() -> None:
    """Read the task from standard input; print the figures."""
    task = json.load(sys.stdin)
    print(json.dumps((judge_file if task["disk"] else judge_arrays)(task)))


if __name__ == "__main__":
    main()
