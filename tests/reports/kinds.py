"""A run folder for each kind of report: every kind of failure, and what is no failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from duress.checkers.convergence import Convergence
from duress.checkers.delivery import PointToPoint
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


def delivery_calls(message: Any = 7) -> list[Operation]:
    """n1 is handed 5, then a message; n2 delivers them the wrong way round and the second one
    twice; n3, where 6 was to go, never has it."""
    calls = Calls()
    calls.add(0, "send", 10, 12, {"to": "n2", "message": 5}, asked={"to": 1, "message": 5})
    later = {"to": "n2", "message": message}
    calls.add(0, "send", 20, 22, later, asked={**later, "to": 1})
    calls.add(1, "send", 30, 32, {"to": "n3", "message": 6}, asked={"to": 2, "message": 6})
    log = [["n1", message], ["n1", 5], ["n1", message]]
    first = {"from": 0, "messages": log[:1], "length": 1}
    calls.add(2, "delivered", 40, 41, first, asked={"from": 0}, node="n2")
    calls.add(2, "all-delivered", 90, 91, {"from": 0, "messages": log, "length": 3}, node="n2")
    calls.add(1, "all-delivered", 92, 93, {"from": 0, "messages": [], "length": 0}, node="n3")
    return calls.operations()


def delivery(folder: Path, message: Any = 7) -> Path:
    """A message that overtakes another and comes twice, and one that is lost."""
    history = History(delivery_calls(message))
    parts = {"delivery": PointToPoint().check(history, {})}
    return write(folder, list(history), compose(parts), workload="delivery")


def replica_calls(value: Any = 2) -> list[Operation]:
    """Two writes of one key; in the end n1 and n3 hold the second one, n2 the first."""
    calls = Calls()
    calls.add(0, "write", 10, 12, [1], asked=1, key="x")
    calls.add(1, "write", 20, 22, [value], asked=value, key="x", node="n3")
    for process, node, held in ((0, "n1", value), (1, "n2", 1), (2, "n3", value)):
        calls.add(process, "final", 90 + process, 95 + process, {"x": [held]}, node=node)
    return calls.operations()


def convergence(folder: Path, value: Any = 2) -> Path:
    """A replica that did not hear of the last write."""
    history = History(replica_calls(value))
    parts = {"converging": Convergence().check(history, {})}
    return write(folder, list(history), compose(parts), workload="quorum-register")


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
    "delivery": lambda folder: delivery(folder, HOSTILE),
    "convergence": lambda folder: convergence(folder, HOSTILE),
    "set": set_loss,
    "queue": queue_loss,
    "cycle": cycle,
    "valid": valid,
    "unknown": unknown,
    "interrupted": interrupted,
    "hostile": hostile,
}
