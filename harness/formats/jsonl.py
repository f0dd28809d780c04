"""duress's own format: one :class:`Operation` a line, as JSON.

Fields in the order of the struct, defaults left out::

    {"index":0,"time":1200,"process":3,"type":"invoke","f":"write","value":4,"key":"x"}

Append-only. A killed harness loses at most the line in flight, and a reader drops a last
line that was cut short.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import msgspec

from ..errors import InfrastructureError, UserError
from ..history import History, HistoryError
from ..operation import Operation
from ..store import write_whole
from .loaded import Loaded, collector_paused
from .source import DAMAGED, excerpt, open_binary

BLOCK_BYTES = 1 << 18
"""How much is decoded at a time: enough to amortise calls, little enough to stay in cache."""

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Operation)


def write_line(operation: Operation) -> bytes:
    """One operation as a line, newline included."""
    return _encode(operation) + b"\n"


class HistoryWriter:
    """An append-only file of operations; each is handed to the kernel in one write.

    The file must be new or empty (:class:`UserError` otherwise: a history is written once).
    :class:`InfrastructureError` when the disk refuses.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}") from None
        if os.fstat(self._file).st_size:
            os.close(self._file)
            self._file = -1
            raise UserError(f"{path}: already holds a history; give a new file")

    def append(self, operation: Operation) -> None:
        """Write one operation. It survives the death of this process, though not of the machine."""
        line = _encode(operation) + b"\n"
        try:
            write_whole(self._file, line)
        except OSError as error:
            raise InfrastructureError(
                f"{self.path}: operation {operation.index} could not be written: {error.strerror}"
            ) from None

    def close(self) -> None:
        """Flush to the disk and close. Harmless when repeated."""
        if self._file < 0:
            return
        file, self._file = self._file, -1
        try:
            os.fsync(file)
        except OSError as error:
            raise InfrastructureError(f"{self.path}: fsync failed: {error.strerror}") from None
        finally:
            os.close(file)

    def __enter__(self) -> HistoryWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def write(history: Iterable[Operation], path: str | Path) -> None:
    """Write a whole history to a new file, or over an old one (buffered, not crash-safe)."""
    with Path(path).open("wb") as file:
        file.writelines(map(write_line, history))


def read(path: str | Path) -> Loaded:
    """Read a history; a million operations take about three seconds.

    A last line without its newline that is not a whole operation is dropped and counted in
    ``torn``. Any other bad line: :class:`UserError` ``file:line: what is wrong``.
    """
    reader = _Reader(path)
    with collector_paused():
        reader.run()
    notes = []
    if reader.torn:
        notes.append(torn_note(reader.line))
    return Loaded(reader.history, "jsonl", notes=notes, torn=reader.torn)


def torn_note(line: int) -> str:
    """What to say of a last line that was cut short."""
    return (
        f"the end of the file, line {line}, was cut short; what is not whole was dropped (the "
        "writer was killed, or is still writing)"
    )


class _Reader:
    """Decodes block by block; goes line by line only where a block is bad, to name the line."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.history = History()
        self.line = 0
        self.torn = 0

    def run(self) -> None:
        rest = b""
        with open_binary(self.path) as file:
            while True:
                try:
                    block = file.read1(BLOCK_BYTES)
                except EOFError:
                    self.torn = 1  # a gzip stream cut short: what came before is kept
                    break
                except DAMAGED as error:
                    raise UserError(f"{self.path}: the gzip stream is damaged: {error}") from None
                except OSError as error:
                    reason = error.strerror or error
                    raise UserError(f"{self.path}: cannot be read: {reason}") from None
                if not block:
                    break
                end = block.rfind(b"\n") + 1
                if not end:
                    rest += block
                    continue
                self._whole_lines(rest + block[:end])
                rest = block[end:]
        if rest.strip():
            self.line += 1
            self._last_line(rest)

    def _whole_lines(self, block: bytes) -> None:
        try:
            operations = _decoder.decode_lines(block)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self._line_by_line(block)
            return
        append = self.history.append
        done = 0
        try:
            for operation in operations:
                append(operation)
                done += 1
        except (HistoryError, OverflowError, ValueError, RecursionError) as error:
            lines = enumerate(block.split(b"\n"), self.line + 1)
            number = next(islice((n for n, line in lines if line.strip()), done, None))
            raise self._broken(error, operations[done], number) from None
        self.line += block.count(b"\n")

    def _line_by_line(self, block: bytes) -> None:
        """A block that does not decode: everything before its bad line must still be right."""
        for number, line in enumerate(block.split(b"\n"), self.line + 1):
            if line.strip():
                self._append(self._decode(line, number), number)
        self.line += block.count(b"\n")

    def _decode(self, line: bytes, number: int) -> Operation:
        try:
            return _decoder.decode(line)
        except RecursionError:
            raise UserError(f"{self.path}:{number}: nested too deeply") from None
        except (msgspec.MsgspecError, ValueError) as error:
            raise UserError(
                f"{self.path}:{number}: not an operation: {error}: "
                f"{excerpt(line[:200].decode('utf-8', 'replace'))}"
            ) from None

    def _append(self, operation: Operation, number: int) -> None:
        try:
            self.history.append(operation)
        except (HistoryError, OverflowError, ValueError, RecursionError) as error:
            raise self._broken(error, operation, number) from None

    def _broken(self, error: Exception, operation: Operation, number: int) -> UserError:
        if isinstance(error, OverflowError):
            what = f"time {operation.time} or process {operation.process} is too large"
        elif isinstance(error, HistoryError):
            what = f"{error} (recorded by others? then read it as jepsen-json)"
        else:
            what = "its value is nested too deeply or cannot be written as JSON"
        return UserError(f"{self.path}:{number}: {what}")

    def _last_line(self, line: bytes) -> None:
        try:
            operation = _decoder.decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self.torn = 1
            return
        self._append(operation, self.line)
