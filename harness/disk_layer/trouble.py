"""What is wrong with a disk, and what becomes of one request because of it."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from random import Random
from typing import Any

READ, WRITE, SYNC = "read", "write", "sync"
"""Kinds of requests that trouble can be had with; names are written, too."""

SECTOR_BYTES = 512


class Trouble:
    """From some moment on, until another one takes its place.

    ``free_bytes``   how much more fits on the disk; ``None``: as much as there is room below it.
    ``delay_s``      by how much each write and sync takes longer, in the mean.
    ``stalled``      whether they wait until this is over.
    ``error_share``  with which probability a request of the kinds ``error_on`` fails (EIO).
    ``failed_syncs_lose``  whether what a failed sync should have made durable never is.
    ``flip_share``   with which probability one bit of what is read is not what was written.
    """

    def __init__(self, told: Mapping[str, Any], random: Random) -> None:
        self._random = random
        free = told.get("free_bytes")
        self.free_bytes: int | None = None if free is None else int(free)
        self.delay_s = float(told.get("delay_s", 0.0))
        self.stalled = bool(told.get("stalled", False))
        self.error_share = float(told.get("error_share", 0.0))
        self.error_on = tuple(told.get("error_on", (WRITE, SYNC)))
        self.failed_syncs_lose = bool(told.get("failed_syncs_lose", False))
        self.flip_share = float(told.get("flip_share", 0.0))
        self.refused: dict[str, int] = {}

    def wait_s(self, kind: str) -> float:
        """How long a request must wait at first."""
        if not self.delay_s or kind not in (WRITE, SYNC):
            return 0.0
        return self.delay_s * (0.5 + self._random.random())

    def fail(self, kind: str) -> None:
        """``OSError`` if a request is one of those that fail."""
        if self.error_share and kind in self.error_on and self._random.random() < self.error_share:
            self._refuse(errno.EIO)

    def room(self, growth: int, length: int) -> int:
        """How much of a write that lets a file grow fits; ``OSError`` if nothing does."""
        if self.free_bytes is None or growth <= 0:
            return length
        fits = length if growth <= self.free_bytes else length - growth + self.free_bytes
        if fits <= 0:
            self._refuse(errno.ENOSPC)
        self.free_bytes -= min(growth, self.free_bytes)
        if fits < length:
            self.refused["short"] = self.refused.get("short", 0) + 1
        return fits

    def room_for_name(self) -> None:
        """``OSError`` if there is none for a new file."""
        if self.free_bytes is not None and self.free_bytes < SECTOR_BYTES:
            self._refuse(errno.ENOSPC)

    def freed(self, count: int) -> None:
        """So many bytes were given back."""
        if self.free_bytes is not None:
            self.free_bytes += count

    def read(self, content: bytes) -> bytes:
        """What a read shows."""
        if not self.flip_share or not content or self._random.random() >= self.flip_share:
            return content
        flipped = bytearray(content)
        flipped[self._random.randrange(len(flipped))] ^= 1 << self._random.randrange(8)
        self.refused["flipped"] = self.refused.get("flipped", 0) + 1
        return bytes(flipped)

    def _refuse(self, number: int) -> None:
        name = errno.errorcode[number]
        self.refused[name] = self.refused.get(name, 0) + 1
        raise OSError(number, name)
