"""The clocks of a host's programs, from here."""

from __future__ import annotations

import time

import msgspec

from .clocks import ClockReading, Disturbance, MachineClock
from .host_link import HostLink


class SshClocks:
    """``Clocks`` of a host, whose agent carries it out."""

    def __init__(self, link: HostLink) -> None:
        self._link = link
        self._why_not: str | None = None

    def started(self, why_not: str | None) -> None:
        """A program has begun; the agent says why its clocks are out of reach, if they are."""
        self._why_not = why_not

    def reason_unavailable(self) -> str | None:
        """Why some program's clocks are out of reach, or ``None``."""
        return self._why_not

    async def disturb(self, disturbance: Disturbance) -> None:
        """Let them be wrong from now on."""
        await self._link.ask("disturb_clocks", disturbance=msgspec.structs.asdict(disturbance))

    async def read(self) -> dict[str, ClockReading]:
        """What each running program that follows a file says that it sees."""
        told = await self._link.ask("read_clocks")
        return {name: ClockReading(*reading) for name, reading in told.items()}

    async def machine(self) -> MachineClock:
        """How the host's own wall clock differs from ours."""
        best: MachineClock | None = None
        for _ in range(3):
            before_s = time.time()
            theirs_s = await self._link.ask("wall_clock")
            half_s = (time.time() - before_s) / 2
            if best is None or half_s < best.within_s:
                best = MachineClock(theirs_s - before_s - half_s, half_s)
        assert best is not None, "it was asked"
        return best
