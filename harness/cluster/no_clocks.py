"""Clocks that are out of reach."""

from __future__ import annotations

from ..errors import InfrastructureError
from .clocks import ClockReading, Disturbance, MachineClock


class NoClocks:
    """``Clocks`` of a node whose programs' clocks cannot be disturbed, with the reason."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def reason_unavailable(self) -> str | None:
        """Why not."""
        return self._reason

    async def disturb(self, disturbance: Disturbance) -> None:
        """Only ``Disturbance()``, which there is already, can be had."""
        if disturbance != Disturbance():
            raise InfrastructureError(f"clocks: {self._reason}")

    async def read(self) -> dict[str, ClockReading]:
        """Nothing is known."""
        return {}

    async def machine(self) -> MachineClock:
        """Taken for ours."""
        return MachineClock()
