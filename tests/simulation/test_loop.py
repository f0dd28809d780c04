import asyncio
import signal
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duress.harness.errors import InfrastructureError
from duress.harness.simulation.loop import Deadlock, Livelock, VirtualLoop


def run(story):
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story())


def test_time_jumps_to_the_next_event():
    async def story():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(86_400)
        return loop.time()

    assert run(story) == 86_400


@given(st.lists(st.sampled_from([0.0, 0.001, 0.5, 1.0, 2.0]), max_size=40))
def test_what_is_due_at_one_moment_runs_in_the_order_it_was_scheduled(delays):
    async def story():
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        ran = []
        for number, delay in enumerate(delays):
            if number % 2:
                loop.call_later(delay, ran.append, (delay, number))
            else:
                loop.at(delay, ran.append, (delay, number))
        await asyncio.sleep(3)
        return ran

    assert run(story) == sorted((delay, number) for number, delay in enumerate(delays))


def test_asyncio_works_on_it():
    async def story():
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        loop.call_later(0.25, event.set)
        cancelled = loop.call_later(0.1, lambda: 1 / 0)
        cancelled.cancel()
        async with asyncio.timeout(1), asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(n / 10, n)) for n in (3, 1, 2)]
            await event.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.Event().wait()
        return [task.result() for task in tasks], loop.time()

    assert run(story) == ([3, 1, 2], 2.3)


def test_a_deadlock_names_who_waits_and_where():
    async def waits_for_ever():
        await asyncio.get_running_loop().create_future()

    async def story():
        await asyncio.gather(asyncio.create_task(waits_for_ever(), name="the-client"))

    with pytest.raises(Deadlock, match=r"the-client \(.*waits_for_ever, test_loop.py:\d+\)"):
        run(story)


def test_a_loop_in_which_no_time_passes_is_an_error():
    async def story():
        while True:  # noqa: ASYNC110
            await asyncio.sleep(0)

    with pytest.raises(Livelock, match="without time passing"):
        run(story)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (lambda: asyncio.to_thread(print), "a thread for"),
        (lambda: asyncio.open_connection("127.0.0.1", 1), "create_connection"),
        (lambda: asyncio.create_subprocess_exec("true"), "subprocess_exec"),
        (lambda: asyncio.get_running_loop().sock_recv(socket.socket(), 1), "sock_recv"),
    ],
)
def test_what_has_a_pace_of_its_own_is_refused(what, said):
    async def story():
        await what()

    with pytest.raises(InfrastructureError, match=said):
        run(story)


def test_an_exception_in_a_callback_is_reported_and_the_loop_goes_on():
    async def story():
        loop = asyncio.get_running_loop()
        seen = []
        loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
        loop.call_soon(lambda: 1 / 0)
        loop.call_later(1, lambda: 1 / 0)
        await asyncio.sleep(2)
        return [type(error) for error in seen]

    assert run(story) == [ZeroDivisionError, ZeroDivisionError]


def test_an_exception_in_the_simulator_itself_ends_the_run():
    async def story():
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.at(1, lambda _: 1 / 0)
        await asyncio.sleep(2)

    with pytest.raises(ZeroDivisionError):
        run(story)


def test_signals_cancel_and_are_given_back():
    before = signal.getsignal(signal.SIGUSR1)

    async def story():
        loop = asyncio.get_running_loop()
        caught = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, caught.set)
        loop.call_later(5, signal.raise_signal, signal.SIGUSR1)
        async with asyncio.timeout(10):
            await caught.wait()
        return loop.time()

    assert run(story) == 5
    assert signal.getsignal(signal.SIGUSR1) is before
