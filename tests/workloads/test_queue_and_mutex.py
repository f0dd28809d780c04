"""A queue that is drained one by one, and a lock without leases: what clients do, what is found."""

import asyncio
from random import Random

import pytest

from duress.harness.errors import Failed, Indeterminate, UserError
from duress.harness.generator import clients, limit
from duress.harness.history import History
from duress.harness.interpreter import Interpreter
from duress.harness.simulation.loop import VirtualLoop
from duress.workloads.mutex import MutexWorkload
from duress.workloads.queue import DRAIN_TRIES, QueueWorkload

CONCURRENCY = 4


class Brokers:
    """Two nodes that share a queue, or are split; some of what is done goes wrong.

    ``split``   each has a queue of its own.
    ``loses``   every so many elements are thrown away after they were confirmed.
    ``errors``  how often a dequeue fails with something else than ``empty``.
    """

    def __init__(self, split=False, loses=0, errors=0):
        shared = []
        self.queues = {"n1": shared, "n2": [] if split else shared}
        self.loses, self.errors = loses, errors
        self.put = 0
        self.holders = 0

    def client(self):
        return Client(self)


class Client:
    def __init__(self, brokers):
        self.brokers = brokers

    async def open(self, node):
        self.queue = self.brokers.queues[node]

    async def setup(self):
        pass

    async def close(self):
        pass

    async def invoke(self, operation):
        await asyncio.sleep(0.001)
        match operation.f:
            case "enqueue":
                self.brokers.put += 1
                if not self.brokers.loses or self.brokers.put % self.brokers.loses:
                    self.queue.append(operation.value)
            case "dequeue":
                if self.brokers.errors > 0:
                    self.brokers.errors -= 1
                    raise Failed(["closed"]) if self.brokers.errors % 2 else Indeterminate("who")
                if not self.queue:
                    raise Failed(["empty"])
                return self.queue.pop(0)
            case "acquire":
                if self.brokers.holders >= 1:
                    raise Failed(["held"])
                self.brokers.holders += 1
            case "release":
                self.brokers.holders -= 1
        return operation.value


def run(brokers, *generators):
    """The history of generators run one after another, in virtual time."""
    history = History()

    def record(operation):
        history.append(operation)
        return history[-1]

    async def main():
        interpreter = Interpreter(
            nodes=("n1", "n2"),
            concurrency=CONCURRENCY,
            client=brokers.client,
            invoke_nemesis=lambda operation: None,
            record=record,
            log=print,
            random=Random(1),
            timeout_s=5,
        )
        try:
            for generator in generators:
                await interpreter.run(clients(generator))
        finally:
            await interpreter.close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
    return history


def drained(brokers, operations=120, **options):
    """The verdict on a queue with half of its elements left for the drain."""
    given = {"dequeue-share": "0.2", "drain": "one-by-one", **options}
    workload = QueueWorkload(given, CONCURRENCY, Random(1))
    history = run(brokers, limit(operations, workload.generator()), workload.final_generator())
    (checker,) = workload.checkers().values()
    return checker.check(history, {}), history


@pytest.mark.parametrize("split", [False, True])
def test_every_node_is_drained_to_its_end(split):
    verdict, history = drained(Brokers(split))
    assert verdict.valid is True
    assert verdict.statistics["ok-count"] == verdict.statistics["acknowledged-count"] > 50
    assert {operation.f for operation in history} == {"enqueue", "dequeue"}
    last = [o for o in history if o.type != "invoke"][-CONCURRENCY:]
    assert {o.process % CONCURRENCY for o in last} == set(range(CONCURRENCY))
    assert all(o.error == ["empty"] for o in last)


@pytest.mark.parametrize("split", [False, True])
def test_what_was_thrown_away_is_missed(split):
    verdict, _ = drained(Brokers(split, loses=40))
    assert {anomaly.name for anomaly in verdict.anomalies} == {"lost-element"}
    assert verdict.statistics["certainly-lost-count"] == verdict.statistics["lost-count"] > 0


def test_a_drain_goes_on_where_something_went_wrong():
    # The dequeues of before are over: nothing of unknown outcome hides what the drain finds.
    verdict, _ = drained(Brokers(errors=9), **{"dequeue-share": "0"})
    assert verdict.valid is True
    assert verdict.statistics["ok-count"] == verdict.statistics["acknowledged-count"] == 120


def test_a_drain_gives_up_in_the_end():
    workload = QueueWorkload({"drain": "one-by-one"}, CONCURRENCY, Random(1))
    history = run(Brokers(errors=10**6), workload.final_generator())
    asked = sum(operation.type == "invoke" for operation in history)
    assert asked == 2 * CONCURRENCY * DRAIN_TRIES


def test_a_way_to_drain_that_there_is_not_is_named():
    with pytest.raises(UserError, match="drain: expected one of at-once, one-by-one"):
        QueueWorkload({"drain": "slowly"}, CONCURRENCY, Random(1))


# -- the lock ----------------------------------------------------------------------


def locked(holders, operations=3000):
    """The verdict on a lock that ``holders`` processes may hold at once, and the history."""
    workload = MutexWorkload({"hold": "0.05"}, CONCURRENCY, Random(1))
    brokers = Brokers()
    brokers.holders = 1 - holders
    history = run(brokers, limit(operations, workload.generator()))
    (checker,) = workload.checkers().values()
    return checker.check(history, {}), history


def test_a_lock_with_one_holder_is_one():
    verdict, history = locked(1)
    assert verdict.valid is True
    since = {}
    for operation in history:
        if operation.f == "acquire" and operation.type == "ok":
            since[operation.process] = operation.time
        if operation.f == "release" and operation.type == "invoke":
            assert operation.time - since.pop(operation.process) >= 0.05e9
    assert sum(o.f == "release" and o.type == "ok" for o in history) > 2


def test_a_lock_with_two_holders_is_none():
    verdict, _ = locked(2)
    assert verdict.valid is False
    assert {anomaly.name for anomaly in verdict.anomalies} == {"nonlinearizable"}


def test_who_holds_the_lock_does_not_ask_for_it_but_others_do():
    _, history = locked(1)
    assert sum(o.f == "acquire" and o.type == "fail" for o in history) > 100
    holding = set()
    for operation in history:
        if operation.f == "acquire" and operation.type == "invoke":
            assert operation.process not in holding
        if operation.type == "ok":
            (holding.add if operation.f == "acquire" else holding.discard)(operation.process)
