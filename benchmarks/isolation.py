"""Time and memory of the isolation checker, beside a peer's if one is named.

    python benchmarks/isolation.py                       # 10k, 100k and 1M transactions
    python benchmarks/isolation.py --sizes 10000 --peer 'elle-cli -m list-append {edn}'

Histories come from a simulated store: 20 processes, 100 active keys of 100 writes each, 1 to 5
operations a transaction, 3 % failed, 0.2 % indeterminate, strictly serializable; ``stale`` has one
read, near the end, that misses a write that was over. ``weak``: 50 sessions, 5 operations,
10,000 keys, as AWDIT was measured. Every figure is of a process of its own, after the compiled
code is loaded; the median of ``--repeats`` runs.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np

from duress.checkers.isolation import Isolation
from duress.checkers.isolation.judgement import judge_transactions
from duress.checkers.isolation.transactions import NEVER, NIL, READ, WRITE, Transactions
from duress.harness.history import FAIL, INFO, OK, History
from duress.harness.operation import Operation

ROWS = {
    "list": ("list-append", {"level": "strict-serializable"}),
    "list-stale": ("list-append", {"level": "strict-serializable"}),
    "register-wfr": ("rw-register", {"level": "serializable", "wfr_keys": True}),
    "register-linearizable": (
        "rw-register",
        {"level": "strict-serializable", "linearizable_keys": True},
    ),
    "register-linearizable-stale": (
        "rw-register",
        {"level": "strict-serializable", "linearizable_keys": True},
    ),
    "weak-read-committed": ("rw-register", {"level": "strong-session-monotonic-atomic-view"}),
    "weak-read-atomic": ("rw-register", {"level": "strong-session-read-atomic"}),
    "weak-causal": ("rw-register", {"level": "causal"}),
    "weak-causal-stale": ("rw-register", {"level": "causal"}),
}


class Simulation:
    """A store that runs each transaction at one instant between its two ends."""

    def __init__(self, size: int, lists: bool, weak: bool, stale: bool, seed: int = 1) -> None:
        self.chance = random.Random(seed)
        self.size, self.lists, self.stale = size, lists, stale
        self.processes = 50 if weak else 20
        self.fixed_length = 5 if weak else None
        self.failing, self.crashing = (0.0, 0.0) if weak else (0.03, 0.002)
        self.active = list(range(10_000 if weak else 100))
        self.per_key = None if weak else 100
        self.writes_left = dict.fromkeys(self.active, self.per_key)
        self.next_value: dict[int, int] = {}
        self.keys = len(self.active)
        self.store: dict[int, Any] = {}
        self.overwritten: dict[int, tuple[Any, int]] = {}
        self.planted = not stale
        self.kind, self.process = array("b"), array("i")
        self.invoked, self.completed = array("i"), array("i")
        self.start, self.op = array("i", [0]), array("b")
        self.key, self.value = array("i"), array("i")
        self.begin, self.length, self.elements = array("q"), array("i"), array("i")
        self.log: dict[int, Any] = {}
        self.run()

    def plan(self) -> list[tuple[int, int, int]]:
        """The micro-operations of one transaction: ``(op, key, value)``."""
        chance = self.chance
        steps = []
        for _ in range(self.fixed_length or chance.randint(1, 5)):
            at = int(chance.random() * len(self.active))
            key = self.active[at]
            if chance.random() < 0.5:
                steps.append((READ, key, 0))
                continue
            value = self.next_value.get(key, 0) + 1
            self.next_value[key] = value
            steps.append((WRITE, key, value))
            if self.per_key and value >= self.per_key:
                self.active[at] = self.keys
                self.keys += 1
        return steps

    def run(self) -> None:
        chance = self.chance
        open_: list[Any] = [None] * self.processes
        numbers = list(range(self.processes))
        fresh = self.processes
        begun = position = 0
        pending: dict[int, Any] = {}
        order = 0
        while begun < self.size or any(open_):
            slot = int(chance.random() * self.processes)
            state = open_[slot]
            if state is None:
                if begun < self.size:
                    open_[slot] = [begun, self.plan(), None, numbers[slot], position, NEVER, OK]
                    begun += 1
                    position += 1
            elif state[2] is None:
                dice = chance.random()
                state[6] = (
                    FAIL
                    if dice < self.failing
                    else INFO
                    if dice < self.failing + self.crashing
                    else OK
                )
                happens = state[6] == OK or (state[6] == INFO and chance.random() < 0.5)
                state[2] = self.effect(state, position) if happens else []
            else:
                if state[6] == INFO:
                    numbers[slot] = fresh
                    fresh += 1
                else:
                    state[5] = position
                position += 1
                pending[state[0]] = state
                open_[slot] = None
                while order in pending:
                    self.record(pending.pop(order))
                    order += 1

    def effect(self, state: Any, now: int) -> list[Any]:
        """What each read sees; the writes take place."""
        seen = []
        late = not self.planted and state[0] > 0.97 * self.size and state[6] == OK
        for op, key, value in state[1]:
            if op == READ:
                answer = self.store.get(key)
                if late and not self.planted and key in self.overwritten:
                    before, when = self.overwritten[key]
                    others = [k for o, k, _ in state[1] if o == WRITE]
                    if when + 60 < state[4] and key not in others:
                        answer, self.planted = before, True
                seen.append(answer)
            else:
                before = self.store.get(key)
                self.overwritten[key] = (before, now)
                self.store[key] = (before or 0) + 1 if self.lists else value
                if self.lists:
                    self.log.setdefault(key, array("i")).append(value)
                seen.append(None)
        return seen

    def record(self, state: Any) -> None:
        _, steps, seen, process, invoked, completed, kind = state
        self.kind.append(kind)
        self.process.append(process)
        self.invoked.append(invoked)
        self.completed.append(completed if kind == OK else NEVER)
        for (op, key, value), answer in zip(steps, seen or [None] * len(steps), strict=True):
            if op == READ and kind != OK:
                continue
            self.key.append(key)
            self.begin.append(len(self.elements))
            self.op.append(op if op == WRITE or answer is not None else NIL)
            length = 0
            if op == WRITE:
                self.value.append(value)
            elif answer is None or self.lists:
                self.value.append(-1)
                if answer:
                    self.elements.extend(self.log[key][:answer])
                    length = answer
            else:
                self.value.append(answer)
            self.length.append(length)
        self.start.append(len(self.op))

    def transactions(self) -> Transactions:
        as_array = np.asarray
        return Transactions(
            as_array(self.kind), as_array(self.process), as_array(self.invoked),
            as_array(self.completed), as_array(self.start), as_array(self.op),
            as_array(self.key), as_array(self.value), as_array(self.begin),
            as_array(self.length), as_array(self.elements), list(range(self.keys)), int,
        )  # fmt: skip


def history_of(txns: Transactions, model: str) -> History:
    """The same as duress would have recorded it."""
    verb = "append" if model == "list-append" else "w"
    events = []
    for t in range(len(txns)):
        asked, told = [], []
        for m in range(int(txns.start[t]), int(txns.start[t + 1])):
            key = int(txns.key[m])
            if txns.op[m] == WRITE:
                asked.append([verb, key, int(txns.value[m])])
                told.append(asked[-1])
                continue
            asked.append(["r", key, None])
            if txns.op[m] == NIL:
                told.append(asked[-1])
            else:
                lists = model == "list-append"
                told.append(["r", key, txns.list_of(m) if lists else int(txns.value[m])])
        process, kind = int(txns.process[t]), int(txns.kind[t])
        events.append((int(txns.invoked[t]), "invoke", process, asked))
        if kind == OK:
            events.append((int(txns.completed[t]), "ok", process, told))
        elif kind == FAIL:
            events.append((int(txns.invoked[t]) + 0.5, "fail", process, asked))
    events.sort(key=lambda event: event[0])
    return History(
        Operation(-1, int(time_ * 1000), process, type_, "txn", value)  # type: ignore[arg-type]
        for time_, type_, process, value in events
    )


def measure(row: str, size: int) -> dict[str, Any]:
    """One figure, in this process."""
    model, options = ROWS[row]
    weak, stale = row.startswith("weak"), row.endswith("stale")
    warm = Simulation(9_000, model == "list-append", weak, stale).transactions()
    checker = Isolation(model, realtime=not weak, **options)
    judge_transactions(checker, warm, {})
    txns = Simulation(size, model == "list-append", weak, stale).transactions()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    verdict = judge_transactions(checker, txns, {})
    seconds = time.perf_counter() - began
    return {
        "row": row,
        "size": size,
        "seconds": seconds,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "megabytes_before": before / 1024,
        "valid": verdict.valid,
        "anomalies": verdict.statistics["anomaly_counts"],
        "algorithm": verdict.statistics["algorithm"],
        "reason": verdict.reason,
    }


def measure_file(row: str, size: int) -> dict[str, Any]:
    """From JSON Lines on disk, loading included."""
    from duress.harness.formats import jsonl

    model, options = ROWS[row]
    txns = Simulation(size, model == "list-append", False, row.endswith("stale")).transactions()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        jsonl.write(history_of(txns, model), path)
        del txns
        code = (
            "import sys, time, resource; t = time.perf_counter()\n"
            "from duress.harness.formats import load\n"
            "from duress.checkers.isolation import Isolation\n"
            f"h = load({str(path)!r}).history; a = time.perf_counter()\n"
            f"v = Isolation({model!r}, **{options!r}).check(h, {{}}); b = time.perf_counter()\n"
            "print(a - t, b - a, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        if done.returncode:
            return {"row": f"{row} from disk", "size": size, "error": done.stderr[-300:]}
        load, check, memory = map(float, done.stdout.split())
    return {
        "row": f"{row} from disk",
        "size": size,
        "seconds": load + check,
        "load": load,
        "check": check,
        "megabytes": memory,
    }


def measure_peer(command: str, row: str, size: int) -> dict[str, Any]:
    """A peer's time on the same history, in EDN (``{edn}``) or JSON Lines (``{jsonl}``)."""
    from duress.harness.formats import jepsen, jsonl

    model, _ = ROWS[row]
    txns = Simulation(size, model == "list-append", False, row.endswith("stale")).transactions()
    history = history_of(txns, model)
    with tempfile.TemporaryDirectory() as folder:
        paths = {"edn": Path(folder) / "history.edn", "jsonl": Path(folder) / "history.jsonl"}
        jepsen.write(history, paths["edn"])
        jsonl.write(history, paths["jsonl"])
        began = time.perf_counter()
        done = subprocess.run(
            [part.format(**paths) for part in shlex.split(command)], capture_output=True, text=True
        )
        seconds = time.perf_counter() - began
    return {"row": f"{row} peer", "size": size, "seconds": seconds, "exit": done.returncode}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--disk", action="store_true", help="also from JSON Lines on disk")
    parser.add_argument("--peer", help="a command with {edn} or {jsonl} for the file")
    parser.add_argument("--one", nargs=2, metavar=("ROW", "SIZE"), help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.one:
        print(json.dumps(measure(flags.one[0], int(flags.one[1]))))
        return
    for row in flags.rows:
        by_size = {}
        for size in flags.sizes:
            runs = []
            for _ in range(flags.repeats):
                done = subprocess.run(
                    [sys.executable, __file__, "--one", row, str(size)],
                    capture_output=True, text=True, check=False,
                )  # fmt: skip
                if done.returncode:
                    sys.exit(done.stderr)
                runs.append(json.loads(done.stdout))
            best = sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]
            by_size[size] = statistics.median(run["seconds"] for run in runs)
            print(
                f"{row:28} {size:>9,} {by_size[size]:8.3f} s {best['megabytes']:7.0f} MB  "
                f"{best['valid']!s:8}{best['anomalies'] or ''} {best['reason'][:60]}",
                flush=True,
            )
            if flags.disk:
                print(measure_file(row, size), flush=True)
            if flags.peer:
                print(measure_peer(flags.peer, row, size), flush=True)
        sizes = sorted(by_size)
        if len(sizes) > 1:
            low, high = sizes[0], sizes[-1]
            exponent = math.log(by_size[high] / by_size[low]) / math.log(high / low)
            print(f"{row:28} grows with exponent {exponent:.2f} from {low:,} to {high:,}")


if __name__ == "__main__":
    main()
