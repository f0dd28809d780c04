"""Copies of all data on a volume, going back to one, and damage to what is stored.

Only while no program has files open. What the harness itself keeps there is left alone.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from random import Random
from typing import Any

from .volume import HIDDEN, OWN, PROBE, Volume
from .written import read_all, write_all

PIECE_BYTES = 1 << 20
TRIES = 64
"""To find a byte that is not zero, for much of many files was only allocated."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


def copy(volume: Volume, name: str) -> dict[str, int]:
    """Keep a copy of everything as programs see it now; how many files and bytes it has."""
    drop(volume, name)
    os.mkdir(name, 0o700, dir_fd=volume.hidden)
    with _folder(volume) as source, _opened(name, volume.hidden) as target:
        return _copy_all(source, target, _own(volume, source))


def restore(volume: Volume, name: str) -> dict[str, int]:
    """Let everything be as in a copy, durably; how many files and bytes that is."""
    volume.sync_all()
    with _folder(volume) as root, _opened(name, volume.hidden) as source:
        own = _own(volume, root)
        for entry in os.listdir(root):  # noqa: PTH208 - a descriptor
            if entry not in own:
                _remove(entry, root)
        return _copy_all(source, root, frozenset())


def drop(volume: Volume, name: str) -> None:
    """Forget a copy, if there is one."""
    with contextlib.suppress(FileNotFoundError):
        _remove(name, volume.hidden)


def clear(root: int) -> None:
    """Remove what programs did not see of a folder that is no volume any more."""
    with contextlib.suppress(OSError):
        _remove(HIDDEN, root)


def flip(volume: Volume, count: int, random: Random) -> list[dict[str, Any]]:
    """Flip bits of stored files; which. Large files are hit more often."""
    volume.sync_all()
    done: list[dict[str, Any]] = []
    with _folder(volume) as root:
        files = _files(volume, root)
        for _ in range(count if files else 0):
            path, size = random.choices(files, [size for _, size in files])[0]
            with _opened(path, root, _FILE) as file:
                at, byte = _byte(file, size, random)
                bit = random.randrange(8)
                write_all(file, bytes([byte ^ 1 << bit]), at)
            done.append({"path": path, "offset": at, "bit": bit})
    return done


def cut_short(volume: Volume, count: int, random: Random) -> list[dict[str, Any]]:
    """Cut off the ends of stored files; of which, and how long they were and are."""
    volume.sync_all()
    done: list[dict[str, Any]] = []
    with _folder(volume) as root:
        files = _files(volume, root)
        for path, size in random.sample(files, min(count, len(files))):
            left = random.randrange(size)
            with _opened(path, root, _FILE) as file:
                os.ftruncate(file, left)
            done.append({"path": path, "bytes": size, "left": left})
    return done


def _byte(file: int, size: int, random: Random) -> tuple[int, int]:
    at, content = 0, b"\0"
    for _ in range(TRIES):
        at = random.randrange(size)
        content = read_all(file, at, 1)
        if content != b"\0":
            break
    return at, content[0]


def _files(volume: Volume, root: int) -> list[tuple[str, int]]:
    """Path and size of every file that has content, in order of paths."""
    own = _own(volume, root)
    found = []
    for folder, folders, names, fd in os.fwalk(".", dir_fd=root):
        if folder == ".":
            folders[:] = [name for name in folders if name not in own]
            names = [name for name in names if name not in own]
        folders.sort()
        for name in names:
            seen = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISREG(seen.st_mode) and seen.st_size:
                path = f"{folder}/{name}".removeprefix("./") if folder != "." else name
                found.append((path, seen.st_size))
    return sorted(found)


def _own(volume: Volume, root: int) -> frozenset[str]:
    """What in the root is not data."""
    names = os.listdir(root)
    return frozenset(
        name
        for name in names
        if name in (HIDDEN, PROBE)
        or name.endswith(OWN)
        or volume.is_of_harness(os.stat(name, dir_fd=root, follow_symlinks=False).st_ino)
    )


def _copy_all(source: int, target: int, without: frozenset[str]) -> dict[str, int]:
    files = size = 0
    for name in sorted(os.listdir(source)):
        if name in without:
            continue
        seen = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(seen.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            with _opened(name, source) as below, _opened(name, target) as beside:
                counted = _copy_all(below, beside, frozenset())
            files, size = files + counted["files"], size + counted["bytes"]
        elif stat.S_ISLNK(seen.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        elif stat.S_ISREG(seen.st_mode):
            _copy_file(name, source, target)
            files, size = files + 1, size + seen.st_size
        else:
            continue
        os.chown(name, seen.st_uid, seen.st_gid, dir_fd=target, follow_symlinks=False)
        if not stat.S_ISLNK(seen.st_mode):
            os.chmod(name, stat.S_IMODE(seen.st_mode), dir_fd=target)
    return {"files": files, "bytes": size}


def _copy_file(name: str, source: int, target: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    reading = _opened(name, source, os.O_RDONLY | os.O_NOFOLLOW)
    with reading as old, _opened(name, target, flags) as new:
        offset = 0
        while piece := read_all(old, offset, PIECE_BYTES):
            if piece.count(0) != len(piece):  # holes stay holes
                write_all(new, piece, offset)
            offset += len(piece)
        os.ftruncate(new, offset)


def _remove(name: str, folder: int) -> None:
    seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISDIR(seen.st_mode):
        os.unlink(name, dir_fd=folder)
        return
    with _opened(name, folder) as inside:
        for each in os.listdir(inside):  # noqa: PTH208
            _remove(each, inside)
    os.rmdir(name, dir_fd=folder)


def _folder(volume: Volume) -> contextlib.AbstractContextManager[int]:
    return _opened(volume.root.path, None, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


@contextlib.contextmanager
def _opened(name: str, folder: int | None, flags: int = _FOLDER) -> Iterator[int]:
    fd = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        yield fd
    finally:
        os.close(fd)
