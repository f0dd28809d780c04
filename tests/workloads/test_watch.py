"""The workload watch: what its clients are asked."""

from random import Random

from duress.harness.generator import clients, limit, simulate
from duress.workloads.watch import WatchWorkload


def invocations(generator):
    history = simulate.quick(clients(generator), concurrency=4, seed=3)
    return [operation for operation in history if operation.type == "invoke"]


def test_every_value_is_written_once_and_watches_are_short():
    workload = WatchWorkload({"watch-share": "0.5", "longest-watch": "0.2"}, 4, Random(1))
    asked = invocations(limit(300, workload.generator()))
    values = [each.value["value"] for each in asked if each.f == "write"]
    assert len(set(values)) == len(values) > 100
    times = [each.value["for_ms"] for each in asked if each.f == "watch"]
    assert len(times) > 100
    assert 0 < min(times) < max(times) <= 201


def test_in_the_end_everyone_catches_up():
    workload = WatchWorkload({}, 4, Random(1))
    asked = invocations(workload.final_generator())
    assert {(each.f, each.process) for each in asked} == {("catch-up", at) for at in range(4)}
    assert workload.checkers().keys() == {"watch-order"}
