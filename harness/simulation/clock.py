"""A node's own clock: it began elsewhere, runs fast or slow, and can jump ahead."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import UserError


class NodeClock:
    """Monotonic: ``read(t)`` is ``offset + rate * (t - since)`` of virtual time ``t``.

    ``changed(old_rate, jumped_s)`` is called after every change, so that timers are set anew.
    """

    __slots__ = ("_offset_s", "_since", "changed", "rate")

    def __init__(self, offset_s: float, rate: float) -> None:
        self._offset_s = offset_s
        self._since = 0.0
        self.rate = rate
        self.changed: Callable[[float, float], None] = lambda _rate, _jumped_s: None

    def read(self, now: float) -> float:
        """The node's time in seconds at a moment of virtual time."""
        return self._offset_s + self.rate * (now - self._since)

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
