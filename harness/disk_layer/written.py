"""What was written to one file and not synced, and what of it a power cut leaves.

Writes are in the file at once; what they replaced is kept here, oldest first, until a sync. The
model is that of journaling file systems (Pillai et al., "All File Systems Are Not Created Equal",
OSDI 2014): of what was not synced, any part may be there, sector by sector; what was, is there.
"""

from __future__ import annotations

import os
from random import Random

SURVIVES = ("prefix", "torn", "lost")
"""What is left of what was not synced: all up to some sector; that with holes; nothing."""

ALL_SHARE = 0.2
"""How often ``prefix`` and ``torn`` leave all of a file; and as often nothing."""

HOLE_SHARE = 0.25
MOST_HOLES = 64

PAGE_BYTES = 4096
"""Of the page cache, where what could not be written is not tried again."""


class Replaced:
    """One write: ``length`` bytes at ``offset``, in place of ``old``, in a file of ``old_size``.

    If the file was shorter, ``old`` is, too. A truncation is a write of nothing with a longer one.
    """

    __slots__ = ("is_size", "length", "offset", "old", "old_size")

    def __init__(
        self, offset: int, length: int, old: bytes, old_size: int, is_size: bool = False
    ) -> None:
        self.is_size = is_size
        self.offset = offset
        self.length = length
        self.old = old
        self.old_size = old_size

    @property
    def weight(self) -> int:
        """How many bytes it counts for."""
        return self.length or 1

    def undo(self, file: int, kept: int = 0) -> None:
        """Give back what was there, but for the first ``kept`` bytes."""
        write_all(file, self.old[kept:], self.offset + kept)
        size = max(self.old_size, self.offset + kept) if kept else self.old_size
        os.ftruncate(file, size)


