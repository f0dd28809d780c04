"""Time and memory of the isolation checker.

    python benchmarks/isolation.py [--quick] [--rows 'list,knot ring'] [--sizes 10000,100000]
    python benchmarks/isolation.py --peer 'awdit check -i {short} {awdit}'

Every row (``isolation_rows.py``) is generated (``isolation_histories.py``), kept in a file, and
judged by a process of its own that does nothing else (``isolation_process.py``), compiled code
loaded before, history in memory; rows ``from disk`` include the start of Python and the reading of
JSON lines. Printed: the median time of ``--repeats`` runs and the processor's part of it, which is
all of it on a machine that does nothing else; the exponent by which that grew since the
smallest size, the most memory that process held, the verdict, and the target with whether the
processor's time reached it. A tester of weak levels is given one level; we always decide all.

``--peer COMMAND`` runs another program on the same histories (its protocol: ``isolation_peer.py``)
and prints its time, how many times longer it took, its memory, and whether it disagrees.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.isolation_histories import operations, save
from benchmarks.isolation_peer import judged, places
from benchmarks.isolation_rows import NO_LIMIT, ROWS, SIZES, Row

from duress.checkers.isolation.transactions import Transactions
from duress.harness.formats import jsonl

ROOT = Path(__file__).parents[1]
QUICK_SIZE = 2_000


def measured(row: Row, txns: Transactions, folder: Path, repeats: int) -> dict[str, Any]:
    """The figures of a row's own process; from disk every run has one."""
    path = folder / ("history.jsonl" if row.disk else "history.npz")
    if row.disk:
        jsonl.write(operations(txns, row.model), path)
    else:
        save(txns, path)
    task = {
        "path": str(path), "model": row.model, "options": row.options, "repeats": repeats,
        "disk": row.disk,
    }  # fmt: skip
    runs = []
    for _ in range(repeats + 1 if row.disk else 1):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.isolation_process"],
            input=json.dumps(task), capture_output=True, text=True, cwd=ROOT,
        )  # fmt: skip
        if done.returncode:
            sys.exit(done.stderr)
        runs.append(json.loads(done.stdout))
    if row.disk:  # the first found the file, or compiled code, in no cache
        for name in ("times", "busy"):
            runs[-1][name] = [run[name][0] for run in runs[1:]]
        runs[-1]["load_s"] = statistics.median(run["load_s"] for run in runs[1:])
    path.unlink()
    return runs[-1]


def verdict_text(found: dict[str, Any]) -> str:
    """What came out, in a few words."""
    if found["valid"] is True:
        return f"valid; strongest: {', '.join(found['strongest'])}"
    if found["valid"] == "unknown":
        return f"unknown: {found['reason']}"
    names = ", ".join(f"{count} {name}" for name, count in found["anomalies"].items())
    cycle = found["smallest_cycle"]
    return f"invalid: {names}" + (f"; smallest cycle {cycle:,}" if cycle else "")


def target_text(row: Row, size: int, seconds: float, peak_mb: float) -> str:
    """The target, if there is one, and whether it was reached."""
    if size not in row.targets:
        return ""
    limit_s, limit_mb = row.targets[size]
    memory = "" if limit_mb == NO_LIMIT else f", {limit_mb:,} MB"
    reached = seconds <= limit_s and peak_mb <= limit_mb
    return f"{limit_s:g} s{memory}: {'reached' if reached else 'NOT reached'}"


def peer_text(peer: dict[str, Any] | None, found: dict[str, Any], seconds: float) -> str:
    """The peer's figures beside ours."""
    if peer is None:
        return ""
    if "error" in peer:
        return peer["error"]
    text = f"{peer['seconds']:.2f} s, {peer['seconds'] / seconds:.1f}×, {peer['peak_mb']:.0f} MB"
    disagrees = peer["valid"] is not None and peer["valid"] is not found["valid"]
    return f"{text}; DISAGREES: {peer['valid']}" if disagrees else text


def lines(name: str, options: argparse.Namespace, folder: Path) -> Any:
    """The lines of the table for the sizes of a row."""
    row, first = ROWS[name], None
    for size in [QUICK_SIZE] if options.quick else options.sizes:
        if not options.quick and size not in row.sizes:
            continue
        txns = row.made(size)
        found = measured(row, txns, folder, 1 if options.quick else options.repeats)
        elapsed, seconds = statistics.median(found["times"]), statistics.median(found["busy"])
        grown = ""
        if first is None:
            first = size, seconds
        else:
            grown = f"n^{math.log(seconds / first[1]) / math.log(size / first[0]):.2f}"
        shown = f"{elapsed:.3f} s"
        if "load_s" in found:
            shown += f" (loading {found['load_s']:.3f})"
        columns = [
            name, f"{len(txns):,}", shown, f"{seconds:.3f} s", grown, f"{found['peak_mb']:.0f} MB",
            verdict_text(found), target_text(row, size, seconds, found["peak_mb"]),
        ]  # fmt: skip
        if options.peer:
            columns.append(peer_text(judged(options.peer, row, txns, folder), found, seconds))
        yield f"| {' | '.join(columns)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SIZE:,} transactions, once")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"some of {', '.join(ROWS)}")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="some of the sizes")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer", metavar="COMMAND", help="a peer (see isolation_peer.py)")
    options = parser.parse_args()
    options.sizes = [int(size) for size in options.sizes.split(",")]
    names = options.rows.split(",")
    if wrong := [name for name in names if name not in ROWS]:
        parser.error(f"no rows {', '.join(wrong)}; expected some of {', '.join(ROWS)}")
    try:
        places(options.peer or "")
    except ValueError as error:
        parser.error(str(error))
    head = ["history", "transactions", "time", "processor", "growth", "peak", "verdict", "target"]
    head += ["peer"] if options.peer else []
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="duress-benchmark-") as folder:
        for name in names:
            for line in lines(name, options, Path(folder)):
                print(line, flush=True)


if __name__ == "__main__":
    main()
