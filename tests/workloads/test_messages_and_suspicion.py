"""The workloads delivery, broadcast and suspicion; and their systems on real processes."""

from random import Random

import pytest

from duress.checkers.failure_detector import FailureDetectors
from duress.harness.errors import UserError
from duress.harness.generator import Context, clients, limit, simulate
from duress.harness.operation import Operation
from duress.workloads.ask_until import TIMES, AskUntil
from duress.workloads.broadcast import BroadcastWorkload
from duress.workloads.delivery import DeliveryWorkload
from duress.workloads.suspicion import SuspicionWorkload, suspects_nobody

from ..fixtures.protocol_trials import assert_valid_on_processes, one_in_short


def invocations(generator, count=None):
    chosen = clients(generator if count is None else limit(count, generator))
    history = simulate.quick(chosen, concurrency=4, seed=3)
    return [operation for operation in history if operation.type == "invoke"]


def test_every_message_is_sent_once():
    for kind, f in ((DeliveryWorkload, "send"), (BroadcastWorkload, "broadcast")):
        asked = invocations(kind({"send-share": "0.5"}, 4, Random(1)).generator(), 400)
        sent = [each.value for each in asked if each.f == f]
        messages = [each["message"] if f == "send" else each for each in sent]
        assert messages == list(range(1, len(sent) + 1))
        assert 150 < len(sent) < 250
        assert {each.f for each in asked} == {f, "delivered"}


def test_receivers_are_everybody():
    asked = invocations(DeliveryWorkload({}, 4, Random(1)).generator(), 400)
    assert {each.value["to"] % 5 for each in asked if each.f == "send"} == set(range(5))


def context(time):
    return Context(time, Random(1), 1, 1, (0, "nemesis"), 1)


def test_it_is_asked_until_the_answer_is_right():
    generator = AskUntil("outstanding", lambda count: count == 0)
    operation, generator = generator.op(context(100))
    assert (operation.f, operation.time) == ("outstanding", 100)
    assert generator.op(context(100))[0].value == "pending"
    generator = generator.update(context(200), Operation(-1, 200, 0, "ok", "outstanding", 3))
    operation, generator = generator.op(context(200))
    assert operation.time > 200
    generator = generator.update(context(300), Operation(-1, 300, 0, "ok", "outstanding", 0))
    assert generator.op(context(300)) is None


def test_it_is_not_asked_for_ever():
    generator, asked = AskUntil("outstanding", lambda count: count == 0), 0
    while (answer := generator.op(context(asked))) is not None:
        operation, generator = answer
        asked += 1
        failed = Operation(-1, operation.time, 0, "fail", "outstanding")
        generator = generator.update(context(asked), failed)
    assert asked == TIMES


def test_suspects_are_polled_until_there_are_none():
    workload = SuspicionWorkload({}, 4, Random(1))
    assert {each.f for each in invocations(workload.generator(), 20)} == {"suspects"}
    assert not suspects_nobody({"suspected": ["n2"]})
    assert suspects_nobody({"suspected": []})
    checker = SuspicionWorkload({"detect-within": "1", "relay": "true"}, 4, Random(1)).checkers()
    judge = checker["failure-detector"]
    assert isinstance(judge, FailureDetectors)
    assert (judge.detect_within_s, judge.relayed) == (1.0, True)


def test_the_promised_order_is_judged():
    def order(**options):
        return BroadcastWorkload(options, 4, Random(1)).checkers()["broadcast"].order

    assert order() == "fifo"
    assert order(**{"promised-level": "causal"}) == "causal"
    assert order(**{"promised-level": "causal", "order": "none"}) == "none"


@pytest.mark.parametrize(
    ("kind", "options", "word"),
    [
        (DeliveryWorkload, {"send-share": "2"}, "send-share"),
        (BroadcastWorkload, {"order": "total"}, "order"),
        (SuspicionWorkload, {"trust-within": "0"}, "trust-within"),
    ],
)
def test_options_are_checked(kind, options, word):
    with pytest.raises(UserError, match=word):
        kind(options, 4, Random(1))


SYSTEMS = (
    *("fixed-timeout", "adaptive-timeout", "phi-accrual"),
    *("reliable-delivery", "reliable-broadcast", "causal-broadcast"),
)


@pytest.mark.local
@pytest.mark.parametrize("system", one_in_short(SYSTEMS))
def test_on_real_processes(system, tmp_path):
    # Shapes that always strike, for long enough that a silence is judged.
    shapes = ("--set", "partition-shapes=halves,one", "--set", "partition-lasts=4")
    faults = ("--nemesis", "partition", *shapes)
    assert_valid_on_processes(system, tmp_path, "--time", "12", "--interval", "1", *faults)
