import asyncio
from random import Random

import pytest

from duress.harness import generator as gen
from duress.harness.client import Completed
from duress.harness.errors import Failed, Indeterminate
from duress.harness.history import History
from duress.harness.interpreter import Interpreter
from duress.harness.operation import NEMESIS


class Register:
    """A shared register; clients behave as the operation's value asks them to."""

    def __init__(self):
        self.value = None
        self.opened = []
        self.closed = 0

    def client(self):
        return RegisterClient(self)


class RegisterClient:
    def __init__(self, register):
        self.register = register

    async def open(self, node):
        self.register.opened.append(node)
        if node == "dead":
            raise ConnectionRefusedError("nobody there")

    async def setup(self):
        pass

    async def invoke(self, operation):
        match operation.f:
            case "read":
                return Completed(self.register.value, "n9")
            case "write":
                await asyncio.sleep(0.001)
                self.register.value = operation.value
            case "fail":
                raise Failed(["no", 1])
            case "info":
                raise Indeterminate("who knows")
            case "bug":
                raise KeyError("oops")
            case "hang":
                await asyncio.sleep(3600)
            case "stubborn":
                while True:
                    try:
                        await asyncio.sleep(3600)
                    except asyncio.CancelledError:
                        if self.register.value == "over":
                            raise
        return None

    async def close(self):
        self.register.closed += 1


def interpret(generator, *more, concurrency=3, timeout_s=0.05, nodes=("n1", "n2"), nemesis=None):
    """Run generators one after another; returns the history, the register and what was logged."""
    history, logged, register = History(), [], Register()

    def record(operation):
        history.append(operation)
        return history[-1]

    async def invoke_nemesis(operation):
        if nemesis:
            return await nemesis(operation)
        return operation.value

    async def story():
        interpreter = Interpreter(
            nodes=nodes,
            concurrency=concurrency,
            client=register.client,
            invoke_nemesis=invoke_nemesis,
            record=record,
            log=logged.append,
            random=Random(1),
            timeout_s=timeout_s,
        )
        try:
            for one in (generator, *more):
                await interpreter.run(one)
        finally:
            register.value = "over"
            await interpreter.close()

    asyncio.run(asyncio.wait_for(story(), 30))
    return history, register, logged


def ops(history, *types):
    return [(o.process, o.type, o.f) for o in history if not types or o.type in types]


def test_every_invocation_is_completed_and_the_history_obeys_the_rules():
    history, _, _ = interpret(
        gen.clients(
            gen.limit(200, gen.mix([lambda: {"f": "read"}, lambda: {"f": "write", "value": 3}]))
        )
    )
    assert len(history) == 400
    assert all(
        completion is not None and completion.type == "ok" for _, completion in history.pairs()
    )


def test_results_nodes_and_errors_are_recorded():
    history, _, logged = interpret(
        gen.clients([{"f": "write", "value": 7}, {"f": "read"}, {"f": "fail", "value": 5}]),
        concurrency=1,
    )
    done = [o for o in history if o.type != "invoke"]
    assert [(o.f, o.type, o.value, o.node) for o in done] == [
        ("write", "ok", 7, "n1"),
        ("read", "ok", 7, "n9"),
        ("fail", "fail", 5, "n1"),
    ]
    assert done[2].error == ["no", 1]
    assert logged == []


def test_a_process_that_ends_info_is_replaced_and_its_client_too():
    history, register, _ = interpret(
        gen.clients([{"f": "info"}, {"f": "info"}, {"f": "read"}]), concurrency=1, nodes=["n1"]
    )
    assert ops(history, "invoke") == [
        (0, "invoke", "info"),
        (1, "invoke", "info"),
        (2, "invoke", "read"),
    ]
    assert len(register.opened) == 3
    assert register.closed == 3


def test_a_failed_operation_keeps_its_process_and_client():
    history, register, _ = interpret(
        gen.clients([{"f": "fail"}, {"f": "read"}]), concurrency=1, nodes=["n1"]
    )
    assert {o.process for o in history} == {0}
    assert register.opened == ["n1"]