class Written:
    """The writes to a file since it was last synced. ``held`` is how many old bytes are kept.

    ``doomed``  pages, by number, that a failed sync left behind as if they were written, with what
    the disk really has: see :meth:`fail`.
    """

    def __init__(self) -> None:
        self.writes: list[Replaced] = []
        self.held = 0
        self.doomed: dict[int, bytes] = {}

    @property
    def is_dirty(self) -> bool:
        """Whether a power cut would change the file."""
        return bool(self.writes or self.doomed)

    def sync(self) -> None:
        """What was written is durable, except what is doomed."""
        self.writes = []
        self.held = 0

    def fail(self, file: int) -> None:
        """A sync failed, and the pages that could not be written count as clean all the same.

        No later sync writes them, unless something is written to them again; a power cut shows
        that they never were. So does Linux (Rebello et al., "Can Applications Recover from fsync
        Failures?", ATC 2020).
        """
        for write in self.writes:
            for page in _pages(write.offset, 0 if write.is_size else write.length):
                if page not in self.doomed:
                    begin = page * PAGE_BYTES
                    now = read_all(file, begin, PAGE_BYTES)
                    self.doomed[page] = _before(now, begin, self.writes)
        self.sync()

    @property
    def bytes(self) -> int:
        """How much was written."""
        return sum(write.weight for write in self.writes)

    def about_to_write(self, file: int, offset: int, length: int, size: int) -> None:
        """Remember what a write is going to replace; ``size`` is the file's now."""
        if self.doomed:
            for page in _pages(offset, length):
                self.doomed.pop(page, None)
        old = read_all(file, offset, min(length, size - offset)) if offset < size else b""
        last = self.writes[-1] if self.writes else None
        if (
            last is not None
            and not old
            and last.offset + last.length == offset == size
            and last.offset >= last.old_size
            and not last.is_size
        ):
            last.length += length
            return
        self._remember(Replaced(offset, length, old, size))

    def about_to_resize(self, file: int, new_size: int, size: int) -> None:
        """Remember what a truncation is going to cut off, or that the file is going to grow."""
        if new_size < size:
            tail = read_all(file, new_size, size - new_size)
            self._remember(Replaced(new_size, 0, tail, size, is_size=True))
            self.doomed = {p: old for p, old in self.doomed.items() if p * PAGE_BYTES < new_size}
        elif new_size > size:
            self._remember(Replaced(size, new_size - size, b"", size, is_size=True))

    def _remember(self, write: Replaced) -> None:
        self.writes.append(write)
        self.held += len(write.old)

    def cut(self, file: int, survives: str, sector: int, random: Random) -> tuple[int, int]:
        """Lose some of it, or all; ``(bytes that survived, bytes that were lost)``."""
        total = self.bytes
        at, part = self._tear(_left(total, survives, random), sector)
        for write in reversed(self.writes[at + 1 :]):
            write.undo(file)
        kept = self.writes[:at]
        if at < len(self.writes):
            torn = self.writes[at]
            torn.undo(file, part)
            if part:
                kept.append(Replaced(torn.offset, part, torn.old, torn.old_size))
        survived = sum(write.weight for write in kept)
        if survives == "torn" and kept:
            survived -= min(survived, _punch(file, kept, sector, random))
        self.sync()
        return survived, total - survived + self._lose_doomed(file)

    def _lose_doomed(self, file: int) -> int:
        size, lost = os.fstat(file).st_size, 0
        for page, content in self.doomed.items():
            begin = page * PAGE_BYTES
            now = read_all(file, begin, PAGE_BYTES)
            lost += sum(a != b for a, b in zip(now, content))  # noqa: B905 - 3.9
            write_all(file, content[: max(0, size - begin)], begin)
        self.doomed = {}
        return lost

    def _tear(self, left: int, sector: int) -> tuple[int, int]:
        """The first write of which not all survives, and how many bytes of it do."""
        for at, write in enumerate(self.writes):
            if left < write.weight:
                return at, max(0, (write.offset + left) // sector * sector - write.offset)
            left -= write.weight
        return len(self.writes), 0


def _pages(offset: int, length: int) -> range:
    end = (offset + length - 1) // PAGE_BYTES + 1 if length else offset // PAGE_BYTES
    return range(offset // PAGE_BYTES, end)


def _left(total: int, survives: str, random: Random) -> int:
    """How many bytes survive, from the oldest on."""
    if survives == "lost":
        return 0
    draw = random.random()
    if draw < ALL_SHARE:
        return total
    if draw < 2 * ALL_SHARE:
        return 0
    return random.randrange(total + 1)


def _punch(file: int, kept: list[Replaced], sector: int, random: Random) -> int:
    """Let some sectors be as they were before all these writes; how many bytes that is."""
    size = os.fstat(file).st_size
    lost = 0
    for _ in range(min(MOST_HOLES, sum(write.weight for write in kept) // sector + 1)):
        write = kept[random.randrange(len(kept))]
        begin = (write.offset + random.randrange(write.weight)) // sector * sector
        length = min(sector, size - begin)
        if length > 0 and random.random() < HOLE_SHARE:
            now = read_all(file, begin, length)
            before = _before(now, begin, kept)
            write_all(file, before, begin)
            lost += sum(a != b for a, b in zip(now, before))  # noqa: B905 - 3.9
    return lost


def _before(now: bytes, begin: int, writes: list[Replaced]) -> bytes:
    """What stood where ``now`` stands, before these writes."""
    content = bytearray(now)
    end = begin + len(now)
    for write in reversed(writes):
        low = max(begin, write.offset)
        high = min(end, write.offset + max(write.length, len(write.old)))
        if low < high:
            old = write.old[low - write.offset : high - write.offset]
            content[low - begin : high - begin] = old + bytes(high - low - len(old))
    return bytes(content)


def read_all(file: int, offset: int, length: int) -> bytes:
    """As many bytes as there are from an offset on, at most ``length``."""
    parts = []
    while length > 0:
        part = os.pread(file, length, offset)
        if not part:
            break
        parts.append(part)
        offset, length = offset + len(part), length - len(part)
    return b"".join(parts)


def write_all(file: int, content: bytes, offset: int) -> None:
    """Write all of it at an offset."""
    view = memoryview(content)
    while view:
        count = os.pwrite(file, view, offset)
        view, offset = view[count:], offset + count
