"""Programs that are stopped and continued by turns."""

import asyncio

import pytest

from duress.harness.cluster.background import Background
from duress.harness.cluster.duty_cycle import DutyCycle
from duress.harness.simulation.loop import VirtualLoop


def run(story):
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story())


class Program:
    def __init__(self):
        self.stopped_s = 0.0
        self._since = None
        self.duty = DutyCycle(self.stop, self.go)

    @property
    def is_stopped(self):
        return self._since is not None

    def stop(self):
        if self._since is None:
            self._since = asyncio.get_running_loop().time()

    def go(self):
        if self._since is not None:
            self.stopped_s += asyncio.get_running_loop().time() - self._since
            self._since = None


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_it_goes_for_its_share_of_the_time_and_then_all_the_time(share):
    async def story():
        program = Program()
        await program.duty.squeeze(share)
        assert program.duty.is_ticking
        await asyncio.sleep(10)
        await program.duty.relax()
        await program.duty.relax()
        assert program.stopped_s == pytest.approx(10 * (1 - share), abs=0.11)
        await asyncio.sleep(1)
        assert not program.is_stopped
        assert not program.duty.is_ticking

    run(story)


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_it_changes_nothing_while_it_is_held_or_locked(share):
    async def story():
        program = Program()
        await program.duty.squeeze(share)
        for at in range(20):
            await asyncio.sleep(0.013)
            async with program.duty.holding():
                assert not program.duty.is_ticking
                (program.stop if at % 2 else program.go)()
            await asyncio.sleep(1)
            assert program.is_stopped == bool(at % 2)
            if at == 19:
                await program.duty.relax()  # whoever holds it lets it go on
                assert program.is_stopped
            async with program.duty.releasing():
                assert program.is_stopped == bool(at % 2)
        program = Program()
        await program.duty.squeeze(share)
        async with program.duty.lock:
            before = program.is_stopped
            await asyncio.sleep(1)
            assert program.is_stopped == before
        await asyncio.sleep(0.2)
        await program.duty.relax()
        assert not program.is_stopped

    run(story)


def test_what_failed_in_the_background_is_told_when_it_is_ended():
    async def story():
        async def fails():
            raise OSError("gone")

        work = Background()
        assert await work.end() is None
        work.begin(fails())
        await asyncio.sleep(0)
        assert work.is_begun
        assert isinstance(await work.end(), OSError)
        work.begin(asyncio.sleep(1000))
        assert await work.end() is None
        assert not work.is_begun

    run(story)
