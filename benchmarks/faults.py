"""How soon faults take effect and are gone again, and how soon clusters come and go.

    .venv/bin/python benchmarks/faults.py [--on local,docker,ssh] [--repeats 5] [--part faults]

*faults*: every fault of every nemesis in real trials (Raft, five nodes), from the ledger: from the
decision (the ledger entry) until a probe of the nemesis had seen the effect, and from the heal
until it was seen gone. That includes the probe. *effects*: partition, pause and kill as seen from
outside, to half a millisecond, next to how others do it (``iptables`` by ``docker exec`` or
``nsenter``, ``docker pause``, ``docker kill``). *clusters*: bring-up and tear-down of 3, 5 and 9
nodes, next to ``docker run``. All are medians in milliseconds (clusters: seconds) with the largest
in brackets. For ssh, hosts are containers with sshd.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec
from rich.console import Console
from rich.table import Table

from duress.harness import registry
from duress.harness.fault_matrix import Sample, samples, schedule_of, without_trying
from duress.harness.schedule import Schedule

HERE = Path(__file__).resolve().parent
DURESS = str(Path(sys.executable).with_name("duress"))
PARTS = ("faults", "effects", "clusters")
SSH_HOSTS = 9
Pairs = dict[str, list[tuple[float, float]]]
"""Seconds until the effect, and from the heal until it was gone; by what was done."""


@contextmanager
def settings_for(kind: str) -> Iterator[dict[str, str]]:
    """What trials there need; hosts for ssh."""
    if kind != "ssh":
        yield {}
        return
    sys.path.insert(0, str(HERE.parent))
    from tests.cluster import ssh_hosts

    can = {"mount": True, "control_groups": True}
    with (
        tempfile.TemporaryDirectory() as name,
        ssh_hosts.running(SSH_HOSTS, Path(name), **can) as hosts,
    ):
        yield hosts.options


def faults(kind: str, repeats: int, settings: dict[str, str]) -> Pairs:
    """From the ledgers of trials that inject one fault after the other."""
    raft = registry.load("systems", "raft")
    wanted = [each for each in samples() if without_trying(each, kind, raft) is None]
    found: Pairs = {}
    for _ in range(repeats):
        for name, pair in _one_trial(kind, wanted, settings):
            found.setdefault(name, []).append(pair)
    assert found, f"no fault was injected on {kind}"
    return found


def _one_trial(
    kind: str, wanted: list[Sample], settings: dict[str, str]
) -> Iterator[tuple[str, tuple[float, float]]]:
    with tempfile.TemporaryDirectory(prefix="duress-faults-") as name:
        plan, store = Path(name, "schedule.json"), Path(name, "runs")
        plan.write_bytes(msgspec.json.encode(Schedule(schedule_of(wanted))))
        words = [word for pair in settings.items() for word in ("--set", "=".join(pair))]
        done = subprocess.run(
            [DURESS, "run", "raft", "--on", kind, "--schedule", plan, "--rate", "20", "--quiet",
             "--time", str(5 + 0.5 * len(wanted)), "--settle", "0.1", "--store", store, *words],
            capture_output=True,
            text=True,
        )  # fmt: skip
        assert done.returncode in (0, 1, 3), done.stderr
        lines = next(store.glob("2*/faults.jsonl")).read_bytes().splitlines()
    names = {(s.nemesis, msgspec.json.encode(s.aim)): s.fault for s in wanted}
    times: dict[int, dict[str, float]] = {}
    fault_of: dict[int, str] = {}
    for line in map(json.loads, lines):
        identity = line["fault"]["id"]
        times.setdefault(identity, {})[line["state"]] = line["time"] / 1e9
        if line["state"] == "injecting":
            aim = msgspec.json.encode(line.get("seen", {}).get("aim", {}))
            fault_of[identity] = names.get((line["fault"]["kind"], aim), "")
    for identity, at in times.items():
        if fault_of.get(identity) and {"injected", "healed"} <= at.keys():
            effect, gone = at["injected"] - at["injecting"], at["healed"] - at["healing"]
            yield fault_of[identity], (effect, gone)


def _in_process(script: str, *words: str) -> object:
    done = subprocess.run(
        [sys.executable, str(HERE / script), *words], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def shown_ms(values: list[float]) -> str:
    middle, most = 1000 * median(values), 1000 * max(values)
    return f"{middle:.1f} ({most:.1f})" if middle < 100 else f"{middle:.0f} ({most:.0f})"


def table_of(title: str, by_kind: dict[str, Pairs]) -> Table:
    table = Table(title=title)
    table.add_column("fault")
    for kind in by_kind:
        table.add_column(f"{kind}: effect, ms", justify="right")
        table.add_column("gone, ms", justify="right")
    for name in dict.fromkeys(name for pairs in by_kind.values() for name in pairs):
        cells = []
        for pairs in by_kind.values():
            mine = pairs.get(name)
            cells += [shown_ms([pair[at] for pair in mine]) for at in (0, 1)] if mine else ["", ""]
        table.add_row(name, *cells)
    return table


def clusters_table(rows: list[list]) -> Table:
    table = Table(title="clusters, seconds")
    for column in ("cluster", "nodes", "up", "down"):
        table.add_column(column, justify="left" if column == "cluster" else "right")
    for kind, size in dict.fromkeys((row[0], row[1]) for row in rows):
        mine = [row for row in rows if row[:2] == [kind, size]]
        cells = [f"{median(r[at] for r in mine):.2f} ({max(r[at] for r in mine):.2f})"
                 for at in (2, 3)]  # fmt: skip
        table.add_row(kind, str(size), *cells)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", default="local,docker,ssh")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--part", choices=PARTS)
    arguments = parser.parse_args()
    parts = [arguments.part] if arguments.part else PARTS
    repeats, console = arguments.repeats, Console(width=140)
    found: dict[str, Pairs] = {}
    effects: dict[str, Pairs] = {}
    rows: list[list] = []
    for kind in arguments.on.split(","):
        with settings_for(kind) as settings:
            if "faults" in parts:
                found[kind] = faults(kind, repeats, settings)
            if "effects" in parts and kind != "ssh":
                effects[kind] = _in_process("fault_effects.py", kind, str(repeats))  # type: ignore[assignment]
            if "clusters" in parts:
                words = (kind, str(repeats), json.dumps(settings))
                rows += _in_process("cluster_times.py", *words)  # type: ignore[arg-type]
    if found:
        console.print(table_of(f"in trials, median (largest) of {repeats}", found))
    if effects:
        console.print(table_of(f"seen from outside, median (largest) of {repeats}", effects))
    if rows:
        console.print(clusters_table(rows))


if __name__ == "__main__":
    main()
