"""Small random histories of each kind, and what must hold of a decision about one."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from types import ModuleType
from typing import Any

from duress.checkers.linearizability.calls import (
    CAS,
    HAS,
    INSERT,
    LACKS,
    READ,
    TAKE,
    WRITE,
    Calls,
)

from .container_oracle import Call, explain, linearizable, needless, shuffle_times, subset, to_calls


def register_sequence(rng: random.Random, n: int) -> list[tuple[int, int, int]]:
    state, fresh = 0, 1
    sequence = []
    for _ in range(n):
        kind = rng.random()
        if kind < 0.4:
            sequence.append((READ, state, 0))
            continue
        sequence.append((WRITE, fresh, 0) if kind < 0.7 else (CAS, state, fresh))
        state, fresh = fresh, fresh + 1
    return sequence


def container_sequence(rng: random.Random, n: int, kind: str) -> list[tuple[int, int, int]]:
    values = list(range(1, n + 1))
    if kind == "priority_queue":
        rng.shuffle(values)
    state: list[int] = []
    sequence = []
    for _ in range(n):
        if rng.random() < 0.5:
            state.append(values.pop())
            sequence.append((INSERT, state[-1], 0))
        else:
            at = {"queue": 0, "stack": -1}.get(kind, state.index(min(state)) if state else 0)
            sequence.append((TAKE, state.pop(at) if state else 0, 0))
    return sequence


def set_sequence(rng: random.Random, n: int) -> list[tuple[int, int, int]]:
    state: set[int] = set()
    added: set[int] = set()
    sequence = []
    for _ in range(n):
        kind, v = rng.random(), rng.randint(1, 3)
        if kind < 0.3 and v not in added:
            added.add(v)
            state.add(v)
            sequence.append((INSERT, v, 0))
        elif kind < 0.5:
            state.discard(v)
            sequence.append((TAKE, v, 0))
        else:
            sequence.append((HAS if v in state else LACKS, v, 0))
    return sequence


def spoil(
    rng: random.Random, sequence: list[tuple[int, int, int]], kind: str
) -> list[tuple[int, int, int]]:
    """One or two results changed or calls swapped: often not linearizable any more."""
    values = max((max(a, b) for _, a, b in sequence), default=0)
    spoilt = list(sequence)
    for _ in range(rng.randint(1, 2)):
        i, j = rng.randrange(len(spoilt)), rng.randrange(len(spoilt))
        f, a, b = spoilt[i]
        if rng.random() < 0.4:
            spoilt[i], spoilt[j] = spoilt[j], spoilt[i]
        elif kind == "set":
            spoilt[i] = (HAS + LACKS - f if f in (HAS, LACKS) else f, a, b)
        elif kind == "register":
            spoilt[i] = (f, rng.randint(0, values + 1) if f != WRITE else a, b)
        elif f == TAKE:
            spoilt[i] = (f, rng.choice((0, rng.randint(0, values))), b)
    return spoilt


def random_history(rng: random.Random, kind: str, most: int = 10) -> list[Call]:
    """Up to ``most`` calls; a third with crashes only among what removes, which is harder."""
    n = rng.randint(1, most)
    if kind == "register":
        sequence = register_sequence(rng, n)
    elif kind == "set":
        sequence = set_sequence(rng, n)
    else:
        sequence = container_sequence(rng, n, kind)
    if rng.random() < 0.5:
        sequence = spoil(rng, sequence, kind)
    takers_only = kind not in ("register", "set") and rng.random() < 0.4
    crash = 0 if takers_only else rng.choice((0, 0, 0.1, 0.3, 0.5))
    calls = shuffle_times(rng, sequence, crash, rng.choice((0.5, 1, 2, 4, 8)))
    if takers_only:
        share = rng.choice((0.2, 0.5))
        lost = rng.choice((0, 0.3))
        calls = [
            replace(call, returned=None) if call.f == TAKE and rng.random() < share else call
            for call in calls
            if call.f != TAKE or rng.random() >= lost
        ]
    if kind in ("register", "set"):
        return calls
    return [replace(c, a=0) if c.f == TAKE and c.returned is None else c for c in calls]


def fault_of(module: ModuleType, calls: Calls, kind: str, want: bool) -> str:
    """What is wrong with the module's decision; empty if nothing is. ``None`` passes."""
    got = module.decide(calls)
    if got.valid is None:
        return ""
    if got.valid != want:
        return f"said {got.valid}, is {want}"
    if got.valid:
        if kind != "register" and needless(calls, got.witness):
            return "the witness has crashed insertions that need not have happened"
        return explain(calls, kind, got.witness)
    if got.certificate is not None:
        if list(got.certificate) != sorted(set(got.certificate)):
            return "the certificate is not ascending"
        if linearizable(subset(calls, got.certificate), kind):
            return "the certificate is linearizable"
    return ""


def agree(module: ModuleType, kind: str, seed: int, count: int, most: int = 9) -> Counter[Any]:
    """Compare with brute force on random histories; how many of (truth, answer, note)."""
    rng = random.Random(seed)
    seen: Counter[Any] = Counter()
    while seen.total() < count:
        history = random_history(rng, kind, most)
        calls = to_calls(history)
        if not module.applies(calls):
            continue
        want = linearizable(calls, kind)
        fault = fault_of(module, calls, kind, want)
        assert not fault, f"{fault}: {sorted(history, key=lambda call: call.invoked)}"
        got = module.decide(calls)
        seen[want, got.valid, got.note] += 1
    return seen


def timeline_of(*rows: tuple[str, int, int] | tuple[str, int, int, int]) -> list[Call]:
    """Calls drawn as strings: ``("  [--]", INSERT, 1)`` is invoked at column 2, returns at 5.

    Without ``]`` it crashed. Columns are shared by all rows; no two events may share one.
    """
    calls = []
    for picture, *call in rows:
        end = picture.find("]")
        calls.append(Call(picture.index("["), None if end < 0 else end, *call))
    events = [c.invoked for c in calls] + [c.returned for c in calls if c.returned is not None]
    assert len(events) == len(set(events)), "two events in one column"
    return calls


def check_named(
    module: ModuleType,
    kind: str,
    rows: list[Any],
    valid: bool | None,
    note: str,
    certificate: tuple[int, ...] | None,
) -> None:
    """A drawn history gets the expected answer, which brute force confirms."""
    calls = to_calls(timeline_of(*rows))
    assert module.applies(calls)
    truth = linearizable(calls, kind)
    assert valid is None or truth is valid, "the table itself is wrong"
    got = module.decide(calls)
    assert (got.valid, got.certificate) == (valid, certificate)
    assert note in got.note
    assert got.algorithm == module.ALGORITHM
    assert not fault_of(module, calls, kind, truth)
