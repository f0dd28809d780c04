"""The workload lock: what clients do with locks, claims at the end, and real processes."""

from random import Random

import pytest

from duress.checkers.fencing import Fencing
from duress.checkers.mutual_exclusion import MutualExclusion
from duress.harness.errors import UserError
from duress.harness.generator import clients, limit, simulate
from duress.workloads.lock import CLAIM_TRIES, LockWorkload

from ..fixtures.protocol_trials import assert_valid_on_processes


def workload(**options):
    return LockWorkload(options, 4, Random(1))


def invocations(history):
    return [operation for operation in history if operation.type == "invoke"]


def test_who_holds_a_lock_uses_it_and_gives_it_back():
    history = simulate.quick(clients(limit(800, workload().generator())), concurrency=4, seed=3)
    holding = {}
    counts = {}
    for operation in history:
        if operation.type == "invoke":
            counts[operation.f] = counts.get(operation.f, 0) + 1
            if operation.f in ("put", "release"):
                assert holding.get(operation.process) == operation.key
            elif operation.f == "acquire":
                assert operation.process not in holding
        elif operation.f == "acquire":
            holding[operation.process] = operation.key
        elif operation.f in ("release", "leave"):
            holding.pop(operation.process, None)
    assert min(counts[f] for f in ("acquire", "put", "release", "read", "write", "look")) > 15
    assert counts["announce"] > 0


def test_a_process_that_does_not_know_whether_it_holds_a_lock_does_not_use_it():
    generator = clients(limit(400, workload().generator()))
    asked = invocations(simulate.perfect_info(generator, concurrency=4, seed=3))
    assert {each.f for each in asked}.isdisjoint({"put", "release"})


def test_values_are_never_used_twice_and_pauses_are_as_asked_for():
    options = {"pause-share": "1", "longest-pause": "0.5", "write-share": "0.3"}
    generator = clients(limit(600, workload(**options).generator()))
    asked = invocations(simulate.quick(generator, concurrency=4, seed=3))
    values = [each.value["value"] for each in asked if each.f in ("put", "write", "announce")]
    assert len(values) == len(set(values)) > 100
    pauses = [each.value["pause_ms"] for each in asked if each.f in ("put", "release")]
    assert 0 <= min(pauses) < max(pauses) <= 500


def test_at_the_end_everyone_claims_a_lock_and_looks_at_everything():
    final = clients(workload(locks="2").final_generator())
    asked = invocations(simulate.quick(final, concurrency=4, seed=3))
    by_process = {}
    for each in asked:
        by_process.setdefault(each.process, []).append((each.f, each.key))
    for process, steps in by_process.items():
        lock = f"lock-{process % 2}"
        assert steps[:3] == [("leave", None), ("claim", lock), ("release", lock)]
        assert [f for f, _ in steps[3:]] == ["look"] * 3 + ["read"] * 2
    assert len(by_process) == 4


def test_a_claim_is_tried_a_few_times():
    final = clients(workload(locks="1").final_generator())
    asked = invocations(simulate.perfect_info(final, concurrency=4, seed=3))
    claims = [each for each in asked if each.f == "claim"]
    assert len(claims) == 4 * CLAIM_TRIES


def test_who_is_refused_tries_again_later():
    def refuse(context, operation):
        return ("fail" if operation.time < 2_000_000_000 else "ok"), 1_000_000

    final = clients(workload(locks="1").final_generator())
    history = simulate.simulate(final, refuse, concurrency=1, seed=3)
    steps = [(each.f, each.time // 100_000_000) for each in invocations(history)]
    assert steps[:5] == [("leave", 0), ("leave", 5), ("leave", 10), ("leave", 15), ("leave", 20)]
    assert [f for f, _ in steps[5:7]] == ["claim", "release"]


def test_options():
    checkers = workload(lock_delay_ms="250").checkers()
    assert isinstance(checkers["fencing"], Fencing)
    exclusion = checkers["mutual-exclusion"]
    assert isinstance(exclusion, MutualExclusion)
    assert exclusion.lock_delay_s == 0.25
    for options, word in (({"pause-share": "2"}, "pause-share"), ({"locks": "0"}, "locks")):
        with pytest.raises(UserError, match=word):
            workload(**options)


@pytest.mark.local
def test_on_real_processes(tmp_path):
    # An aimed shape strikes nobody while there is no primary: these always strike.
    shapes = ("--set", "partition-shapes=halves,one,one-way")
    assert_valid_on_processes("lock-service", tmp_path, "--time", "14", "--interval", "2", *shapes)
