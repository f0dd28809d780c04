"""Ambushes: faults that strike at moments of the protocol, on messages as they are sent.

"When a node sends a vote, it dies" hits the moment between the promise and whatever the node
does with it, which no fault by the clock does but by luck. An ambush is a set of traps
(:mod:`.traps`), plain data, so that it replays exactly in virtual time. What it may lie in wait
for it learns by listening; nothing here knows a protocol.

It works on sim alone: only a network that carries the messages itself can stop a node between
two lines of its code.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from random import Random
from typing import Any, ClassVar

import msgspec

from ..harness.cluster import CLIENTS
from ..harness.cluster.watching import WatchesMessages
from ..harness.coverage import kind_of
from ..harness.errors import InfrastructureError, UserError
from ..harness.fault import Fault, Scene
from ..harness.planned_fault import PlannedFault
from . import traps
from .cadence import Cadence
from .traps import Kind, Trap

HEARD = 1000
"""After so many messages of a type it is known which kinds of it there are."""

REMEMBERED = 100
"""How many strikes of one ambush its ledger line names."""


class AmbushNemesis:
    """Lies in wait for messages: kills or cuts off whoever sends, or is to get, one of a kind."""

    name: ClassVar[str] = "ambush"
    package: ClassVar[str] = "moments"
    clusters: ClassVar[tuple[str, ...]] = ("sim",)
    options: ClassVar[Mapping[str, str]] = {
        "ambush-lasts": "mean seconds for which it lies in wait (default: half the interval)",
        "ambush-deeds": "kill, isolate or kill,isolate (default: what the system is to survive)",
    }

    samples: ClassVar[tuple[Mapping[str, str], ...]] = ({"traps": "drawn"},)
    why_not: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("local", "docker", "ssh"),
        "works on sim alone: only there a node can be struck at the moment at which it sends",
    )

    @staticmethod
    def reason_unfit(system: Any, options: Mapping[str, Any]) -> str | None:
        """Why it cannot be had together with these options; ``None`` if it can."""
        if str(options.get("spare", "nobody")) in ("nobody", "0"):
            return None
        return (
            "ambush: may strike any node, so that spare would never let it; leave one of them out"
        )

    @staticmethod
    def check_aim(aim: Mapping[str, Any]) -> None:
        """``UserError`` for an aim of a schedule that :meth:`plan` would not understand."""
        if aim != {"traps": "drawn"}:
            raise UserError(f'expected the aim {{"traps": "drawn"}}; got {dict(aim)}')

    def __init__(self, scene: Scene) -> None:
        network = scene.cluster.network
        if not isinstance(network, WatchesMessages):
            raise UserError(
                f"ambush: works on sim, not on {scene.cluster.kind}: only there a node can be "
                "struck at the moment at which it sends a message"
            )
        _deeds(scene)
        self._scene = scene
        self._network = network
        self._nodes = sorted(scene.cluster.nodes)
        self._heard: defaultdict[Any, int] = defaultdict(int)
        self._known: dict[tuple[Any, ...], Kind] = {}
        self._ambush: Ambush | None = None
        network.watch(self._on_message)

    def generator(self) -> Cadence:
        """About two ambushes an interval: most of the time one is laid."""
        interval_s = float(self._scene.options["interval_s"])
        lasts_s = float(self._scene.options.get("ambush-lasts", interval_s / 2))
        return Cadence(
            self.name, self._wish, self._scene.random, every_s=interval_s / 8, lasts_s=lasts_s
        )

    def _wish(self, random: Random) -> dict[str, Any]:
        return {"kind": self.name}

    async def plan(self, wish: Mapping[str, Any], fault_id: int) -> Fault | None:
        """Draw traps for what was heard so far; ``None`` if nothing was."""
        kinds = [self._known[key] for key in sorted(self._known, key=repr)]
        if not kinds:
            return None
        return _fault(fault_id, self._nodes, traps.draw(self._scene.random, kinds))

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Lie in wait."""
        self._ambush = Ambush(self._scene, self._network, fault)
        return {"traps": len(self._ambush.traps)}

    async def heal(self, fault: Fault) -> dict[str, Any]:
        """Wait no longer; let back and start again what was struck."""
        ambush, self._ambush = self._ambush, None
        if ambush is None:
            return {}
        await ambush.end()
        return {"strikes": ambush.strikes[:REMEMBERED], "struck": len(ambush.strikes)}

    def _on_message(self, sender: str, receiver: str, body: Mapping[str, Any]) -> Collection[str]:
        if receiver != CLIENTS:
            heard = self._heard[body.get("type")]
            if heard < HEARD:
                self._heard[body.get("type")] = heard + 1
                key = kind_of(body)
                self._known[key] = str(key[0]), dict(key[1:])
        if self._ambush is None:
            return ()
        return self._ambush.on_message(sender, receiver, body)

    @staticmethod
    def vary(fault: PlannedFault, random: Random, kinds: list[Kind]) -> PlannedFault:
        """A planned ambush with one change, for a search that mutates schedules."""
        changed = traps.vary(random, traps.read(fault.parameters), kinds)
        return msgspec.structs.replace(fault, parameters=_parameters(changed))

    @staticmethod
    def draw(nodes: list[str], random: Random, kinds: list[Kind]) -> tuple[list[str], dict]:
        """Targets and parameters of a new planned ambush, for the same."""
        return list(nodes), _parameters(traps.draw(random, kinds))


