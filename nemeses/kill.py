"""Kills processes (SIGKILL) and starts them again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from ..harness.errors import InfrastructureError
from ..harness.fault import Fault
from .process_fault import ProcessFault

ATTEMPTS = 3
"""Another fault may have a program start just then: a member that joins anew, say."""


class KillNemesis(ProcessFault):
    """SIGKILL every process of some nodes, then restart them with their data kept."""

    name: ClassVar[str] = "kill"
    package: ClassVar[str] = "process"
    default_choices: ClassVar[list[str]] = [
        *("one", "one", "minority", "majority", "all", "primaries", "followers")
    ]
    lasts_share: ClassVar[float] = 1 / 3
    options: ClassVar[Mapping[str, str]] = {
        "kill-targets": "comma-separated choices (default: all but some)",
        "kill-lasts": "mean seconds until the restart (default: a third of the interval)",
    }
    strategies: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "uniform": {"kill-targets": "one,minority,majority,some,all"},
        "aimed": {"kill-targets": "primaries,primaries,followers,followers,one,majority"},
    }

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Kill, and see that nothing runs any more."""
        alive: dict[str, list[str]] = {}
        for _ in range(ATTEMPTS):
            await asyncio.gather(*(node.processes.kill() for node in self.nodes(fault).values()))
            alive = {name: sorted(run) for name, run in (await self.states(fault)).items() if run}
            if not alive:
                return {"killed": fault.targets}
        raise InfrastructureError(f"kill: still running afterwards: {alive}")

    async def heal(self, fault: Fault) -> dict[str, Any]:
        """Start again; no effect on what runs already."""
        system = self._scene.system
        await asyncio.gather(*(system.start(node) for node in self.nodes(fault).values()))
        return {"started": fault.targets}
