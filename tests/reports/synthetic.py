"""Makes run folders that look like real ones: seeded, with or without a stale read."""

from __future__ import annotations

import heapq
import json
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from duress.checkers.availability import Availability
from duress.harness.history import History
from duress.harness.operation import Operation
from duress.harness.verdict import Anomaly, Verdict, compose

NODES = ["n1", "n2", "n3", "n4", "n5"]
MINORITY = ("n1", "n2")


@dataclass
class Synthetic:
    """A run in the making: its operations, in order of time, and its faults."""

    operations: list[Operation] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    stale_read: tuple[int, int] | None = None
    """Indices of the invocations of a write and of a later read that misses it."""


def schedule(seconds: float) -> list[dict[str, Any]]:
    """Partitions and kills, one after another: kind, targets, parameters, from, to (ns)."""
    wishes = []
    count = 5
    for number in range(count):
        start = (0.08 + 0.84 * number / count) * seconds
        end = start + 0.09 * seconds
        kind = ("partition", "kill", "pause")[number % 3]
        if kind == "partition":
            cut = [[a, b] for a in NODES for b in NODES if (a in MINORITY) != (b in MINORITY)]
            targets, parameters = NODES, {"shape": "halves", "cut": cut}
        else:
            targets, parameters = [NODES[number % 5]], {"choice": "one"}
        fault = {"id": number, "kind": kind, "targets": targets, "parameters": parameters}
        wishes.append({"fault": fault, "start": int(start * 1e9), "end": int(end * 1e9)})
    return wishes


def generate(
    seed: int = 1,
    calls: int = 3000,
    seconds: float = 30.0,
    processes: int = 10,
    keys: int = 6,
    stale: bool = False,
) -> Synthetic:
    """A register history; nodes of a fault's targets time out, fail or answer late."""
    random = Random(seed)
    run = Synthetic()
    plans = schedule(seconds)
    state: dict[int, Any] = {}
    events: list[tuple[int, int, str, Any]] = []
    for order, plan in enumerate(plans):
        heapq.heappush(events, (plan["start"], -2 * order - 2, "inject", plan))
        heapq.heappush(events, (plan["end"], -2 * order - 1, "heal", plan))
    think = seconds * processes / calls
    for process in range(processes):
        heapq.heappush(events, (int(random.expovariate(1 / think) * 1e9), process, "call", None))
    next_process, sequence, written = processes, 0, 0
    limit = int(seconds * 1e9)
    while events:
        now, who, what, payload = heapq.heappop(events)
        if what in ("inject", "heal"):
            _fault(run, now, what, payload, random)
        elif what == "call" and now < limit and sequence < calls:
            sequence += 1
            written += 1
            key = random.randrange(keys)
            roll = random.random()
            f = "read" if roll < 0.5 else "write" if roll < 0.85 else "cas"
            value = None if f == "read" else written
            if f == "cas":
                value = [state.get(key) if random.random() < 0.6 else -1, written]
            node = NODES[who % 5]
            at = len(run.operations)
            run.operations.append(Operation(at, now, who, "invoke", f, value, key, node))
            outcome, took = _fate(random, plans, now, node)
            payload = (f, key, value, node, outcome)
            heapq.heappush(events, (now + took, who, "done", payload))
        elif what == "done":
            crashed = _complete(run, now, who, payload, state)
            who = next_process if crashed else who
            next_process += crashed
            pause = int(random.expovariate(1 / think) * 1e9)
            heapq.heappush(events, (now + pause, who, "call", None))
    if stale:
        _plant_stale_read(run, plans)
    return run


def _fault(run: Synthetic, now: int, what: str, plan: dict[str, Any], random: Random) -> None:
    states = {"inject": ("injecting", "injected"), "heal": ("healing", "healed")}[what]
    done = now + random.randrange(5_000_000, 40_000_000)
    for time, state in zip((now, done), states, strict=True):
        run.faults.append({"time": time, "state": state, "fault": plan["fault"]})
    at = len(run.operations)
    run.operations.append(Operation(at, now, "nemesis", "info", what, plan["fault"]))


def _fate(random: Random, plans: list[dict[str, Any]], now: int, node: str) -> tuple[str, int]:
    took = int(random.lognormvariate(0.9, 0.5) * 1e6)
    for plan in plans:
        fault = plan["fault"]
        if not plan["start"] <= now <= plan["end"]:
            continue
        hit = node in (MINORITY if fault["kind"] == "partition" else fault["targets"])
        if hit:
            if random.random() < 0.5:
                return "info", 1_000_000_000
            return "fail", took
        if now - plan["start"] < 400_000_000:  # an election
            took += 400_000_000 - (now - plan["start"])
    return "ok", took


