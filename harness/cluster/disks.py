"""A node's disk, from outside: what can be wrong with it, and what is left when the power fails.

The disk is the node's ``directory`` with all that is below, except logs and what the harness itself
put there: these are on another one, which never fails. What was on it when the node's first program
was started is durable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

LAYER = "layer"
"""What a cluster's option ``disk`` must be for real nodes to have disks that can be troubled."""

OPTION = {
    "disk": "plain, or layer: under all data lies one that can lose what was not synced "
    "(plain; layer with the nemesis disk)"
}

SURVIVES = ("prefix", "torn", "lost")
"""What a power cut leaves of what was not synced: of each file all up to some sector, and the first
so many changes of names; the same with holes in it; nothing."""

DAMAGES = ("bit-flip", "truncate")


class DiskTrouble(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is wrong with a disk from some moment on. Nothing, by default.

    ``free_bytes``   so much more fits on it; ``None``: as much as there is room.
    ``delay_s``      each write and each sync takes so much longer, in the mean.
    ``stalled``      writes and syncs take until this is over.
    ``error_share``  with this probability a request fails, if it is of one of the kinds
    ``error_on``     ``read``, ``write`` (names, too) and ``sync``.
    ``failed_syncs_lose``  what a failed sync should have made durable never is, though it can be
    read: a later sync does not try again.
    ``flip_share``   with this probability what is read has one bit wrong.
    """

    free_bytes: int | None = None
    delay_s: float = 0.0
    stalled: bool = False
    error_share: float = 0.0
    error_on: list[str] = []
    failed_syncs_lose: bool = False
    flip_share: float = 0.0


class DiskReading(NamedTuple):
    """What a small synced write met. ``error``: ``ENOSPC``, ``EIO`` or nothing; ``took_s`` seconds,
    if it came to an end."""

    error: str
    took_s: float | None


class Disk(Protocol):
    """The disk of one node. Errors are ``InfrastructureError``."""

    backend: str
    """How it is done, for the record: ``fuse``, ``simulation``; ``none`` if it cannot be."""

    is_mounted: bool
    """Whether a file system of the harness's lies between programs and the machine's."""

    def reason_unavailable(self) -> str | None:
        """Why nothing can be wrong with it here and what to do, or ``None``."""
        ...

    async def starting(self) -> None:
        """A program is about to be started."""
        ...

    async def trouble(self, what: DiskTrouble, seed: str = "") -> dict[str, int]:
        """Let this be wrong from now on, in place of what was before, which ``DiskTrouble()``
        heals; how often requests met the trouble that there was, by what became of them.
        """
        ...

    async def probe(self, what: DiskTrouble) -> DiskReading:
        """Try it out: tries again until a trouble that comes by chance was met, or long enough."""
        ...

    async def cut_power(self, survives: str, sector_bytes: int, seed: str) -> dict[str, Any]:
        """Kill all that runs and lose what was not synced (``survives``: of :data:`SURVIVES`).

        Returns how much was kept and lost; checked with bytes of the harness's own, of which
        those that were synced must be there.
        """
        ...

    async def copy(self, name: str) -> dict[str, int]:
        """Keep a copy of all data, as it would be if all was synced; how much that is."""
        ...

    async def restore(self, name: str) -> dict[str, int]:
        """Kill all that runs and go back to a copy, which is used up."""
        ...

    async def damage(self, how: str, count: int, seed: str) -> Sequence[dict[str, Any]]:
        """Kill all that runs and damage what is stored (``how``: of :data:`DAMAGES`).

        ``bit-flip`` flips ``count`` bits, ``truncate`` cuts off the ends of ``count`` files.
        Returns what was damaged: nothing, if nothing is stored.
        """
        ...
