"""A share of the processor without a control group: programs stand still for the rest of the time.

Standard library only: this runs on hosts reached by ssh, too.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..errors import InfrastructureError
from . import pids
from .duty_cycle import PERIOD_S, DutyCycle
from .process_limits import Find

LOOKS = 60
LOOK_S = 0.0071
"""No divisor of the period: else every look might find the same."""


class StopAndGo:
    """SIGSTOP and SIGCONT, ten times a second, for all that ``find`` finds."""

    backend = "SIGSTOP and SIGCONT, ten times a second"

    def __init__(self, node: str, find: Find, duty: DutyCycle) -> None:
        self._node = node
        self._find = find
        self._duty = duty

    async def squeeze(self, share: float) -> dict[str, Any]:
        """Let them go for ``share`` of the time, and see that they stand still for the rest."""
        await self._duty.squeeze(share)
        looks = stopped = 0
        for _ in range(LOOKS):
            await asyncio.sleep(LOOK_S)
            found = self._find()
            if found and self._duty.is_ticking:
                looks += 1
                stopped += all(seen.stopped for seen in found)
        if not looks:  # nothing runs, or it is paused: it will be found out when it runs
            return {"share": share, "period_s": PERIOD_S}
        # Each look takes time, and so does each change: rough, but what stands still is seen.
        observed = 1 - stopped / looks
        if observed > share + 0.3:
            raise InfrastructureError(
                f"{self._node}: cpu: expected programs to go for {share:g} of the time, observed "
                f"{observed:.2f}"
            )
        return {"share": share, "observed_share": round(observed, 2), "period_s": PERIOD_S}

    async def relax(self) -> dict[str, Any]:
        """Let them go all the time."""
        await self._duty.relax()
        deadline = asyncio.get_running_loop().time() + 5
        while True:
            stopped = [] if self._duty.is_held else [s for s in self._find() if s.stopped]
            if not stopped:
                return {"stopped": 0}
            if asyncio.get_running_loop().time() > deadline:
                who = ", ".join(f"{seen.command} {seen.pid}" for seen in stopped)
                raise InfrastructureError(f"{self._node}: cpu: still stopped afterwards: {who}")
            await asyncio.sleep(pids.POLL_S)

    async def starting(self) -> None:
        """Nothing: it stands still with the rest."""

    async def started(self) -> None:
        """Nothing: it stands still with the rest."""
