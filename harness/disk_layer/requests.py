"""Carries out what the kernel asks for, on a volume, with whatever trouble the disk has."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from random import Random

from . import trouble as kinds
from . import wire
from .inode import Inode
from .trouble import Trouble
from .volume import Volume
from .wire import Request

Answer = bytes
_O_CLOEXEC = os.O_CLOEXEC
_SYNCED = os.O_DSYNC | os.O_SYNC


class Requests:
    """Answers requests one by one. ``trouble`` is what the disk has now; nobody asks for
    ``is_spared`` files in vain."""

    def __init__(self, volume: Volume) -> None:
        self.trouble = Trouble({}, Random(0))
        self._volume = volume
        self._nodes: dict[int, Inode] = {wire.ROOT: volume.root}
        self._numbers: dict[Inode, int] = {volume.root: wire.ROOT}
        self._lookups: dict[int, int] = {}
        self._last_node = wire.ROOT
        self._listings: dict[int, list[tuple[str, int, int]]] = {}
        self._last_listing = 0
        self._acts: dict[int, Callable[[Request], Answer]] = {
            wire.LOOKUP: self._lookup,
            wire.GETATTR: self._getattr,
            wire.SETATTR: self._setattr,
            wire.READLINK: self._readlink,
            wire.SYMLINK: self._symlink,
            wire.MKNOD: self._mknod,
            wire.MKDIR: self._mkdir,
            wire.UNLINK: lambda request: self._remove(request, False),
            wire.RMDIR: lambda request: self._remove(request, True),
            wire.RENAME: self._rename,
            wire.RENAME2: self._rename,
            wire.LINK: self._link,
            wire.OPEN: self._open,
            wire.READ: self._read,
            wire.WRITE: self._write,
            wire.STATFS: self._statfs,
            wire.RELEASE: self._release,
            wire.FSYNC: self._fsync,
            wire.OPENDIR: self._opendir,
            wire.READDIR: self._readdir,
            wire.RELEASEDIR: self._releasedir,
            wire.FSYNCDIR: self._fsync,
            wire.CREATE: self._create,
            wire.FALLOCATE: self._fallocate,
            wire.INIT: lambda request: wire.init(request.body),
            wire.DESTROY: lambda request: b"",
        }

    def kind(self, request: Request) -> str | None:
        """What trouble a request can have: of which kind it is; ``None`` if none."""
        kind = _KINDS.get(request.opcode)
        if kind is None:
            return None
        if request.opcode == wire.SETATTR:
            (valid,) = wire.SETATTR_IN.unpack_from(request.body)[:1]
            if not valid & wire.SET_SIZE:
                return None
        inode = self._nodes.get(request.node)
        if inode is None or inode.is_spared:
            return None
        named = _NAMED.get(request.opcode)
        if named is not None and inode.is_folder:
            first = wire.names(request.body, named)[0]
            if self._volume.is_spared(inode, first):
                return None
        return kind

    def answer(self, request: Request, kind: str | None) -> bytes:
        """The whole answer; ``kind`` as it was found before."""
        act = self._acts.get(request.opcode)
        if act is None:  # extended attributes, polls, locks: the kernel makes do without
            return wire.answer(request.unique, error=errno.ENOSYS)
        try:
            if kind is not None:
                self._fail_by_chance(request, kind)
            return wire.answer(request.unique, act(request))
        except OSError as error:
            return wire.answer(request.unique, error=error.errno or errno.EIO)

    def _fail_by_chance(self, request: Request, kind: str) -> None:
        try:
            self.trouble.fail(kind)
        except OSError:
            if self.trouble.failed_syncs_lose and request.opcode == wire.FSYNC:
                self._volume.fail_sync(self._inode(request))
            raise

    def forget(self, request: Request) -> None:
        """The kernel knows some nodes no longer; this has no answer."""
        if request.opcode == wire.FORGET:
            self._forget(request.node, wire.FORGET_IN.unpack_from(request.body)[0])
            return
        count, _ = wire.BATCH_FORGET_IN.unpack_from(request.body)
        for at in range(count):
            where = wire.BATCH_FORGET_IN.size + at * wire.BATCH_FORGET_ONE.size
            self._forget(*wire.BATCH_FORGET_ONE.unpack_from(request.body, where))

    def _forget(self, node: int, count: int) -> None:
        left = self._lookups.get(node, 0) - count
        if left > 0:
            self._lookups[node] = left
        elif node != wire.ROOT:
            self._lookups.pop(node, None)
            inode = self._nodes.pop(node, None)
            if inode is not None:
                del self._numbers[inode]

    # -- nodes -----------------------------------------------------------------------

    def _inode(self, request: Request) -> Inode:
        inode = self._nodes.get(request.node)
        if inode is None:
            raise OSError(errno.ESTALE, "forgotten")
        return inode

    def _entry(self, inode: Inode) -> Answer:
        node = self._numbers.get(inode)
        if node is None:
            self._last_node = node = self._last_node + 1
            self._nodes[node] = inode
            self._numbers[inode] = node
        self._lookups[node] = self._lookups.get(node, 0) + 1
        return wire.entry(node, inode.stat())

    def _lookup(self, request: Request) -> Answer:
        [name] = wire.names(request.body, 0)
        return self._entry(self._volume.find(self._inode(request), name))

    def _getattr(self, request: Request) -> Answer:
        return wire.attributes(self._inode(request).stat())

    def _setattr(self, request: Request) -> Answer:
        inode = self._inode(request)
        valid, _, _, size, _, atime, mtime, _, atime_ns, mtime_ns, _, mode, _, uid, gid, _ = (
            wire.SETATTR_IN.unpack_from(request.body)
        )
        if valid & wire.SET_MODE:
            os.chmod(inode.path, stat.S_IMODE(mode))  # noqa: PTH101 - all by descriptors
        if valid & (wire.SET_UID | wire.SET_GID):
            owner = uid if valid & wire.SET_UID else -1
            group = gid if valid & wire.SET_GID else -1
            os.chown(inode.path, owner, group)
        if valid & wire.SET_SIZE:
            self._resize(inode, size)
        if valid & (wire.SET_ATIME | wire.SET_MTIME):
            seen, now = inode.stat(), time.time_ns()
            times = [seen.st_atime_ns, seen.st_mtime_ns]
            given = (atime * 10**9 + atime_ns, mtime * 10**9 + mtime_ns)
            for at, (set_, set_now) in enumerate(
                (
                    (wire.SET_ATIME, wire.SET_ATIME_NOW),
                    (wire.SET_MTIME, wire.SET_MTIME_NOW),
                )
            ):
                if valid & set_:
                    times[at] = now if valid & set_now else given[at]
            os.utime(inode.path, ns=(times[0], times[1]))
        return wire.attributes(inode.stat())

    def _resize(self, inode: Inode, size: int) -> None:
        before = inode.stat().st_size
        if size > before and not inode.is_spared:
            if self.trouble.room(size - before, size - before) < size - before:
                raise OSError(errno.ENOSPC, "full")
        elif size < before and not inode.is_spared:
            self.trouble.freed(before - size)
        self._volume.resize(inode, size)

    # -- names -----------------------------------------------------------------------

    def _made(self, request: Request, name: str) -> Inode:
        parent = self._inode(request)
        os.chown(name, request.uid, request.gid, dir_fd=parent.fd, follow_symlinks=False)
        return self._volume.made(parent, name)

    def _parent(self, request: Request, name: str) -> int:
        parent = self._inode(request)
        if not self._volume.is_spared(parent, name):
            self.trouble.room_for_name()
        return parent.fd

    def _mkdir(self, request: Request) -> Answer:
        mode, _ = wire.MKDIR_IN.unpack_from(request.body)
        [name] = wire.names(request.body, wire.MKDIR_IN.size)
        os.mkdir(name, stat.S_IMODE(mode), dir_fd=self._parent(request, name))
        return self._entry(self._made(request, name))

    def _mknod(self, request: Request) -> Answer:
        mode, device, _, _ = wire.MKNOD_IN.unpack_from(request.body)
        [name] = wire.names(request.body, wire.MKNOD_IN.size)
        os.mknod(name, mode, device, dir_fd=self._parent(request, name))
        return self._entry(self._made(request, name))

    def _symlink(self, request: Request) -> Answer:
        name, target = wire.names(request.body, 0)
        os.symlink(target, name, dir_fd=self._parent(request, name))
        return self._entry(self._made(request, name))

    def _readlink(self, request: Request) -> Answer:
        return os.fsencode(os.readlink("", dir_fd=self._inode(request).fd))

    def _link(self, request: Request) -> Answer:
        (node,) = wire.LINK_IN.unpack_from(request.body)
        [name] = wire.names(request.body, wire.LINK_IN.size)
        source = self._inode(request._replace(node=node))
        os.link(source.path, name, dst_dir_fd=self._parent(request, name), follow_symlinks=True)
        return self._entry(self._volume.made(self._inode(request), name))

    def _remove(self, request: Request, is_folder: bool) -> Answer:
        [name] = wire.names(request.body, 0)
        parent = self._inode(request)
        gone = self._volume.find(parent, name)
        size = gone.stat().st_size if gone.is_file and not gone.is_spared else 0
        self._volume.remove(parent, name, is_folder)
        self.trouble.freed(size)
        return b""

    def _rename(self, request: Request) -> Answer:
        flags = 0
        if request.opcode == wire.RENAME2:
            folder, flags, _ = wire.RENAME2_IN.unpack_from(request.body)
            old, new = wire.names(request.body, wire.RENAME2_IN.size)
        else:
            (folder,) = wire.RENAME_IN.unpack_from(request.body)
            old, new = wire.names(request.body, wire.RENAME_IN.size)
        if flags & ~wire.RENAME_NOREPLACE:
            raise OSError(errno.EINVAL, "only plain renames")
        target = self._inode(request._replace(node=folder))
        keep = bool(flags & wire.RENAME_NOREPLACE)
        self._volume.rename((self._inode(request), old), (target, new), keep)
        return b""

    # -- contents ----------------------------------------------------------------------

    def _open(self, request: Request) -> Answer:
        inode = self._inode(request)
        inode.open()
        inode.opens += 1
        return wire.opened(0)

    def _create(self, request: Request) -> Answer:
        _, mode, _, _ = wire.CREATE_IN.unpack_from(request.body)
        [name] = wire.names(request.body, wire.CREATE_IN.size)
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | _O_CLOEXEC
        folder = self._parent(request, name)
        os.close(os.open(name, flags, stat.S_IMODE(mode) | 0o600, dir_fd=folder))
        inode = self._made(request, name)
        inode.open()
        os.chmod(inode.path, stat.S_IMODE(mode))  # noqa: PTH101
        inode.opens += 1
        return self._entry(inode) + wire.opened(0)

    def _release(self, request: Request) -> Answer:
        inode = self._inode(request)
        inode.opens -= 1
        inode.rest()
        return b""

    def _read(self, request: Request) -> Answer:
        _, offset, size, _, _, _, _ = wire.READ_IN.unpack_from(request.body)
        inode = self._inode(request)
        content = os.pread(inode.open(), size, offset)
        return content if inode.is_spared else self.trouble.read(content)

    def _write(self, request: Request) -> Answer:
        _, offset, size, _, _, flags, _ = wire.WRITE_IN.unpack_from(request.body)
        inode = self._inode(request)
        begin = wire.WRITE_IN.size
        if self.trouble.free_bytes is not None and not inode.is_spared:
            growth = offset + size - inode.stat().st_size
            size = self.trouble.room(growth, size)
        count = self._volume.write(inode, offset, request.body[begin : begin + size])
        if flags & _SYNCED:
            self._volume.sync(inode)
        return wire.written(count)

    def _fallocate(self, request: Request) -> Answer:
        _, offset, length, mode, _ = wire.FALLOCATE_IN.unpack_from(request.body)
        if mode & ~wire.FALLOC_KEEP_SIZE:
            raise OSError(errno.EOPNOTSUPP, "only to allocate")
        inode = self._inode(request)
        if not mode and offset + length > inode.stat().st_size:
            self._resize(inode, offset + length)
        return b""

    def _fsync(self, request: Request) -> Answer:
        self._volume.sync(self._inode(request))
        return b""

    def _statfs(self, request: Request) -> Answer:
        return wire.statfs(os.statvfs(self._volume.root.path), self.trouble.free_bytes)

    # -- listings ----------------------------------------------------------------------

    def _opendir(self, request: Request) -> Answer:
        self._last_listing += 1
        self._listings[self._last_listing] = self._volume.listing(self._inode(request))
        return wire.opened(self._last_listing)

    def _readdir(self, request: Request) -> Answer:
        handle, offset, size, _, _, _, _ = wire.READ_IN.unpack_from(request.body)
        if offset == 0:  # from the beginning again: what is there by now
            self._listings[handle] = self._volume.listing(self._inode(request))
        return wire.directory(self._listings[handle], offset, size)

    def _releasedir(self, request: Request) -> Answer:
        handle = int.from_bytes(request.body[:8], "little")
        self._listings.pop(handle, None)
        return b""


_KINDS = {
    wire.READ: kinds.READ,
    **dict.fromkeys((wire.FSYNC, wire.FSYNCDIR), kinds.SYNC),
    **dict.fromkeys(
        (
            *(wire.WRITE, wire.CREATE, wire.MKNOD, wire.MKDIR, wire.SYMLINK, wire.LINK),
            *(wire.UNLINK, wire.RMDIR, wire.RENAME, wire.RENAME2, wire.SETATTR, wire.FALLOCATE),
        ),
        kinds.WRITE,
    ),
}

_NAMED = {
    wire.CREATE: wire.CREATE_IN.size,
    wire.RENAME: wire.RENAME_IN.size,
    wire.RENAME2: wire.RENAME2_IN.size,
    wire.UNLINK: 0,
}
"""Requests about a name in a folder, and where in them it stands."""
