"""Small random histories of transactions, and histories from simulated stores."""

from __future__ import annotations

import random
from typing import Any

from duress.harness.history import History
from duress.harness.operation import Operation

from .isolation_oracle import Txn


def history_of(txns: list[Txn], model: str) -> tuple[History, dict[int, int]]:
    """As duress records it, and the transaction of each position of an invocation."""
    write = "append" if model == "list-append" else "w"
    events = []
    for i, txn in enumerate(txns):
        asked = [["r", k, None] if verb == "r" else [write, k, v] for verb, k, v in txn.steps]
        told = [["r" if verb == "r" else write, k, v] for verb, k, v in txn.steps]
        events.append((txn.invoked, "invoke", txn.process, asked, i))
        if txn.completed is not None:
            events.append((txn.completed, txn.kind, txn.process, told, i))
        elif txn.kind != "info":
            raise AssertionError("only an indeterminate transaction never completes")
    events.sort(key=lambda e: e[0])
    history, where = History(), {}
    for time, type_, process, value, i in events:
        if type_ == "invoke":
            where[len(history)] = i
        history.append(Operation(-1, time, process, type_, "txn", value))
    return history, where


def random_txns(chance: random.Random, model: str, most: int = 5) -> list[Txn]:
    """Up to ``most`` transactions with random reads: often wrong in an interesting way."""
    keys = "xyz"[: chance.randint(1, 3)]
    count = chance.randint(2, most)
    processes = chance.randint(1, 3)
    values = iter(range(1, 100))
    plans: list[list[list[Any]]] = []
    written: dict[str, list[Any]] = {key: [] for key in keys}
    for _ in range(count):
        steps = []
        for _ in range(chance.randint(1, 3)):
            key = chance.choice(keys)
            if chance.random() < 0.5:
                value = next(values)
                written[key].append(value)
                steps.append(["w", key, value])
            else:
                steps.append(["r", key, None])
        plans.append(steps)
    for values_of in written.values():
        if chance.random() < 0.3:
            chance.shuffle(values_of)
    kinds = chance.choices(["ok", "info", "fail"], [9, 1, 0.5], k=count)
    for steps in plans:
        mine: dict[str, Any] = {}
        for step in steps:
            key = step[1]
            if step[0] == "w":
                mine[key] = step[2]
            elif model == "list-append":
                step[2] = written[key][: chance.randint(0, len(written[key]))]
            elif key in mine and chance.random() < 0.9:
                step[2] = mine[key]
            else:
                step[2] = mine[key] = chance.choice([None, *written[key]])
    return _timed(chance, plans, kinds, processes)


def _timed(
    chance: random.Random, plans: list[list[list[Any]]], kinds: list[str], processes: int
) -> list[Txn]:
    clock, free = 0, dict.fromkeys(range(processes), 0)
    fresh = processes
    txns = []
    for steps, kind in zip(plans, kinds, strict=True):
        process = chance.choice(sorted(free))
        clock += 10
        invoked = max(free.pop(process), clock) + chance.randint(0, 3)
        completed = invoked + chance.choice([2, 5, 25, 60])
        if kind == "info":
            free[fresh] = completed
            fresh += 1
            completed = None
        else:
            free[process] = completed + 1
        txns.append(Txn(process, invoked, completed, kind, tuple((a, b, c) for a, b, c in steps)))
    return _distinct_times(txns)


def _distinct_times(txns: list[Txn]) -> list[Txn]:
    """Ranks instead of times, so that no two events are at once."""
    events = sorted(
        [(t.invoked, 1, i) for i, t in enumerate(txns)]
        + [(t.completed, 0, i) for i, t in enumerate(txns) if t.completed is not None]
    )
    rank = {(i, begins): at for at, (_, begins, i) in enumerate(events)}
    return [
        Txn(t.process, rank[i, 1], rank.get((i, 0)), t.kind, t.steps) for i, t in enumerate(txns)
    ]


def simulated(
    chance: random.Random, model: str, count: int, *, snapshot: bool, stale: bool = False
) -> History:
    """What 5 clients see of a store that is strictly serializable, or snapshot isolated.

    Each transaction takes effect at one instant between its ends (with ``snapshot``: it reads at
    one, and commits at a later one if nobody has since written what it writes, else it fails).
    ``stale``: one read misses the last write, which was over before it began.
    """
    lists = model == "list-append"
    state: dict[str, Any] = {}
    before: dict[str, tuple[Any, int]] = {}
    changed: dict[str, int] = {}
    running: dict[int, dict[str, Any]] = {}
    numbers, fresh, clock, begun = list(range(5)), 5, 0, 0
    values = iter(range(1, 10 * count))
    txns: list[Txn] = []
    while begun < count or running:
        slot = chance.randrange(5)
        clock += 1
        if slot not in running:
            if begun < count:
                steps = [
                    (chance.choice("rw"), chance.choice("abcdef"), None)
                    for _ in range(chance.randint(1, 4))
                ]
                running[slot] = {"steps": steps, "invoked": clock, "phase": "open"}
                begun += 1
            continue
        txn = running[slot]
        if txn["phase"] == "open":
            txn["snapshot"], txn["read_at"], txn["phase"] = dict(state), clock, "read"
            if snapshot:
                continue
        if txn["phase"] == "read":
            view, steps = dict(txn["snapshot"]), []
            own = {key for verb, key, _ in txn["steps"] if verb == "w"}
            for verb, key, _ in txn["steps"]:
                if verb == "w":
                    value = next(values)
                    view[key] = [*view.get(key, []), value] if lists else value
                    steps.append((verb, key, value))
                    continue
                answer = view.get(key)
                old = before.get(key)
                late = stale and begun > count // 2 and key not in own
                if late and old and old[1] < txn["invoked"]:
                    answer, stale = old[0], False
                steps.append((verb, key, answer))
            lost = any(changed.get(key, 0) > txn["read_at"] for key in own)
            dice = chance.random()
            kind = "fail" if lost or dice < 0.05 else "info" if dice < 0.07 else "ok"
            if kind == "ok" or (kind == "info" and chance.random() < 0.5):
                for key in own:
                    before[key], changed[key] = (state.get(key), 1 << 40), clock
                    state[key] = view[key]
            txn.update(steps=steps, kind=kind, phase="done", own=own)
            continue
        running.pop(slot)
        for key in txn["own"] if txn["kind"] == "ok" else ():
            if key in before and before[key][1] == 1 << 40:
                before[key] = (before[key][0], clock)
        ended = None if txn["kind"] == "info" else clock
        txns.append(Txn(numbers[slot], txn["invoked"], ended, txn["kind"], tuple(txn["steps"])))
        if ended is None:
            numbers[slot], fresh = fresh, fresh + 1
    return history_of(txns, model)[0]
