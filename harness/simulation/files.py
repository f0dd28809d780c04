"""Raw files of a simulated node, and what a crash leaves of what was not synced.

Content and names are durable apart from each other, as on file systems that journal metadata
only: see Pillai et al., "All File Systems Are Not Created Equal: On the Complexity of Crafting
Crash-Consistent Applications", OSDI 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from .disk_gate import DiskGate

SECTOR_BYTES = 64
"""What reaches the disk whole or not at all. Real ones have 512 or 4096 bytes; files here are as
much smaller."""

HOLE_SHARE = 0.25
"""How likely a sector that was not synced is missing in front of one that survived."""


class File:
    """``content`` as it is read, ``durable`` as it was at the last sync, and what came since."""

    __slots__ = ("content", "durable", "pending")

    def __init__(self) -> None:
        self.content = bytearray()
        self.durable = b""
        self.pending: list[tuple[int, bytes | None]] = []
        """Writes (offset, data) and truncations (length, ``None``)."""

    def apply(self, at: int, data: bytes | None) -> None:
        """Do one write or truncation."""
        if data is None:
            del self.content[at:]
        else:
            self.content.extend(bytes(max(0, at - len(self.content))))
            self.content[at : at + len(data)] = data

    def sync(self) -> None:
        """Forget how it came to be."""
        if self.pending:
            self.durable = bytes(self.content)
            self.pending.clear()

    def crash(self, kind: str, random: Random) -> tuple[int, int]:
        """Keep part of what was not synced; how many writes survived whole, and how many not."""
        pending, self.pending = self.pending, []
        kept = 0 if kind == "lost" else int(random.random() * (len(pending) + 1))
        survivors = pending[:kept]
        if kind != "lost" and kept < len(pending) and pending[kept][1] is not None:
            at, data = pending[kept]
            assert data is not None
            survivors.append((at, data[: int(random.random() * len(data))]))
        self.content = bytearray(self.durable)
        for at, data in survivors:
            self.apply(at, data)
        if kind == "torn":
            self._tear(survivors, random)
        self.durable = bytes(self.content)
        return kept, len(pending) - kept

    def _tear(self, survivors: Sequence[tuple[int, bytes | None]], random: Random) -> None:
        touched = {
            sector
            for at, data in survivors
            if data
            for sector in range(at // SECTOR_BYTES, (at + len(data) - 1) // SECTOR_BYTES + 1)
        }
        for sector in sorted(touched):
            begin, end = sector * SECTOR_BYTES, min((sector + 1) * SECTOR_BYTES, len(self.content))
            if begin < end and random.random() < HOLE_SHARE:
                before = self.durable[begin:end]
                self.content[begin:end] = before + bytes(end - begin - len(before))


class SimFiles:
    """The ``Files`` of a protocol's storage; ``gate`` as that of :class:`.disk.Disk`."""

    def __init__(self) -> None:
        self._names: dict[str, File] = {}
        self._durable_names: dict[str, File] = {}
        self._renames: list[tuple[str, str, Any]] = []
        """Not yet durable: ``create`` a file, ``replace`` by a name, ``remove``."""
        self.gate: DiskGate | None = None

    def names(self) -> Sequence[str]:
        """The files that there are."""
        return sorted(self._names)

    def read(self, name: str) -> bytes:
        """The whole content; empty if there is no such file."""
        file = self._names.get(name)
        return b"" if file is None else bytes(file.content)

    def write(self, name: str, offset: int, data: bytes) -> None:
        """Write bytes at an offset."""
        file = self._names.get(name)
        if self.gate is not None:
            self.gate.write(offset + len(data) - (len(file.content) if file is not None else 0))
        if file is None:
            file = File()
            self._rename("create", name, file)
        file.apply(offset, data)
        file.pending.append((offset, data))

    def truncate(self, name: str, length: int) -> None:
        """Keep only the first ``length`` bytes."""
        file = self._names.get(name)
        if file is not None and length < len(file.content):
            file.apply(length, None)
            file.pending.append((length, None))

    def replace(self, name: str, target: str) -> None:
        """Rename a file; ``FileNotFoundError`` if there is none."""
        if name not in self._names:
            raise FileNotFoundError(f"cannot rename {name!r} to {target!r}: no such file")
        self._rename("replace", name, target)

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""
        if name in self._names:
            self._rename("remove", name, None)

    def sync(self, name: str) -> None:
        """Make content and creation of a file durable."""
        if self.gate is not None:
            self.gate.sync()
        file = self._names.get(name)
        if file is None:
            return
        file.sync()
        made = [at for at, each in enumerate(self._renames) if each[2] is file]
        if made:
            self._settle(made[-1] + 1)

    def sync_names(self) -> None:
        """Make renames and removals durable."""
        if self.gate is not None:
            self.gate.sync()
        self._settle(len(self._renames))

    def crash(self, kind: str, random: Random) -> tuple[int, int]:
        """Lose unsynced writes as :meth:`.Disk.crash` says; (survived, lost)."""
        renames = len(self._renames)
        kept = lost = 0
        if renames:
            kept = 0 if kind == "lost" else int(random.random() * (renames + 1))
            self._settle(kept)
            lost = renames - kept
            self._renames.clear()
            self._names = dict(self._durable_names)
        for file in self._names.values():
            if file.pending:
                survived, gone = file.crash(kind, random)
                kept, lost = kept + survived, lost + gone
        return kept, lost

    def _rename(self, kind: str, name: str, what: Any) -> None:
        self._renames.append((kind, name, what))
        _change(self._names, kind, name, what)

    def _settle(self, count: int) -> None:
        for kind, name, what in self._renames[:count]:
            _change(self._durable_names, kind, name, what)
        del self._renames[:count]


def _change(names: dict[str, File], kind: str, name: str, what: Any) -> None:
    if kind == "create":
        names[name] = what
    else:
        file = names.pop(name)
        if kind == "replace":
            names[what] = file
