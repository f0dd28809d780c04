"""The commit workload against the three protocols: they keep their promises, mutants are found."""

from random import Random

import pytest

from duress.checkers.atomic_commit import AtomicCommit
from duress.harness import registry
from duress.harness.attempts import attempt
from duress.harness.errors import UserError
from duress.harness.generator import Context
from duress.harness.operation import Operation
from duress.workloads.ask_until import TIMES, AskUntil
from duress.workloads.commit import CommitOperations, CommitWorkload, nothing_in_doubt

from ..command_line import said_by
from ..fixtures import protocol_trials
from ..fixtures.protocol_trials import BAD_NETWORK, assert_valid, one_in_short

SYSTEMS = ("two-phase-commit", "three-phase-commit", "paxos-commit")

QUICKLY_FOUND = [
    ("two-phase-commit", "no-coordinator-log"),
    ("two-phase-commit", "answers-before-logging"),
    ("two-phase-commit", "aborts-in-doubt"),
    ("two-phase-commit", "commits-in-doubt"),
    ("two-phase-commit", "decides-on-majority"),
    ("two-phase-commit", "presumes-commit"),
    ("two-phase-commit", "counts-votes-twice"),
    ("two-phase-commit", "tells-once"),
    ("two-phase-commit", "shares-one-timer"),
    ("three-phase-commit", "times-out-alone"),
    ("three-phase-commit", "recovers-alone"),
    ("three-phase-commit", "forgets-vote"),
    ("paxos-commit", "accepts-without-promise"),
    ("paxos-commit", "commits-by-majority"),
]
"""Those that short trials find at once; the others take ``duress prove``."""

MOST_TRIALS = 8


def spec(system, seed, **changes):
    nemeses = list(registry.load("systems", system).nemeses)
    usual = {"nemeses": nemeses, "settle_s": 1.0, "interval_s": 1.5}
    return protocol_trials.spec(system, seed, **{**usual, **changes})


@pytest.mark.parametrize("system", SYSTEMS)
def test_it_keeps_its_promise(system):
    assert_valid((spec(system, seed) for seed in (1, 2)), operations=500)


@pytest.mark.parametrize("system", ["two-phase-commit", "paxos-commit"])
def test_it_keeps_its_promise_on_a_bad_network(system):
    assert_valid([spec(system, 5, nemeses=["partition", "kill", "pause"], options=BAD_NETWORK)])


def test_three_phase_commit_does_not_survive_partitions():
    for seed in range(MOST_TRIALS):
        result = attempt(spec("three-phase-commit", seed, nemeses=["partition"]))
        if "AC1-agreement" in result.anomalies:
            return
    pytest.fail("no disagreement")


@pytest.mark.parametrize(("system", "mutant"), QUICKLY_FOUND)
def test_a_mutant_is_found(system, mutant):
    (planted,) = [m for m in registry.mutants() if (m.system, m.name) == (system, mutant)]
    options = {**planted.conditions.get("options", {}), "mutant": mutant}
    for seed in range(MOST_TRIALS):
        result = attempt(spec(system, seed, options=options))
        assert result.error is None
        if planted.anomaly in result.anomalies:
            return
    pytest.fail(f"no {planted.anomaly} in {MOST_TRIALS} trials")


def context(time, threads=1, free=None, random=None):
    free = (1 << threads) - 1 if free is None else free
    processes = (*range(threads), "nemesis")
    return Context(time, random or Random(1), (1 << threads) - 1, free, processes, threads)


def test_who_hears_of_a_doubt_asks_again():
    generator = CommitOperations(0.5, 0.2)
    operation, generator = generator.op(context(0))
    assert (operation.f, operation.value["txn"]) == ("begin", 1)
    doubt = Operation(-1, 5, 0, "ok", "state", {"txn": 9, "state": "prepared"})
    generator = generator.update(context(5), doubt)
    random = Random(3)
    asked = [generator.op(context(6, random=random))[0] for _ in range(40)]
    again = [each for each in asked if each.value == {"txn": 9}]
    assert 10 < len(again) < 30
    other = Operation(-1, 6, 0, "ok", "state", {"txn": 1, "state": "committed"})
    assert generator.update(context(6), other) is generator
    over = Operation(-1, 7, 0, "ok", "state", {"txn": 9, "state": "aborted"})
    generator = generator.update(context(7), over)
    asked = [generator.op(context(8, random=random))[0] for _ in range(40)]
    assert {"txn": 9} not in [each.value for each in asked]


def test_at_last_everyone_is_asked_until_nothing_is_in_doubt():
    generator = AskUntil("states", nothing_in_doubt, {"newest": 10})
    operation, generator = generator.op(context(100))
    assert (operation.time, operation.f) == (100, "states")
    assert generator.op(context(100))[0].value == "pending"  # until there is an answer
    answer = Operation(-1, 200, 0, "ok", "states", {"from": 1, "prepared": [3]})
    generator = generator.update(context(200), answer)
    operation, generator = generator.op(context(200))
    assert operation.time > 200
    answer = Operation(-1, 300, 0, "ok", "states", {"from": 1, "committed": [3]})
    assert generator.update(context(300), answer).op(context(300)) is None


def test_at_last_nobody_is_asked_for_ever():
    generator, asked = AskUntil("states", nothing_in_doubt, {"newest": 10}), 0
    while (answer := generator.op(context(asked))) is not None:
        operation, generator = answer
        asked += 1
        failed = Operation(-1, operation.time, 0, "fail", "states", {"newest": 10})
        generator = generator.update(context(asked), failed)
    assert asked == TIMES


def test_options_are_checked():
    for name, value in (("begin-share", "2"), ("newest", "0"), ("quiet", "long")):
        with pytest.raises(UserError, match=name):
            CommitWorkload({name: value}, 10, Random(1))


def test_an_abort_sooner_than_any_timeout_is_judged():
    for options, at_once_s in (({}, 0.4), ({"doubt_timeout_ms": "300"}, 0.2)):
        checker = CommitWorkload(options, 10, Random(1)).checkers()["atomic-commit"]
        assert isinstance(checker, AtomicCommit)
        assert checker.at_once_s == pytest.approx(at_once_s)


@pytest.mark.local
@pytest.mark.parametrize("system", one_in_short(SYSTEMS))
def test_on_real_processes(system, tmp_path):
    arguments = ["--on", "local", "--time", "5", "--interval", "1.2", "--store", str(tmp_path)]
    arguments += ["--seed", "1"]
    if system != "three-phase-commit":  # which is to survive kills only
        arguments += ["--set", "partition-shapes=halves,one,one-way"]
    code, said, error = said_by("run", system, *arguments, "--json")
    assert (code, said["valid"]) == (0, True), (said, error)
    assert said["ops"]["ok"] > 100
