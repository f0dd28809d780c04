"""A lack of memory without a control group: duress itself kills, as the kernel would.

Standard library only: this runs on hosts reached by ssh, too.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from ..errors import InfrastructureError
from . import pids, victims
from .background import Background

LOOK_S = 0.05
KILL_TIMEOUT_S = 5.0
MIB = 1 << 20


class WatchedMemory:
    """SIGKILL for the largest program, at once and whenever they have more than the limit.

    ``find`` finds the processes. It kills once more than the kernel would if they take memory and
    give it back between two looks, and once less if they are gone by then.
    """

    backend = "SIGKILL by duress, which looks 20 times a second what the programs have"

    def __init__(self, node: str, find: Callable[[], list[pids.Seen]]) -> None:
        self._node = node
        self._find = find
        self._limit: float = 0
        self._kills = 0
        self._watching = Background()

    async def squeeze(self, spare_mib: float) -> dict[str, Any]:
        """Kill the largest; afterwards they may have ``spare_mib`` more than they have now."""
        self._limit = self._used() + max(1.0, spare_mib) * MIB
        victim = self._kill_largest()
        deadline = asyncio.get_running_loop().time() + KILL_TIMEOUT_S
        while victim is not None and pids.still(victim):
            if asyncio.get_running_loop().time() > deadline:
                raise InfrastructureError(
                    f"{self._node}: memory: {victim.command} {victim.pid} did not die by SIGKILL"
                )
            await asyncio.sleep(pids.POLL_S)
        if not self._watching.is_begun:
            self._watching.begin(self._watch())
        killed = [] if victim is None else [f"{victim.command} {victim.pid}"]
        return {"limit_mib": round(self._limit / MIB, 1), "killed": killed}

    async def relax(self) -> dict[str, Any]:
        """Kill no more. Idempotent."""
        failed = await self._watching.end()
        kills, self._kills = self._kills, 0
        if isinstance(failed, InfrastructureError):
            raise failed
        return {"killed": kills}

    async def starting(self) -> None:
        """Nothing: it is watched with the rest."""

    async def started(self) -> None:
        """Nothing: it is watched with the rest."""

    def _used(self) -> int:
        return sum(victims.resident_bytes(seen.pid) for seen in self._find())

    def _kill_largest(self) -> pids.Seen | None:
        victim = victims.largest(self._find())
        if victim is not None:
            pids.send(victim, signal.SIGKILL)
            self._kills += 1
        return victim

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self._used() > self._limit:
                self._kill_largest()
