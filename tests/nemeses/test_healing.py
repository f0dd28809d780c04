"""What every nemesis must hold to: planning does nothing, healing works whatever was done before.

On a simulated cluster with a running Raft; for every fault of every registered nemesis.
"""

import asyncio
import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.fixtures.systems.raft import RaftSystem
from duress.harness import registry
from duress.harness.cluster import CLIENTS
from duress.harness.cluster.disks import DiskTrouble
from duress.harness.cluster.impairment import Probing
from duress.harness.cluster.sim import SimCluster
from duress.harness.fault import Fault, Scene
from duress.harness.fault_control import FaultControl
from duress.harness.fault_matrix import samples
from duress.harness.operation import NEMESIS, Operation

NODES = [f"n{number}" for number in range(1, 6)]
ON_SIM = [s for s in samples() if "sim" in registry.load("nemeses", s.nemesis).clusters]
DAMAGES = {"disk bit-flip", "disk truncate"}
"""What they have damaged stays damaged when they are healed, and Raft promises nothing then."""

every_fault = pytest.mark.parametrize(
    "sample", [s for s in ON_SIM if s.fault not in DAMAGES], ids=lambda sample: sample.fault
)
SEEDS = st.integers(0, 1000)


class World:
    """A cluster that serves, and one nemesis on it."""

    def __init__(self, sample, folder, seed):
        kind = registry.load("nemeses", sample.nemesis)
        options = {"seed": seed, "trace": "false", **getattr(kind, "needs", {})}
        self.cluster = SimCluster("t", NODES, folder, options)
        self.system = RaftSystem(self.cluster, {})
        self.kind, self.sample, self.seed = kind, sample, seed
        self.ledger = []

    async def up(self):
        await self.cluster.up()
        for node in self.cluster.nodes.values():
            await self.system.install(node)
            await self.system.start(node)
        await self.system.ready()
        await asyncio.sleep(1)
        scene = Scene(self.cluster, self.system, Random(self.seed), {"interval_s": 1.0})
        self.nemesis = self.kind(scene)
        await asyncio.sleep(1)  # an ambush has to have heard messages
        self.control = FaultControl({self.kind.name: self.nemesis}, self.ledger.append, lambda: 0)

    async def planned(self):
        """A fault; some have to wait for a primary."""
        for _ in range(20):
            fault = await self.nemesis.plan({"kind": self.kind.name, **self.sample.aim}, 1)
            if fault is not None:
                return fault
            await asyncio.sleep(0.5)
        return None

    async def seen(self):
        """What an outsider sees of what faults are about."""
        nodes, network = self.cluster.nodes, self.cluster.network
        links = [(a, b) for a in [*NODES, CLIENTS] for b in [*NODES, CLIENTS] if a != b]
        measured = await network.packets.measure(links, Probing(8))
        return {
            "dead": await network.probe(),
            "packets": {link: (m.sent, m.arrived) for link, m in measured.items()},
            "running": {name: await node.processes.running() for name, node in nodes.items()},
            "wall": {
                name: [round(r.wall_off_s, 3) for r in (await node.clocks.read()).values()]
                for name, node in nodes.items()
            },
            "disk": {n: (await node.disk.probe(DiskTrouble())).error for n, node in nodes.items()},
        }


def in_world(sample, seed, story):
    async def whole(folder):
        world = World(sample, folder, seed)
        try:
            await world.up()
            await story(world)
        finally:
            await world.cluster.down()

    with (
        tempfile.TemporaryDirectory() as name,
        asyncio.Runner(loop_factory=SimCluster.event_loop) as runner,
    ):
        runner.run(whole(Path(name)))


@every_fault
@settings(max_examples=1, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_planning_does_nothing_and_healing_what_never_was_neither(sample, seed):
    async def story(world):
        healthy = await world.seen()
        fault = await world.planned()
        assert await world.seen() == healthy
        if fault is not None:
            for _ in range(2):
                await world.nemesis.heal(fault)
            assert await world.seen() == healthy

    in_world(sample, seed, story)


@every_fault
@settings(max_examples=2, deadline=None, derandomize=True)
@given(seed=SEEDS, lasts_s=st.floats(0, 2))
def test_healing_twice_is_as_good_as_once(sample, seed, lasts_s):
    async def story(world):
        healthy = await world.seen()
        fault = await world.planned()
        if fault is None:
            return
        await world.nemesis.inject(fault)
        await asyncio.sleep(lasts_s)
        for _ in range(2):
            await world.nemesis.heal(fault)
            assert await world.seen() == healthy

    in_world(sample, seed, story)


@every_fault
@settings(max_examples=3, deadline=None, derandomize=True)
@given(seed=SEEDS, after_s=st.floats(0, 0.1), steps=st.integers(0, 40))
def test_what_was_half_injected_is_healed(sample, seed, after_s, steps):
    """The injection is cancelled after so many turns of the loop, or so much time."""

    async def story(world):
        healthy = await world.seen()
        fault = await world.planned()
        if fault is None:
            return
        injecting = asyncio.ensure_future(world.nemesis.inject(fault))
        for _ in range(steps):
            await asyncio.sleep(0)
        await asyncio.sleep(after_s if steps > 20 else 0)
        injecting.cancel()
        await asyncio.wait([injecting])
        for _ in range(2):
            await world.nemesis.heal(fault)
            assert await world.seen() == healthy

    in_world(sample, seed, story)


@every_fault
def test_the_ledger_tells_of_a_fault_before_there_is_any(sample):
    async def story(world):
        healthy = await world.seen()
        at_entry = []
        real = world.nemesis.inject

        async def inject(fault: Fault):
            at_entry.append([change.state for change in world.ledger])
            assert await world.seen() == healthy
            return await real(fault)

        world.nemesis.inject = inject
        wish = {"kind": world.kind.name, **world.sample.aim}
        await world.control.invoke(Operation(0, 0, NEMESIS, "invoke", "inject", wish))
        assert at_entry in ([["injecting"]], [])  # or it was not possible
        assert await world.control.heal_all() == []

    in_world(sample, 7, story)
