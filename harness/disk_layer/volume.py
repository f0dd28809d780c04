"""Files and names below a folder, and what a power cut would leave of them."""

from __future__ import annotations

import contextlib
import errno
import os
import weakref
from random import Random

from .inode import Inode
from .names import Bin, Made, Names, Removed, Renamed

HIDDEN = ".duress-disk"
"""A folder in the root that programs do not see: the bin, and copies."""

PROBE = ".duress-probe"
"""A file in the root by which the harness tries the disk out."""

OWN = (".log", ".seen")
PUT = ".duress-put"
"""Files in the root that end like the first two, and files put here under names that end like the
second, are those of the harness: they are on a disk of their own, which never fails."""

MOST_HELD_BYTES = 256 << 20
"""When more old content than this is kept, that of a file is forgotten: it was written back."""

_PATH_ONLY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Volume:
    """The files below ``root``, a descriptor of a folder. Errors are ``OSError``, as a disk's."""

    def __init__(self, root: int) -> None:
        self._known: weakref.WeakValueDictionary[int, Inode] = weakref.WeakValueDictionary()
        self._dirty: dict[int, Inode] = {}
        self._held = 0
        self._spared: set[int] = set()
        with contextlib.suppress(FileExistsError):
            os.mkdir(HIDDEN, 0o700, dir_fd=root)
        self.hidden = os.open(HIDDEN, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
        with contextlib.suppress(FileExistsError):
            os.mkdir("bin", 0o700, dir_fd=self.hidden)
        self._bin = Bin(os.open("bin", _PATH_ONLY | os.O_DIRECTORY, dir_fd=self.hidden))
        self.names = Names()
        self.root = self._inode(os.dup(root))

    # -- finding -------------------------------------------------------------------

    def find(self, parent: Inode, name: str) -> Inode:
        """What has a name; ``FileNotFoundError``."""
        if parent is self.root and name == HIDDEN:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        inode = self._inode(os.open(name, _PATH_ONLY, dir_fd=parent.fd))
        if self.is_spared(parent, name):
            self._spare(inode)
        return inode

    def _inode(self, fd: int) -> Inode:
        seen = os.stat(fd)
        known = self._known.get(seen.st_ino)
        if known is not None:
            os.close(fd)
            return known
        inode = self._known[seen.st_ino] = Inode(fd, seen)
        inode.is_spared = seen.st_ino in self._spared
        return inode

    def is_spared(self, parent: Inode, name: str) -> bool:
        """Whether a new file of this name is the harness's own."""
        return name.endswith(PUT) or (name.endswith(OWN) and parent is self.root)

    def is_of_harness(self, number: int) -> bool:
        """Whether this is a file of the harness's own, by its inode's number."""
        return number in self._spared

    def _spare(self, inode: Inode) -> None:
        if inode.is_file and not inode.is_spared:
            inode.is_spared = True
            self._spared.add(inode.number)
            self.sync(inode)

    def listing(self, folder: Inode) -> list[tuple[str, int, int]]:
        """``(name, inode, type)`` of all in a folder."""
        file = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with os.scandir(file) as entries:
                found = [(each.name, each.inode(), _kind(each)) for each in entries]
        finally:
            os.close(file)
        if folder is self.root:
            found = [each for each in found if each[0] != HIDDEN]
        return [(".", folder.number, 4), ("..", folder.number, 4), *found]

    # -- contents ------------------------------------------------------------------

    def write(self, inode: Inode, offset: int, content: memoryview) -> int:
        """Write; how many bytes were."""
        file = inode.open()
        if not inode.is_spared:
            held = inode.written.held
            inode.written.about_to_write(file, offset, len(content), os.fstat(file).st_size)
            self._dirtied(inode, held)
        return os.pwrite(file, content, offset)

    def resize(self, inode: Inode, size: int) -> None:
        """Cut off, or let grow with zeros."""
        file = inode.open()
        if not inode.is_spared:
            held = inode.written.held
            inode.written.about_to_resize(file, size, os.fstat(file).st_size)
            self._dirtied(inode, held)
        os.ftruncate(file, size)
        inode.rest()

    def _dirtied(self, inode: Inode, held_before: int) -> None:
        if inode.written.writes:
            self._dirty[inode.number] = inode
        self._held += inode.written.held - held_before
        if self._held > MOST_HELD_BYTES:
            self._clean(max(self._dirty.values(), key=lambda each: each.written.held))

    def _clean(self, inode: Inode) -> None:
        if inode.number in self._dirty:
            self._held -= inode.written.held
            inode.written.sync()
            if not inode.written.doomed:
                del self._dirty[inode.number]
            inode.rest()

    def sync(self, inode: Inode) -> None:
        """Make a file durable, content and names; or a folder's names."""
        self._clean(inode)
        if self.names:
            self.names.sync(inode.number)

    def fail_sync(self, inode: Inode) -> None:
        """A sync of a file failed, after which what was not written is not tried again."""
        if inode.written.writes:
            self._held -= inode.written.held
            inode.written.fail(inode.open())

    def sync_all(self) -> None:
        """Make everything durable."""
        for inode in list(self._dirty.values()):
            self._clean(inode)
        self.names.sync_all()

    def unsynced(self) -> tuple[int, int]:
        """How many bytes, and how many changes of names."""
        return sum(inode.written.bytes for inode in self._dirty.values()), len(self.names)

    # -- names ---------------------------------------------------------------------

    def made(self, parent: Inode, name: str) -> Inode:
        """Something was just made in the folder below."""
        inode = self._inode(os.open(name, _PATH_ONLY, dir_fd=parent.fd))
        if self.is_spared(parent, name) and inode.is_file:
            self._spare(inode)
            self.names.sync(parent.number)  # lest the folder be lost with it
        else:
            self.names.add(Made(parent, name, inode))
        return inode

    def remove(self, parent: Inode, name: str, is_folder: bool) -> None:
        """Remove a file or an empty folder."""
        gone = self.find(parent, name)
        if is_folder and not gone.is_folder:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
        if gone.is_folder and not is_folder:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        if is_folder and len(self.listing(gone)) > 2:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), name)
        if removed := self._thrown(parent, name, gone):
            self.names.add(removed)

    def _thrown(self, parent: Inode, name: str, gone: Inode) -> Removed | None:
        if gone.is_spared:
            self._spared.discard(gone.number)
            os.unlink(name, dir_fd=parent.fd)
            return None
        return Removed(parent, name, gone, self._bin, self._bin.throw(parent, name))

    def rename(
        self, old: tuple[Inode, str], new: tuple[Inode, str], keep_existing: bool = False
    ) -> None:
        """Rename; what has the new name is replaced, or ``FileExistsError``."""
        moved = self.find(*old)
        try:
            there = self.find(*new)
        except FileNotFoundError:
            there = None
        if there is not None and keep_existing:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new[1])
        if there is moved:
            return
        if there is not None and there.is_folder != moved.is_folder:
            wrong = errno.EISDIR if there.is_folder else errno.ENOTDIR
            raise OSError(wrong, os.strerror(wrong), new[1])
        if there is not None and there.is_folder and len(self.listing(there)) > 2:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), new[1])
        if moved.is_spared:
            if there is not None:
                self.sync(there)
                self._spared.discard(there.number)
            os.rename(old[1], new[1], src_dir_fd=old[0].fd, dst_dir_fd=new[0].fd)
            return
        replaced = self._thrown(*new, there) if there is not None else None
        try:
            os.rename(old[1], new[1], src_dir_fd=old[0].fd, dst_dir_fd=new[0].fd)
        except OSError:
            if replaced is not None:
                replaced.undo()
            raise
        self.names.add(Renamed(moved, old, new, replaced))

    # -- the power -----------------------------------------------------------------

    def cut(self, survives: str, sector: int, random: Random) -> dict[str, int]:
        """Lose what was not synced, or a part of it; how much survived and how much did not.

        Nothing may have files open that it still wants to write.
        """
        kept = lost = 0
        for number in sorted(self._dirty):
            inode = self._dirty[number]
            survived, gone = inode.written.cut(inode.open(), survives, sector, random)
            kept, lost = kept + survived, lost + gone
            inode.rest()
        self._dirty.clear()
        self._held = 0
        names_kept, names_lost = self.names.cut(survives, random)
        return {
            "bytes_kept": kept,
            "bytes_lost": lost,
            "names_kept": names_kept,
            "names_lost": names_lost,
        }


def _kind(entry: os.DirEntry) -> int:
    if entry.is_dir(follow_symlinks=False):
        return 4
    return 8 if entry.is_file(follow_symlinks=False) else 10
