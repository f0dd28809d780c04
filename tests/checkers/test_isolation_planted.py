"""One anomaly, planted into a valid history, is found: that one, smallest, and explained."""

from __future__ import annotations

import random
import re

import pytest

from duress.checkers.isolation import Isolation

from . import isolation_graph_oracle, isolation_oracle
from .isolation_histories import history_of
from .isolation_planted import LISTS, REGISTERS, Plan, cycles, planted
from .isolation_store import recorded

DIRECT = {"list-append": LISTS, "rw-register": REGISTERS}
CASES = [
    pytest.param(model, plan, id=f"{model}: {name}")
    for model in DIRECT
    for name, plan in (DIRECT[model] | cycles(model)).items()
]
WEAK = {
    "monotonic-atomic-view": "observed-transaction-vanishes",
    "strong-session-monotonic-atomic-view": "observed-transaction-vanishes-process",
    "read-atomic": "fractured-read",
    "strong-session-read-atomic": "fractured-read-process",
    "causal": "causal-violation",
    "pram": "pram-violation",
}
ROUNDS = 3


def expected_out(model: str, plan: Plan) -> set[str]:
    """The levels that the planted transactions alone break, by definition."""
    txns = plan.txns()
    assume = {"sequential_keys": "sequential", "linearizable_keys": "linearizable"}
    assumed = frozenset(assume[name] for name in plan.options if name in assume)
    holding = isolation_graph_oracle.holding(model, txns, assumed)
    out = set(isolation_graph_oracle.LEVELS) - holding
    if not assumed and "read-committed" in out:
        out |= set(WEAK)
    elif not assumed:
        out |= {level for level in WEAK if not isolation_oracle.weak(model, txns, level)}
    return out


@pytest.mark.parametrize(("model", "plan"), CASES)
def test_what_is_planted_is_found(model, plan):
    out = expected_out(model, plan)
    judged_by = set(isolation_graph_oracle.LEVELS)
    if not set(plan.options) & {"sequential_keys", "linearizable_keys"}:
        judged_by |= set(WEAK)
    for seed in range(ROUNDS):
        chance = random.Random(seed)
        around = recorded("strict-serializable", model, seed, count=20).txns
        history, where = history_of(planted(around, plan, chance), model)
        invoked = {txn: at for at, txn in where.items()}
        verdict = Isolation(model, **plan.options).check(history, {})
        result = verdict.statistics["result"]
        found = set(result["anomalies"]) - set(WEAK.values())
        assert found == plan.names
        assert set(result["anomalies"].values()) == {1}
        undecided = set(result.get("undecided", ()))
        assert set(result["ruled_out"]) & judged_by == out - undecided
        for anomaly in verdict.anomalies:
            assert set(anomaly.operations) <= {invoked[at] for at in range(len(plan.steps))}
            blamed = plan.blamed.get(anomaly.name)
            if blamed is None:
                continue
            named = {int(at) for at in re.findall(r"\bT(\d+)", anomaly.explanation)}
            assert named == {invoked[at] for at in blamed} == set(anomaly.operations)
            if plan.cycle:
                edges = anomaly.details["cycle"]
                # Proved to be the smallest, but for long ones that sessions close.
                proved = len(plan.cycle) <= 4 or not anomaly.name.endswith("-process")
                assert anomaly.details["smallest"] is True or not proved
                follows = {invoked[at]: invoked[at + 1] for at in plan.cycle[:-1]}
                follows[invoked[plan.cycle[-1]]] = invoked[plan.cycle[0]]
                assert {edge["from"]: edge["to"] for edge in edges} == follows
                nodes = {each["operation"] for each in anomaly.details["transactions"]}
                assert nodes == set(follows)


@pytest.mark.parametrize("model", DIRECT)
def test_skew_and_forks_are_named_where_a_graver_cycle_is_smaller(model):
    """One component holds a read skew, a write skew and a long fork."""
    lists = model == "list-append"
    nothing, one = ([], [1]) if lists else (None, 1)
    plan = Plan(
        {"G-single", "write-skew", "long-fork"},
        [
            [("w", "x", 1), ("w", "a", 1)],
            [("w", "y", 1)],
            [("r", "x", one), ("r", "y", nothing), ("r", "b", nothing), ("w", "c", 1)],
            [("r", "x", nothing), ("r", "y", one), ("w", "b", 1), ("r", "c", nothing)],
            [("r", "x", one), ("r", "a", nothing)],
        ],
    )
    around = recorded("strict-serializable", model, 1, count=20, keys="pqrs").txns
    history, where = history_of(planted(around, plan, random.Random(1)), model)
    invoked = {txn: at for at, txn in where.items()}
    verdict = Isolation(model).check(history, {})
    assert plan.names <= set(verdict.statistics["anomaly_counts"])
    of = {a.name: set(a.operations) for a in verdict.anomalies}
    assert of["write-skew"] == {invoked[2], invoked[3]}
    assert of["long-fork"] == {invoked[0], invoked[1], invoked[2], invoked[3]}
    assert of["G-single"] == {invoked[0], invoked[4]}
