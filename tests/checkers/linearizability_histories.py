"""Small random histories for every model, and an oracle that tries everything."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from duress.checkers.linearizability.calls import CRASHED
from duress.checkers.linearizability.models import MODELS, successors
from duress.checkers.linearizability.preparation import Problem
from duress.harness.history import History
from duress.harness.operation import Operation

VALUES = 3


def history_of(rows: Sequence[tuple[int, str, str, Any]], key: Any = None) -> History:
    """A history from (process, type, f, value) rows."""
    return History(
        Operation(index=i, time=i * 1000, process=p, type=t, f=f, value=v, key=key)  # type: ignore[arg-type]
        for i, (p, t, f, v) in enumerate(rows)
    )


def explained(problem: Problem, optional: frozenset[int] = frozenset()) -> bool:
    """Oracle: is there any order at all? Tries all of them, one call at a time."""
    calls = problem.calls
    next_states = successors(problem.model)
    invoked, returned = calls.invoked.tolist(), calls.returned.tolist()
    operations = [problem.operation(at) for at in range(len(calls))]

    def search(left: frozenset[int], state: Any) -> bool:
        must = [at for at in left if returned[at] < CRASHED and at not in optional]
        if not must:
            return True
        for at in left:
            if any(returned[other] < invoked[at] for other in left if other != at):
                continue
            for after in next_states(state, operations[at]):
                if search(left - {at}, after):
                    return True
            if at in optional and search(left - {at}, state):
                return True
        return False

    return search(frozenset(range(len(calls))), problem.model.initial)


def _argument(model: str, f: str, chance: random.Random) -> Any:
    value = chance.randrange(1, VALUES + 1)
    if f in ("cas",):
        return [value, chance.randrange(1, VALUES + 1)]
    if f == "contains":
        return [value, None]
    if f == "txn":
        return [
            [chance.choice(["read", "write"]), chance.choice("xy"), value]
            for _ in range(chance.randrange(1, 3))
        ]
    if f in ("read", "get", "delete", "acquire", "release", "dequeue", "pop"):
        return None
    if model == "priority-queue" and f == "remove":
        return None
    if model == "kv-map" and f == "append":
        return chance.choice("ab")
    if model == "kv-map" and f == "put":
        return chance.choice(["a", "b", ""])
    return value


FUNCTIONS = {
    "register": ["read", "write"],
    "cas-register": ["read", "write", "cas"],
    "multi-register": ["txn"],
    "mutex": ["acquire", "release"],
    "owner-mutex": ["acquire", "release"],
    "fenced-mutex": ["acquire", "release"],
    "semaphore": ["acquire", "release"],
    "counter": ["add", "read"],
    "set": ["add", "remove", "contains", "read"],
    "g-set": ["add", "read"],
    "queue": ["enqueue", "dequeue"],
    "unordered-queue": ["enqueue", "dequeue"],
    "stack": ["push", "pop"],
    "priority-queue": ["insert", "remove"],
    "log": ["append", "read"],
    "kv-map": ["get", "put", "append", "delete", "cas"],
}
assert set(FUNCTIONS) == set(MODELS)


def random_history(
    model: str, seed: int, calls: int = 6, processes: int = 3, crash: float = 0.15
) -> History:
    """Results are those of one instant within each call, then some are spoiled."""
    chance = random.Random(seed)
    initial = 2 if model == "semaphore" else None
    made = MODELS[model]() if initial is None else MODELS[model](initial)
    state = made.initial
    rows: list[tuple[int, str, str, Any]] = []
    running: dict[int, list[Any]] = {}
    slots = list(range(processes))
    names, started = processes, 0
    while started < calls or running:
        slot = chance.choice(slots)
        if slot not in running:
            if started >= calls:
                continue
            f = chance.choice(FUNCTIONS[model])
            argument = _argument(model, f, chance)
            rows.append((slot, "invoke", f, argument))
            running[slot] = [f, argument, None]
            started += 1
        elif running[slot][2] is None:
            f, argument, _ = running[slot]
            result, state = _act(model, made, state, f, argument, slot, chance)
            running[slot][2] = result
        else:
            f, argument, (kind, value) = running.pop(slot)
            if chance.random() < crash:
                rows.append((slot, "info", f, argument))
                slots[slots.index(slot)] = names
                names += 1
            else:
                rows.append((slot, kind, f, value))
    if chance.random() < 0.6:
        rows = _spoiled(model, rows, chance)
    return history_of(rows, key="k" if model == "kv-map" else None)


def _act(
    model: str, made: Any, state: Any, f: str, argument: Any, process: int, chance: random.Random
) -> tuple[tuple[str, Any], Any]:
    """Perform ``f`` now: what it answers and the state after."""
    for value in _answers(model, f, argument, state):
        operation = Operation(-1, 0, process, "ok", f, value)
        after = list(successors(made)(state, operation))
        if after:
            return ("ok", value), chance.choice(after)
    return ("fail", argument), state


def _answers(model: str, f: str, argument: Any, state: Any) -> list[Any]:
    if f == "txn":
        values = dict(state)
        done = []
        for kind, name, value in argument:
            if kind == "write":
                values[name] = value
            done.append([kind, name, values.get(name)])
        return [done]
    if f == "contains":
        return [[argument[0], argument[0] in state]]
    if f == "acquire" and model == "fenced-mutex":
        return [(state[1] or 0) + 1]
    if f in ("get", "read") and isinstance(state, tuple) and model != "log":
        return [state[0]]
    if f == "read":
        return [list(state)] if model in ("log", "set", "g-set") else [state]
    if f in ("dequeue", "pop") or (f == "remove" and model == "priority-queue"):
        if model == "unordered-queue":
            return [next((element for element, _ in sorted(state)), None)]
        if not state:
            return [None]
        return [state[-1] if model == "stack" else state[0]]
    return [argument]


def _spoiled(model: str, rows: list[Any], chance: random.Random) -> list[Any]:
    """Exchange two results of the same function, or alter one."""
    rows = list(rows)
    failed = [i for i, row in enumerate(rows) if row[1] == "fail"]
    if failed and chance.random() < 0.5:
        at = chance.choice(failed)
        p, _, f, value = rows[at]
        rows[at] = (p, "ok", f, value)
        return rows
    done = [i for i, row in enumerate(rows) if row[1] == "ok"]
    if not done:
        return rows
    one = chance.choice(done)
    same = [i for i in done if rows[i][2] == rows[one][2] and i != one]
    p, t, f, value = rows[one]
    if same and chance.random() < 0.6:
        other = chance.choice(same)
        q, u, g, instead = rows[other]
        rows[one], rows[other] = (p, t, f, instead), (q, u, g, value)
    elif isinstance(value, int):
        rows[one] = (p, t, f, chance.randrange(1, VALUES + 1))
    elif isinstance(value, list) and value and f == "read":
        rows[one] = (p, t, f, value[:-1])
    elif f == "contains":
        rows[one] = (p, t, f, [value[0], not value[1]])
    return rows
