"""What happened to names of files and was not synced, and what of it a power cut leaves.

Names are durable apart from contents, and in order: what survives is what the first so many changes
lead to. A sync of a file or a folder makes durable the changes of its names, and with these all
that came before, as journals of file systems do.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .inode import Inode


class Change(ABC):
    """One change of names. ``involves``: the folders and files whose sync makes it durable."""

    def __init__(self, *involves: Inode) -> None:
        self.involves = frozenset(inode.number for inode in involves)
        self._kept_open = involves

    @abstractmethod
    def undo(self) -> None:
        """Take it back; everything that came later was taken back before."""

    @abstractmethod
    def settle(self) -> None:
        """It will not be undone."""


class Made(Change):
    """A file, folder or link has a name that it had not."""

    def __init__(self, parent: Inode, name: str, made: Inode) -> None:
        super().__init__(parent, made)
        self._parent, self._name, self._made = parent, name, made

    def undo(self) -> None:
        """Remove it."""
        if self._made.is_folder:
            os.rmdir(self._name, dir_fd=self._parent.fd)
        else:
            os.unlink(self._name, dir_fd=self._parent.fd)

    def settle(self) -> None:
        """Nothing more: it is there."""


class Removed(Change):
    """Something has no longer a name: it lies in a bin, under a number."""

    def __init__(self, parent: Inode, name: str, gone: Inode, bin_: Bin, number: str) -> None:
        super().__init__(parent, gone)
        self._parent, self._name, self._gone = parent, name, gone
        self._bin, self._number = bin_, number

    def undo(self) -> None:
        """Put it back."""
        self._bin.give_back(self._number, self._parent, self._name)

    def settle(self) -> None:
        """Remove it for good."""
        self._bin.empty(self._number, self._gone.is_folder)


class Renamed(Change):
    """Something has another name, and maybe took the place of something, which is in the bin."""

    def __init__(
        self,
        moved: Inode,
        old: tuple[Inode, str],
        new: tuple[Inode, str],
        replaced: Removed | None,
    ) -> None:
        super().__init__(moved, old[0], new[0])
        self._old, self._new, self._replaced = old, new, replaced

    def undo(self) -> None:
        """Give it back its name, and what it replaced its own."""
        (folder, name), (old_folder, old_name) = self._new, self._old
        os.rename(name, old_name, src_dir_fd=folder.fd, dst_dir_fd=old_folder.fd)
        if self._replaced is not None:
            self._replaced.undo()

    def settle(self) -> None:
        """What it replaced is gone for good."""
        if self._replaced is not None:
            self._replaced.settle()


class Bin:
    """The folder of what was removed and might come back."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._count = 0

    def throw(self, parent: Inode, name: str) -> str:
        """Move something here; the number under which it lies."""
        self._count += 1
        number = str(self._count)
        os.rename(name, number, src_dir_fd=parent.fd, dst_dir_fd=self._fd)
        return number

    def give_back(self, number: str, parent: Inode, name: str) -> None:
        """Move it back."""
        os.rename(number, name, src_dir_fd=self._fd, dst_dir_fd=parent.fd)

    def empty(self, number: str, is_folder: bool) -> None:
        """Remove one for good."""
        with contextlib.suppress(FileNotFoundError):
            (os.rmdir if is_folder else os.unlink)(number, dir_fd=self._fd)


class Names:
    """The changes that are not durable, oldest first."""

    def __init__(self) -> None:
        self._changes: list[Change] = []

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, change: Change) -> None:
        """It happened."""
        self._changes.append(change)

    def sync(self, number: int) -> None:
        """Make durable what a file or folder is involved in, and all that came before."""
        last = 0
        for count, change in enumerate(self._changes, 1):
            if number in change.involves:
                last = count
        self._settle(last)

    def sync_all(self) -> None:
        """Make all of it durable."""
        self._settle(len(self._changes))

    def cut(self, survives: str, random: Random) -> tuple[int, int]:
        """Lose some of the changes, or all; ``(how many survived, how many were lost)``."""
        total = len(self._changes)
        kept = 0 if survives == "lost" else random.randrange(total + 1)
        for change in reversed(self._changes[kept:]):
            change.undo()
        del self._changes[kept:]
        self._settle(kept)
        return kept, total - kept

    def _settle(self, count: int) -> None:
        for change in self._changes[:count]:
            change.settle()
        del self._changes[:count]
