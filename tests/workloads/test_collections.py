"""Sets, counters, queues and ids: what clients do, what is promised, and what is found."""

import json
from random import Random

import pytest

from duress.fixtures.mutants import raft_collections
from duress.fixtures.systems.replicated_store import COLLECTIONS
from duress.harness import registry
from duress.harness.attempts import attempt
from duress.harness.errors import UserError
from duress.harness.generator import clients, limit, simulate
from duress.workloads.counter import CounterWorkload
from duress.workloads.drawn import FINAL_TRIES
from duress.workloads.queue import QueueWorkload
from duress.workloads.set import SetWorkload
from duress.workloads.unique_ids import UniqueIdsWorkload

from ..command_line import said_by
from ..fixtures import protocol_trials
from ..fixtures.protocol_trials import BAD_NETWORK, assert_valid, trials_to_find

STORES = ("raft", "multi-paxos", "primary-backup", "chain-replication")

FOUND_BY = [(mutant.name, mutant.anomaly) for mutant in raft_collections.MUTANTS]

MOST_TRIALS = 10
"""Measured at most 2 for each; other parts may change what a seed means."""


def made(kind, **options):
    return kind({name.replace("_", "-"): value for name, value in options.items()}, 4, Random(1))


def asked(generator, how=simulate.quick):
    history = how(clients(generator), concurrency=4, seed=3)
    return [operation for operation in history if operation.type == "invoke"]


def spec(workload, seed, system="raft", **changes):
    usual = {"workload": workload, "time_limit_s": 6.0}
    return protocol_trials.spec(system, seed, **{**usual, **changes})


# -- what clients do ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "f", "others"), [(SetWorkload, "add", "read"), (QueueWorkload, "enqueue", "dequeue")]
)
def test_no_element_is_used_twice(kind, f, others):
    operations = asked(limit(500, made(kind).generator()))
    elements = [each.value for each in operations if each.f == f]
    assert len(set(elements)) == len(elements) > 200
    assert {each.f for each in operations} == {f, others}


def test_amounts_are_drawn_as_wanted():
    operations = asked(limit(800, made(CounterWorkload, max_delta="3").generator()))
    deltas = {each.value for each in operations if each.f == "add"}
    assert deltas == {-3, -2, -1, 1, 2, 3}
    only_up = made(CounterWorkload, subtract_share="0", read_share="0").generator()
    assert {each.value for each in asked(limit(300, only_up))} == {1, 2, 3, 4, 5}


def test_ids_are_all_that_is_asked_for():
    assert {each.f for each in asked(limit(9, made(UniqueIdsWorkload).generator()))} == {"generate"}
    assert made(UniqueIdsWorkload).final_generator() is None


@pytest.mark.parametrize(
    ("kind", "f", "rounds"),
    [(SetWorkload, "read", 2), (CounterWorkload, "read", 1), (QueueWorkload, "drain", 2)],
)
def test_everyone_has_a_last_look_and_tries_again_if_that_fails(kind, f, rounds):
    assert [each.f for each in asked(made(kind).final_generator())] == [f] * 4 * rounds
    failing = asked(made(kind).final_generator(), simulate.perfect_info)
    assert [each.f for each in failing] == [f] * 4 * rounds * FINAL_TRIES


def test_the_promise_of_the_system_says_how_reads_are_judged():
    for kind, name in ((SetWorkload, "set-full"), (CounterWorkload, "counter")):
        assert made(kind).checkers()[name].linearizable is True
        assert made(kind, promised_level="causal").checkers()[name].linearizable is False
        strict = made(kind, promised_level="causal", linearizable="true")
        assert strict.checkers()[name].linearizable is True


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        (SetWorkload, "read-share", "1"),
        (SetWorkload, "final", "some"),
        (SetWorkload, "linearizable", "perhaps"),
        (CounterWorkload, "max-delta", "0"),
        (QueueWorkload, "dequeue-share", "1"),
        (QueueWorkload, "duplicates", "few"),
    ],
)
def test_options_that_make_no_sense_are_named(kind, option, value):
    with pytest.raises(UserError, match=option):
        kind({option: value}, 4, Random(1))


# -- what is promised, and what is found --------------------------------------------


@pytest.mark.parametrize("workload", COLLECTIONS)
def test_every_store_keeps_its_promise(workload):
    assert_valid((spec(workload, 1, system) for system in STORES), operations=200)


def test_raft_keeps_its_promise_on_a_bad_network():
    options = {**BAD_NETWORK, "forward": "true"}
    trials = (spec(workload, seed, options=options) for seed, workload in enumerate(COLLECTIONS))
    assert_valid(trials, operations=100)


@pytest.mark.parametrize(("name", "anomaly"), FOUND_BY)
def test_a_mutant_is_found(name, anomaly):
    trials = trials_to_find("raft", name, range(MOST_TRIALS), time_limit_s=8.0)
    assert trials, f"no {anomaly} in {MOST_TRIALS} trials"


def test_each_workload_has_a_mutant_that_it_finds():
    mine = raft_collections.MUTANTS
    assert {mutant.conditions["workload"] for mutant in mine} == set(COLLECTIONS)
    known = {mutant.name for mutant in registry.mutants() if mutant.system == "raft"}
    assert {mutant.name for mutant in mine} <= known


def test_a_queue_may_be_allowed_to_deliver_twice():
    options = {"mutant": "dequeue-unreplicated", "duplicates": "true"}
    results = [
        attempt(spec("queue", seed, mutant="dequeue-unreplicated", options=options))
        for seed in range(3)
    ]
    assert [result.anomalies for result in results] == [[]] * 3


# -- every trial is measured, too ----------------------------------------------------


def test_a_trial_can_be_asked_to_stay_available(tmp_path):
    arguments = ["run", "raft", "--on", "sim", "--seed", "1", "--time", "6", "--workload", "set"]
    arguments += ["--interval", "1", "--store", str(tmp_path), "--json"]
    code, said, error = said_by(*arguments)
    assert (code, said["valid"]) == (0, True), error
    (folder,) = tmp_path.glob("*raft*")
    measured = json.loads((folder / "verdict.json").read_text())["parts"]["availability"]
    assert measured["valid"] is True
    assert 0.3 < measured["statistics"]["served"] < 1
    assert all(fault["watched_ns"] >= 0 for fault in measured["statistics"]["faults"])
    # The history tells of every heal, those at the end of the load too.
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    healed = [f["id"] for r in rows if r["f"] == "heal" and r["type"] == "info" for f in r["value"]]
    injected = [r["value"]["id"] for r in rows if r["f"] == "inject" and r["type"] == "info"]
    assert sorted(healed) == sorted(injected)
    code, said, _ = said_by(*arguments, "--set", "min-share=1")
    assert (code, said["valid"]) == (1, False)
    code, _, error = said_by(*arguments, "--set", "min-share=2")
    assert (code, "min-share" in error) == (2, True)


@pytest.mark.local
def test_a_queue_on_real_processes(tmp_path):
    arguments = ["--workload", "queue", "--on", "local", "--time", "8", "--interval", "1.5"]
    code, said, error = said_by(
        "run", "raft", *arguments, "--seed", "1", "--store", str(tmp_path), "--json"
    )
    assert (code, said["valid"]) == (0, True), (said, error)
    assert said["ops"]["ok"] > 100
