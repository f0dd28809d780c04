"""An aimed nemesis: voters restart at the moment at which they have elected somebody.

Every winner of an election is cut off before anybody hears of it, which soon brings about the
next one. Where there is a rival candidate of the same term, it asks again: voters that restart
and have forgotten their vote elect it as well.
"""

import asyncio
from typing import ClassVar

from duress.harness.fault import Fault
from duress.harness.generator import PENDING, Generator
from duress.harness.operation import NEMESIS, Operation

POLL_S = 0.002


class Endless(Generator):
    """Strike, heal, strike, …: each as soon as the one before is complete."""

    def __init__(self, kind, injecting=True):
        self.kind, self.injecting = kind, injecting

    def op(self, context):
        if not context.free & context.nemesis_mask:
            return PENDING, self
        f = "inject" if self.injecting else "heal"
        operation = Operation(-1, context.time, NEMESIS, "invoke", f, {"kind": self.kind})
        return operation, Endless(self.kind, not self.injecting)


class ElectionKiller:
    """Isolate the winner at every election, and restart its voters if there is a rival."""

    name: ClassVar[str] = "election-killer"
    clusters: ClassVar[tuple[str, ...]] = ("sim",)
    options: ClassVar[dict[str, str]] = {}

    def __init__(self, scene):
        self._scene = scene
        self._known = (None, 0)

    def generator(self):
        return Endless(KIND)

    async def plan(self, wish, fault_id):
        scene = self._scene
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 3
        while loop.time() < deadline:
            states = await scene.system.statuses()
            leaders = [(s["term"], n) for n, s in states.items() if s.get("role") == "leader"]
            if leaders and max(leaders) != self._known:
                self._known = max(leaders)
                winner = self._known[1]
                roles = {n: s.get("role") for n, s in states.items() if n != winner}
                rivals = [n for n, role in roles.items() if role == "candidate"]
                voters = sorted(set(roles) - set(rivals)) if rivals else []
                return Fault(fault_id, KIND, voters, {"winner": winner, "rivals": rivals})
            await asyncio.sleep(POLL_S)
        return None

    async def inject(self, fault):
        cluster, winner = self._scene.cluster, fault.parameters["winner"]
        others = [n for n in cluster.nodes if n != winner]
        cut = {(winner, n) for n in others} | {(n, winner) for n in others}
        await cluster.network.cut(frozenset(cut))
        for name in fault.targets:
            await cluster.nodes[name].processes.kill()
        for name in fault.targets:
            await self._scene.system.start(cluster.nodes[name])
        await asyncio.sleep(self._scene.random.uniform(0.3, 1.2))
        return {}

    async def heal(self, fault):
        await self._scene.cluster.network.cut(frozenset())
        return {}


KIND = f"{__file__}:ElectionKiller"
"""The name under which a trial finds it."""
