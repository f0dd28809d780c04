"""A node's clocks, from outside: what can be wrong with them, and what they show.

A node has two, as any machine does: a monotonic one, by which timers run and which never goes
back, and a wall clock, which should agree with everybody's and can be set at any moment. Only
what runs on the node sees them disturbed; the machine's own clock is never touched.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from .clock_account import ClockReading, MachineClock

__all__ = ["ClockReading", "Clocks", "Disturbance", "MachineClock"]


class Disturbance(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is wrong with a node's clocks from some moment on. Nothing, by default.

    ``step_s``    seconds by which the wall clock was set ahead (back, if negative).
    ``skip_s``    seconds that both clocks left out, as in a virtual machine that was suspended.
    ``rate``      of both clocks: 1.0001 gains 100 µs a second.
    ``strobe_s``  seconds by which the wall clock is off besides, every other half ``period_s``.
    """

    step_s: float = 0.0
    skip_s: float = 0.0
    rate: float = 1.0
    strobe_s: float = 0.0
    period_s: float = 0.0

    def strobing(self, elapsed_s: float) -> float:
        """The part of a strobe in the wall clock's error, so long after it began."""
        if not self.period_s:
            return 0.0
        return 0.0 if int(elapsed_s / (self.period_s / 2)) % 2 else self.strobe_s

    def wall_off_s(self, elapsed_s: float) -> float:
        """By how much the wall clock is off so many true seconds after it began."""
        drifted_s = (self.rate - 1) * elapsed_s
        return self.step_s + self.skip_s + drifted_s + self.strobing(elapsed_s)


class Clocks(Protocol):
    """The clocks of the programs on a node."""

    def reason_unavailable(self) -> str | None:
        """Why they cannot be disturbed here and what to do, or ``None``."""
        ...

    async def disturb(self, disturbance: Disturbance) -> None:
        """Let them be wrong from now on, in place of what was wrong before.

        The monotonic clock keeps what it has gained and never goes back. Programs that are
        started later have the same clocks. ``Disturbance()`` heals: the wall clock shows the true
        time and both run at the true rate.
        """
        ...

    async def read(self) -> dict[str, ClockReading]:
        """What the programs that run see, by name, as observed; a stopped one sees nothing."""
        ...

    async def machine(self) -> MachineClock:
        """What the machine below them shows: another's clock may differ from ours by itself."""
        ...
