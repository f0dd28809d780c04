"""The checker and the definitions agree on thousands of small random histories."""

from __future__ import annotations

import random

import pytest

from duress.checkers.isolation import Isolation

from . import isolation_oracle as oracle
from .isolation_histories import history_of, random_txns

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


def disagreements(model, txns):
    history, _ = history_of(txns, model)
    verdict = Isolation(model, unwritten="garbage").check(history, {})
    result = verdict.statistics["result"]
    for level in (*WEAK, *STRONG):
        if level in STRONG:
            decide, kept = STRONG[level]
            expected = decide(model, txns, kept)
        else:
            expected = oracle.weak(model, txns, level)
        got = (
            "undecided"
            if level in result.get("undecided", ())
            else (level not in result["ruled_out"])
        )
        if got != expected:
            yield level, expected, got, verdict.statistics["anomaly_counts"]


@pytest.mark.parametrize("model", ["list-append", "rw-register"])
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
