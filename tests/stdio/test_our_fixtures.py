"""Our own protocols, on standard input and output: as Maelstrom would run them."""

import pytest

from duress.fixtures.runtime.bundle import node_bundle

from .node_trials import run_together


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "node.pyz"
    path.write_bytes(node_bundle())
    path.chmod(0o755)
    return path


def assert_valid(outcomes):
    for outcome in outcomes:
        assert (outcome.error, outcome.verdict.valid) == (None, True), outcome.verdict.reason


def test_registers_survive_cuts_and_kills(tmp_path, program):
    changes = {
        "nemeses": ["partition", "kill"],
        "time_limit_s": 6.0,
        "interval_s": 1.5,
        "rate": 100.0,
        "options": {"latency": "exponential:2"},
    }
    protocols = ("raft", "multi-paxos")
    trials = (("lin-kv", [program, each, "--data", "."], changes) for each in protocols)
    assert_valid(run_together(tmp_path, *trials))


def test_raft_serves_other_workloads_too(tmp_path, program):
    workloads = ("txn-list-append", "txn-rw-register", "unique-ids")
    changes = {"time_limit_s": 3.0, "rate": 30.0}
    assert_valid(
        run_together(tmp_path, *((each, [program, "raft"], changes) for each in workloads))
    )


def test_a_mutant_is_found_here_as_well(tmp_path, program):
    changes = {
        "nemeses": ["kill"],
        "time_limit_s": 5.0,
        "interval_s": 1.0,
        "rate": 100.0,
        "options": {"kill-targets": "all"},
    }
    words = [program, "raft:ids-from-memory", "--data", "."]
    (outcome,) = run_together(tmp_path, ("unique-ids", words, changes))
    assert "duplicated-id" in {each.name for each in outcome.verdict.anomalies}
