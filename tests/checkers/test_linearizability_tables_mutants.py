"""Mutation test: each branch of the table search matters to some small history.

Every condition of an ``if`` is forced true and false in turn; a corpus of random histories must
show another answer, an order that explains nothing, other final states, more or less work, or a
crash. What may survive is listed with the reason.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from duress.checkers.linearizability import table_frontier, table_kernel, table_search, table_steps
from duress.checkers.linearizability.models import model_named
from duress.checkers.linearizability.preparation import Problem, prepare
from duress.checkers.linearizability.table_closure import closure
from duress.checkers.linearizability.table_commuting import may_wait, pure_kinds
from duress.checkers.linearizability.table_kernel import DEAD, VALID
from duress.checkers.linearizability.table_search import UNLIMITED, Run, regrow, search
from duress.checkers.linearizability.table_view import kinds_of, view_of
from duress.checkers.linearizability.transitions import Transitions
from duress.checkers.linearizability.witness import verify_witness

from .container_mutants import mutants, mutated
from .linearizability_histories import history_of
from .test_linearizability_tables import late, problem_of

LIMIT_S = 0.5
WIDTHS = ((512, 512, UNLIMITED), (4, 8, 1), (1, 16, 2))
NAMES = ("counter", "unordered-queue", "multi-register", "cas-register", "set", "elevator", "log")

SURVIVORS = {
    ("_ask", "want[j] == key := False"): "speed: the driver asks the model once anyway",
    ("_divide", "base + count != c := True"): "speed: copies a configuration onto itself",
    ("_divide", "got >= 0 := True"): "no two that are through dominate each other by now",
    ("_known", "value != IMPOSSIBLE := True"): "speed: asks about states nobody goes to",
    ("_later", "pool[one + w] != pool[other + w] := True"): "speed: compares call by call",
    ("_later", "same := False"): "speed: compares call by call",
    ("_living", "kept != c := True"): "speed: copies a configuration onto itself",
    ("_narrow", "kept != i := True"): "speed: copies a configuration onto itself",
    ("_near", "not n[WAITING] := False"): "speed: all are marked by then",
    ("_regrow", "old[2 * h] != 0 := True"): "an empty entry entered is empty",
    ("_search", "n[PHASE] == 2 := True"): "speed: looks again for what leads to others",
    ("_settle", "free := True"): "speed: nothing is let go",
    ("_strike", "head[bucket] >> HEAD_BITS == stamp := True"): (
        "speed: an old bucket holds none that is alike"
    ),
}


def kernels() -> dict[str, FunctionType]:
    """The plain functions of the kernels, by name."""
    modules = {each.__name__ for each in (table_frontier, table_kernel, table_steps)}
    every = (search.function, *search.helpers, regrow.function)
    return {
        each.__name__: each
        for each in every
        if isinstance(each, FunctionType) and each.__module__ in modules
    }


def tally(seed: int) -> Problem:
    """Many clients add one or two to a counter, some look; longer calls overlap many others."""
    chance = random.Random(seed)
    rows: list[tuple[int, str, str, Any]] = []
    running: dict[int, list[Any]] = {}
    total = started = 0
    while started < 24 or running:
        p = chance.randrange(7)
        if p not in running:
            if started < 24:
                started += 1
                running[p] = ["read", None] if chance.random() < 0.4 else ["add", 1 + p % 2]
                rows.append((p, "invoke", *running[p]))  # type: ignore[arg-type]
                running[p].append(False)
        elif not running[p][2]:
            running[p][2] = True
            total += running[p][1] or 0
            running[p][1] = total if running[p][0] == "read" else running[p][1]
        elif chance.random() < 0.4:
            rows.append((p, "ok", *running.pop(p)[:2]))
    return prepare(history_of(rows), model_named("counter"))[0]


def views() -> Iterator[tuple[Problem, Any, Any]]:
    """Problems laid out, with what is known about their kinds."""
    problems = [problem_of(name, seed, oracle=False) for seed in range(0, 60, 5) for name in NAMES]
    problems += [tally(seed) for seed in range(40)]
    many = [(p, "invoke", "add", p % 2) for p in range(70)]
    many += [(80, "invoke", "read", None), (80, "ok", "read", 9)]
    many += [(p, "ok", "add", p % 2) for p in range(70)]
    looks = [(0, kind, "read", 0) for _ in range(100) for kind in ("invoke", "ok")]
    problems += [
        prepare(history_of(rows), model_named("counter"))[0]
        for rows in (many, looks, late("counter", 60, bad=False))
    ]
    for at, problem in enumerate(problems):
        if problem is None:
            continue
        kinds, operations = kinds_of(problem)
        closed = closure(problem.model, operations, 2_000)
        pure = pure_kinds(problem.model, operations)
        if pure is None:
            pure = closed.pure if closed else [False] * len(operations)
        waits = may_wait(problem.model, operations, closed) if at % 3 else None
        yield problem, view_of(problem.calls, kinds, pure), (operations, waits)


def outcome(problem: Problem, view: Any, known: Any, width: Any) -> tuple[Any, ...]:
    """Everything that a run tells."""
    moves = Transitions(problem.model, known[0])
    moves.may_wait = known[1]
    run = Run(view, moves, [problem.model.initial], *width, compiled=False)
    found = run.go()
    proof: Any = None
    if found.answer == VALID:
        proof = verify_witness(problem, found.order)
    elif found.answer == DEAD:
        proof = run.final()
    spent = moves.steps, len(moves.states), len(run.room.tree)
    return found.answer, found.at, found.explored, found.frontier, found.call, proof, spent


def _too_long(*_: Any) -> None:
    raise TimeoutError


def notices(corpus: list[tuple[Any, ...]]) -> bool:
    before = signal.signal(signal.SIGVTALRM, _too_long)
    try:
        for *row, expected in corpus:
            signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
            try:
                if outcome(*row) != expected:
                    return True
            except Exception:
                return True
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    finally:
        signal.signal(signal.SIGVTALRM, before)
    return False


def test_every_branch_matters(monkeypatch: Any) -> None:
    for module in (table_kernel, table_search, table_steps):
        monkeypatch.setattr(module, "WANT_LIMIT", 16)
    monkeypatch.setattr(table_kernel, "LEAST_STEPS", 8)
    monkeypatch.setattr(table_kernel, "PATIENCE", 100)
    monkeypatch.setattr(table_kernel, "WORTH", 4)
    monkeypatch.setattr(table_search, "STATES", 8)
    monkeypatch.setattr(table_search, "SLICE_UNCOMPILED", 20)
    corpus = [
        (problem, view, known, width, outcome(problem, view, known, width))
        for problem, view, known in views()
        for width in WIDTHS
    ]
    # The ones that cost little first: most mutants are noticed at once.
    corpus.sort(key=lambda row: row[-1][2])
    corpus = corpus[len(corpus) // 2 :: 9] + corpus
    survived, count = set(), 0
    for name, function in kernels().items():
        for description, code in mutants(function):
            count += 1
            with mutated(function, code):
                if not notices(corpus):
                    survived.add((name, description))
    assert count > 100
    assert survived == set(SURVIVORS)
