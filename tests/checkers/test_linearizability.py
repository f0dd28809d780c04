"""The checker against an oracle that tries every order."""

from __future__ import annotations

import pytest

from duress.checkers.linearizability.algorithms import decide_one
from duress.checkers.linearizability.evidence import explain
from duress.checkers.linearizability.models import MODELS, model_named
from duress.checkers.linearizability.preparation import prepare
from duress.checkers.linearizability.search import Budget
from duress.checkers.linearizability.witness import verify_witness

from .linearizability_histories import explained, random_history

INITIAL = {"semaphore": 2}
SEEDS = 250


def problems(model: str, seed: int, **shape):
    made = model_named(model, INITIAL.get(model))
    failed = "observe" if seed % 2 else "drop"
    return prepare(random_history(model, seed, **shape), made, failed)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_search_agrees_with_every_order_tried(model: str) -> None:
    verdicts = set()
    for seed in range(SEEDS):
        for problem in problems(model, seed):
            expected = explained(problem)
            for algorithm in ("search", "auto"):
                judged = decide_one(problem, algorithm, Budget())
                assert judged.valid is expected, (seed, algorithm, judged)
                if judged.valid and judged.witness is not None:
                    assert verify_witness(problem, judged.witness) == "", (seed, algorithm)
                assert judged.valid is not True or judged.witness is not None
            verdicts.add(expected)
    assert verdicts == {True, False}


@pytest.mark.parametrize("model", sorted(MODELS))
def test_contradiction_is_minimal(model: str) -> None:
    seen = 0
    for seed in range(120):
        for problem in problems(model, seed, calls=7):
            judged = decide_one(problem, "search", Budget())
            if judged.valid is not False:
                continue
            seen += 1
            evidence = explain(problem, judged.position)
            assert evidence.minimal
            chosen = set(evidence.calls)
            ended = {
                at for at in range(len(problem)) if problem.calls.returned[at] <= judged.position
            }
            assert chosen <= ended
            every = frozenset(range(len(problem)))
            prefix = frozenset(at for at in every if at not in ended)
            others = frozenset(every - chosen) | prefix
            assert not explained(problem, others), seed
            for at in evidence.calls:
                assert _explained_up_to(problem, judged.position, chosen - {at}), (seed, at)
    assert seen


def _explained_up_to(problem, position: int, firm: set[int]) -> bool:
    from dataclasses import replace

    from duress.checkers.linearizability.calls import CRASHED

    calls = problem.calls
    returned = calls.returned.copy()
    returned[returned > position] = CRASHED
    count = int((calls.invoked < position).sum())
    cut = replace(
        calls,
        invoked=calls.invoked[:count],
        returned=returned[:count],
        f=calls.f[:count],
        a=calls.a[:count],
        b=calls.b[:count],
    )
    small = problem.with_calls(cut)
    object.__setattr__(small, "operation", problem.operation)
    return explained(small, frozenset(range(count)) - frozenset(firm))
