"""A simulated cluster with a protocol of the test's own, without a trial around it."""

import asyncio
from typing import Any, NamedTuple

from duress.harness import registry
from duress.harness.cluster import Process
from duress.harness.cluster.sim import SimCluster
from duress.harness.simulation.loop import VirtualLoop

PORT = 7000


class Command(NamedTuple):
    protocol: Any
    node_id: str
    peers: dict[str, tuple[str, int]]
    listen: tuple[str, int]
    data: str
    options: dict[str, str]
    seed: str
    latency_s: float


class Silent:
    """A protocol that remembers its context and does nothing."""

    def __init__(self, context):
        self.context = context
        context.options["made"].append(self)

    def on_start(self):
        pass

    def on_crash_recovery(self):
        self.on_start()

    def on_message(self, message):
        pass

    def on_timer(self, name):
        pass


class World:
    """``made`` holds every protocol instance, newest last; ``of(name)`` the newest of a node."""

    def __init__(self, folder, protocol, nodes=3, **options):
        names = [f"n{i}" for i in range(1, nodes + 1)]
        self.made = []
        self.loop = asyncio.get_running_loop()
        self.cluster = SimCluster("test", names, folder, options)
        self.network = self.cluster.network
        self._protocol = protocol

    def parse(self, arguments):
        node = self.cluster.nodes[arguments[0]]
        peers = {name: (at.address, PORT) for name, at in self.cluster.nodes.items()}
        options: Any = {"made": self.made}
        return Command(
            self._protocol, node.name, peers, peers[node.name], "data", options, "", 0.005
        )

    async def start(self, *names):
        for name in names or self.cluster.nodes:
            node = self.cluster.nodes[name]
            await node.put("program", b"")
            path = f"{node.directory}/program"
            await node.processes.start(Process(name="it", argv=[path, name], log="log"))
        await asyncio.sleep(0.06)

    def of(self, name):
        return next(p for p in reversed(self.made) if p.context.node_id == name)

    async def log(self, name):
        return (await self.cluster.nodes[name].get("log")).decode()


def simulate(story, folder, protocol: Any = Silent, **options: Any):
    """Run ``story(world)`` on a virtual loop; returns what it returns."""

    async def whole():
        world = World(folder, protocol, **options)
        known_names, known_load = registry.names, registry.load
        registry.names = lambda kind: ["program"] if kind == "programs" else known_names(kind)
        registry.load = lambda kind, name: (
            world.parse if kind == "programs" else known_load(kind, name)
        )
        await world.cluster.up()
        try:
            return await story(world)
        finally:
            await world.cluster.down()
            registry.names, registry.load = known_names, known_load

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(whole())
