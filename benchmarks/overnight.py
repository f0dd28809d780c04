"""What a long campaign takes of the machine, and whether that grows.

    nice -n 10 .venv/bin/python benchmarks/overnight.py --minutes 60
    .venv/bin/python benchmarks/overnight.py --table FOLDER/samples.csv

Runs ``duress campaign`` on a plan with everything in it: simulated trials of several systems, with
and without planted bugs, trials of real processes in namespaces and in containers, of real systems
in containers, one that hangs and does not end when it is asked to, and one that takes ever more
memory. Meanwhile everything that belongs to it is counted every few seconds, and nothing that
belongs to anybody else: other trials may run on the same machine.

- A **process** belongs to it if it descends from the campaign's, or has a variable in its
  environment that was given to the campaign alone (so that one whose parent is dead counts, too).
- **Containers**, **networks** and **tables of nftables** do if their labels name one of these.
- **Temporary files** go to a folder of its own.

A series is **flat** if the straight line through it by least squares, without the first sixth of
the time, rises by at most a tenth of its mean an hour, or by what one trial more or less makes. The
line goes through the means of two minutes each; twice its standard error is granted, for which
trials are under way is chance. The campaign's folder must be **below** its budget. Exit code 1 if
something is not so, or if anything is left once the campaign is over.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from overnight_usage import DISK_MB, SERIES, Series, Usage

from duress.harness.errors import InfrastructureError

PLAN = """\
shrink = true
shrink_minutes = 1

[budget]
disk_mb = {disk_mb}

[limits]
parallel = {parallel}
minutes = 1.5
memory_mb = 1000

[stop]
infrastructure = 0

[keep]
passes = 10
failures = 2
unknown = 10

[[matrix]]
systems = ["raft", "multi-paxos", "primary-backup", "two-phase-commit", "chain-replication"]
nemeses = ["partition,kill", "pause"]
clusters = ["sim"]
seeds = {seeds}
flags = {{ time = 10 }}

[[matrix]]
systems = ["lock-service", "wal-store", "quorum-replication", "crdt", "reliable-delivery"]
clusters = ["sim"]
seeds = {seeds}
flags = {{ time = 10 }}

[[matrix]]
systems = ["raft"]
mutants = ["stale-read", "forgets-vote"]
clusters = ["sim"]
seeds = {seeds}
flags = {{ time = 15 }}

[[matrix]]
systems = ["primary-backup"]
mutants = ["primary-reads"]
clusters = ["sim"]
seeds = {seeds}
flags = {{ time = 15 }}

[[matrix]]
systems = ["raft"]
nemeses = ["partition,kill", "resources"]
clusters = ["local"]
seeds = {seeds}
flags = {{ time = 6, rate = 30, interval = 2, settle = 1 }}

[[matrix]]
systems = ["raft", "redis", "etcd"]
nemeses = ["partition,kill"]
clusters = ["docker"]
seeds = {seeds}
flags = {{ time = 6, rate = 30, interval = 2, settle = 1 }}

[[matrix]]
systems = ["{systems}:Hangs"]
nemeses = ["none"]
clusters = ["local"]
seeds = {seeds}

[[matrix]]
systems = ["{systems}:Eats"]
nemeses = ["none"]
clusters = ["docker"]
seeds = {seeds}
"""
SEEDS = 300
FLAT_SHARE = 0.1
BLOCK_S = 120
LEAST_S = 6 * BLOCK_S
GROWS = "GROWS"
LEFT_OUT = 1 / 6
"""Of the time at the beginning, in which folders fill up and processes are started."""


def main(arguments: Sequence[str]) -> int:
    """Exit code 1 if something grows or is left."""
    parser = argparse.ArgumentParser(description="Measures what a long campaign takes.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--every", type=float, default=5, help="seconds between samples")
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="put everything here, and leave it")
    parser.add_argument("--table", type=Path, help="only print the table of these samples")
    asked = parser.parse_args(arguments)
    if asked.table is not None:
        return 0 if tell(read(asked.table)) else 1
    with contextlib.ExitStack() as stack:
        folder = asked.folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="duress-overnight-"))
        )
        return overnight(folder.resolve(), asked.minutes, asked.every, asked.parallel)


def overnight(folder: Path, minutes: float, every_s: float, parallel: int) -> int:
    """Run the campaign, sample it, tell; the exit code."""
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    plan = folder / "overnight.toml"
    systems = Path(__file__).with_name("overnight_systems.py").resolve()
    words = {"parallel": parallel, "seeds": SEEDS, "systems": systems, "disk_mb": DISK_MB}
    plan.write_text(PLAN.format(**words))
    mark = secrets.token_hex(8)
    environment = os.environ | {"TMPDIR": str(temporary), Usage.MARK: mark}
    command = [Path(sys.executable).with_name("duress"), "campaign", plan]
    command += ["--folder", folder / "campaigns", "--minutes", f"{minutes:g}"]
    with (folder / "campaign.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        usage = Usage(process.pid, mark, folder / "campaigns", temporary)
        try:
            sample_until_the_end(process, usage, folder / "samples.csv", every_s)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(120)
    time.sleep(3)  # the engine removes a container after it said so
    print(*(folder / "campaign.log").read_text().splitlines()[-12:], sep="\n")
    flat = tell(read(folder / "samples.csv"))
    left = {name: value for name, value in usage.left().items() if value}
    print("\nleft when it was over:", ", ".join(f"{v} {n}" for n, v in left.items()) or "nothing")
    return 0 if flat and not left else 1


def sample_until_the_end(
    process: subprocess.Popen[bytes], usage: Usage, path: Path, every_s: float
) -> None:
    """A line of figures every few seconds."""
    began = time.monotonic()
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["seconds", *SERIES])
        due = began
        while process.poll() is None:
            with contextlib.suppress(InfrastructureError, OSError):  # an engine that is too busy
                taken = usage.now()
                if process.poll() is not None:
                    return  # of the last one, half may be gone
                seconds = time.monotonic() - began
                table.writerow([f"{seconds:.1f}", *(taken[name] for name in SERIES)])
                file.flush()
            due += every_s
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, due - time.monotonic()))


Samples = list[tuple[float, dict[str, float]]]


def read(path: Path) -> Samples:
    """What was written: seconds since the start, and all figures then."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        (float(row["seconds"]), {name: float(row[name]) for name in SERIES if name in row})
        for row in rows
    ]


