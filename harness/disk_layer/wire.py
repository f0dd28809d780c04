"""The kernel's FUSE protocol, version 7.31: what requests and answers look like in bytes.

From ``include/uapi/linux/fuse.h``. Numbers are in the machine's own byte order.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

MAJOR, MINOR = 7, 31
ROOT = 1
MAX_WRITE = 1 << 18
BUFFER = MAX_WRITE + (1 << 14)
"""Of one read from the device: the longest write and its headers."""

LOOKUP, FORGET, GETATTR, SETATTR, READLINK, SYMLINK = 1, 2, 3, 4, 5, 6
MKNOD, MKDIR, UNLINK, RMDIR, RENAME, LINK, OPEN, READ, WRITE = 8, 9, 10, 11, 12, 13, 14, 15, 16
STATFS, RELEASE, FSYNC, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR = 17, 18, 20, 25, 26, 27, 28, 29
FSYNCDIR, CREATE, INTERRUPT, DESTROY, BATCH_FORGET, FALLOCATE = 30, 35, 36, 38, 42, 43
RENAME2 = 45

SET_MODE, SET_UID, SET_GID, SET_SIZE, SET_ATIME, SET_MTIME = 1, 2, 4, 8, 16, 32
SET_ATIME_NOW, SET_MTIME_NOW = 128, 256
WRITE_CACHE = 1
"""Of a write: pages of a mapping, written back by the kernel."""

RENAME_NOREPLACE = 1
FALLOC_KEEP_SIZE = 1

_ASYNC_READ, _BIG_WRITES, _AUTO_INVAL_DATA, _PARALLEL_DIROPS, _MAX_PAGES = (
    *(1 << 0, 1 << 5, 1 << 12),
    *(1 << 18, 1 << 22),
)

HEADER = struct.Struct("=IIQQIIIHH")
_ANSWER = struct.Struct("=IiQ")
_ATTRIBUTES = struct.Struct("=QQQQQQIIIIIIIIII")
_ENTRY = struct.Struct("=QQQQII")
_ATTRIBUTES_HEAD = struct.Struct("=QII")
_OPENED = struct.Struct("=QIi")
_INIT = struct.Struct("=IIIIHHIIHHI28x")
_STATFS = struct.Struct("=QQQQQIIII24x")
_WRITTEN = struct.Struct("=II")
_DIRENT = struct.Struct("=QQII")

SETATTR_IN = struct.Struct("=IIQQQQQQIIIIIIII")
CREATE_IN = struct.Struct("=IIII")
MKNOD_IN = struct.Struct("=IIII")
MKDIR_IN = struct.Struct("=II")
RENAME_IN = struct.Struct("=Q")
RENAME2_IN = struct.Struct("=QII")
LINK_IN = struct.Struct("=Q")
READ_IN = struct.Struct("=QQIIQII")
WRITE_IN = READ_IN
FALLOCATE_IN = struct.Struct("=QQQII")
FORGET_IN = struct.Struct("=Q")
BATCH_FORGET_IN = struct.Struct("=II")
BATCH_FORGET_ONE = struct.Struct("=QQ")
INTERRUPT_IN = struct.Struct("=Q")
INIT_IN = struct.Struct("=IIII")


class Request(NamedTuple):
    """One request; ``pid`` is the thread that waits for the answer, 0 if none of ours does."""

    opcode: int
    unique: int
    node: int
    uid: int
    gid: int
    pid: int
    body: memoryview


def request(content: bytes) -> Request:
    """A request as it was read from the device."""
    _, opcode, unique, node, uid, gid, pid, _, _ = HEADER.unpack_from(content)
    return Request(opcode, unique, node, uid, gid, pid, memoryview(content)[HEADER.size :])


def names(body: memoryview, offset: int) -> list[str]:
    """The names, each ended by a zero byte, that stand at the end of a request."""
    parts = bytes(body[offset:]).split(b"\0")
    return [os.fsdecode(part) for part in parts[:-1]]


def answer(unique: int, content: bytes = b"", error: int = 0) -> bytes:
    """An answer to a request: content, or an error number."""
    return _ANSWER.pack(_ANSWER.size + len(content), -error, unique) + content


def init(body: memoryview) -> bytes:
    """The answer to the first request; ``OSError`` if the kernel is too old."""
    major, minor, readahead, _ = INIT_IN.unpack_from(body)
    if (major, minor) < (7, 28):
        raise OSError(f"the kernel speaks FUSE {major}.{minor}; 7.28 (Linux 4.20) is needed")
    flags = _ASYNC_READ | _BIG_WRITES | _AUTO_INVAL_DATA | _PARALLEL_DIROPS | _MAX_PAGES
    pages = MAX_WRITE // os.sysconf("SC_PAGESIZE")
    return _INIT.pack(MAJOR, MINOR, readahead, flags, 64, 48, MAX_WRITE, 1, pages, 0, 0)


def attributes(seen: os.stat_result) -> bytes:
    """Of a file; never to be kept by the kernel, for a power cut changes them."""
    return _ATTRIBUTES_HEAD.pack(0, 0, 0) + _attributes(seen)


def entry(node: int, seen: os.stat_result) -> bytes:
    """A name that was found or made."""
    return _ENTRY.pack(node, 0, 0, 0, 0, 0) + _attributes(seen)


def _attributes(seen: os.stat_result) -> bytes:
    times = seen.st_atime_ns, seen.st_mtime_ns, seen.st_ctime_ns
    return _ATTRIBUTES.pack(
        seen.st_ino,
        seen.st_size,
        seen.st_blocks,
        *(max(0, time) // 10**9 for time in times),
        *(time % 10**9 for time in times),
        *(seen.st_mode, seen.st_nlink, seen.st_uid, seen.st_gid),
        *(seen.st_rdev & 0xFFFFFFFF, 4096, 0),
    )


def opened(handle: int) -> bytes:
    """A file or a folder that was opened."""
    return _OPENED.pack(handle, 0, 0)


def written(count: int) -> bytes:
    """How many bytes were."""
    return _WRITTEN.pack(count, 0)


def statfs(seen: os.statvfs_result, free_bytes: int | None) -> bytes:
    """How full it is; ``free_bytes`` if less is free than there seems to be."""
    free = seen.f_bavail
    if free_bytes is not None:
        free = min(free, free_bytes // seen.f_frsize)
    return _STATFS.pack(
        *(seen.f_blocks, free, free, seen.f_files, seen.f_ffree),
        *(seen.f_bsize, seen.f_namemax, seen.f_frsize, 0),
    )


def directory(entries: list[tuple[str, int, int]], offset: int, size: int) -> bytes:
    """A piece of a listing: ``(name, inode, type)`` from the ``offset``-th on, at most ``size``."""
    parts: list[bytes] = []
    for at in range(offset, len(entries)):
        name, inode, kind = entries[at]
        raw = os.fsencode(name)
        line = _DIRENT.pack(inode, at + 1, len(raw), kind) + raw
        line += bytes(-len(line) % 8)
        if len(line) > size:
            break
        size -= len(line)
        parts.append(line)
    return b"".join(parts)