def test_what_a_client_must_not_raise_is_info_and_said():
    history, _, logged = interpret(gen.clients([{"f": "bug"}]), concurrency=1)
    assert history[1].type == "info"
    assert history[1].error.startswith("KeyError")
    assert "counted as info" in logged[0]


@pytest.mark.parametrize("f", ["hang", "stubborn"])
def test_a_hung_client_is_timed_out_and_the_rest_goes_on(f):
    history, _, _ = interpret(gen.clients([{"f": f}, {"f": "read"}]), concurrency=1)
    assert ops(history) == [
        (0, "invoke", f),
        (0, "info", f),
        (1, "invoke", "read"),
        (1, "ok", "read"),
    ]
    assert history[1].error == "timeout"


def test_a_node_that_cannot_be_reached_fails_definitely():
    history, _, _ = interpret(
        gen.clients(gen.limit(3, lambda: {"f": "read"})), concurrency=1, nodes=["dead"]
    )
    assert [o.type for o in history if o.type != "invoke"] == ["fail"] * 3
    assert history[1].error == ["no-client", "ConnectionRefusedError: nobody there"]


def test_the_nemesis_is_one_more_process():
    async def nemesis(operation):
        await asyncio.sleep(0.01)
        if operation.value == "bad":
            raise RuntimeError("no effect")
        return ["did", operation.value]

    history, _, logged = interpret(
        gen.nemesis([{"f": "inject", "value": "x"}, {"f": "inject", "value": "bad"}]),
        nemesis=nemesis,
    )
    assert [(o.process, o.type, o.value) for o in history] == [
        (NEMESIS, "invoke", "x"),
        (NEMESIS, "info", ["did", "x"]),
        (NEMESIS, "invoke", "bad"),
        (NEMESIS, "info", "bad"),
    ]
    assert "no effect" in history[3].error
    assert logged == []


def test_a_time_limit_ends_an_endless_generator():
    history, _, _ = interpret(gen.time_limit(0.1, gen.clients(lambda: {"f": "write", "value": 1})))
    assert len(history) > 10
    assert history[-1].time < 5e9


def test_operations_in_the_future_are_waited_for():
    history, _, _ = interpret(gen.clients(gen.limit(5, gen.delay(0.02, lambda: {"f": "read"}))))
    times = [o.time for o in history if o.type == "invoke"]
    # From plan to plan: on a busy machine one may come late, and the next one still in time.
    assert all(time >= number * 20e6 for number, time in enumerate(times))


def test_sleeps_and_logs_take_the_process_but_not_the_history():
    history, _, logged = interpret(
        gen.clients([gen.sleep(0.03), gen.log("hello"), {"f": "read"}]), concurrency=1
    )
    assert len(history) == 2
    assert history[0].time >= 29e6
    assert logged == ["hello"]


def test_phases_may_follow_each_other_in_one_history():
    history, _, _ = interpret(
        gen.clients([{"f": "info"}]), gen.clients([{"f": "read"}]), concurrency=1
    )
    assert ops(history, "invoke") == [(0, "invoke", "info"), (1, "invoke", "read")]


def test_a_generator_that_raises_ends_the_phase_with_its_error():
    def broken():
        raise ZeroDivisionError("in the generator")

    with pytest.raises(ZeroDivisionError):
        interpret(gen.clients(broken))


def test_a_history_that_cannot_be_written_ends_the_phase():
    async def story():
        count = 0

        def record(operation):
            nonlocal count
            count += 1
            if count > 5:
                raise OSError(28, "No space left on device")
            return operation

        interpreter = Interpreter(
            nodes=["n1"],
            concurrency=2,
            client=Register().client,
            invoke_nemesis=None,
            record=record,
            log=print,
            random=Random(1),
            timeout_s=1,
        )
        try:
            with pytest.raises(OSError, match="No space"):
                await interpreter.run(gen.clients(lambda: {"f": "write", "value": 1}))
        finally:
            await interpreter.close()

    asyncio.run(asyncio.wait_for(story(), 10))
