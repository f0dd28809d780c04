"""How long ``duress serve`` takes with many runs: to start, to list, to filter.

    .venv/bin/python benchmarks/serve.py                 # 10,000 runs, a minute or two
    .venv/bin/python benchmarks/serve.py --runs 1000

Run folders are made in a temporary folder, with what a trial of Raft leaves there: one in 40
is invalid, one in 60 unknown, one in 100 was killed in its midst and has no verdict. Then the
server is started as a user starts it, in a process of its own, and asked over HTTP:

- **fresh**: there has never been an index;
- **existing**: as it was left;
- **damaged**: the index was overwritten with noise;
- **changed**: 100 new folders, 100 removed ones and 100 with another verdict meanwhile.

``first page`` is from the start of the process to the last byte of the list; ``all listed`` until
it holds every run, for a fresh index is made while pages are answered, newest runs first.
``processor`` is what the server had used of it when the first page was there: on a busy machine,
that is nearer to what a quiet one takes.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

REPEATS = 3
PAGES = {
    "list": "/",
    "failures of a night": "/?state=invalid&since=2026-01-01",
    "one system, mutant, nemesis": "/?system=raft&mutant=none&nemesis=partition",
    "text": "/?q=linearizability+acknowledged",
    "page 100": "/?page=100",
    "sorted by seed": "/?sort=seed",
    "/api/runs": "/api/runs?per_page=1000",
    "/api/groups": "/api/groups",
}
SYSTEMS = ("raft", "etcd", "two-phase-commit", "lock-service")
MUTANTS = (None, None, None, "stale-read", "forgets-vote")
NEMESES = ("partition", "kill", "pause", "clock")
ANOMALIES = ("nonlinearizable", "lost-update", "G1c", "two-holders")


def main(arguments: Sequence[str]) -> int:
    """Exit code 1 if a start took a second or more."""
    parser = argparse.ArgumentParser(description="Measures duress serve with many runs.")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument(
        "--keep", type=Path, help="make the folders here, unless they are there, and leave them"
    )
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="duress-serve-bench-") as folder:
        store = asked.keep or Path(folder)
        store.mkdir(exist_ok=True)
        if sum(path.is_dir() for path in store.iterdir()) != asked.runs:
            began = time.perf_counter()
            make_store(store, asked.runs)
            took_s = time.perf_counter() - began
            print(f"{asked.runs:,} run folders made in {took_s:.1f} s\n", flush=True)
        slowest_s = measure_starts(store, asked.runs)
        measure_pages(store, asked.runs)
    return 1 if slowest_s >= 1 else 0


def measure_starts(store: Path, runs: int) -> float:
    """Prints the table of starts; the slowest first page, in seconds."""
    index = store / ".runs-index.sqlite"

    def lose() -> None:
        for path in store.glob(".runs-index.sqlite*"):
            path.unlink()

    def damage() -> None:
        index.write_bytes(random.Random(1).randbytes(1 << 20))

    steps: list[tuple[str, Callable[[], object]]] = [
        ("fresh", lose),
        ("existing", lambda: None),
        ("damaged", damage),
        ("changed", lambda: change(store, runs)),
    ]
    print("| index | address printed (s) | first page (s) | processor (s) | all listed (s) |")
    print("|---|---|---|---|---|")
    slowest_s = 0.0
    for name, prepare in steps:
        figures = []
        for _ in range(REPEATS):
            prepare()
            figures.append(start(store, runs))
        columns = [median(each) for each in zip(*figures, strict=True)]
        slowest_s = max(slowest_s, *(first_page for _, first_page, *_ in figures))
        print(f"| {name} | {' | '.join(f'{s:.2f}' for s in columns)} |", flush=True)
    return slowest_s


def start(store: Path, runs: int) -> tuple[float, float, float, float]:
    """Start a server, ask, end it: seconds until the address and a page were there, of processor
    time until then, and until all runs were listed."""
    began = time.perf_counter()
    with Served(store) as served:
        addressed = time.perf_counter() - began
        served.get("/")
        first = time.perf_counter() - began
        processor = served.processor_s()
        while True:
            found = json.loads(served.get("/api/runs?per_page=1"))
            if found["indexing"] is None:
                break
            time.sleep(0.02)
        all_listed = time.perf_counter() - began
        if found["total"] != runs:
            raise AssertionError(f"expected {runs} runs, got {found['total']}")
        return addressed, first, processor, all_listed


def measure_pages(store: Path, runs: int) -> None:
    """Prints the table of pages, each asked for 20 times."""
    print("\n| page | median (ms) | slowest (ms) | KiB |\n|---|---|---|---|")
    with Served(store) as served:
        while json.loads(served.get("/api/status"))["indexing"] is not None:
            time.sleep(0.05)
        for name, path in PAGES.items():
            times, size = [], 0
            for _ in range(20):
                began = time.perf_counter()
                size = len(served.get(path))
                times.append((time.perf_counter() - began) * 1000)
            print(f"| {name} | {median(times):.0f} | {max(times):.0f} | {size / 1024:.0f} |")
        resident = Path(f"/proc/{served.process.pid}/status").read_text()
        memory_kib = next(line.split()[1] for line in resident.splitlines() if "VmHWM" in line)
    size = (store / ".runs-index.sqlite").stat().st_size
    print(f"\nmemory at most {int(memory_kib) / 1024:.0f} MiB; index {size / 2**20:.1f} MiB")


class Served:
    """``duress serve`` in a process of its own."""

    def __init__(self, store: Path) -> None:
        program = Path(sys.executable).with_name("duress")
        self.process = subprocess.Popen(
            [program, "serve", "--store", store, "--port", "0", "--quiet"],
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Served:
        assert self.process.stdout is not None
        address = self.process.stdout.readline().strip().removeprefix("http://").rstrip("/")
        self._connection = http.client.HTTPConnection(address, timeout=60)
        return self

    def get(self, path: str) -> bytes:
        """The body of an answer, which must be a good one."""
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise AssertionError(f"{path}: expected 200, got {response.status}: {body[:300]!r}")
        return body

    def processor_s(self) -> float:
        """What the server has used of processors so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self.process.terminate()
        self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()


