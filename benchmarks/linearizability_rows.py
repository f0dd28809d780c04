"""What the benchmark of the linearizability checker judges: rows of histories."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.histories import BLOCKS, MODEL, generate, keyed

from duress.harness.formats import load
from duress.harness.history import History

SHARED = Path(__file__).parents[2] / "shared" / "histories"


class Row(NamedTuple):
    """Histories of one kind, one a seed (``histories.py``)."""

    kind: str
    calls: int
    clients: int
    crash: float = 0.0
    spoil: str = ""
    seeds: int = 3
    keys: int = 0

    repeat = 3
    failed_cas = "drop"

    @property
    def name(self) -> str:
        """As the table has it."""
        spoiled = f" {self.spoil}" if self.spoil else ""
        crashed = f" {self.crash:.0%} crashed" if self.crash else ""
        keys = f"{self.keys:,} keys × " if self.keys else ""
        return f"{self.kind} {keys}{self.calls:,} c={self.clients}{crashed}{spoiled}"

    @property
    def model(self) -> str:
        return MODEL[self.kind]

    @property
    def initial(self) -> Any:
        return "" if self.kind == "kv" else None

    def total(self) -> int:
        """Calls on all keys together."""
        return self.calls * max(1, self.keys)

    def made(self, seed: int) -> list[History]:
        """The histories of a seed."""
        if self.keys:
            return [keyed(self.kind, self.keys, self.calls, self.clients, seed, self.crash)]
        return [generate(*self[:3], seed, self.crash, self.spoil)]


class Files(NamedTuple):
    """Everybody's histories, judged one after the other."""

    folder: str
    model: str
    initial: Any
    failed_cas: str
    files: tuple[Path, ...]

    seeds = 1
    repeat = 5

    @property
    def name(self) -> str:
        """As the table has it."""
        one = f" {self.files[0].stem}" if len(self.files) == 1 else ""
        return f"{len(self.files)} of {self.folder}, {self.model} {self.initial}{one}"

    def total(self) -> int:
        return 0

    def made(self, seed: int) -> list[History]:
        """All of them."""
        return [load(file).history for file in self.files]


def shared(folder: str) -> Iterator[Files]:
    """Rows of the histories in a folder beside the project; none if it is not there."""
    table = SHARED / "expected.tsv"
    if not table.exists():
        return
    groups: dict[tuple[str, str], list[Path]] = {}
    with table.open() as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["file"].startswith(f"linearizability/{folder}/"):
                file = SHARED / row["file"]
                groups.setdefault((row["model"], row["initial"]), []).append(file)
    for (model, initial), files in groups.items():
        failed_cas = "observe" if folder == "etcd" else "drop"
        for some in ([each] for each in files) if folder == "kv" else [files]:
            yield Files(folder, model, json.loads(initial), failed_cas, tuple(some))


ROWS: dict[str, list[Row | Files]] = {
    "cas": [
        *(Row("cas5", 1_000, c) for c in (5, 10, 20)),
        *(Row("cas5", 10_000, c) for c in (5, 10, 20, 50)),
        *(Row("cas5", 100_000, c) for c in (5, 10, 20)),
        Row("cas5", 1_000_000, 5, seeds=1),
    ],
    "crashed": [
        Row("cas5", 1_000, 10, 0.01),
        Row("cas5", 10_000, 10, 0.01),
        Row("cas5", 100_000, 5, 0.01),
    ],
    "stale": [
        Row("cas5", 10_000, 10, spoil="stale"),
        Row("cas5", 1_000, 20, spoil="stale"),
        Row("cas5", 10_000, 5, 0.01, "stale"),
        Row("cas5", 10_000, 50, spoil="stale"),
    ],
    "late": [
        Row("cas5", calls, clients, crash, spoil)
        for spoil in BLOCKS
        for calls, clients, crash in ((10_000, 10, 0.0), (1_000, 5, 0.01), (10_000, 5, 0.01))
    ],
    "rw": [Row("rw5", 10_000, 10), Row("rw5", 10_000, 10, spoil="stale")],
    "unique": [
        Row("rwU", 10_000, 10),
        Row("casU", 10_000, 10),
        Row("rwU", 1_000_000, 50, 0.01, seeds=1),
        Row("casU", 1_000_000, 50, 0.01, seeds=1),
    ],
    "keys": [Row("cas5", 100, 5, 0.0066, keys=1_000), Row("cas5", 200, 5, 0.0066, "", 1, 5_000)],
    "kv": [Row("kv", 2_000, 50), *shared("kv")],
    "etcd": list(shared("etcd")),
    "knossos": list(shared("knossos")),
    "containers": [
        Row(kind, calls, 20, crash, seeds=1)
        for kind in ("queue", "stack", "pq", "set")
        for crash in (0.0, 0.01)
        for calls in (100, 1_000, 100_000, 1_000_000)
    ],
}
