"""How long a report takes to make, to open and to answer, up to a million operations.

    .venv/bin/python benchmarks/report.py [--sizes 10000,100000,1000000] [--histories FOLDER]

Three kinds of histories: *register*, a simulated trial of Raft under partitions and kills, with
reads, writes and compare-and-sets; *lists*, a trial like it with transactions that append to lists
and read them, a hundred elements long on average; *noise*, made up, in which every answer is
another list of a hundred random numbers, so that no value compresses. A trial is run once and cut
after so many operations; its verdict is that of the whole one. With ``--histories`` they are kept.

Each report is made by a process of its own and opened three times by headless Chromium (see
``report_page.py``); medians are given. What passed stands before the slash (of frames: median and
95th percentile; of filters: the longest frame); after it the processor time that it took, which
would pass on a machine that does nothing else: bounds are held against that. Exit code 1 if one of
a million operations is over.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import report_page
from report_page import Opened, middle, slowest
from rich.console import Console
from rich.table import Table

DURESS = Path(sys.executable).with_name("duress")
RATE = 1500
TRIAL = (
    "raft --on sim --nemesis partition,kill --interval 10 --concurrency 40 --seed 1 --quiet "
    f"--rate {RATE} --set trace=false --set forward=true"
)
WORKLOADS = {
    "register": "--workload register",
    "lists": "--workload append --set max-writes-per-key=200 --set key-distribution=uniform "
    "--set key-count=10",
}
KINDS = (*WORKLOADS, "noise")
OPENINGS = 3
BOUND_OPERATIONS, BOUND_READY_MS, BOUND_FILE_MB, BOUND_MAKE_S = 1_000_000, 2000.0, 15.0, 10.0

RENDER = """
import json, resource, sys, time
began = time.perf_counter()
from pathlib import Path
from duress.reports import html
path = html.render(Path(sys.argv[1]))
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"wall_s": time.perf_counter() - began, "cpu_s": used.ru_utime + used.ru_stime,
    "peak_mb": used.ru_maxrss * 1024 / 1e6, "file_mb": path.stat().st_size / 1e6}))
"""


@dataclass(frozen=True)
class Made:
    """What it took to make a report; megabytes are a million bytes."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    file_mb: float


def simulated(kind: str, operations: int, folder: Path) -> Path:
    """The run folder of a trial with at least so many operations."""
    store = folder / kind
    if not (store / "latest").exists():
        # An operation is two lines; clients that wait for a leader call less often.
        seconds = round(operations / 2 / RATE * 1.2) + 5
        flags = f"{TRIAL} {WORKLOADS[kind]} --time {seconds} --store {store}"
        subprocess.run([DURESS, "run", *flags.split()], check=True, stdout=subprocess.DEVNULL)
    return store / "latest"


def made_up(operations: int, folder: Path) -> Path:
    """A run folder in which every answer is a list of a hundred numbers of its own."""
    target = folder / "noise"
    if target.exists():
        return target
    (target / "nodes").mkdir(parents=True)
    random = Random(1)
    with (target / "history.jsonl").open("w") as file:
        for call in range(operations // 2):
            process, at = call % 40, call * 600_000
            asked = {"index": 2 * call, "time": at, "process": process, "type": "invoke"}
            answer = random.choices(range(1_000_000), k=100)
            file.write(json.dumps({**asked, "f": "read"}, separators=(",", ":")) + "\n")
            told = {**asked, "index": 2 * call + 1, "time": at + 300_000, "type": "ok"}
            file.write(json.dumps({**told, "f": "read", "value": answer}) + "\n")
    spec = {"system": "made-up", "workload": "noise", "nodes": [], "outcome": "valid"}
    (target / "trial.json").write_text(json.dumps(spec))
    (target / "verdict.json").write_text('{"valid": true}')
    (target / "faults.jsonl").write_text("")
    return target


def cut(source: Path, operations: int, target: Path) -> int:
    """Copy a run folder up to so many operations; how many there are."""
    target.mkdir()
    for name in ("trial.json", "verdict.json"):
        shutil.copy(source / name, target)
    last, count = b"{}", 0
    with (source / "history.jsonl").open("rb") as lines, (target / "history.jsonl").open("wb") as f:
        for count, last in enumerate(islice(lines, operations), 1):  # noqa: B007
            f.write(last)
    end = json.loads(last)["time"]
    faults = (source / "faults.jsonl").read_text().splitlines(keepends=True)
    told = [line for line in faults if json.loads(line)["time"] <= end]
    (target / "faults.jsonl").write_text("".join(told))
    return count


def make(folder: Path) -> Made:
    """Make the report in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", RENDER, str(folder)], check=True, stdout=subprocess.PIPE, text=True
    )
    return Made(**json.loads(done.stdout))


def row(kind: str, operations: int, made: Made, opened: Sequence[Opened]) -> list[str]:
    """The cells of a line of the table; a bound that is not met has a mark."""

    def bounded(value: float, bound: float, form: str) -> str:
        over = operations >= BOUND_OPERATIONS and value >= bound
        return f"{value:{form}}{' (over)' if over else ''}"

    def of(name: str) -> float:
        return middle([getattr(each, name) for each in opened])

    def frames(name: str) -> str:
        runs = [getattr(each, f"{name}_ms") for each in opened]
        middles, ends = middle([middle(run) for run in runs]), middle([slowest(r) for r in runs])
        return f"{middles:.0f}, {ends:.0f} / {of(f'{name}_work_ms'):.0f}"

    return [
        kind,
        f"{operations:,}",
        f"{made.wall_s:.1f} / {bounded(made.cpu_s, BOUND_MAKE_S, '.1f')}",
        f"{made.peak_mb:.0f}",
        bounded(made.file_mb, BOUND_FILE_MB, ".1f"),
        f"{of('paint_ms'):.0f}",
        f"{of('ready_ms'):.0f} / {bounded(of('ready_work_ms'), BOUND_READY_MS, '.0f')}",
        frames("scroll"),
        frames("zoom"),
        f"{of('filter_frame_ms'):.0f} / {of('filter_work_ms'):.0f}",
    ]


HEADER = (
    "history", "operations", "made, s", "peak, MB", "file, MB", "first paint, ms",
    "works after, ms", "a frame scrolling, ms", "zooming, ms", "filtering, ms",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--histories", type=Path, help="keep and use again what was simulated here")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    rows = []
    with tempfile.TemporaryDirectory() as name, report_page.chromium() as browser:
        scratch = Path(name)
        kept = (arguments.histories or scratch / "histories").absolute()
        for kind in arguments.kinds.split(","):
            largest = max(sizes)
            source = made_up(largest, kept) if kind == "noise" else simulated(kind, largest, kept)
            for size in sizes:
                folder = scratch / f"{kind}-{size}"
                count = cut(source, size, folder)
                made = make(folder)
                opened = [
                    report_page.open_report(browser, folder / "report.html")
                    for _ in range(OPENINGS)
                ]
                rows.append(row(kind, count, made, opened))
                print(" | ".join(rows[-1]), file=sys.stderr)
                shutil.rmtree(folder)
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"load of the machine in the last 1, 5, 15 minutes: {load}; {os.cpu_count()} processors")
    if arguments.markdown:
        print("\n".join(f"| {' | '.join(each)} |" for each in (HEADER, *rows)))
    else:
        table = Table(*HEADER)
        for each in rows:
            table.add_row(*each)
        Console().print(table)
    return 1 if any("(over)" in cell for each in rows for cell in each) else 0


if __name__ == "__main__":
    sys.exit(main())
