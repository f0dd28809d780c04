"""A run folder for each kind of report: every kind of failure, and what is no failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from duress.checkers.fencing import Fencing
from duress.checkers.mutual_exclusion import MutualExclusion
from duress.harness.history import History
from duress.harness.operation import Operation
from duress.harness.verdict import Verdict, compose

from . import synthetic, traced
from .traced import HOSTILE

MS = 1_000_000


class Calls:
    """A history in the making: calls with both ends, in any order; times in ms."""

    def __init__(self) -> None:
        self._ends: list[tuple[int, dict[str, Any]]] = []

    def add(
        self,
        process: int,
        f: str,
        start: int,
        end: int,
        answer: Any = None,
        *,
        asked: Any = None,
        key: Any = None,
        outcome: str = "ok",
        error: Any = None,
        node: str = "n1",
    ) -> None:
        """One call; ``answer`` is the value of its completion."""
        common = {"process": process, "f": f, "key": key}
        self._ends.append((start, {**common, "type": "invoke", "value": asked}))
        ended = {**common, "type": outcome, "value": answer, "error": error, "node": node}
        self._ends.append((end, ended))

    def operations(self) -> list[Operation]:
        """In order of time."""
        ordered = sorted(self._ends, key=lambda each: each[0])
        return [
            Operation(index=at, time=time * MS, **each) for at, (time, each) in enumerate(ordered)
        ]


def lock_calls(lock: Any = "lock-0", value: Any = 7) -> list[Operation]:
    """Process 0 is paused past its lease and writes when process 1 has long held the lock."""
    calls = Calls()
    lease = {"session": "s1", "lease_ms": 500}
    calls.add(0, "acquire", 10, 20, {"sequencer": 4, **lease}, key=lock)
    calls.add(1, "acquire", 30, 300, {"sequencer": 5, "session": "s2", "lease_ms": 900}, key=lock)
    calls.add(1, "put", 400, 410, {"value": 1, "sequencer": 5}, asked=1, key=lock, node="n2")
    calls.add(0, "put", 100, 600, {"value": value, "sequencer": 4}, asked=value, key=lock)
    calls.add(2, "get", 650, 660, {"value": value, "sequencer": 4}, key=lock, node="n3")
    return calls.operations()


def write(folder: Path, operations: list[Operation], verdict: Verdict, **spec: Any) -> Path:
    """A run folder of a history and what was said of it."""
    encode = msgspec.json.Encoder().encode
    folder.mkdir(parents=True)
    (folder / "history.jsonl").write_bytes(b"".join(encode(o) + b"\n" for o in operations))
    (folder / "verdict.json").write_bytes(encode(verdict))
    (folder / "faults.jsonl").write_text("")
    told = {"id": folder.name, "system": "lock-service", "nodes": ["n1", "n2", "n3"], **spec}
    (folder / "trial.json").write_text(json.dumps(told))
    return folder


def locks(folder: Path, lock: Any = "lock-0", value: Any = 7) -> Path:
    """Two holders at once, and a write with an outdated number."""
    history = History(lock_calls(lock, value))
    parts = {"locks": MutualExclusion().check(history, {}), "fencing": Fencing().check(history, {})}
    return write(folder, list(history), compose(parts), workload="lock")


def linearizability(folder: Path) -> Path:
    """A stale read of a Raft, with its messages."""
    return traced.simulate(folder)


def commit(folder: Path) -> Path:
    """A coordinator that forgets what it decided."""
    return traced.simulate(
        folder,
        system="two-phase-commit",
        workload="commit",
        nemeses=["kill"],
        seed=2,
        mutant="no-coordinator-log",
        rate=20.0,
        options={"mutant": "no-coordinator-log", "trace": "true"},
    )


def set_loss(folder: Path) -> Path:
    """Additions to a set that overwrite each other."""
    return _raft(folder, "set", "set-overwrites", [], 1)


def queue_loss(folder: Path) -> Path:
    """An element that was acknowledged too soon, and a kill."""
    return _raft(folder, "queue", "enqueue-unreplicated", ["kill"], 2)


def _raft(folder: Path, workload: str, mutant: str, nemeses: list[str], seed: int) -> Path:
    return traced.simulate(
        folder,
        workload=workload,
        mutant=mutant,
        nemeses=nemeses,
        seed=seed,
        rate=40.0,
        options={"mutant": mutant, "trace": "true"},
    )


def cycle(folder: Path) -> Path:
    """Write skew and read skew."""
    made = traced.Transactions()
    made.write_skew("p", "q", "s")
    made.read_skew("x", "y")
    return traced.write_transactions(folder, made.operations)


def valid(folder: Path) -> Path:
    """Nothing wrong."""
    return synthetic.write_folder(folder, synthetic.generate(seed=4, keys=15, calls=600))


def unknown(folder: Path) -> Path:
    """Nobody knows."""
    run = synthetic.generate(seed=4, calls=300)
    verdict = Verdict("unknown", parts={"linearizable": Verdict("unknown", reason="out of time")})
    return write(folder, run.operations, verdict, system="raft")


def interrupted(folder: Path) -> Path:
    """Stopped before it was judged."""
    write(
        folder,
        synthetic.generate(seed=4, calls=300).operations,
        Verdict(True),
        system="raft",
        outcome="interrupted",
        error="interrupted by the user",
    )
    (folder / "verdict.json").unlink()
    return folder


def hostile(folder: Path) -> Path:
    """Names, values and logs that would like to be more than text."""
    locks(folder, lock=HOSTILE, value=HOSTILE)
    spec = json.loads((folder / "trial.json").read_text())
    spec |= {"mutant": HOSTILE, "cluster": "sim", "history_origin_ns": 0, "shrunk_from": HOSTILE}
    spec |= {"system": HOSTILE, "command": f"duress run {HOSTILE}", "nodes": [HOSTILE, "n1"]}
    (folder / "trial.json").write_text(json.dumps(spec))
    (folder / "shrunk.json").write_text(json.dumps({"run": f"../{HOSTILE}"}))
    log = folder / "nodes" / "n1" / "node.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"0.2000 n1 leader in term 1 {HOSTILE}\n0.3 n1 \x1b[31m{HOSTILE}\u202e\n")
    return folder


KINDS: dict[str, Callable[[Path], Path]] = {
    "linearizability": linearizability,
    "commit": commit,
    "lock": locks,
    "set": set_loss,
    "queue": queue_loss,
    "cycle": cycle,
    "valid": valid,
    "unknown": unknown,
    "interrupted": interrupted,
    "hostile": hostile,
}
