"""Longer histories, where brute force cannot follow: two other things must hold.

Compiled and plain code give the same answer, and a history made by a sequential run,
calls stretched around their moments of effect, is valid with an order that explains it.
"""

from __future__ import annotations

import random
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from duress.checkers.linearizability import (
    containers_priority_queue,
    containers_queue,
    containers_set,
    containers_stack,
    kernel,
    zones,
)
from duress.checkers.linearizability.calls import HAS, INSERT, LACKS, TAKE, Calls

from .container_histories import container_sequence, register_sequence, spoil
from .container_oracle import explain, shuffle_times, to_calls

MODULES = {
    "register": zones,
    "queue": containers_queue,
    "stack": containers_stack,
    "priority_queue": containers_priority_queue,
    "set": containers_set,
}


def set_run(rng: random.Random, n: int) -> list[tuple[int, int, int]]:
    """Many elements, each used for a while."""
    state: set[int] = set()
    sequence = []
    for at in range(n):
        v = at // 8 + rng.randint(1, 4)
        kind = rng.random()
        if kind < 0.4 and (INSERT, v, 0) not in sequence[-64:]:
            state.add(v)
            sequence.append((INSERT, v, 0))
        elif kind < 0.6:
            state.discard(v)
            sequence.append((TAKE, v, 0))
        else:
            sequence.append((HAS if v in state else LACKS, v, 0))
    return sequence


def long_history(kind: str, seed: int, n: int, spoilt: bool) -> Calls:
    rng = random.Random(seed)
    if kind == "register":
        sequence = register_sequence(rng, n)
    elif kind == "set":
        sequence = set_run(rng, n)
    else:
        sequence = container_sequence(rng, n, kind)
    if spoilt:
        sequence = spoil(rng, sequence, kind)
    crash = rng.choice((0, 0.02, 0.1))
    calls = to_calls(shuffle_times(rng, sequence, crash, rng.choice((0.4, 3, 10))))
    if kind not in ("register", "set"):
        calls.a[(calls.f == TAKE) & (calls.returned == 2**62)] = 0
    return calls


def answers(module: ModuleType, calls: Calls, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    found = []
    for worth in (10**9, 0):
        monkeypatch.setattr(kernel, "WORTH_CALLING", worth)
        got = module.decide(calls)
        witness = None if got.witness is None else got.witness.tolist()
        found.append((got.valid, witness, got.certificate, got.note))
    return found


@pytest.mark.parametrize("kind", MODULES)
def test_compiled_and_plain_agree(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import numba  # noqa: F401

    module = MODULES[kind]
    verdicts = set()
    for seed in range(24):
        calls = long_history(kind, seed, 150 + 10 * seed, spoilt=seed % 2 == 1)
        if module.applies(calls):
            plain, compiled = answers(module, calls, monkeypatch)
            assert plain == compiled
            verdicts.add(plain[0])  # type: ignore[index]
    assert verdicts >= {True, False}


@pytest.mark.parametrize("kind", MODULES)
def test_valid_runs_are_valid(kind: str) -> None:
    import numba  # noqa: F401

    module = MODULES[kind]
    decided = 0
    for seed in range(40):
        calls = long_history(kind, 100 + seed, 600, spoilt=False)
        assert module.applies(calls)
        got = module.decide(calls)
        assert got.valid is not False
        if got.valid:
            decided += 1
            assert explain(calls, kind, got.witness) == ""
    assert decided == 40


@pytest.mark.parametrize("kind", MODULES)
def test_arrays_are_left_as_they_were(kind: str) -> None:
    calls = long_history(kind, 7, 300, spoilt=False)
    before = [np.array(x) for x in (calls.invoked, calls.returned, calls.f, calls.a, calls.b)]
    MODULES[kind].decide(calls)
    after = (calls.invoked, calls.returned, calls.f, calls.a, calls.b)
    assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))


def test_short_histories_do_without_numba() -> None:
    """Importing it would take longer than the check."""
    code = """
import sys
import numpy as np
from duress.checkers.linearizability import containers_queue, zones
from duress.checkers.linearizability.calls import Calls
n = 200
at = np.arange(n, dtype=np.int64)
a = (np.arange(n, dtype=np.int32) // 2) + 1
calls = Calls(2 * at, 2 * at + 1, (at % 2).astype(np.int8), a, np.zeros(n, np.int32))
assert containers_queue.decide(calls).valid
swapped = Calls(2 * at, 2 * at + 1, 1 - calls.f, a, np.zeros(n, np.int32))
assert zones.decide(swapped).valid
print("numba" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_evidence_on_a_deep_stack_is_small() -> None:
    """Thousands of values are stuck on each other; two of them say it all."""
    n = 4_000
    f = np.repeat(np.array([INSERT, TAKE], np.int8), n // 2)
    first = np.arange(n // 2, dtype=np.int32) + 1
    a = np.concatenate((first, first[::-1]))
    a[[n // 2 + 500, n // 2 + 501]] = a[[n // 2 + 501, n // 2 + 500]]
    invoked = 2 * np.arange(n, dtype=np.int64)
    got = containers_stack.decide(Calls(invoked, invoked + 1, f, a, np.zeros(n, np.int32)))
    assert got.valid is False
    assert got.certificate == (n // 2 - 502, n // 2 - 501, n // 2 + 500, n // 2 + 501)
