"""Time and memory of the linearizability checker.

    python benchmarks/linearizability.py [--quick] [--rows cas,keys] [--porcupine PATH]

Every row (``linearizability_rows.py``) is generated, saved, and judged by a process of its own
that does nothing else (``linearizability_process.py``), three times, compiled code loaded before.
Printed are medians of the seeds, of each the fastest time: preparation (columns to arrays,
splitting by key) and decision, apart; the most memory that process held and, with a plus, how much
of it the check added to the loaded history. Growth exponents compare a row with the next smaller
one of its kind.

``--porcupine PATH`` times a peer in the same run on the same histories, on those of the first seed
(its protocol: ``linearizability_peer.py``), and prints how many times longer it took.
"""

from __future__ import annotations

import argparse
import json
import math
import pickle
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.histories import generate
from benchmarks.linearizability_peer import judged
from benchmarks.linearizability_rows import ROWS, Files, Row

from duress.harness.history import History

ROOT = Path(__file__).parents[1]
VERDICTS = {True: "valid", False: "invalid", None: "unknown"}


def saved(history: History, folder: Path, name: str) -> str:
    """The file that now holds a history."""
    path = folder / name
    path.write_bytes(pickle.dumps(history))
    return str(path)


def measured(
    row: Row | Files, runs: list[list[str]], warm: list[str], limit_s: float
) -> list[dict[str, Any]]:
    """What the process of its own found about each run."""
    task = {
        "model": row.model, "initial": row.initial, "failed_cas": row.failed_cas, "warm": warm,
        "runs": runs, "repeat": row.repeat, "time_limit_s": limit_s,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.linearizability_process"],
        input=json.dumps(task), capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def peer_column(
    program: str, row: Row | Files, histories: list[History], ours: Any, limit_s: float
) -> str:
    """The peer's time for the same histories, and its ratio to ours."""
    total, verdicts = 0.0, []
    for history in histories:
        valid, seconds = judged(program, row.model, row.initial, row.failed_cas, history, limit_s)
        if isinstance(seconds, str):
            return seconds
        total += seconds
        verdicts.append(valid)
    if ours["valid"] is not None and all(verdicts) is not ours["valid"]:
        return f"DISAGREES: {all(verdicts)}"
    both = ours["prepared_s"] + ours["decided_s"] if "keys" in row.name else ours["decided_s"]
    return f"{total * 1000:.1f} ms, {total / both:.1f}×"


def growth(row: Row, decided_s: float, taken: dict[Any, tuple[int, float]]) -> str:
    """The exponent by which time grew since the next smaller row of the kind."""
    shape = row._replace(seeds=0, calls=0, keys=0)
    before = taken.get(shape)
    taken[shape] = row.total(), decided_s
    if before is None or before[0] >= row.total():
        return ""
    return f"n^{math.log(decided_s / before[1]) / math.log(row.total() / before[0]):.2f}"


def line(row: Row | Files, options: Any, folder: Path, taken: dict[Any, Any]) -> str:
    """One row of the table."""
    seeds = range(1, (1 if options.quick else row.seeds) + 1)
    first, runs = row.made(1), []
    for seed in seeds:
        histories = first if seed == 1 else row.made(seed)
        runs.append([saved(each, folder, f"{seed}-{at}") for at, each in enumerate(histories)])
    warm = runs[0]
    if isinstance(row, Row):
        name = f"warm-{row.kind}-{row.crash > 0}"
        warm = [str(folder / name)]
        if not (folder / name).exists():
            saved(generate(row.kind, 10_000, 5, 9, row.crash), folder, name)
    found = measured(row, runs, warm, options.limit)
    for file in (file for run in runs for file in run):
        Path(file).unlink()
    prepared, decided = (
        statistics.median(each[what] for each in found) for what in ("prepared_s", "decided_s")
    )
    peak = max(each["peak_bytes"] for each in found) >> 20
    added = max(each["peak_bytes"] - each["held_bytes"] for each in found) >> 20
    verdicts = "/".join(sorted({VERDICTS[each["valid"]] for each in found}))
    grown = growth(row, decided, taken) if isinstance(row, Row) else ""
    peer = ""
    if options.porcupine:
        peer = peer_column(options.porcupine, row, first, found[0], options.limit)
    return (
        f"| {row.name} | {prepared * 1000:.1f} ms | {decided * 1000:.1f} ms | {verdicts}, "
        f"{found[0]['algorithm']} | {grown} | {peak} MB (+{added}) | {peer} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, at most 10,000 calls")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"some of {', '.join(ROWS)}")
    parser.add_argument("--porcupine", metavar="PATH", help="a peer (see the docstring)")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one history")
    options = parser.parse_args()
    wrong = [name for name in options.rows.split(",") if name not in ROWS]
    if wrong:
        parser.error(f"no rows {', '.join(wrong)}; expected some of {', '.join(ROWS)}")
    print("| history | prepare | decide | verdict, by | growth | peak | peer |")
    print("|---|---|---|---|---|---|---|", flush=True)
    taken: dict[Any, Any] = {}
    with tempfile.TemporaryDirectory(prefix="duress-benchmark-") as name:
        for group in options.rows.split(","):
            for row in ROWS[group]:
                if not (options.quick and row.total() > 10_000):
                    print(line(row, options, Path(name), taken), flush=True)


if __name__ == "__main__":
    main()
