"""A disk that cannot be troubled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from ..errors import InfrastructureError
from .disks import DiskReading, DiskTrouble

NOT_ASKED_FOR = "the trial was begun without it: choose the nemesis disk, or --set disk=layer"


class NoDisk:
    """``Disk`` of a node whose disk is as it is, with the reason."""

    backend = "none"
    is_mounted = False

    def __init__(self, reason: str = NOT_ASKED_FOR) -> None:
        self._reason = reason

    def reason_unavailable(self) -> str | None:
        """Why not."""
        return self._reason

    async def starting(self) -> None:
        """It is no concern of it."""

    async def trouble(self, what: DiskTrouble, seed: str = "") -> dict[str, int]:
        """Only ``DiskTrouble()``, which there is already, can be had."""
        if what != DiskTrouble():
            self._refuse()
        return {}

    async def probe(self, what: DiskTrouble) -> DiskReading:
        """Nothing is known."""
        self._refuse()

    async def cut_power(self, survives: str, sector_bytes: int, seed: str) -> dict[str, Any]:
        """Refused."""
        self._refuse()

    async def copy(self, name: str) -> dict[str, int]:
        """Refused."""
        self._refuse()

    async def restore(self, name: str) -> dict[str, int]:
        """Refused."""
        self._refuse()

    async def damage(self, how: str, count: int, seed: str) -> Sequence[dict[str, Any]]:
        """Refused."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise InfrastructureError(f"disk: {self._reason}")
