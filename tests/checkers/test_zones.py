"""Registers with unique values: the zones against brute force, branch by branch."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.linearizability import kernel, zones
from duress.checkers.linearizability.calls import CAS, CRASHED, DIFFERS, READ, WRITE, Calls

from .container_histories import agree, fault_of, random_history, timeline_of
from .container_oracle import explain, linearizable, to_calls

# name: (rows, initial, valid, words of the note, certificate or None)
NAMED: dict[str, tuple[list[Any], int, bool, str, tuple[int, ...] | None]] = {
    "nothing at all": ([], 0, True, "", None),
    "reads of the initial value": ([("[-]", READ, 7), ("   []", READ, 7)], 7, True, "", None),
    "a read of nothing written": ([("[]", READ, 3)], 0, False, "nothing wrote", (0,)),
    "a read after the write": ([("[]", WRITE, 1), ("  []", READ, 1)], 0, True, "", None),
    "a read before the write": (
        [("[]", READ, 1), ("  []", WRITE, 1)], 0, False, "before it was written", (0, 1)),
    "a stale read of the initial value": (
        [("[]", WRITE, 1), ("  []", READ, 0)], 0, False, "two values", (0, 1)),
    "the initial value beside a write": (
        [("[-]", WRITE, 1), (" [-]", READ, 0)], 0, True, "", None),
    "two forward zones overlap": (
        [("[]", WRITE, 1), ("  []", WRITE, 2), ("    []", READ, 1), ("      []", READ, 2)],
        0, False, "two values", (0, 1, 2, 3)),
    "two forward zones side by side": (
        [("[]", WRITE, 1), ("  []", READ, 1), ("    []", WRITE, 2), ("      []", READ, 2)],
        0, True, "", None),
    "a backward zone within a forward one": (
        [("[]", WRITE, 1), ("  []", WRITE, 2), ("    []", READ, 1)],
        0, False, "two values", (0, 1, 2)),
    "a backward zone that begins before a forward one": (
        [("[---]", WRITE, 2), (" []", WRITE, 1), ("     []", READ, 1)], 0, True, "", None),
    "a backward zone that ends after a forward one": (
        [("[]", WRITE, 1), ("  [--]", WRITE, 2), ("   []", READ, 1)], 0, True, "", None),
    "an unobserved crashed write is left out": (
        [("[", WRITE, 1), (" []", READ, 0), ("   []", READ, 0)], 0, True, "", None),
    "an observed crashed write stays": (
        [("[", WRITE, 1), (" []", READ, 1), ("   []", READ, 0)], 0, False, "two values", (0, 1, 2)),
    "an observed crashed write takes effect late": (
        [("[", WRITE, 1), (" []", WRITE, 2), ("   []", READ, 2), ("     []", READ, 1)],
        0, True, "", None),
    "a crashed read says nothing": ([("[", READ, 9), (" []", WRITE, 1)], 0, True, "", None),
    "a cas from the initial value": (
        [("[]", CAS, 5, 1), ("  []", READ, 1)], 5, True, "", None),
    "a cas from a value nothing wrote": ([("[]", CAS, 3, 4)], 0, False, "nothing wrote", (0,)),
    "two cas from one value": (
        [("[--]", WRITE, 1), (" [--]", CAS, 1, 2), ("  [--]", CAS, 1, 3)],
        0, False, "two cas", (0, 1, 2)),
    "a crashed cas from the same value is left out": (
        [("[--]", WRITE, 1), (" [--]", CAS, 1, 2), ("  [", CAS, 1, 3)], 0, True, "", None),
    "a crashed cas that was observed is a second one": (
        [("[--]", WRITE, 1), (" [--]", CAS, 1, 2), ("  [", CAS, 1, 3), ("     []", READ, 3)],
        0, False, "two cas", (0, 1, 2, 3)),
    "a crashed cas wanted by a cas": (
        [("[]", WRITE, 1), ("  [", CAS, 1, 2), ("   []", CAS, 2, 3)], 0, True, "", None),
    "a crashed write wanted through a crashed cas": (
        [("[", WRITE, 1), (" [", CAS, 1, 2), ("  []", READ, 0), ("    []", READ, 2)],
        0, True, "", None),
    "a circle of cas": (
        [("[--]", CAS, 1, 2), (" [--]", CAS, 2, 1)], 0, False, "circle", (0, 1)),
    "a value read after its cas": (
        [("[]", WRITE, 1), ("  []", CAS, 1, 2), ("    []", READ, 1)],
        0, False, "after it had been replaced", (0, 1, 2)),
    "a cas before the read that must precede it": (
        [("[]", WRITE, 1), ("  [-]", CAS, 1, 2), ("   [-]", READ, 1)], 0, True, "", None),
    "a cas before the write it needs": (
        [("[]", CAS, 1, 2), ("  []", WRITE, 1)], 0, False, "before it was written", (0, 1)),
    "a foreign write within a chain": (
        [("[]", WRITE, 1), ("  []", WRITE, 5), ("    []", CAS, 1, 2)],
        0, False, "two values", (0, 1, 2)),
    "a chain is one zone": (
        [("[]", WRITE, 1), ("  []", CAS, 1, 2), ("    []", WRITE, 5), ("      []", READ, 2)],
        0, False, "two values", (0, 1, 2, 3)),
    "a chain beside a write": (
        [("[]", WRITE, 1), ("  []", CAS, 1, 2), ("    []", READ, 2), ("      []", WRITE, 5)],
        0, True, "", None),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_named(name: str) -> None:
    rows, initial, valid, note, certificate = NAMED[name]
    calls = to_calls(timeline_of(*rows), initial)
    assert zones.applies(calls)
    assert linearizable(calls, "register") is valid, "the table itself is wrong"
    got = zones.decide(calls)
    assert got.valid is valid
    assert got.algorithm == "zones"
    assert note in got.note
    assert got.certificate == certificate
    if valid:
        assert explain(calls, "register", got.witness) == ""


def test_against_brute_force() -> None:
    seen = agree(zones, "register", seed=1, count=12_000)
    answers = {(want, got) for want, got, _ in seen}
    assert answers == {(True, True), (False, False)}, "always decided"
    assert {note for _, _, note in seen} == {"", *zones.NOTES.values()}


def test_compiled_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "WORTH_CALLING", 0)
    import numba  # noqa: F401

    agree(zones, "register", seed=2, count=600)


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_properties(rng: random.Random, most: int) -> None:
    calls = to_calls(random_history(rng, "register", most))
    if zones.applies(calls):
        assert fault_of(zones, calls, "register", linearizable(calls, "register")) == ""


@pytest.mark.parametrize(
    ("rows", "initial"),
    [
        ([("[]", WRITE, 1), ("  []", WRITE, 1)], 0),
        ([("[]", WRITE, 1), ("  []", CAS, 0, 1)], 0),
        ([("[]", WRITE, 4)], 4),
        ([("[]", CAS, 1, 4)], 4),
        ([("[]", DIFFERS, 1)], 0),
        ([("[]", WRITE, 2_000_000_000), ("  []", WRITE, 2_000_000_000)], 0),
    ],
)
def test_does_not_apply(rows: Any, initial: int) -> None:
    assert not zones.applies(to_calls(timeline_of(*rows), initial))


def test_codes_and_positions_may_be_far_apart() -> None:
    """As when one key is taken out of a long history with many."""
    calls = to_calls(timeline_of(*NAMED["two forward zones overlap"][0]))
    far = Calls(calls.invoked * 10**9, calls.returned * 10**9, calls.f, calls.a * 10**9, calls.b, 0)
    assert zones.applies(far)
    assert zones.decide(far).certificate == (0, 1, 2, 3)
    crashed = Calls(
        np.array([5, 10**12]), np.array([CRASHED, 10**13]), np.array([WRITE, READ], np.int8),
        np.array([2**31 - 1, 2**31 - 1], np.int32), np.zeros(2, np.int32), 7,
    )  # fmt: skip
    assert list(zones.decide(crashed).witness) == [0, 1]  # type: ignore[arg-type]


def test_long_history_with_one_late_violation() -> None:
    """A long chain of writes and reads, where the last read is stale."""
    n = 20_000
    f = np.tile(np.array([WRITE, READ], np.int8), n // 2)
    a = (np.arange(n, dtype=np.int32) // 2) + 1
    invoked = 2 * np.arange(n, dtype=np.int64)
    calls = Calls(invoked, invoked + 1, f, a, np.zeros(n, np.int32), 0)
    good = zones.decide(calls)
    assert good.valid is True
    assert np.array_equal(good.witness, np.arange(n))  # type: ignore[arg-type]
    a[-1] = 1
    bad = zones.decide(calls)
    assert bad.valid is False
    assert bad.certificate is not None
    assert {0, n - 1} < set(bad.certificate) and len(bad.certificate) <= 4
