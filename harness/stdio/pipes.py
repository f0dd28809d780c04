"""Both pipes of one program: lines in whole blocks, never waited for, never without bounds."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable
from typing import Any

READ_BYTES = 1 << 18
PIPE_BYTES = 1 << 20
MOST_LINE_BYTES = 8 << 20
MOST_WAITING_BYTES = 64 << 20
"""What waits for a program that does not read; beyond that, messages for it are lost."""

Heard = Callable[["Pipes", bytes], None]
"""Whole lines, the last with its end."""


class Pipes:
    """The standard input and output of a running program, from outside.

    ``routes`` belongs to whoever sends on what it says. ``on_huge`` is told of a line that is too
    long, which is left out; ``on_end`` when it has closed its output.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        stdin: int,
        stdout: int,
        heard: Heard,
        on_huge: Callable[[Pipes, bytes], None],
        on_end: Callable[[Pipes], None],
    ) -> None:
        self.name = name
        self.routes: dict[str, Any] = {}
        self.is_dirty = False
        self._loop = loop
        self._in, self._out = stdin, stdout
        self._heard, self._on_huge, self._on_end = heard, on_huge, on_end
        self._pending: list[bytes] = []
        self._waiting_bytes = 0
        self._rest = memoryview(b"")
        self._partial = b""
        self._skips = False
        self._is_open = True
        for end in (stdin, stdout):
            os.set_blocking(end, False)
            with contextlib.suppress(OSError):  # the user's quota of pipes may be used up
                fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        loop.add_reader(stdout, self._readable)

    @property
    def is_open(self) -> bool:
        """Whether it can still be told something."""
        return self._is_open

    def put(self, line: bytes) -> bool:
        """Let a line (without its end) be written at the next :meth:`flush`; false if too much
        waits already."""
        if self._waiting_bytes > MOST_WAITING_BYTES:
            return False
        self._pending.append(line)
        self._waiting_bytes += len(line) + 1
        return True

    def flush(self) -> None:
        """Write as much as it takes now; the rest follows by itself."""
        self.is_dirty = False
        if self._rest or not self._pending or not self._is_open:
            return
        self._pending.append(b"")
        self._rest = memoryview(b"\n".join(self._pending))
        self._pending.clear()
        self._write()
        if self._rest:
            self._loop.add_writer(self._in, self._writable)

    def _write(self) -> None:
        try:
            while self._rest:
                written = os.write(self._in, self._rest)
                self._waiting_bytes -= written
                self._rest = self._rest[written:]
        except BlockingIOError:
            pass
        except OSError:  # it reads no more
            self._hang_up()

    def _writable(self) -> None:
        self._write()
        if not self._rest:
            if self._is_open:
                self._loop.remove_writer(self._in)
            self.flush()

    def _readable(self) -> None:
        try:
            data = os.read(self._out, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self._on_end(self)
            return
        cut = data.rfind(b"\n") + 1
        if not cut:
            self._keep(data)
            return
        if self._partial or self._skips:
            data, cut = self._joined(data, cut)
        self._partial = data[cut:]
        if cut:
            self._heard(self, data if cut == len(data) else data[:cut])

    def _joined(self, data: bytes, cut: int) -> tuple[bytes, int]:
        if self._skips:  # the rest of a line that was too long
            self._skips = False
            end = data.index(b"\n") + 1
            return data[end:], cut - end
        begin, self._partial = self._partial, b""
        return begin + data, cut + len(begin)

    def _keep(self, data: bytes) -> None:
        if self._skips:
            return
        self._partial += data
        if len(self._partial) > MOST_LINE_BYTES:
            self._on_huge(self, self._partial)
            self._partial, self._skips = b"", True

    def _hang_up(self) -> None:
        if self._is_open:
            self._is_open = False
            self._loop.remove_writer(self._in)
            os.close(self._in)
            self._pending.clear()
            self._rest, self._waiting_bytes = memoryview(b""), 0

    def close(self) -> None:
        """Let go of both. Idempotent."""
        self._hang_up()
        if self._out >= 0:
            self._loop.remove_reader(self._out)
            os.close(self._out)
            self._out = -1