# -- run folders ---------------------------------------------------------------


def make_store(store: Path, runs: int) -> None:
    """That many run folders, an hour of each day a hundred, the last one made last."""
    for number in range(runs):
        make_run(store, number)


def make_run(store: Path, number: int) -> Path:
    """One run folder, with what depends on its number only."""
    chance = random.Random(number)
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=36 * number)
    system, mutant = chance.choice(SYSTEMS), chance.choice(MUTANTS)
    label = f"{system}-{mutant}" if mutant else system
    folder = store / f"{moment:%Y%m%dT%H%M%S}-{label}-{number:04x}"
    (folder / "nodes").mkdir(parents=True, exist_ok=True)
    is_killed = number % 100 == 57
    state: bool | str = False if number % 40 == 7 else "unknown" if number % 60 == 11 else True
    spec = specification(folder.name, chance, moment, system, mutant)
    if not is_killed:
        spec["outcome"] = {True: "valid", False: "invalid"}.get(state, "unknown")  # type: ignore[call-overload]
        write(folder / "verdict.json", verdict(state, chance))
    write(folder / "trial.json", spec)
    (folder / "faults.jsonl").write_text("")
    (folder / "history.jsonl").write_text('{"index":0,"time":1,"process":0,"type":"invoke"}\n')
    if is_killed:
        long_ago = moment.timestamp()
        for path in (*folder.iterdir(), folder):
            os.utime(path, (long_ago, long_ago))
    return folder


def specification(
    name: str, chance: random.Random, moment: datetime, system: str, mutant: str | None
) -> dict[str, object]:
    """What ``trial.json`` holds."""
    seed = chance.randrange(1 << 31)
    nemeses = chance.sample(NEMESES, chance.randrange(1, 3))
    return {
        "duress": "0.1.0",
        "id": name,
        "system": system,
        "workload": chance.choice(("register", "append", "bank")),
        "nemeses": nemeses,
        "cluster": chance.choice(("sim", "local", "docker")),
        "nodes": ["n1", "n2", "n3", "n4", "n5"],
        "seed": seed,
        "mutant": mutant,
        "concurrency": 10,
        "rate": 150.0,
        "time_limit_s": 30.0,
        "options": {"mutant": mutant} if mutant else {},
        "check_time_s": 60.0,
        "started": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "command": f"duress run {system} --on sim --seed {seed} --nemesis {','.join(nemeses)}",
        "host": {"python": "3.11.2", "kernel": "6.1.0", "machine": "x86_64"},
        "phases": [{"name": phase, "time": 0} for phase in ("cluster", "system", "load", "check")],
    }


def verdict(state: bool | str, chance: random.Random) -> dict[str, object]:
    """What ``verdict.json`` holds, of the size that it has."""
    anomalies = []
    if state is False:
        name = chance.choice(ANOMALIES)
        told = (
            "process 3 read 4, although process 1's write of 5 had been acknowledged before. " * 3
        )
        cycle = {"edges": [[k, k + 1, "rw"] for k in range(20)]}
        anomalies = [
            {"name": name, "explanation": told, "operations": [1, 2, 3], "details": cycle}
            for _ in range(chance.randrange(1, 5))
        ]
    reason = "no 'cas' ever succeeded (12 tried)" if state == "unknown" else ""
    outcomes = {f: {"ok": 900, "fail": 90, "info": 10} for f in ("read", "write", "cas")}
    faults = [{"id": k, "kind": "partition", "recovery_ns": k * 10**8} for k in range(8)]
    bins = {"calls_by_bin": [100] * 30, "served_by_bin": [0.9] * 30}
    return {
        "valid": state,
        "anomalies": anomalies,
        "reason": reason and f"vacuity: {reason}",
        "parts": {
            "linearizable": {"valid": state is not False, "anomalies": anomalies},
            "availability": {
                "valid": True,
                "statistics": {"served": 0.91, "faults": faults, **bins},
            },
            "vacuity": {
                "valid": state if state == "unknown" else True,
                "reason": reason,
                "statistics": {"outcomes": outcomes},
            },
        },
    }


def change(store: Path, runs: int) -> None:
    """100 folders more, 100 fewer, and 100 judged again."""
    folders = sorted(path for path in store.iterdir() if path.is_dir())
    last = max(int(path.name.rpartition("-")[2], 16) for path in folders)
    for number in range(last + 1, last + 101):
        make_run(store, number)
    for path in folders[:100]:
        shutil.rmtree(path)
    for path in folders[100:200]:
        write(path / "verdict.json", verdict("unknown", random.Random(path.name)))
    left = sum(path.is_dir() for path in store.iterdir())
    if left != runs:
        raise AssertionError(f"expected {runs} folders, got {left}")


def write(path: Path, value: object) -> None:
    """A JSON file, replaced as a whole."""
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(value, indent=2))
    beside.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
