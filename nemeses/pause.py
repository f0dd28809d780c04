"""Pauses processes (SIGSTOP): to the others they are silent, to themselves time jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from ..harness.errors import InfrastructureError
from ..harness.fault import Fault
from .process_fault import ProcessFault


class PauseNemesis(ProcessFault):
    """SIGSTOP every process of some nodes, then SIGCONT."""

    name: ClassVar[str] = "pause"
    package: ClassVar[str] = "process"
    default_choices: ClassVar[list[str]] = ["one", "minority", "primaries", "primaries", "all"]
    lasts_share: ClassVar[float] = 1 / 2
    options: ClassVar[Mapping[str, str]] = {
        "pause-targets": "comma-separated choices (default one,minority,primaries,all)",
        "pause-lasts": "mean seconds until it is resumed (default: half the interval)",
    }
    strategies: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "uniform": {"pause-targets": "one,minority,majority,some,all"},
        "aimed": {"pause-targets": "primaries,primaries,primaries,followers,one"},
    }

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Stop, and see that what lives is stopped (a killed node has nothing to stop)."""
        await asyncio.gather(*(node.processes.pause() for node in self.nodes(fault).values()))
        return await self._seen(fault, unwanted="running")

    async def heal(self, fault: Fault) -> dict[str, Any]:
        """Continue, and see that nothing is stopped any more."""
        await asyncio.gather(*(node.processes.resume() for node in self.nodes(fault).values()))
        return await self._seen(fault, unwanted="paused")

    async def _seen(self, fault: Fault, unwanted: str) -> dict[str, Any]:
        states = await self.states(fault)
        wrong = [name for name, by_name in states.items() if unwanted in by_name.values()]
        if wrong:
            raise InfrastructureError(f"pause: still {unwanted} afterwards: {', '.join(wrong)}")
        return {"states": states}
