"""Logs of messages, and echoes: what clients do, and what is found."""

import asyncio
from random import Random

import pytest

from duress.checkers.echo import Echo
from duress.harness.errors import Failed, Indeterminate, UserError
from duress.harness.generator import clients, limit
from duress.harness.history import History
from duress.harness.interpreter import Interpreter
from duress.harness.simulation.loop import VirtualLoop
from duress.workloads.echo import EchoWorkload
from duress.workloads.kafka import KafkaWorkload

CONCURRENCY = 4


class Logs:
    """What all clients share. ``loses``: every so many messages are not kept once acknowledged.

    ``split``: two nodes with logs of their own. ``errors``: of so many calls one goes wrong.
    """

    def __init__(self, loses=0, split=False, errors=0):
        shared = {}
        self.logs = {"n1": shared, "n2": {} if split else shared}
        self.committed = {}
        self.loses, self.errors, self.calls = loses, errors, 0

    def client(self):
        return Client(self)


class Client:
    def __init__(self, logs):
        self.shared, self.positions = logs, {}

    async def open(self, node):
        self.logs = self.shared.logs[node]

    async def setup(self):
        pass

    async def close(self):
        pass

    async def invoke(self, operation):
        await asyncio.sleep(0.001)
        shared = self.shared
        shared.calls += 1
        if shared.errors and shared.calls % shared.errors == 0:
            raise Failed("no") if shared.calls % 2 else Indeterminate("who knows")
        value = operation.value
        match operation.f:
            case "send":
                key, message = value
                log = self.logs.setdefault(key, [])
                log.append(None if shared.loses and shared.calls % shared.loses == 0 else message)
                return [key, message, len(log) - 1]
            case "assign":
                begins = value["from"] == "beginning"
                self.positions = {
                    key: 0 if begins else shared.committed.get(key, 0) for key in value["keys"]
                }
                return value
            case "poll":
                found = {}
                for key in self.positions or dict.fromkeys(value, 0):
                    at = self.positions.get(key, 0)
                    log = self.logs.get(key, [])
                    pairs = [[i, log[i]] for i in range(at, min(at + 20, len(log)))]
                    found[key] = [pair for pair in pairs if pair[1] is not None]
                    self.positions[key] = at + len(pairs)
                    if pairs:
                        shared.committed[key] = pairs[-1][0]
                return {key: pairs for key, pairs in found.items() if pairs}
            case "echo":
                return value
        raise AssertionError(operation.f)


def trial(workload, make_client, count=600):
    """Run both phases in virtual time; what the checkers say, and the history."""
    loop = VirtualLoop()
    history = History()

    def record(operation):
        from msgspec.structs import force_setattr

        force_setattr(operation, "index", len(history))
        history.append(operation)
        return operation

    async def nothing(operation):
        return None

    async def story():
        interpreter = Interpreter(
            nodes=["n1", "n2"],
            concurrency=CONCURRENCY,
            client=make_client,
            invoke_nemesis=nothing,
            record=record,
            log=lambda _: None,
            random=Random(1),
            timeout_s=5.0,
        )
        await interpreter.run(clients(limit(count, workload.generator())))
        final = workload.final_generator()
        if final is not None:
            await interpreter.run(clients(final))
        await interpreter.close()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(story())
    (verdict,) = [checker.check(history, {}) for checker in workload.checkers().values()]
    return verdict, history


def kafka(**options):
    return KafkaWorkload(options, CONCURRENCY, Random(1))


def test_right_logs_are_valid_and_everything_is_read_at_the_end():
    verdict, history = trial(kafka(), Logs().client)
    assert (verdict.valid, verdict.anomalies) == (True, [])
    assert verdict.statistics["polled-count"] == verdict.statistics["acknowledged-count"] > 200
    begins = [o for o in history if o.f == "assign" and (o.value or {}).get("from") == "beginning"]
    assert len(begins) == 2 * CONCURRENCY


def test_right_logs_are_valid_whatever_becomes_of_calls():
    verdict, _ = trial(kafka(), Logs(errors=7).client)
    assert (verdict.valid, verdict.anomalies) == (True, [])


def test_lost_messages_are_found():
    verdict, _ = trial(kafka(), Logs(loses=50).client)
    counts = verdict.statistics["anomaly_counts"]
    assert {"lost-write", "unobserved"} & set(counts)


def test_nodes_that_do_not_agree_are_found():
    verdict, _ = trial(kafka(), Logs(split=True).client)
    assert "inconsistent-offset" in verdict.statistics["anomaly_counts"]


@pytest.mark.parametrize("options", [{"poll-share": "1"}, {"key-count": "0"}, {"key-base": "x"}])
def test_options_that_make_no_sense(options):
    with pytest.raises(UserError):
        kafka(**options)


def test_echoes():
    workload = EchoWorkload({}, CONCURRENCY, Random(1))
    verdict, history = trial(workload, Logs().client, 50)
    assert (verdict.valid, verdict.statistics["operations"]) == (True, 50)
    told = [o for o in history if o.type == "invoke"]
    assert len({o.value for o in told}) == 50


def test_an_echo_that_is_another_is_told():
    from ..checkers.collection_histories import history

    rows = [(0, "invoke", "echo", 1), (0, "ok", "echo", True, "n2")]
    (anomaly,) = Echo().check(history(*rows), {}).anomalies
    assert anomaly.name == "wrong-echo"
    assert anomaly.explanation == ("Process 0 (through n2) said 1 at 0.000 s, and True came back.")
    assert (
        Echo().check(history((0, "invoke", "echo", 1), (0, "info", "echo", 1)), {}).valid
        == "unknown"
    )