def _deeds(scene: Scene) -> frozenset[str]:
    """What an ambush may do: a system that is to survive no partition is not cut apart."""
    wanted = scene.options.get("ambush-deeds")
    if wanted is not None:
        chosen = frozenset(part.strip() for part in str(wanted).split(","))
        if not chosen <= {"kill", "isolate"}:
            raise UserError(f"ambush-deeds: expected kill, isolate or both, got {wanted!r}")
        return chosen
    survives = {"kill": "kill", "partition": "isolate"}
    return frozenset(survives[n] for n in scene.system.nemeses if n in survives)


def _fault(fault_id: int, nodes: list[str], drawn: list[Trap]) -> Fault:
    return Fault(fault_id, AmbushNemesis.name, nodes, _parameters(drawn))


def _parameters(drawn: list[Trap]) -> dict[str, Any]:
    return {"traps": [msgspec.to_builtins(trap) for trap in drawn]}


class Ambush:
    """One that is laid. Strikes only the fault's targets."""

    def __init__(self, scene: Scene, network: WatchesMessages, fault: Fault) -> None:
        self._scene = scene
        self._network = network
        self._nodes = sorted(scene.cluster.nodes)
        self._targets = frozenset(fault.targets)
        self._deeds = _deeds(scene)
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._passed: dict[int, int] = {}
        self._struck: dict[int, int] = {}
        self._apart: dict[int, tuple[str, ...]] = {}
        self._down: dict[str, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.traps = traps.read(fault.parameters)
        self.strikes: list[dict[str, Any]] = []
        self._by_type: dict[str, list[tuple[int, Trap]]] = {}
        for number, trap in enumerate(self.traps):
            self._by_type.setdefault(trap.type, []).append((number, trap))

    def on_message(self, sender: str, receiver: str, body: Mapping[str, Any]) -> list[str]:
        """Strike if a trap fits; returns the nodes that die now."""
        doomed: list[str] = []
        for number, trap in self._by_type.get(str(body.get("type")), ()):
            if not trap.fits(body) or self._struck.get(number, 0) >= trap.most:
                continue
            group = self._whom(trap, sender, receiver)
            if not group:
                continue
            if self._passed.get(number, 0) < trap.skip:
                self._passed[number] = self._passed.get(number, 0) + 1
                continue
            self._struck[number] = self._struck.get(number, 0) + 1
            self._say(trap, group)
            if trap.deed.startswith("kill"):
                doomed.append(group[0])
                self._down[group[0]] = None
                self._later(self._start(group[0], trap.lasts_s))
            else:
                strike = len(self.strikes)
                self._apart[strike] = group
                self._cut()
                self._later(self._rejoin(strike, trap.lasts_s))
        return doomed

    def _whom(self, trap: Trap, sender: str, receiver: str) -> tuple[str, ...]:
        """Who is struck; nobody that is struck already, or that must not be."""
        deed, _, whom = trap.deed.partition("-")
        group = {"sender": (sender,), "receiver": (receiver,), "pair": (sender, receiver)}[whom]
        if deed not in self._deeds or not self._targets.issuperset(group):
            return ()
        if deed == "kill":
            return () if group[0] in self._down else group
        return () if group in self._apart.values() else group

    async def end(self) -> None:
        """Undo everything."""
        for task in list(self._tasks):
            task.cancel()
        self._apart.clear()
        self._cut()
        for name in list(self._down):
            await self._start(name, 0.0)

    async def _start(self, name: str, after_s: float) -> None:
        if after_s:
            await asyncio.sleep(after_s)
        self._down.pop(name, None)
        await self._scene.system.start(self._scene.cluster.nodes[name])

    async def _rejoin(self, strike: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self._apart.pop(strike, None)
        self._cut()

    def _cut(self) -> None:
        links = set()
        for group in self._apart.values():
            for inside in group:
                for outside in self._nodes:
                    if outside not in group:
                        links |= {(inside, outside), (outside, inside)}
        self._network.cut_apart(frozenset(links))

    def _later(self, deed: Any) -> None:
        task = self._loop.create_task(deed)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise InfrastructureError(f"ambush: {error}") from error

    def _say(self, trap: Trap, group: tuple[str, ...]) -> None:
        after_s = round(self._loop.time() - self._began, 6)
        on = {"type": trap.type, **trap.fields}
        self.strikes.append({"after_s": after_s, "deed": trap.deed, "on": on, "nodes": list(group)})
