"""Time and memory of the linearizability checker on generated histories.

    python benchmarks/linearizability.py [--quick] [--rows cas,keys] [--porcupine PATH]

Every row is generated (``histories.py``), split into objects and judged; the median of the
seeds is printed: preparation (columns to arrays) and decision, apart. Peak memory is that of a
process of its own, for rows of a million calls. Growth exponents compare a row with the
ten times smaller one.

``--porcupine PATH`` runs a peer in the same run on the same histories. PATH is any program that
reads JSON lines on standard input, first ``{"model": "cas-register"}``, then a line a call
``{"process": 0, "f": "read", "input": null, "output": 3, "call": 17, "return": 20}`` in order of
``call`` (``return`` is null if it never completed; failed calls are left out), and answers one line
``{"valid": true, "seconds": 0.0123}`` with the time of the check alone.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.histories import MODEL, generate

from duress.checkers.linearizability.algorithms import decide
from duress.checkers.linearizability.models import model_named
from duress.checkers.linearizability.preparation import prepare
from duress.checkers.linearizability.search import Budget
from duress.harness.history import History

TIME_LIMIT_S = 60.0


class Row(NamedTuple):
    """What to generate."""

    kind: str
    calls: int
    clients: int
    crash: float = 0.0
    stale: bool = False
    seeds: int = 3

    @property
    def name(self) -> str:
        """As the table has it."""
        spoiled = " stale" if self.stale else ""
        crashed = f" {self.crash:.0%} crashed" if self.crash else ""
        return f"{self.kind} {self.calls:,} c={self.clients}{crashed}{spoiled}"


ROWS = {
    "cas": [Row("cas5", 1_000, c) for c in (5, 10, 20)]
    + [Row("cas5", 10_000, c) for c in (5, 10, 20, 50)]
    + [Row("cas5", 100_000, c) for c in (5, 10, 20)]
    + [Row("cas5", 1_000_000, 5, seeds=1)],
    "crashed": [Row("cas5", 10_000, 10, 0.01), Row("cas5", 100_000, 5, 0.01)],
    "stale": [
        Row("cas5", 10_000, 10, stale=True),
        Row("cas5", 1_000, 20, stale=True),
        Row("cas5", 10_000, 5, 0.01, stale=True),
        Row("cas5", 10_000, 50, stale=True),
    ],
    "rw": [Row("rw5", 10_000, 10), Row("rw5", 10_000, 10, stale=True)],
    "unique": [
        Row("rwU", 10_000, 10),
        Row("casU", 10_000, 10),
        Row("casU", 1_000_000, 50, 0.01, seeds=1),
    ],
    "containers": [
        Row(kind, calls, 20, seeds=1)
        for kind in ("queue", "stack", "pq", "set")
        for calls in (100_000, 1_000_000)
    ],
}


class Measured(NamedTuple):
    """Seconds, the verdict and what gave it."""

    prepared_s: float
    decided_s: float
    valid: Any
    algorithm: str


def measure(row: Row, seed: int) -> tuple[Measured, History]:
    """One history, judged once warm."""
    history = generate(row.kind, row.calls, row.clients, seed, row.crash, row.stale)
    history.columns()
    began = time.perf_counter()
    problems = prepare(history, model_named(MODEL[row.kind]))
    prepared = time.perf_counter()
    budget = Budget(time_limit_s=TIME_LIMIT_S, clock=time.monotonic)
    judged = list(decide(problems, "auto", budget))
    ended = time.perf_counter()
    verdicts = [each.valid for each in judged]
    valid = False if False in verdicts else None if None in verdicts else True
    algorithm = judged[0].algorithm if judged else ""
    return Measured(prepared - began, ended - prepared, valid, algorithm), history


def peer_seconds(program: str, model: str, history: History) -> str:
    """What the peer says of the same history."""
    lines = [json.dumps({"model": model})]
    for invocation, completion in history.pairs():
        if completion is not None and completion.type == "fail":
            continue
        known = completion is not None and completion.type == "ok"
        lines.append(
            json.dumps(
                {
                    "process": invocation.process,
                    "f": invocation.f,
                    "input": invocation.value,
                    "output": completion.value if known and completion else None,
                    "call": invocation.index,
                    "return": completion.index if known and completion else None,
                }
            )
        )
    try:
        done = subprocess.run(
            [program], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True,
            timeout=TIME_LIMIT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "> 60 s"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"failed: {error}"
    return f"{float(json.loads(done.stdout)['seconds']) * 1000:.1f} ms"


def peak_megabytes(row: Row) -> str:
    """Peak memory of a process that only makes and judges this history."""
    code = (
        "import resource, sys; from benchmarks.linearizability import Row, measure; "
        f"measure(Row(*{tuple(row)!r}), 1); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    return f"{done.stdout.strip()} MB"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, at most 10,000 calls")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"some of {', '.join(ROWS)}")
    parser.add_argument("--porcupine", metavar="PATH", help="a peer (see the docstring)")
    options = parser.parse_args()
    for warm in ("cas5", "rwU", "queue", "stack", "pq", "set"):
        measure(Row(warm, 10_000, 5), 9)
    print("| history | prepare | decide | verdict, by | growth | peak | peer |")
    print("|---|---|---|---|---|---|---|")
    taken: dict[tuple[Any, ...], float] = {}
    for name in options.rows.split(","):
        for row in ROWS[name]:
            if options.quick and row.calls > 10_000:
                continue
            runs = [
                measure(row, seed) for seed in range(1, (1 if options.quick else row.seeds) + 1)
            ]
            decided = statistics.median(run.decided_s for run, _ in runs)
            prepared = statistics.median(run.prepared_s for run, _ in runs)
            shape = row._replace(seeds=0)
            taken[shape] = decided
            smaller = taken.get(shape._replace(calls=row.calls // 10))
            growth = f"n^{math.log10(decided / smaller):.2f}" if smaller else ""
            peak = peak_megabytes(row) if row.calls >= 1_000_000 else ""
            model = MODEL[row.kind]
            peer = peer_seconds(options.porcupine, model, runs[0][1]) if options.porcupine else ""
            verdict = {True: "valid", False: "invalid", None: "unknown"}[runs[0][0].valid]
            print(
                f"| {row.name} | {prepared * 1000:.1f} ms | {decided * 1000:.1f} ms "
                f"| {verdict}, {runs[0][0].algorithm} | {growth} | {peak} | {peer} |",
                flush=True,
            )
    print(f"\nPeak of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB")


if __name__ == "__main__":
    main()
