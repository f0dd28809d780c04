"""Reads a file of lines while another process appends to it."""

from __future__ import annotations

import os
from pathlib import Path

from . import run_files, run_names

LONGEST_LINE_BYTES = 16 << 20
CHUNK_BYTES = 4 << 20


class LineTail:
    """Complete lines of a growing file, each given once.

    A line is complete with its newline; half of one waits for the rest. A file that is replaced or
    became shorter is read from its beginning again, which :attr:`restarts` counts. What is longer
    than :data:`LONGEST_LINE_BYTES` is no line of ours and is skipped.
    """

    def __init__(self, store: Path, slug: str, file: str) -> None:
        self._store, self._run, self._file = store, run_names.decoded(slug), file
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._skipping = False
        self.restarts = 0
        self.skipped = 0

    def read(self) -> list[bytes]:
        """What has come since the last call, at most :data:`CHUNK_BYTES` or one line. Empty if
        nothing has, or if there is no such file."""
        try:
            with run_files.open_file(self._store, self._run, [self._file]) as file:
                about = os.fstat(file.fileno())
                self._follow((about.st_dev, about.st_ino), about.st_size)
                size = CHUNK_BYTES
                while True:
                    file.seek(self._offset)
                    data = file.read(size)
                    end = data.rfind(b"\n") + 1
                    if end or len(data) < size:
                        return self._lines(data[:end])
                    if size >= LONGEST_LINE_BYTES:
                        self._skip(len(data))
                        return []
                    size *= 2
        except OSError:
            return []

    def rewind(self) -> None:
        """Give every line once more."""
        self._identity = None

    def _follow(self, identity: tuple[int, int], size: int) -> None:
        if identity != self._identity or size < self._offset:
            if self._identity is not None:
                self.restarts += 1
            self._identity, self._offset, self._skipping = identity, 0, False

    def _lines(self, data: bytes) -> list[bytes]:
        self._offset += len(data)
        lines = data.split(b"\n")[:-1]
        if lines and self._skipping:  # the end of what was too long
            self._skipping = False
            del lines[0]
        return [line for line in lines if line.strip()]

    def _skip(self, length: int) -> None:
        self._offset += length
        self.skipped += not self._skipping
        self._skipping = True