def tell(samples: Samples) -> bool:
    """Print the table; whether everything is flat that should be."""
    end_s = samples[-1][0] if samples else 0.0
    if end_s < LEAST_S:
        print(f"too short to tell: expected at least {LEAST_S / 60:g} minutes")
        return False
    print(f"\n{len(samples)} samples in {end_s / 60:.1f} minutes; columns are means of a twentieth")
    print("of the time, slope and verdict are without its first sixth\n")
    print("| what | start | 25 % | 50 % | 75 % | end | most | slope an hour | |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---|")
    all_flat = True
    for name, series in SERIES.items():
        points = [(seconds, taken[name]) for seconds, taken in samples if name in taken]
        if not points:
            continue
        columns = [
            mean_around(points, share * end_s, end_s / 20) for share in (0, 0.25, 0.5, 0.75, 1)
        ]
        most = max(value for _, value in points)
        late = [(seconds, value) for seconds, value in points if seconds >= LEFT_OUT * end_s]
        slope, doubt = slope_of(late)
        verdict = judged(series, slope, doubt, mean(value for _, value in late), most)
        all_flat = all_flat and verdict != GROWS
        shown = " | ".join(f"{value:,.{series.digits}f}" for value in (*columns, most))
        told = f"{slope:+,.{series.digits}f} ± {2 * doubt:,.{series.digits}f}"
        print(f"| {name} | {shown} | {told} | {verdict} |")
    return all_flat


def judged(series: Series, slope: float, doubt: float, average: float, most: float) -> str:
    """What is said of a series; nothing if it may grow."""
    if not series.judged:
        return ""
    if series.most is not None:
        return GROWS if most > series.most else f"below {series.most:,g}"
    allowed = max(FLAT_SHARE * average, series.one)
    return GROWS if slope - 2 * doubt > allowed else "flat"


def mean_around(points: Iterable[tuple[float, float]], at_s: float, width_s: float) -> float:
    """Of the values in a stretch of time, which lies within the whole."""
    points = list(points)
    begin = min(max(0.0, at_s - width_s / 2), points[-1][0] - width_s)
    return mean(value for seconds, value in points if begin <= seconds <= begin + width_s)


def mean(values: Iterable[float]) -> float:
    """0 of none."""
    known = list(values)
    return sum(known) / len(known) if known else 0.0


def slope_of(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Of the straight line that has the least squares, an hour; and its standard error.

    Through the means of blocks, for neighbours are alike: they are of the same trials.
    """
    blocks: dict[int, list[tuple[float, float]]] = {}
    for seconds, value in points:
        blocks.setdefault(int(seconds / BLOCK_S), []).append((seconds / 3600, value))
    means = [(mean(h for h, _ in each), mean(v for _, v in each)) for each in blocks.values()]
    centre_h, centre = mean(h for h, _ in means), mean(v for _, v in means)
    spread = sum((h - centre_h) ** 2 for h, _ in means)
    slope = sum((h - centre_h) * (v - centre) for h, v in means) / spread
    off = sum((v - centre - slope * (h - centre_h)) ** 2 for h, v in means)
    return slope, (off / (len(means) - 2) / spread) ** 0.5


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
