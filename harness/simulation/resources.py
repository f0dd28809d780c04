"""What simulated programs live on: they need time of a processor, and nothing else."""

from __future__ import annotations

from typing import Any

from ..cluster.duty_cycle import PERIOD_S, DutyCycle
from ..errors import InfrastructureError


class SimResources:
    """``Resources`` of a simulated node: it stands still for a part of every tenth of a second."""

    backend = "virtual time: it stands still, ten times a second"

    def __init__(self, node: str, duty: DutyCycle) -> None:
        self._node = node
        self._duty = duty

    def reason_unavailable(self, kind: str) -> str | None:
        """Why this cannot run short here and what to do, or ``None``."""
        if kind == "cpu":
            return None
        return (
            f"a simulated program needs no {kind}; kill has it die as want of memory would: "
            "run this on local, docker or ssh"
        )

    async def squeeze(self, kind: str, amount: float) -> dict[str, Any]:
        """Let one kind run short until it is relaxed."""
        if why := self.reason_unavailable(kind):
            raise InfrastructureError(f"{self._node}: {kind}: {why}")
        await self._duty.squeeze(amount)
        return {"backend": self.backend, "share": amount, "period_s": PERIOD_S}

    async def relax(self, kind: str) -> dict[str, Any]:
        """Give back what there was. Idempotent."""
        if kind == "cpu":
            await self._duty.relax()
        return {"backend": self.backend}