def _complete(
    run: Synthetic, now: int, who: int, call: tuple[Any, ...], state: dict[int, Any]
) -> bool:
    f, key, value, node, outcome = call
    error = None
    if outcome == "ok":
        if f == "read":
            value = state.get(key)
        elif f == "write":
            state[key] = value
        elif state.get(key) == value[0]:
            state[key] = value[1]
        else:
            outcome, error = "fail", "precondition-failed"
    elif outcome == "fail":
        error = ["not-leader", None]
    else:
        error = "timeout"
    at = len(run.operations)
    run.operations.append(Operation(at, now, who, outcome, f, value, key, node, error))
    return outcome == "info"


def _plant_stale_read(run: Synthetic, plans: list[dict[str, Any]]) -> None:
    """Lets a read during the first partition return what an earlier write had replaced."""
    window = plans[0]
    open_calls: dict[int | str, Operation] = {}
    values: dict[int, list[tuple[Any, int]]] = {}
    for operation in run.operations:
        if operation.type == "invoke":
            open_calls[operation.process] = operation
        elif operation.type == "ok" and operation.process in open_calls:
            began = open_calls[operation.process]
            history = values.setdefault(operation.key, [])
            if operation.f == "write":
                history.append((operation.value, began.index))
            during = window["start"] + 500_000_000 < began.time < window["end"]
            if operation.f == "read" and during and len(history) > 2:
                before, last = history[-2], history[-1]
                ended = next(o for o in run.operations if o.index > last[1] and o.value == last[0])
                if ended.time < began.time and operation.value == last[0]:
                    stale = msgspec.structs.replace(operation, value=before[0])
                    run.operations[operation.index] = stale
                    run.stale_read = (last[1], began.index)
                    return
    raise AssertionError("no read was fit to be made stale; take another seed")


def verdict(run: Synthetic) -> Verdict:
    """What checkers would say of it."""
    vacuity = Verdict(valid=True, statistics={"faults": ["kill", "partition", "pause"]})
    measured = Availability().check(History(run.operations), {})
    if run.stale_read is None:
        fine = Verdict(valid=True, statistics={"keys": 6, "seconds": 0.12})
        return compose({"linearizable": fine, "availability": measured, "vacuity": vacuity})
    write, read = (run.operations[at] for at in run.stale_read)
    answer = next(o for o in run.operations[read.index + 1 :] if o.process == read.process)
    anomaly = Anomaly(
        name="nonlinearizable",
        explanation=(
            f"Process {read.process} read {answer.value} from key {read.key}, although "
            f"{write.value} had been written and acknowledged before the read began."
        ),
        operations=[write.index, read.index, answer.index],
        key=read.key,
        details={
            "failed_at": answer.index,
            "longest": [write.index],
            "states": [
                {
                    "state": repr(write.value),
                    "stuck": [
                        {
                            "operation": read.index,
                            "why": f"read {answer.value} is impossible at {write.value}",
                        }
                    ],
                }
            ],
        },
    )
    broken = Verdict(valid=False, anomalies=[anomaly], statistics={"keys": 6})
    return compose({"linearizable": broken, "availability": measured, "vacuity": vacuity})


def write_folder(folder: Path, run: Synthetic, judged: Verdict | None = None) -> Path:
    """A complete run folder, as the store writes it."""
    judged = judged or verdict(run)
    encode = msgspec.json.Encoder().encode
    folder.mkdir(parents=True, exist_ok=True)
    outcome = {True: "valid", False: "invalid"}.get(judged.valid, "unknown")  # type: ignore[call-overload]
    (folder / "trial.json").write_text(json.dumps(spec(outcome), indent=2))
    with (folder / "history.jsonl").open("wb") as file:
        file.writelines(encode(operation) + b"\n" for operation in run.operations)
    (folder / "faults.jsonl").write_bytes(b"".join(encode(f) + b"\n" for f in run.faults))
    (folder / "verdict.json").write_bytes(encode(judged))
    for number, node in enumerate(NODES):
        log = folder / "nodes" / node / "raft.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(
            "".join(f"{t / 10:.3f} {node} term {t // 20 + number} follower\n" for t in range(200))
        )
    return folder


def spec(outcome: str) -> dict[str, Any]:
    """A trial.json."""
    return {
        "duress": "0.1.0",
        "id": "20261121T110000-raft-1a2b",
        "seed": 42,
        "system": "raft",
        "mutant": "stale-read" if outcome == "invalid" else None,
        "workload": "register",
        "nemeses": ["partition", "kill", "pause"],
        "cluster": "local",
        "nodes": NODES,
        "concurrency": 10,
        "rate": 100.0,
        "time_limit_s": 30.0,
        "options": {"keys": "6"},
        "started": "2026-11-21T11:00:00Z",
        "command": "duress run raft --seed 42 --nemesis partition,kill,pause",
        "system_info": {"version": "1.0", "election_timeout_ms": 300},
        "host": {"python": "3.11.7", "kernel": "6.1"},
        "outcome": outcome,
        "error": None,
        "phases": [
            {"name": "cluster", "time": 0},
            {"name": "load", "time": 1_000_000},
            {"name": "settle", "time": 29_000_000_000},
            {"name": "check", "time": 31_000_000_000},
        ],
    }
