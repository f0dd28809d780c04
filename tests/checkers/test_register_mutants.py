"""Mutation test: each branch of the register search matters to some history.

Every condition of an ``if`` is forced true and false in turn, and some comparisons and steps are
changed by hand. A change must show as a wrong answer; or, where the branch only saves work, as
other work. What shows as neither is listed with the reason.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from duress.checkers.linearizability import appends, kernel, registers
from duress.checkers.linearizability.algorithms import search_any
from duress.checkers.linearizability.models import model_named
from duress.checkers.linearizability.preparation import Problem, prepare
from duress.checkers.linearizability.search import Budget

from .container_mutants import mutated
from .linearizability_histories import history_of, random_history
from .register_mutants import (
    BY_HAND,
    SLOWER_BY_HAND,
    UNSEEN,
    WORK,
    Batch,
    Case,
    Cramped,
    changed,
    forced,
    functions,
    noticed,
    outcome,
)
from .test_linearizability_appends import random_appends
from .test_linearizability_registers import joined, one, recode, shapes

REGISTERS = (
    17, 51, 61, 93, 105, 107, 147, 151, 189, 201, 249, 273, 331, 349, 369, 375, 464, 489, 531, 952,
    1190,
)  # fmt: skip
APPENDS = (56, 64, 80, 96, 216, 228, 236, 244, 280, 380, 420, 660, 784, 948)
BATCHES = (25, 200, 475)
LONG = (1, 3, 5)
"""Seeds of the histories, found by trying thousands: they notice most."""


def problem_of(history: Any) -> Problem:
    return prepare(history, model_named("cas-register"))[0]


def judged(problem: Problem, calls: Any = None, after: Any = None) -> Case:
    expected = search_any(problem, Budget())
    calls = problem.calls if calls is None else calls
    return Case(calls, after, expected.valid is True, expected.position)


def cases() -> Iterator[Case | Batch]:
    wanted = {seed: (model, shape) for seed, model, shape in shapes(max(REGISTERS) + 1)}
    for seed in REGISTERS:
        yield judged(one(wanted[seed][0], seed, wanted[seed][1]))
    yield judged(one("register", 61_515, {"calls": 9, "processes": 6, "crash": 0.3}))
    for seed in APPENDS:
        at = seed // 4
        shape = [6, 9, 14, 20][at % 4], [3, 4, 6][at // 4 % 3], [0, 0.15, 0.4][at // 12 % 3]
        problem = random_appends(seed, *shape)
        made = appends.encoded(problem)
        assert made is not None
        yield judged(problem, *made)
    for seed in BATCHES:
        count = random.Random(seed).randrange(2, 9)
        shape = {"calls": 8, "processes": 4, "crash": 0.2}
        problems = [one("cas-register", 1000 * seed + k, shape) for k in range(count)]
        table: list[Any] = []
        calls, starts = joined([recode(problem, table) for problem in problems])
        yield Batch(calls, starts, tuple(judged(problem).valid for problem in problems))
    for seed in LONG:
        yield judged(problem_of(random_history("cas-register", seed, 150, 3, 0.03 * (seed % 2))))
    yield judged(problem_of(history_of(many_reads())))
    yield judged(problem_of(history_of(many_open())))
    yield judged(problem_of(history_of(many_crashed())))


def many_reads() -> list[tuple[int, str, str, Any]]:
    """Nobody ever waits, so nothing makes room."""
    rows: list[tuple[int, str, str, Any]] = [(0, "invoke", "write", 1), (0, "ok", "write", 1)]
    for _ in range(150):
        rows += [(0, "invoke", "read", None), (0, "ok", "read", 1)]
    return rows


def many_open() -> list[tuple[int, str, str, Any]]:
    """More open calls than a word has bits."""
    rows: list[tuple[int, str, str, Any]] = [(0, "invoke", "write", 1), (0, "ok", "write", 1)]
    rows += [(p, "invoke", "read", None) for p in range(1, 70)]
    rows += [(0, "invoke", "write", 2)]
    rows += [(p, "ok", "read", 1 + p % 2) for p in range(1, 70)]
    return [*rows, (0, "ok", "write", 2)]


def many_crashed() -> list[tuple[int, str, str, Any]]:
    """More crashed calls than that; they take no bits."""
    rows: list[tuple[int, str, str, Any]] = [(p, "invoke", "write", 1) for p in range(70)]
    return [*rows, (99, "invoke", "read", None), (99, "ok", "read", 1)]


@pytest.fixture(scope="module")
def corpus() -> Iterator[list[tuple[Any, Any]]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "WORTH_CALLING", 10**9)
        patch.setattr(registers, "Room", Cramped)
        patch.setattr(registers, "SLICE_UNCOMPILED", 7)
        found = []
        for case in cases():
            right, work = outcome(case)
            assert right
            found.append((case, work))
        yield found


def test_changes_made_by_hand_give_wrong_answers(corpus: list[tuple[Any, Any]]) -> None:
    found = {}
    for name, old, new in BY_HAND:
        function = functions()[name]
        with mutated(function, changed(function, old, new)):
            found[name, old, new] = noticed(corpus)
    assert {change for change, how in found.items() if how != "wrong"} == set()


def test_changes_made_by_hand_give_other_work(corpus: list[tuple[Any, Any]]) -> None:
    found = {}
    for name, old, new in SLOWER_BY_HAND:
        function = functions()[name]
        with mutated(function, changed(function, old, new)):
            found[name, old, new] = noticed(corpus)
    assert {change for change, how in found.items() if how != "work"} == set()


def test_every_branch_matters(corpus: list[tuple[Any, Any]]) -> None:
    found: dict[str, str] = {}
    for change, function, code in forced():
        with mutated(function, code):
            found[change] = noticed(corpus, only_work=change in WORK)
    assert len(found) > 200
    assert {change for change, how in found.items() if not how} == set(UNSEEN)
    assert {change for change, how in found.items() if how == "work"} == WORK
