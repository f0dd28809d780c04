"""Kills processes again and again: they come up, serve for a moment, and die."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from ..harness.errors import InfrastructureError, UserError
from ..harness.fault import Fault
from ..harness.option_values import real
from .kill import KillNemesis

SHORTEST_S = 0.05


class CrashLoopNemesis(KillNemesis):
    """SIGKILL and restart some nodes over and over, as a supervisor does with what crashes."""

    name: ClassVar[str] = "crash-loop"
    package: ClassVar[str] = "process"
    default_choices: ClassVar[list[str]] = [*("one", "one", "minority", "primaries", "followers")]
    lasts_share: ClassVar[float] = 1.0
    options: ClassVar[Mapping[str, str]] = {
        "crash-loop-targets": "comma-separated choices (default one,minority,primaries,followers)",
        "crash-loop-lasts": "mean seconds until it stays up (default: the interval)",
        "crash-loop-period": "most seconds from one crash to the next (1)",
    }
    strategies: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "uniform": {"crash-loop-targets": "one,minority,some"},
        "aimed": {"crash-loop-targets": "primaries,primaries,followers,one"},
    }

    def __init__(self, scene: Any) -> None:
        super().__init__(scene)
        self._period_s = real(scene.options, "crash-loop-period", 1.0, low=SHORTEST_S, high=3600)
        self._loops: dict[int, asyncio.Task[None]] = {}
        self._crashes: dict[int, int] = {}

    async def plan(self, wish: Mapping[str, Any], fault_id: int) -> Fault | None:
        """Choose the nodes, and how long they are up and down each time."""
        fault = await super().plan(wish, fault_id)
        if fault is None:
            return None
        random: Random = self._scene.random
        period_s = random.uniform(min(self._period_s, 2 * SHORTEST_S), self._period_s)
        down_s = period_s * random.uniform(0.1, 0.6)
        times = {"up_s": round(period_s - down_s, 3), "down_s": round(down_s, 3)}
        return Fault(fault_id, self.name, fault.targets, {**fault.parameters, **times})

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Kill, see that nothing runs, and go on like this until it is healed."""
        up_s, down_s = fault.parameters.get("up_s"), fault.parameters.get("down_s")
        if not isinstance(up_s, int | float) or not isinstance(down_s, int | float):
            raise UserError("crash-loop: a planned one needs up_s and down_s in its parameters")
        seen = await super().inject(fault)
        self._crashes[fault.id] = 1
        self._loops[fault.id] = asyncio.ensure_future(self._loop(fault, up_s, down_s))
        return seen

    async def heal(self, fault: Fault) -> dict[str, Any]:
        """Let it stay up; a crash that failed meanwhile is told now."""
        loop = self._loops.pop(fault.id, None)
        if loop is not None:
            loop.cancel()
            await asyncio.wait([loop])
        seen = await super().heal(fault)
        if loop is not None and not loop.cancelled() and (error := loop.exception()) is not None:
            raise InfrastructureError(f"crash-loop: {error}") from error
        return {**seen, "crashes": self._crashes.get(fault.id, 0)}

    async def _loop(self, fault: Fault, up_s: float, down_s: float) -> None:
        while True:
            await asyncio.sleep(max(down_s, SHORTEST_S / 10))
            await super().heal(fault)
            await asyncio.sleep(max(up_s, SHORTEST_S / 10))
            await super().inject(fault)
            self._crashes[fault.id] += 1
