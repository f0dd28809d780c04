"""A whole run folder as one file, made while it is sent: nothing is kept in memory or on disk."""

from __future__ import annotations

import contextlib
import io
import itertools
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from . import run_files, run_names
from .run_files import FoundFile

CHUNK_BYTES = 256 << 10
OLDEST_ZIP = (1980, 1, 1, 0, 0, 0)


class _Outgoing(io.RawIOBase):
    """A file that can only be written; what was written waits to be taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(data)  # type: ignore[call-overload]
        self._parts.append(part)
        self._written += len(part)
        return len(part)

    def tell(self) -> int:
        return self._written

    def take(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def zipped(store: Path, run: str) -> Iterator[bytes]:
    """The files of a run as a zip archive. ``OSError`` at once if there is no such run."""
    found = _everything(store, run)
    return _zipped(store, run, found)


def _zipped(store: Path, run: str, found: list[FoundFile]) -> Iterator[bytes]:
    out = _Outgoing()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:  # type: ignore[arg-type]
        for file in found:
            about = zipfile.ZipInfo(_path_in_archive(run, file), _zip_time(file.changed_s))
            about.compress_type = zipfile.ZIP_DEFLATED
            about.external_attr = 0o644 << 16
            with contextlib.ExitStack() as stack:
                try:
                    source = stack.enter_context(run_files.open_file(store, run, file.parts))
                except OSError:  # gone meanwhile
                    continue
                target = stack.enter_context(archive.open(about, "w", force_zip64=True))
                for chunk in _chunks(source, file.size_bytes):
                    target.write(chunk)
                    yield out.take()
    yield out.take()


def tarred(store: Path, run: str) -> Iterator[bytes]:
    """The files of a run as a tar archive, compressed. ``OSError`` at once if there is no such run.

    A file that is shorter by now than when it was listed is filled up with zeros, for a tar archive
    says the size first.
    """
    found = _everything(store, run)
    packer = zlib.compressobj(6, wbits=31)
    return (
        packed
        for block in itertools.chain(_tar_blocks(store, run, found), [None])
        if (packed := packer.flush() if block is None else packer.compress(block))
    )


def _tar_blocks(store: Path, run: str, found: list[FoundFile]) -> Iterator[bytes]:
    for file in found:
        try:
            source = run_files.open_file(store, run, file.parts)
        except OSError:
            continue
        with source:
            about = tarfile.TarInfo(_path_in_archive(run, file))
            about.size, about.mtime, about.mode = file.size_bytes, int(file.changed_s), 0o644
            yield about.tobuf(tarfile.PAX_FORMAT)
            left = file.size_bytes
            for chunk in _chunks(source, file.size_bytes):
                left -= len(chunk)
                yield chunk
            while left:
                yield bytes(min(left, CHUNK_BYTES))
                left -= min(left, CHUNK_BYTES)
            yield bytes(-file.size_bytes % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def sent(source: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    """A file up to a size, then closed."""
    with source:
        yield from _chunks(source, size_bytes)


def _everything(store: Path, run: str) -> list[FoundFile]:
    found, _ = run_files.files(store, run, run_files.ARCHIVED_MAX)
    return found


def _chunks(source: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    """Its bytes as far as they were there when it was listed: it may be growing."""
    left = size_bytes
    while left > 0 and (chunk := source.read(min(left, CHUNK_BYTES))):
        left -= len(chunk)
        yield chunk


def _path_in_archive(run: str, file: FoundFile) -> str:
    """Below one folder of the run's name; no part can lead out of it."""
    return "/".join(run_names.shown(part).replace("\\", "_") for part in (run, *file.parts))


def _zip_time(changed_s: float) -> tuple[int, int, int, int, int, int]:
    """In UTC, within what the format can say."""
    moment = time.gmtime(min(max(changed_s, 0.0), 4e9))[:6]
    return max(OLDEST_ZIP, moment)  # type: ignore[return-value]
