"""The workloads recovery and placement, and both on real processes."""

from random import Random

import pytest

from duress.checkers.placement import Placement
from duress.checkers.recovery import Recovery
from duress.harness.errors import UserError
from duress.harness.generator import clients, limit, simulate
from duress.workloads.placement import PlacementWorkload
from duress.workloads.recovery import RecoveryWorkload

from ..command_line import said_by


def recovery(**options):
    return RecoveryWorkload(options, 4, Random(1))


def placement(**options):
    return PlacementWorkload(options, 4, Random(1))


def invocations(generator):
    history = simulate.quick(generator, concurrency=4, seed=3)
    return [operation for operation in history if operation.type == "invoke"]


def test_numbers_are_appended_once_and_lists_are_read_again():
    asked = invocations(clients(limit(900, recovery().generator())))
    numbers = [n for each in asked if each.f == "append" for n in each.value]
    assert numbers == list(range(1, len(numbers) + 1))
    newest = 0
    old = 0
    for each in asked:
        newest = max(newest, each.key)
        old += each.f == "read" and each.key < newest
    assert newest == 3
    assert old > 20


def test_every_client_reads_every_list_at_the_end():
    asked = invocations(clients(recovery(**{"last-lists": "3"}).final_generator()))
    assert sorted((each.process, each.key) for each in asked) == [
        (process, key) for process in range(4) for key in range(3)
    ]


def test_puts_grow_and_rings_change():
    asked = invocations(clients(limit(2000, placement(**{"change-share": "0.1"}).generator())))
    values = [each.value for each in asked if each.f == "put"]
    assert values == list(range(1, len(values) + 1))
    changes = {tuple(each.value) for each in asked if each.f == "change"}
    assert len(changes) == 10
    assert {each.f for each in asked} == {"put", "get", "ring", "change"}


def test_every_client_looks_at_everything_at_the_end():
    asked = invocations(clients(placement(keys="3").final_generator()))
    assert sorted((each.process, each.f, each.key or 0) for each in asked) == sorted(
        (process, *what)
        for process in range(4)
        for what in (("last-ring", 0), ("last-get", 0), ("last-get", 1), ("last-get", 2))
    )


def test_options():
    assert isinstance(recovery().checkers()["recovery"], Recovery)
    checker = placement().checkers()["placement"]
    assert isinstance(checker, Placement)
    assert checker.movement == 1.6
    lenient = placement(**{"promised-level": "any-movement"}).checkers()["placement"]
    assert isinstance(lenient, Placement)
    assert lenient.movement == 0
    for make, options in (
        (recovery, {"longest": "0"}),
        (recovery, {"read-share": "2"}),
        (placement, {"keys": "x"}),
        (placement, {"balance": "-1"}),
    ):
        with pytest.raises(UserError, match=next(iter(options))):
            make(**options)


def run(tmp_path, *arguments):
    usual = ("--on", "local", "--json", "--seed", "1", "--store", tmp_path)
    return said_by("run", *arguments, *usual)


@pytest.mark.local
@pytest.mark.parametrize(
    "system", ["wal-store", pytest.param("consistent-hashing", marks=pytest.mark.soak)]
)
def test_right_versions_on_real_processes(system, tmp_path):
    often = ("--time", "8", "--interval", "1", "--settle", "0.5", "--nemesis", "kill")
    code, said, error = run(tmp_path, system, *often)
    assert code == 0, error
    assert said["ops"]["ok"] > 100


@pytest.mark.local
def test_a_store_that_never_syncs_is_found_by_killing_its_process(tmp_path):
    often = ("--time", "5", "--interval", "0.6", "--rate", "300", "--settle", "0.5")
    code, said, error = run(tmp_path, "wal-store", "--mutant", "no-fsync", *often)
    assert code == 1, error
    assert "lost-write" in {anomaly["name"] for anomaly in said["anomalies"]}
