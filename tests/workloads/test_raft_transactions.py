"""Transactional workloads against Raft: it keeps its promises, and its mutants are found."""

import pytest

from duress.fixtures.mutants import raft_transactions
from duress.fixtures.systems.replicated_store import COLLECTIONS
from duress.harness import registry
from duress.harness.attempts import attempt

from ..command_line import said_by
from ..fixtures import protocol_trials
from ..fixtures.protocol_trials import BAD_NETWORK, assert_valid

WORKLOADS = [w for w in registry.load("systems", "raft").workloads[1:] if w not in COLLECTIONS]

FOUND_BY = [
    ("txn-not-atomic", "append", "G-single"),
    ("txn-not-atomic", "rw-register", "G-single"),
    ("txn-not-atomic", "bank", "wrong-total"),
    ("txn-stale-read", "append", "G-single-realtime"),
    ("txn-stale-read", "rw-register", "G-single-realtime"),
    ("txn-stale-read", "causal", "pram-violation"),
    ("txn-stale-read", "monotonic", "monotonic-reads"),
    ("txn-checks-early", "bank", "negative-balance"),
    ("txn-checks-early", "write-skew", "G2"),
    ("txn-read-cache", "long-fork", "long-fork"),
    ("txn-read-cache", "causal", "causal-reverse"),
    ("txn-read-cache", "monotonic", "long-fork"),
    ("txn-read-cache", "sequential", "nonsequential"),
]
"""Mutant, the workload that must find it, and the anomaly that is among those reported."""

MOST_TRIALS = 15
"""Measured in most cases 1, at most 3; other parts may change what a seed means."""


def spec(workload, seed, **changes):
    usual = {"workload": workload, "time_limit_s": 6.0}
    return protocol_trials.spec("raft", seed, **{**usual, **changes})


@pytest.mark.parametrize("workload", WORKLOADS)
def test_raft_keeps_its_promise(workload):
    assert_valid(spec(workload, seed) for seed in (1, 2))


def test_raft_keeps_its_promise_on_a_bad_network():
    options = {**BAD_NETWORK, "forward": "true"}
    workloads = ("append", "bank", "write-skew", "monotonic")
    assert_valid(
        (spec(workload, seed, options=options) for seed, workload in enumerate(workloads, 1)),
        operations=100,
    )


@pytest.mark.parametrize(("mutant", "workload", "anomaly"), FOUND_BY)
def test_a_mutant_is_found(mutant, workload, anomaly):
    for seed in range(MOST_TRIALS):
        result = attempt(spec(workload, seed, mutant=mutant, options={"mutant": mutant}))
        assert result.error is None
        if anomaly in result.anomalies:
            assert result.failed
            return
    pytest.fail(f"no {anomaly} in {MOST_TRIALS} trials")


def test_every_mutant_shows_its_anomaly_in_its_own_workload():
    mine = raft_transactions.MUTANTS
    assert {(m.name, m.conditions["workload"], m.anomaly) for m in mine} <= set(FOUND_BY)
    assert len(mine) == 4


def test_a_bank_that_may_be_overdrawn_is_not_accused_of_it():
    options = {"negative-balances": "true", "accounts": "3", "balance": "2", "max-transfer": "20"}
    result = attempt(spec("bank", 1, options=options))
    assert (result.outcome, result.anomalies) == ("valid", [])


def test_a_hunt_of_a_mutant_takes_its_workload(tmp_path):
    arguments = ["--mutant", "txn-checks-early", "--time", "4", "--jobs", "1", "--seed", "0"]
    code, said, error = said_by(
        "hunt", "raft", *arguments, "--budget-trials", "9", "--store", str(tmp_path), "--json"
    )
    assert code == 1, error
    assert said["anomalies"] == ["G2"]
    assert said["spec"]["workload"] == "write-skew"


@pytest.mark.local
def test_transactions_on_real_processes(tmp_path):
    arguments = ["--workload", "append", "--on", "local", "--time", "8", "--interval", "1.5"]
    arguments += ["--seed", "1", "--set", "partition-shapes=halves,one,one-way"]
    code, said, error = said_by("run", "raft", *arguments, "--store", str(tmp_path), "--json")
    assert (code, said["valid"]) == (0, True), (said, error)
    assert said["ops"]["ok"] > 100
