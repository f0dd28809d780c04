"""A processor that is scarce, and programs that are asked to end, in virtual time."""

import asyncio

import pytest
from small_world import Silent, simulate

from duress.harness.errors import InfrastructureError
from duress.harness.simulation.disk import Disk


class Ticking(Silent):
    """Notes the true time of every tick, a hundred a second."""

    def on_start(self):
        self.ticks = []
        self.context.set_timer("tick", 0.01)

    def on_timer(self, name):
        self.ticks.append(self.context._loop.now)
        self.context.storage.append("log", len(self.ticks))
        self.context.set_timer("tick", 0.01)


def test_a_throttled_node_works_for_its_share_of_the_time_and_then_as_before(tmp_path):
    async def story(world):
        await world.start()
        await asyncio.sleep(1)
        resources = world.cluster.nodes["n1"].resources
        began_s = world.loop.time()
        seen = await resources.squeeze("cpu", 0.25)
        assert seen["share"] == 0.25
        await asyncio.sleep(10)
        assert await world.cluster.nodes["n1"].processes.running() == {"it": "running"}
        await resources.relax("cpu")
        ended_s = world.loop.time()
        await asyncio.sleep(1)
        for name, most in (("n1", 0.35), ("n2", 1.1)):
            ticks = world.of(name).ticks
            during = [at for at in ticks if began_s < at < ended_s]
            assert most - 0.25 < len(during) / 1000 < most
            # Nothing is done in three quarters of each tenth of a second.
            slots = {int((at - began_s) * 1000) % 100 for at in during}
            assert (min(slots) >= 74) == (name == "n1")
            assert 90 < len([at for at in ticks if at > ended_s]) < 110
        with pytest.raises(InfrastructureError, match="n1: memory: a simulated program needs no"):
            await resources.squeeze("memory", 1)
        await resources.relax("memory")
        await resources.relax("cpu")

    simulate(story, tmp_path, Ticking)


def test_what_is_paused_stays_so_while_it_is_throttled_and_started_ones_are_throttled(tmp_path):
    async def story(world):
        await world.start()
        node = world.cluster.nodes["n1"]
        await asyncio.sleep(0.5)
        await node.resources.squeeze("cpu", 0.5)
        await node.processes.pause()
        count = len(world.of("n1").ticks)
        await asyncio.sleep(1)
        assert len(world.of("n1").ticks) == count
        assert await node.processes.running() == {"it": "paused"}
        await node.processes.resume()
        await asyncio.sleep(1)
        assert count + 30 < len(world.of("n1").ticks) < count + 75
        await node.resources.relax("cpu")
        assert await node.processes.running() == {"it": "running"}

    simulate(story, tmp_path, Ticking)


def test_who_is_asked_to_end_has_written_everything_back(tmp_path, monkeypatch):
    lost = []
    crash = Disk.crash

    def watched(self, kind, random):
        kept, gone = crash(self, kind, random)
        lost.append(gone)
        return kept, gone

    monkeypatch.setattr(Disk, "crash", watched)

    async def story(world):
        await world.start()
        await asyncio.sleep(1)
        await world.cluster.nodes["n1"].processes.kill(graceful_s=3)
        await world.cluster.nodes["n2"].processes.kill()
        assert lost[0] == 0
        assert lost[1] > 0
        assert await world.cluster.nodes["n1"].processes.running() == {}

    simulate(story, tmp_path, Ticking, unsynced="lost")
