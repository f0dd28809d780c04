"""Pauses processes (SIGSTOP): to the others they are silent, to themselves time jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from ..harness.errors import InfrastructureError
from ..harness.fault import Fault, Scene
from .cadence import Cadence
from .targets import choose, wanted


class PauseNemesis:
    """SIGSTOP every process of some nodes, then SIGCONT."""

    name: ClassVar[str] = "pause"
    clusters: ClassVar[tuple[str, ...]] = ("local", "docker", "ssh", "sim")
    options: ClassVar[Mapping[str, str]] = {
        "pause-targets": "comma-separated choices (default one,minority,primaries,primaries,all)",
        "pause-lasts": "mean seconds until it is resumed (default: half the interval)",
    }

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._choices = wanted(
            scene.options.get("pause-targets"), ["one", "minority", "primaries", "primaries", "all"]
        )

    def generator(self) -> Cadence:
        """Pauses about every interval."""
        interval_s = float(self._scene.options["interval_s"])
        lasts_s = float(self._scene.options.get("pause-lasts", interval_s / 2))
        return Cadence(
            self.name, self._wish, self._scene.random, every_s=interval_s, lasts_s=lasts_s
        )

    def _wish(self, random: Random) -> dict[str, Any]:
        return {"kind": self.name, "targets": random.choice(self._choices)}

    async def plan(self, wish: Mapping[str, Any], fault_id: int) -> Fault | None:
        """Choose the nodes."""
        targets = await choose(self._scene, wish["targets"])
        if not targets:
            return None
        return Fault(fault_id, self.name, targets, {"choice": wish["targets"]})

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Stop, and see that what lives is stopped (a killed node has nothing to stop)."""
        nodes = self._scene.cluster.nodes
        await asyncio.gather(*(nodes[name].processes.pause() for name in fault.targets))
        states = await self._states(fault)
        running = [name for name, by_name in states.items() if "running" in by_name.values()]
        if running:
            raise InfrastructureError(f"pause: still running afterwards: {running}")
        return {"states": states}

    async def heal(self, fault: Fault) -> dict[str, Any]:
        """Continue, and see that nothing is stopped any more."""
        nodes = self._scene.cluster.nodes
        await asyncio.gather(*(nodes[name].processes.resume() for name in fault.targets))
        states = await self._states(fault)
        paused = [name for name, by_name in states.items() if "paused" in by_name.values()]
        if paused:
            raise InfrastructureError(f"pause: still paused afterwards: {paused}")
        return {"states": states}

    async def _states(self, fault: Fault) -> dict[str, dict[str, str]]:
        nodes = self._scene.cluster.nodes
        return {name: await nodes[name].processes.running() for name in fault.targets}
