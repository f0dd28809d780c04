"""What a simulated disk makes of a write or a sync while something is wrong with it."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable
from random import Random

from ..cluster.disks import DiskTrouble

RECORD_BYTES = 64
"""What a record or a named value takes up on the disk."""

WRITE, SYNC = "write", "sync"


class DiskGate:
    """Everything that a node writes goes through here. ``stick`` lets its process wait."""

    def __init__(self, random: Random, stick: Callable[[float], None]) -> None:
        self._random = random
        self._stick = stick
        self._free_bytes = 0
        self.trouble = DiskTrouble()
        self.met: dict[str, int] = {}

    def twin(self) -> DiskGate:
        """One like it that lets nobody wait and takes up no room."""
        twin = DiskGate(self._random, lambda wait_s: None)
        twin.trouble, twin._free_bytes = self.trouble, self._free_bytes
        return twin

    def change(self, trouble: DiskTrouble) -> dict[str, int]:
        """Let this be wrong from now on; how often requests met what was wrong before."""
        met, self.met = self.met, {}
        self.trouble = trouble
        self._free_bytes = trouble.free_bytes or 0
        return met

    def write(self, growth: int) -> None:
        """Something is written by which files grow so much; ``OSError`` if it cannot be."""
        self._fail(WRITE)
        if self.trouble.free_bytes is not None and growth > 0:
            if growth > self._free_bytes:
                self._refuse(errno.ENOSPC)
            self._free_bytes -= growth
        self._wait()

    def sync(self) -> None:
        """Something is made durable; ``OSError`` if it cannot be."""
        self._fail(SYNC)
        self._wait()

    def wait_s(self) -> float:
        """How long one request takes longer, drawn anew; infinite while the disk is stalled."""
        if self.trouble.stalled:
            return math.inf
        delay_s = self.trouble.delay_s
        return delay_s * (0.5 + self._random.random()) if delay_s else 0.0

    def _wait(self) -> None:
        if wait_s := self.wait_s():
            self._stick(wait_s)

    def _fail(self, kind: str) -> None:
        trouble = self.trouble
        if kind in trouble.error_on and self._random.random() < trouble.error_share:
            self._refuse(errno.EIO)

    def _refuse(self, number: int) -> None:
        name = errno.errorcode[number]
        self.met[name] = self.met.get(name, 0) + 1
        raise OSError(number, os.strerror(number))
