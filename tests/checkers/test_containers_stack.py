"""Stacks with distinct values against brute force, branch by branch."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.linearizability import containers_stack, kernel
from duress.checkers.linearizability.calls import ALL, INSERT, TAKE, Calls

from .container_histories import agree, check_named, fault_of, random_history, timeline_of
from .container_oracle import linearizable, to_calls

# name: (rows, valid (None: undecided), words of the note, certificate or None)
NAMED: dict[str, tuple[list[Any], bool | None, str, tuple[int, ...] | None]] = {
    "nothing at all": ([], True, "", None),
    "last in, first out": (
        [("[]", INSERT, 1), ("  []", INSERT, 2), ("    []", TAKE, 2), ("      []", TAKE, 1)],
        True, "", None),
    "first in, first out": (
        [("[]", INSERT, 1), ("  []", INSERT, 2), ("    []", TAKE, 1), ("      []", TAKE, 2)],
        False, "reverse order", (0, 1, 2, 3)),
    "what lies above was never popped": (
        [("[]", INSERT, 1), ("  []", INSERT, 2), ("    []", TAKE, 1)],
        False, "reverse order", (0, 1, 2)),
    "popped from nothing": ([("[]", TAKE, 1)], False, "nothing pushed", (0,)),
    "popped twice": (
        [("[]", INSERT, 1), ("  []", TAKE, 1), ("    []", TAKE, 1)], False, "twice", (0, 1, 2)),
    "popped before it was there": (
        [("[]", TAKE, 1), ("  []", INSERT, 1)], False, "before its push", (0, 1)),
    "pushes at once, pops in either order": (
        [("[--]", INSERT, 1), (" [--]", INSERT, 2), ("     []", TAKE, 1), ("       []", TAKE, 2)],
        True, "", None),
    "each pop beside the next push": (
        [("[]", INSERT, 1), ("  [--]", TAKE, 1), ("   []", INSERT, 2), ("      [--]", TAKE, 2),
         ("       []", INSERT, 3), ("          []", TAKE, 3)],
        True, "", None),
    "a push and pop in one moment": (
        [("[]", INSERT, 1), ("  [---]", INSERT, 2), ("   [---]", TAKE, 2), ("        []", TAKE, 1)],
        True, "", None),
    "empty between": (
        [("[]", INSERT, 1), ("  [-]", TAKE, 1), ("   [-]", TAKE, 0)], True, "", None),
    "empty although full": (
        [("[]", INSERT, 1), ("  []", TAKE, 0), ("    []", TAKE, 1)],
        False, "found the stack empty", (0, 1, 2)),
    "empty although one or the other was in": (
        [("[----]", INSERT, 2), (" []", INSERT, 1), ("   [------]", TAKE, 0),
         ("      [-]", TAKE, 1), ("           []", TAKE, 2)],
        False, "found the stack empty", (0, 1, 2, 3, 4)),
    "an unseen crashed push is left out": ([("[", INSERT, 1), (" []", TAKE, 0)], True, "", None),
    "a crashed push may come late": (
        [("[", INSERT, 1), (" []", TAKE, 0), ("   []", TAKE, 1)], True, "", None),
    "a crashed pop takes what lies above": (
        [("[]", INSERT, 1), ("  []", INSERT, 2), ("    [", TAKE, 0), ("     []", TAKE, 1)],
        True, "", None),
    "a crashed pop that comes too late": (
        [("[]", INSERT, 1), ("  []", INSERT, 2), ("    []", TAKE, 1), ("      [", TAKE, 0)],
        False, "more values", None),
    "a crashed pop makes it empty": (
        [("[]", INSERT, 1), ("  [", TAKE, 0), ("   []", TAKE, 0)], True, "", None),
    "a crashed pop cannot help those that cross": (
        [("[]", INSERT, 1), ("  []", INSERT, 2), ("    []", INSERT, 3), ("      []", TAKE, 1),
         ("        []", TAKE, 2), ("          [", TAKE, 0)],
        False, "reverse order", (0, 1, 3, 4)),
    "a lost value may lie below what was pushed meanwhile": (
        [("[-]", INSERT, 6), (" [------]", INSERT, 4), ("   [", TAKE, 0), ("    [--]", INSERT, 5),
         ("          []", TAKE, 6)],
        True, "", None),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_named(name: str) -> None:
    rows, valid, note, certificate = NAMED[name]
    check_named(containers_stack, "stack", rows, valid, note, certificate)


def test_against_brute_force() -> None:
    seen = agree(containers_stack, "stack", seed=1, count=12_000, most=8)
    answers = {(want, got) for want, got, _ in seen}
    assert (
        {(True, True), (False, False)} <= answers <= {(True, True), (False, False), (False, None)}
    )
    undecided = sum(count for (_, got, _), count in seen.items() if got is None)
    assert undecided <= 4, "crashed pops rarely leave it open"
    m = containers_stack
    notes = {"", m.NOT_PUSHED, m.TAKEN_TWICE, m.TOO_EARLY, m.CROSSED, m.NOT_EMPTY, m.TOO_MANY}
    assert {note for _, _, note in seen} - {m.UNDECIDED} == notes


def test_compiled_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "WORTH_CALLING", 0)
    import numba  # noqa: F401

    agree(containers_stack, "stack", seed=2, count=600, most=8)


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 9))
def test_properties(rng: random.Random, most: int) -> None:
    calls = to_calls(random_history(rng, "stack", most))
    if containers_stack.applies(calls):
        assert fault_of(containers_stack, calls, "stack", linearizable(calls, "stack")) == ""


@pytest.mark.parametrize(
    "rows",
    [
        [("[]", INSERT, 1), ("  []", INSERT, 1)],
        [("[]", INSERT, 0)],
        [("[]", ALL, 1)],
    ],
)
def test_does_not_apply(rows: Any) -> None:
    assert not containers_stack.applies(to_calls(timeline_of(*rows)))


def test_does_not_apply_to_one_that_is_not_empty_at_first() -> None:
    rows = NAMED["nothing at all"][0]
    assert containers_stack.applies(to_calls(timeline_of(*rows), initial=0))
    assert not containers_stack.applies(to_calls(timeline_of(*rows), initial=3))


def test_long_history() -> None:
    """Push all, pop all; then the last removal says empty."""
    n = 20_000
    f = np.repeat(np.array([INSERT, TAKE], np.int8), n // 2)
    first = np.arange(n // 2, dtype=np.int32) + 1
    a = np.concatenate((first, first[::-1]))
    invoked = 2 * np.arange(n, dtype=np.int64)
    calls = Calls(invoked, invoked + 1, f, a, np.zeros(n, np.int32))
    good = containers_stack.decide(calls)
    assert good.valid is True
    assert np.array_equal(good.witness, np.arange(n))  # type: ignore[arg-type]
    a[-1] = 0
    bad = containers_stack.decide(calls)
    assert bad.valid is False
    assert bad.certificate == (0, n - 1)
