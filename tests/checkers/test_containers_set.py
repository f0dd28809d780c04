"""Sets with distinct values against brute force, branch by branch."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.linearizability import containers_set, kernel
from duress.checkers.linearizability.calls import ALL, HAS, INSERT, LACKS, TAKE, Calls

from .container_histories import agree, check_named, fault_of, random_history, timeline_of
from .container_oracle import linearizable, to_calls

# name: (rows, valid (None: undecided), words of the note, certificate or None)
NAMED: dict[str, tuple[list[Any], bool | None, str, tuple[int, ...] | None]] = {
    "nothing at all": ([], True, "", None),
    "added, seen, removed, not seen": (
        [("[]", INSERT, 1), ("  []", HAS, 1), ("    []", TAKE, 1), ("      []", LACKS, 1)],
        True, "", None),
    "seen without an add": ([("[]", HAS, 1)], False, "nothing added", (0,)),
    "not seen without an add": ([("[]", LACKS, 1), ("  []", TAKE, 1)], True, "", None),
    "seen before the add": (
        [("[]", HAS, 1), ("  []", INSERT, 1)], False, "before its add", (0, 1)),
    "missing after the add": (
        [("[]", INSERT, 1), ("  []", LACKS, 1)], False, "missing", (0, 1)),
    "missing beside the add": ([("[-]", INSERT, 1), (" [-]", LACKS, 1)], True, "", None),
    "missing between two sightings": (
        [("[--------]", INSERT, 1), (" []", HAS, 1), ("   []", LACKS, 1), ("     []", HAS, 1)],
        False, "missing", (0, 1, 2, 3)),
    "removed between two sightings": (
        [("[]", INSERT, 1), ("  []", HAS, 1), ("    []", TAKE, 1), ("      []", HAS, 1)],
        False, "missing", (0, 1, 2, 3)),
    "a removal before the add, and one after": (
        [("[]", TAKE, 1), ("  []", INSERT, 1), ("    []", HAS, 1), ("      []", TAKE, 1),
         ("        []", LACKS, 1)],
        True, "", None),
    "still seen after the removal": (
        [("[]", INSERT, 1), ("  []", TAKE, 1), ("    []", HAS, 1)], False, "missing", (0, 1, 2)),
    "a removal beside a sighting": (
        [("[]", INSERT, 1), ("  [-]", TAKE, 1), ("   [-]", HAS, 1), ("      []", LACKS, 1)],
        True, "", None),
    "missing while the removal is under way": (
        [("[]", INSERT, 1), ("  [---]", TAKE, 1), ("   []", LACKS, 1)], True, "", None),
    "missing before the removal began": (
        [("[]", INSERT, 1), ("  []", LACKS, 1), ("    []", TAKE, 1)], False, "missing", (0, 1, 2)),
    "a crashed removal explains it": (
        [("[]", INSERT, 1), ("  [", TAKE, 1), ("   []", LACKS, 1)], True, "", None),
    "a crashed removal came too late": (
        [("[]", INSERT, 1), ("  []", LACKS, 1), ("    [", TAKE, 1)], False, "missing", (0, 1, 2)),
    "a crashed removal waits for the last sighting": (
        [("[", TAKE, 1), (" []", INSERT, 1), ("   []", LACKS, 1), ("     []", HAS, 1)],
        False, "missing", (0, 1, 2, 3)),
    "an unseen crashed add is left out": (
        [("[", INSERT, 1), (" []", LACKS, 1)], True, "", None),
    "a seen crashed add may come late": (
        [("[", INSERT, 1), (" []", LACKS, 1), ("   []", HAS, 1)], True, "", None),
    "a seen crashed add came before": (
        [("[", INSERT, 1), (" []", HAS, 1), ("   []", LACKS, 1)], False, "missing", (0, 1, 2)),
    "crashed observations say nothing": (
        [("[", HAS, 1), (" [", LACKS, 2), ("  []", INSERT, 2)], True, "", None),
    "there and gone in a moment": (
        [("[---]", INSERT, 1), (" [---]", TAKE, 1), ("  [-----]", HAS, 1), ("   [--]", LACKS, 1),
         ("         []", LACKS, 1)],
        True, "", None),
    "elements do not mix": (
        [("[]", INSERT, 1), ("  []", LACKS, 2), ("    []", HAS, 1), ("      []", INSERT, 2),
         ("        []", TAKE, 1), ("          []", HAS, 2), ("            []", LACKS, 1)],
        True, "", None),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_named(name: str) -> None:
    rows, valid, note, certificate = NAMED[name]
    check_named(containers_set, "set", rows, valid, note, certificate)


def test_against_brute_force() -> None:
    seen = agree(containers_set, "set", seed=1, count=12_000, most=8)
    answers = {(want, got) for want, got, _ in seen}
    assert answers == {(True, True), (False, False)}, "always decided"
    assert {note for _, _, note in seen} == {"", *containers_set.NOTES.values()}


def test_compiled_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "WORTH_CALLING", 0)
    import numba  # noqa: F401

    agree(containers_set, "set", seed=2, count=600, most=8)


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 9))
def test_properties(rng: random.Random, most: int) -> None:
    calls = to_calls(random_history(rng, "set", most))
    if containers_set.applies(calls):
        assert fault_of(containers_set, calls, "set", linearizable(calls, "set")) == ""


@pytest.mark.parametrize(
    "rows",
    [
        [("[]", INSERT, 1), ("  []", INSERT, 1)],
        [("[]", ALL, 1)],
    ],
)
def test_does_not_apply(rows: Any) -> None:
    assert not containers_set.applies(to_calls(timeline_of(*rows)))


def test_does_not_apply_to_one_that_is_not_empty_at_first() -> None:
    rows = NAMED["nothing at all"][0]
    assert containers_set.applies(to_calls(timeline_of(*rows), initial=0))
    assert not containers_set.applies(to_calls(timeline_of(*rows), initial=3))


def test_long_history() -> None:
    """Add, see, remove, miss, element by element; then the last one is seen."""
    n = 20_000
    f = np.tile(np.array([INSERT, HAS, TAKE, LACKS], np.int8), n // 4)
    a = (np.arange(n, dtype=np.int32) // 4) + 1
    invoked = 2 * np.arange(n, dtype=np.int64)
    calls = Calls(invoked, invoked + 1, f, a, np.zeros(n, np.int32))
    good = containers_set.decide(calls)
    assert good.valid is True
    assert np.array_equal(good.witness, np.arange(n))  # type: ignore[arg-type]
    f[-1] = HAS
    bad = containers_set.decide(calls)
    assert bad.valid is False
    assert bad.certificate == (n - 4, n - 3, n - 2, n - 1)
