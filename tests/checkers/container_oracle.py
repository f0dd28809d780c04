"""Brute force: is there any order of these calls that a sequential object would show?

Independent of the code it judges: it knows calls as tuples and states as Python
tuples and sets. Exponential; for a dozen calls at most.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from duress.checkers.linearizability.calls import (
    ALL,
    CAS,
    CRASHED,
    HAS,
    INSERT,
    LACKS,
    READ,
    TAKE,
    WRITE,
    Calls,
)

Step = Callable[[Any, int, int, int, bool], Iterable[Any]]
"""(state, f, a, b, crashed) → the possible next states; none if the result is wrong."""


@dataclass(frozen=True)
class Call:
    """One call as the tests write it; ``returned`` None: crashed."""

    invoked: int
    returned: int | None
    f: int
    a: int = 0
    b: int = 0


def to_calls(calls: Iterable[Call], initial: int = 0) -> Calls:
    rows = sorted(calls, key=lambda call: call.invoked)
    return Calls(
        invoked=np.array([c.invoked for c in rows], np.int64),
        returned=np.array([CRASHED if c.returned is None else c.returned for c in rows], np.int64),
        f=np.array([c.f for c in rows], np.int8),
        a=np.array([c.a for c in rows], np.int32),
        b=np.array([c.b for c in rows], np.int32),
        initial=initial,
    )


def register(state: int, f: int, a: int, b: int, crashed: bool) -> Iterable[Any]:
    if f == WRITE:
        yield a
    elif f == CAS:
        if state == a:
            yield b
    elif f == READ and (crashed or state == a):
        yield state


def queue(state: tuple, f: int, a: int, b: int, crashed: bool) -> Iterable[Any]:
    if f == INSERT:
        yield (*state, a)
    elif crashed or (state[0] if state else 0) == a:
        yield state[1:]


def stack(state: tuple, f: int, a: int, b: int, crashed: bool) -> Iterable[Any]:
    if f == INSERT:
        yield (*state, a)
    elif crashed or (state[-1] if state else 0) == a:
        yield state[:-1]


def priority_queue(state: tuple, f: int, a: int, b: int, crashed: bool) -> Iterable[Any]:
    if f == INSERT:
        yield tuple(sorted((*state, a)))
    elif crashed or (state[0] if state else 0) == a:
        yield state[1:]


def bag_of_distinct(state: frozenset, f: int, a: int, b: int, crashed: bool) -> Iterable[Any]:
    assert f != ALL
    if f == INSERT:
        yield state | {a}
    elif f == TAKE:
        yield state - {a}
    elif crashed or (f == HAS and a in state) or (f == LACKS and a not in state):
        yield state


STEPS: dict[str, tuple[Step, Any]] = {
    "register": (register, 0),
    "queue": (queue, ()),
    "stack": (stack, ()),
    "priority_queue": (priority_queue, ()),
    "set": (bag_of_distinct, frozenset()),
}


def linearizable(calls: Calls, kind: str) -> bool:
    """Depth-first over (calls done, state), remembering what failed."""
    step, start = STEPS[kind]
    state = calls.initial if kind == "register" else start
    n = len(calls)
    inv, ret = calls.invoked.tolist(), calls.returned.tolist()
    f, a, b = calls.f.tolist(), calls.a.tolist(), calls.b.tolist()
    must = sum(1 << i for i in range(n) if ret[i] != CRASHED)
    seen: set[tuple[int, Any]] = set()
    stack_: list[tuple[int, Any]] = [(0, state)]
    while stack_:
        done, state = stack_.pop()
        if done & must == must:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        bound = min(ret[i] for i in range(n) if not done >> i & 1)
        for i in range(n):
            if not done >> i & 1 and inv[i] < bound:
                for after in step(state, f[i], a[i], b[i], ret[i] == CRASHED):
                    stack_.append((done | 1 << i, after))  # noqa: PERF401
    return False


def explain(calls: Calls, kind: str, witness: Any) -> str:
    """What is wrong with a witness order; empty if nothing is."""
    step, start = STEPS[kind]
    state = calls.initial if kind == "register" else start
    states = {state}
    order = [int(i) for i in witness]
    if len(set(order)) != len(order):
        return "a call stands twice"
    completed = set(np.flatnonzero(calls.returned != CRASHED).tolist())
    if not completed <= set(order):
        return f"completed calls are missing: {sorted(completed - set(order))}"
    latest = -1
    for i in order:
        if calls.returned[i] < latest:
            return f"call {i} had returned before an earlier one of the order began"
        latest = max(latest, int(calls.invoked[i]))
        crashed = bool(calls.returned[i] == CRASHED)
        f, a, b = int(calls.f[i]), int(calls.a[i]), int(calls.b[i])
        states = {after for s in states for after in step(s, f, a, b, crashed)}
        if not states:
            return f"call {i} cannot follow"
    return ""


def needless(calls: Calls, witness: Any) -> list[int]:
    """Crashed insertions in a witness whose value no completed call of it returned or saw."""
    order = [int(i) for i in witness]
    ok = calls.returned != CRASHED
    used = {int(calls.a[i]) for i in order if calls.f[i] != INSERT and ok[i]}
    return [i for i in order if calls.f[i] == INSERT and not ok[i] and int(calls.a[i]) not in used]


def subset(calls: Calls, positions: Iterable[int]) -> Calls:
    at = np.array(sorted(positions), np.int64)
    return Calls(
        calls.invoked[at], calls.returned[at], calls.f[at], calls.a[at], calls.b[at], calls.initial
    )


def shuffle_times(
    rng: random.Random, sequence: list[tuple[int, int, int]], crash: float, width: float
) -> list[Call]:
    """Calls in their order of effect, stretched at random into overlapping intervals."""
    events: list[tuple[float, bool, int]] = []  # (time, is a return, call)
    crashed = [rng.random() < crash for _ in sequence]
    for i in range(len(sequence)):
        events.append((i - rng.random() * width, False, i))
        if not crashed[i]:
            events.append((i + rng.random() * width, True, i))
    events.sort()
    begin, end = {}, {}
    for position, (_, is_return, i) in enumerate(events):
        (end if is_return else begin)[i] = position
    return [Call(begin[i], end.get(i), *call) for i, call in enumerate(sequence)]
