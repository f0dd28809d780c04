"""Run folders with what the drawings of anomalies need: transactions, and a trace of messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from duress.checkers.isolation import Isolation
from duress.harness.history import History
from duress.harness.operation import Operation
from duress.harness.simulation import repeat
from duress.harness.spec import TrialSpec
from duress.harness.store import RunFolder
from duress.harness.verdict import compose

HOSTILE = "</script></svg><img src=x onerror=alert(3)>"


class Transactions:
    """A history of transactions in the making."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def begin(self, process: int, mops: list[list[Any]]) -> None:
        """A transaction, what it will have read included; it is asked without."""
        asked = [[f, k, None if f == "r" else v] for f, k, v in mops]
        self._add(process, "invoke", asked)

    def end(self, process: int, mops: list[list[Any]], outcome: str = "ok") -> None:
        self._add(process, outcome, mops)

    def run(self, process: int, mops: list[list[Any]], outcome: str = "ok") -> None:
        self.begin(process, mops)
        self.end(process, mops, outcome)

    def _add(self, process: int, kind: Any, mops: list[list[Any]]) -> None:
        at = len(self.operations)
        node = None if kind == "invoke" else f"n{process + 1}"
        self.operations.append(
            Operation(at, (at + 1) * 1_000_000, process, kind, "txn", mops, None, node)
        )

    def read_skew(self, x: Any, y: Any, value: Any = 1) -> None:
        """One transaction sees the second of two writes of another, but not the first."""
        reader = [["r", x, []], ["r", y, [value]]]
        self.begin(0, reader)
        self.run(1, [["append", x, value], ["append", y, value], ["append", "other", str(x)]])
        self.end(0, reader)
        self.run(2, [["r", x, [value]], ["r", y, [value]]])

    def write_skew(self, *keys: str) -> None:
        """As many transactions as keys; each reads one key and appends to the next."""
        all_mops = [
            [["r", key, []], ["append", keys[(at + 1) % len(keys)], 1]]
            for at, key in enumerate(keys)
        ]
        for process, mops in enumerate(all_mops):
            self.begin(process, mops)
        for process, mops in enumerate(all_mops):
            self.end(process, mops)
        self.run(len(keys), [["r", key, [1]] for key in keys])


def write_transactions(folder: Path, operations: list[Operation]) -> Path:
    """A run folder with a history of lists and what the isolation checker says of it."""
    folder.mkdir(parents=True)
    verdict = compose({"isolation": Isolation("list-append").check(History(operations), {})})
    encode = msgspec.json.Encoder().encode
    (folder / "history.jsonl").write_bytes(b"".join(encode(o) + b"\n" for o in operations))
    (folder / "verdict.json").write_bytes(encode(verdict))
    spec = {"id": "transactions", "system": "lists", "workload": "append"}
    (folder / "trial.json").write_text(json.dumps(spec))
    return folder


def simulate(folder: Path, **changed: Any) -> Path:
    """A short traced trial of a Raft whose reads are stale."""
    wanted: dict[str, Any] = {
        "system": "raft",
        "workload": "register",
        "nemeses": ["partition"],
        "cluster": "sim",
        "nodes": ["n1", "n2", "n3"],
        "seed": 1,
        "mutant": "stale-read",
        "concurrency": 4,
        "rate": 200.0,
        "time_limit_s": 4.0,
        "settle_s": 0.5,
        "interval_s": 1.0,
        "options": {"mutant": "stale-read", "trace": "true"},
    }
    (folder / "nodes").mkdir(parents=True)
    repeat.run(TrialSpec(**(wanted | changed)), RunFolder(folder), (), "duress run raft --on sim")
    return folder
