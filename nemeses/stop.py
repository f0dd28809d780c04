"""Stops processes as an operator does: SIGTERM, time to finish, and only then SIGKILL."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from ..harness.cluster import Node
from ..harness.errors import InfrastructureError
from ..harness.fault import Fault, Scene
from ..harness.option_values import real
from .kill import KillNemesis


class StopNemesis(KillNemesis):
    """SIGTERM to every process of some nodes, SIGKILL to what is left after a grace; restart."""

    name: ClassVar[str] = "stop"
    options: ClassVar[Mapping[str, str]] = {
        "stop-targets": "comma-separated choices (default: all but some)",
        "stop-lasts": "mean seconds until the restart (default: a third of the interval)",
        "stop-grace": "seconds after SIGTERM until SIGKILL (3)",
    }
    strategies: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "uniform": {"stop-targets": "one,minority,majority,some,all"},
        "aimed": {"stop-targets": "primaries,primaries,followers,followers,one,majority"},
    }

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._grace_s = real(scene.options, "stop-grace", 3.0, low=0.01, high=600)

    async def plan(self, wish: Mapping[str, Any], fault_id: int) -> Fault | None:
        """Choose the nodes."""
        fault = await super().plan(wish, fault_id)
        if fault is None:
            return None
        parameters = {**fault.parameters, "grace_s": self._grace_s}
        return Fault(fault_id, self.name, fault.targets, parameters)

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Stop, see that nothing runs any more, and tell who had to be killed after all."""
        grace_s = float(fault.parameters.get("grace_s", self._grace_s))
        nodes = self.nodes(fault)
        took_s = await asyncio.gather(*(_stop(node, grace_s) for node in nodes.values()))
        alive = {name: sorted(run) for name, run in (await self.states(fault)).items() if run}
        if alive:
            raise InfrastructureError(f"stop: still running afterwards: {alive}")
        ended = {
            name: "killed" if seconds >= grace_s else f"ended after {seconds:.2f} s"
            for name, seconds in zip(nodes, took_s, strict=True)
        }
        return {"stopped": ended}


async def _stop(node: Node, grace_s: float) -> float:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await node.processes.kill(graceful_s=grace_s)
    return loop.time() - began_s
