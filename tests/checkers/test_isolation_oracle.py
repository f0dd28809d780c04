"""The checker and the definitions agree on thousands of small histories."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from duress.checkers.isolation import Isolation

from . import isolation_graph_oracle as graph_oracle
from . import isolation_oracle as oracle
from .isolation_histories import history_of, random_txns
from .isolation_store import ENGINES, recorded

WEAK = (
    "read-committed",
    "strong-session-read-committed",
    "monotonic-atomic-view",
    "strong-session-monotonic-atomic-view",
    "read-atomic",
    "strong-session-read-atomic",
    "pram",
    "causal",
)
STRONG = {
    "serializable": (oracle.serializable, oracle.NO_ORDER),
    "strong-session-serializable": (oracle.serializable, oracle.SESSION),
    "strict-serializable": (oracle.serializable, oracle.REAL_TIME),
    "snapshot-isolation": (oracle.snapshot_isolated, oracle.NO_ORDER),
    "strong-session-snapshot-isolation": (oracle.snapshot_isolated, oracle.SESSION),
    "strong-snapshot-isolation": (oracle.snapshot_isolated, oracle.REAL_TIME),
}
MAYBE_UNDECIDED = {
    "list-append": {
        "read-uncommitted",
        "strong-session-read-uncommitted",
        "strong-read-uncommitted",
        "cursor-stability",
        "consistent-view",
        "parallel-snapshot-isolation",
    },
    "rw-register": {
        "cursor-stability",
        "consistent-view",
        "parallel-snapshot-isolation",
        "repeatable-read",
    },
}
"""Levels that the checker may leave open, for lack of an order of versions. It may not be wrong."""

MODELS = ["list-append", "rw-register"]


def judged(model, txns, **options):
    history, _ = history_of(txns, model)
    return Isolation(model, unwritten="garbage", **options).check(history, {}).statistics["result"]


def disagreements(model, txns):
    """Levels on which the checker differs from one of the two sets of definitions."""
    result = judged(model, txns)
    undecided = set(result.get("undecided", ()))
    expected = {level: oracle.weak(model, txns, level) for level in WEAK}
    expected |= {level: decide(model, txns, kept) for level, (decide, kept) in STRONG.items()}
    holding = graph_oracle.holding(model, txns)
    for level in graph_oracle.LEVELS:
        holds = level in holding
        if expected.setdefault(level, holds) != holds:
            yield level, "the definitions differ"
    for level, holds in expected.items():
        got = level not in result["ruled_out"]
        if level in undecided and level in MAYBE_UNDECIDED[model]:
            continue
        if level in undecided or got != holds:
            yield level, holds, result


def broken(chance, txns):
    """One read sees something else, or one transaction ends otherwise."""
    txns = list(txns)
    at = chance.randrange(len(txns))
    txn = txns[at]
    reads = [i for i, (verb, _, value) in enumerate(txn.steps) if verb == "r" and value]
    if txn.kind == "ok" and reads and chance.random() < 0.8:
        i = chance.choice(reads)
        verb, key, value = txn.steps[i]
        others = [v for t in txns for k, vs in t.writes().items() if k == key for v in vs]
        if isinstance(value, list):
            value = value[:-1] if chance.random() < 0.5 else [*value[:-1], chance.choice(others)]
        else:
            value = chance.choice([None, *others])
        txns[at] = replace(txn, steps=(*txn.steps[:i], (verb, key, value), *txn.steps[i + 1 :]))
    elif txn.kind == "ok" and sum(t.kind == "ok" for t in txns) > 1:
        steps = tuple((verb, k, None if verb == "r" else v) for verb, k, v in txn.steps)
        txns[at] = replace(txn, kind="fail", steps=steps)
    return txns


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", range(8))
def test_every_level_is_decided_as_defined(model, seed):
    chance = random.Random(f"{model} {seed}")
    decided = 0
    for _ in range(60):
        txns = random_txns(chance, model, 4)
        if not any(txn.kind == "ok" for txn in txns):
            continue
        decided += 1
        assert not list(disagreements(model, txns)), txns
    assert decided > 40


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("level", ENGINES)
def test_small_runs_of_stores_valid_and_broken(model, level):
    chance = random.Random(level)
    for seed in range(12):
        txns = recorded(level, model, f"small {seed}", count=5, clients=3, keys="xy").txns
        for each in (txns, broken(chance, txns)):
            if any(txn.kind == "ok" for txn in each):
                assert not list(disagreements(model, each)), each


ASSUMED = {
    "sequential": {"sequential_keys": True},
    "linearizable": {"linearizable_keys": True},
    "given": {},
}


@pytest.mark.parametrize("assumed", ASSUMED)
def test_what_is_assumed_of_registers_rules_out_no_more_than_it_must(assumed):
    chance = random.Random(assumed)
    more = exact = 0
    for _ in range(300):
        txns = random_txns(chance, "rw-register", 4)
        if not any(txn.kind == "ok" for txn in txns):
            continue
        options = dict(ASSUMED[assumed])
        if assumed == "given":
            _, where = history_of(txns, "rw-register")
            options["transaction_order"] = sorted(where, key=where.__getitem__)
        holding = graph_oracle.holding("rw-register", txns, frozenset([assumed]))
        result = judged("rw-register", txns, **options)
        plain = judged("rw-register", txns)
        out = set(result["ruled_out"])
        # Read uncommitted lets aborted writes be seen, after which a register has no order.
        committed = {level for level in holding if "read-uncommitted" not in level}
        assert not out & committed, txns
        more += out > set(plain["ruled_out"])
        exact += not set(graph_oracle.LEVELS) - holding - out - set(result.get("undecided", ()))
    assert more > 10
    assert exact > 200
