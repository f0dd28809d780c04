"""A node's own clocks: one began elsewhere and runs fast or slow, the other tells the date."""

from __future__ import annotations

from collections.abc import Callable

from ..cluster.clocks import ClockReading, Disturbance
from ..errors import UserError

EPOCH_S = 1_700_000_000.0
"""What a true wall clock shows when virtual time begins: a day in November 2023."""


class NodeClock:
    """The clocks of one node, at a moment ``t`` of virtual time, which is the true one.

    Monotonic: ``read(t)`` is ``offset + rate * (t - since)``. The wall clock, ``wall(t)``, is
    right but for what disturbs it, as one that the network sets.

    ``changed(old_rate, jumped_s)`` is called after every change, so that timers are set anew.
    """

    __slots__ = (
        *("_began", "_disturbance", "_offset_s", "_own_offset_s", "_own_rate", "_since"),
        *("changed", "rate"),
    )

    def __init__(self, offset_s: float, rate: float) -> None:
        self._offset_s = self._own_offset_s = offset_s
        self._since = 0.0
        self.rate = self._own_rate = rate
        self._disturbance = Disturbance()
        self._began = 0.0
        self.changed: Callable[[float, float], None] = lambda _rate, _jumped_s: None

    def read(self, now: float) -> float:
        """The node's time in seconds at a moment of virtual time."""
        return self._offset_s + self.rate * (now - self._since)

    def wall(self, now: float) -> float:
        """Seconds since 1970, as the node believes."""
        return EPOCH_S + now + self._disturbance.wall_off_s(now - self._began)

    def jump(self, now: float, by_s: float) -> None:
        """Skip some seconds, as a virtual machine that was suspended does."""
        if by_s < 0:
            raise UserError(f"clock: a monotonic clock cannot jump back, got {by_s:g} s")
        self._offset_s, self._since = self.read(now) + by_s, now
        self.changed(self.rate, by_s)

    def drift(self, now: float, rate: float) -> None:
        """Run at another rate from now on: 1.0001 gains 100 µs a second."""
        if not 0 < rate < 1000:
            raise UserError(f"clock: expected a rate above 0 and below 1000, got {rate:g}")
        old_rate = self.rate
        self._offset_s, self._since, self.rate = self.read(now), now, rate
        self.changed(old_rate, 0.0)

    def disturb(self, now: float, disturbance: Disturbance) -> None:
        """Let both clocks be wrong from now on, in place of what was wrong before."""
        rate = self._own_rate * disturbance.rate
        if rate != self.rate:
            self.drift(now, rate)
        if disturbance.skip_s:
            self.jump(now, disturbance.skip_s)
        self._disturbance, self._began = disturbance, now

    def against_truth(self, now: float) -> ClockReading:
        """How far both are off; what the monotonic one has by its own rate does not count."""
        return ClockReading(
            wall_off_s=self.wall(now) - (EPOCH_S + now),
            monotonic_off_s=self.read(now) - self._own_offset_s - self._own_rate * now,
            elapsed_s=now - self._began,
        )
