"""Priority queues with distinct values against brute force, branch by branch."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.linearizability import containers_priority_queue, kernel
from duress.checkers.linearizability.calls import ALL, INSERT, TAKE, Calls

from .container_histories import agree, check_named, fault_of, random_history, timeline_of
from .container_oracle import linearizable, to_calls

# name: (rows, valid (None: undecided), words of the note, certificate or None)
NAMED: dict[str, tuple[list[Any], bool | None, str, tuple[int, ...] | None]] = {
    "nothing at all": ([], True, "", None),
    "the least first": (
        [("[]", INSERT, 2), ("  []", INSERT, 1), ("    []", TAKE, 1), ("      []", TAKE, 2)],
        True, "", None),
    "not the least": (
        [("[]", INSERT, 2), ("  []", INSERT, 1), ("    []", TAKE, 2), ("      []", TAKE, 1)],
        False, "a smaller one", (0, 1, 2, 3)),
    "a smaller one is never taken": (
        [("[]", INSERT, 2), ("  []", INSERT, 1), ("    []", TAKE, 2)],
        False, "a smaller one", (0, 1, 2)),
    "a greater one does not matter": (
        [("[]", INSERT, 2), ("  []", INSERT, 1), ("    []", TAKE, 1)], True, "", None),
    "now one, now another smaller one is there": (
        [("[]", INSERT, 1), ("  []", INSERT, 9), ("    [----]", TAKE, 9), ("     []", INSERT, 2),
         ("       [--]", TAKE, 1), ("           []", TAKE, 2)],
        False, "a smaller one", (0, 1, 2, 3, 4, 5)),
    "a moment without smaller ones": (
        [("[]", INSERT, 1), ("  []", INSERT, 9), ("    [-----]", TAKE, 9), ("     []", TAKE, 1),
         ("       []", INSERT, 2)],
        True, "", None),
    "taken from nothing": ([("[]", TAKE, 1)], False, "nothing inserted", (0,)),
    "taken twice": (
        [("[]", INSERT, 1), ("  []", TAKE, 1), ("    []", TAKE, 1)], False, "twice", (0, 1, 2)),
    "taken before it was there": (
        [("[]", TAKE, 1), ("  []", INSERT, 1)], False, "before its insertion", (0, 1)),
    "empty between": (
        [("[]", INSERT, 1), ("  [-]", TAKE, 1), ("   [-]", TAKE, 0)], True, "", None),
    "empty although full": (
        [("[]", INSERT, 1), ("  []", TAKE, 0), ("    []", TAKE, 1)],
        False, "found nothing", (0, 1, 2)),
    "an unseen crashed insertion is left out": (
        [("[", INSERT, 1), (" []", INSERT, 2), ("   []", TAKE, 2)], True, "", None),
    "a crashed insertion may come late": (
        [("[", INSERT, 1), (" []", INSERT, 2), ("   []", TAKE, 2), ("     []", TAKE, 1)],
        True, "", None),
    "a crashed removal takes the smaller one": (
        [("[", TAKE, 0), (" []", INSERT, 1), ("   []", INSERT, 2), ("     []", TAKE, 2)],
        True, "", None),
    "a crashed removal that comes too late": (
        [("[]", INSERT, 1), ("  []", INSERT, 2), ("    []", TAKE, 2), ("      [", TAKE, 0)],
        False, "more values", None),
    "a crashed removal makes it empty, whatever came before": (
        [("[]", INSERT, 4), ("  [-]", TAKE, 0), ("   [", TAKE, 0), ("     [-]", INSERT, 1)],
        True, "", None),
    "without the lost values it fails already": (
        [("[", TAKE, 0), (" []", INSERT, 1), ("   []", INSERT, 3), ("     []", INSERT, 2),
         ("       []", TAKE, 3), ("         []", TAKE, 2)],
        False, "a smaller one", (2, 3, 4, 5)),
    "a need is met once": (
        [("[--------]", TAKE, 0), (" [---]", INSERT, 8), ("   [------]", TAKE, 0),
         ("    [-------]", INSERT, 3), ("      [", TAKE, 0), ("       [-----]", INSERT, 1),
         ("           [---]", INSERT, 4), ("              [-]", TAKE, 3)],
        True, "", None),
    "the moment to take both is when the covering one has left": (
        [("[]", INSERT, 9), ("  []", INSERT, 2), ("    [---------]", TAKE, 9),
         ("     []", INSERT, 1), ("       [", TAKE, 0), ("        []", INSERT, 3),
         ("          [", TAKE, 0), ("            []", TAKE, 1)],
        True, "", None),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_named(name: str) -> None:
    rows, valid, note, certificate = NAMED[name]
    check_named(containers_priority_queue, "priority_queue", rows, valid, note, certificate)


def test_against_brute_force() -> None:
    seen = agree(containers_priority_queue, "priority_queue", seed=1, count=12_000, most=8)
    answers = {(want, got) for want, got, _ in seen}
    assert (
        {(True, True), (False, False)} <= answers <= {(True, True), (False, False), (False, None)}
    )
    undecided = sum(count for (_, got, _), count in seen.items() if got is None)
    assert undecided <= 4, "crashed removals rarely leave it open"
    m = containers_priority_queue
    notes = {"", m.TOO_MANY, *m.NOTES.values()}
    assert {note for _, _, note in seen} - {m.UNDECIDED} == notes


def test_compiled_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "WORTH_CALLING", 0)
    import numba  # noqa: F401

    agree(containers_priority_queue, "priority_queue", seed=2, count=600, most=8)


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 9))
def test_properties(rng: random.Random, most: int) -> None:
    calls = to_calls(random_history(rng, "priority_queue", most))
    if containers_priority_queue.applies(calls):
        assert (
            fault_of(
                containers_priority_queue,
                calls,
                "priority_queue",
                linearizable(calls, "priority_queue"),
            )
            == ""
        )


@pytest.mark.parametrize(
    "rows",
    [
        [("[]", INSERT, 1), ("  []", INSERT, 1)],
        [("[]", INSERT, 0)],
        [("[]", ALL, 1)],
    ],
)
def test_does_not_apply(rows: Any) -> None:
    assert not containers_priority_queue.applies(to_calls(timeline_of(*rows)))


def test_does_not_apply_to_one_that_is_not_empty_at_first() -> None:
    rows = NAMED["nothing at all"][0]
    assert containers_priority_queue.applies(to_calls(timeline_of(*rows), initial=0))
    assert not containers_priority_queue.applies(to_calls(timeline_of(*rows), initial=3))


def test_long_history() -> None:
    """Insert all, remove all; then the last removal says empty."""
    n = 20_000
    f = np.repeat(np.array([INSERT, TAKE], np.int8), n // 2)
    first = np.arange(n // 2, dtype=np.int32) + 1
    a = np.concatenate((first, first))
    invoked = 2 * np.arange(n, dtype=np.int64)
    calls = Calls(invoked, invoked + 1, f, a, np.zeros(n, np.int32))
    good = containers_priority_queue.decide(calls)
    assert good.valid is True
    assert np.array_equal(good.witness, np.arange(n))  # type: ignore[arg-type]
    a[-1] = 0
    bad = containers_priority_queue.decide(calls)
    assert bad.valid is False
    assert bad.certificate == (n // 2 - 1, n - 1)
