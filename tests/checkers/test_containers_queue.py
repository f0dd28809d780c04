"""FIFO queues with distinct values against brute force, branch by branch."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.linearizability import containers_queue, kernel
from duress.checkers.linearizability.calls import ALL, INSERT, TAKE, Calls

from .container_histories import agree, check_named, fault_of, random_history, timeline_of
from .container_oracle import linearizable, to_calls

# name: (rows, valid, words of the note, certificate or None)
NAMED: dict[str, tuple[list[Any], bool, str, tuple[int, ...] | None]] = {
    "nothing at all": ([], True, "", None),
    "first in, first out": (
        [("[]", INSERT, 1), ("  []", INSERT, 2), ("    []", TAKE, 1), ("      []", TAKE, 2)],
        True, "", None),
    "last in, first out": (
        [("[]", INSERT, 1), ("  []", INSERT, 2), ("    []", TAKE, 2), ("      []", TAKE, 1)],
        False, "older one", (0, 1, 2, 3)),
    "an older value never taken": (
        [("[]", INSERT, 1), ("  []", INSERT, 2), ("    []", TAKE, 2)],
        False, "more values", (0, 1, 2)),
    "taken from nothing": ([("[]", TAKE, 1)], False, "nothing enqueued", (0,)),
    "taken twice": (
        [("[]", INSERT, 1), ("  []", TAKE, 1), ("    []", TAKE, 1)], False, "twice", (0, 1, 2)),
    "taken before it was there": (
        [("[]", TAKE, 1), ("  []", INSERT, 1)], False, "before its enqueue", (0, 1)),
    "empty between": (
        [("[]", INSERT, 1), ("  [-]", TAKE, 1), ("   [-]", TAKE, 0)], True, "", None),
    "empty although full": (
        [("[]", INSERT, 1), ("  []", TAKE, 0), ("    []", TAKE, 1)], False, "found the queue empty",
        (0, 1, 2)),
    "empty although one or the other was in": (
        [("[]", INSERT, 1), ("  [-----]", TAKE, 0), ("   []", INSERT, 2), ("     []", TAKE, 1),
         ("         []", TAKE, 2)],
        False, "found the queue empty", (0, 1, 2, 3, 4)),
    "an unseen crashed enqueue is left out": (
        [("[", INSERT, 1), (" []", TAKE, 0)], True, "", None),
    "a crashed enqueue may come late": (
        [("[", INSERT, 1), (" []", INSERT, 2), ("   []", TAKE, 2), ("     []", TAKE, 1)],
        True, "", None),
    "a crashed dequeue takes the missing value": (
        [("[", TAKE, 0), (" []", INSERT, 1), ("   []", INSERT, 2), ("     []", TAKE, 2)],
        True, "", None),
    "a crashed dequeue that comes too late": (
        [("[]", INSERT, 1), ("  []", INSERT, 2), ("    []", TAKE, 2), ("      [", TAKE, 0)],
        False, "more values", (0, 1, 2)),
    "one crashed dequeue for two": (
        [("[", TAKE, 0), (" []", INSERT, 1), ("   []", INSERT, 2), ("     []", INSERT, 3),
         ("       []", TAKE, 3)],
        False, "more values", (0, 1, 2, 3, 4)),
    "a crashed dequeue makes it empty": (
        [("[]", INSERT, 1), ("  [", TAKE, 0), ("   []", TAKE, 0)], True, "", None),
    "the moment after a crashed dequeue began": (
        [("[]", INSERT, 1), ("  [--]", TAKE, 0), ("   [", TAKE, 0)], True, "", None),
    "empty although full, whatever crashed": (
        [("[", TAKE, 0), (" []", INSERT, 1), ("   []", TAKE, 0), ("     []", TAKE, 1)],
        False, "found the queue empty", (1, 2, 3)),
    "one crashed dequeue cannot make it empty twice": (
        [("[", TAKE, 0), (" []", INSERT, 1), ("   [---]", TAKE, 0), ("    []", INSERT, 2),
         ("        []", TAKE, 0)],
        False, "found the queue empty", None),
    "dequeue order decides between enqueues at once": (
        [("[--]", INSERT, 1), (" [--]", INSERT, 2), ("     []", TAKE, 2), ("       []", TAKE, 1)],
        True, "", None),
    "a value waits for one that waits for a third": (
        [("[-]", INSERT, 1), (" [----]", INSERT, 3), ("   []", INSERT, 2),
         ("       [----]", TAKE, 1), ("        [-]", TAKE, 2), ("              []", TAKE, 3)],
        True, "", None),
    "dequeues decide although one began early": (
        [("[-]", INSERT, 6), (" [---]", TAKE, 6), ("   [---]", INSERT, 4), ("    [---]", INSERT, 5),
         ("      [--]", TAKE, 5), ("          []", TAKE, 4)],
        True, "", None),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_named(name: str) -> None:
    rows, valid, note, certificate = NAMED[name]
    check_named(containers_queue, "queue", rows, valid, note, certificate)


def test_against_brute_force() -> None:
    seen = agree(containers_queue, "queue", seed=1, count=12_000, most=8)
    answers = {(want, got) for want, got, _ in seen}
    assert answers == {(True, True), (False, False)}, "always decided"
    assert {note for _, _, note in seen} == {"", *containers_queue.NOTES.values()}


def test_compiled_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "WORTH_CALLING", 0)
    import numba  # noqa: F401

    agree(containers_queue, "queue", seed=2, count=600, most=8)


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 9))
def test_properties(rng: random.Random, most: int) -> None:
    calls = to_calls(random_history(rng, "queue", most))
    if containers_queue.applies(calls):
        assert fault_of(containers_queue, calls, "queue", linearizable(calls, "queue")) == ""


@pytest.mark.parametrize(
    "rows",
    [
        [("[]", INSERT, 1), ("  []", INSERT, 1)],
        [("[]", INSERT, 0)],
        [("[]", ALL, 1)],
        [("[]", INSERT, 2_000_000_000), ("  []", INSERT, 2_000_000_000)],
    ],
)
def test_does_not_apply(rows: Any) -> None:
    assert not containers_queue.applies(to_calls(timeline_of(*rows)))


def test_does_not_apply_to_one_that_is_not_empty_at_first() -> None:
    rows = NAMED["nothing at all"][0]
    assert containers_queue.applies(to_calls(timeline_of(*rows), initial=0))
    assert not containers_queue.applies(to_calls(timeline_of(*rows), initial=3))


def test_codes_and_positions_may_be_far_apart() -> None:
    calls = to_calls(timeline_of(*NAMED["last in, first out"][0]))
    far = Calls(calls.invoked * 10**9, calls.returned * 10**9, calls.f, calls.a * 10**9, calls.b)
    assert containers_queue.applies(far)
    assert containers_queue.decide(far).certificate == (0, 1, 2, 3)


def test_long_history() -> None:
    """Enqueue and dequeue in turn; then the last dequeue says empty."""
    n = 20_000
    f = np.tile(np.array([INSERT, TAKE], np.int8), n // 2)
    a = (np.arange(n, dtype=np.int32) // 2) + 1
    invoked = 2 * np.arange(n, dtype=np.int64)
    calls = Calls(invoked, invoked + 1, f, a, np.zeros(n, np.int32))
    good = containers_queue.decide(calls)
    assert good.valid is True
    assert np.array_equal(good.witness, np.arange(n))  # type: ignore[arg-type]
    a[-1] = 0
    bad = containers_queue.decide(calls)
    assert bad.valid is False
    assert bad.certificate == (n - 2, n - 1)
