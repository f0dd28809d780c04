"""Partitions whose harness is killed at one exact moment of an injection or of a heal."""

from __future__ import annotations

import os
import signal
from typing import Any, ClassVar

from duress.harness.fault import Fault
from duress.nemeses.partition import PartitionNemesis


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class BeforeTheEffect(PartitionNemesis):
    """Dies when the ledger has the entry, and nothing was done yet."""

    name: ClassVar[str] = f"{__file__}:BeforeTheEffect"

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Nothing, and no more."""
        _die()
        return {}


class AfterTheEffect(PartitionNemesis):
    """Dies when links are cut, and the ledger does not know yet that this worked."""

    name: ClassVar[str] = f"{__file__}:AfterTheEffect"

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Cut, and no more."""
        await super().inject(fault)
        _die()
        return {}


class AfterTheHeal(PartitionNemesis):
    """Dies when links are open again, and the ledger does not know yet."""

    name: ClassVar[str] = f"{__file__}:AfterTheHeal"

    async def heal(self, fault: Fault) -> dict[str, Any]:
        """Heal, and no more."""
        await super().heal(fault)
        _die()
        return {}
