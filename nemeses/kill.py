"""Kills processes (SIGKILL) and starts them again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from ..harness.errors import InfrastructureError
from ..harness.fault import Fault, Scene
from .cadence import Cadence
from .targets import choose, wanted


class KillNemesis:
    """SIGKILL every process of some nodes, then restart them with their data kept."""

    name: ClassVar[str] = "kill"
    clusters: ClassVar[tuple[str, ...]] = ("local", "docker", "ssh", "sim")
    options: ClassVar[Mapping[str, str]] = {
        "kill-targets": "comma-separated choices (default: all but some)",
        "kill-lasts": "mean seconds until the restart (default: a third of the interval)",
    }

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._choices = wanted(
            scene.options.get("kill-targets"),
            ["one", "one", "minority", "majority", "all", "primaries", "followers"],
        )

    def generator(self) -> Cadence:
        """Kills about every interval; half of the time restarts at once."""
        interval_s = float(self._scene.options["interval_s"])
        lasts_s = float(self._scene.options.get("kill-lasts", interval_s / 3))
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
        """Kill, and see that nothing runs any more."""
        nodes = self._scene.cluster.nodes
        await asyncio.gather(*(nodes[name].processes.kill() for name in fault.targets))
        left = {name: await nodes[name].processes.running() for name in fault.targets}
        alive = {name: sorted(running) for name, running in left.items() if running}
        if alive:
            raise InfrastructureError(f"kill: still running afterwards: {alive}")
        return {"killed": fault.targets}

    async def heal(self, fault: Fault) -> dict[str, Any]:
        """Start again; no effect on what runs already."""
        nodes = self._scene.cluster.nodes
        system = self._scene.system
        await asyncio.gather(*(system.start(nodes[name]) for name in fault.targets))
        return {"started": fault.targets}
