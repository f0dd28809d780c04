"""Reading JSON lines of transactions straight into arrays.

``read`` gives exactly what the general reader of the format gives, or ``None`` where it cannot be
sure to: then the general reader has to do it, and to say what is wrong if anything is. Lines
that the scanner does not understand (the nemesis's, escapes, nested errors) are decoded one by one.
"""

from __future__ import annotations

import gzip
import tempfile
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np

from ..history import (
    APPEND,
    LIST,
    NEMESIS_PROCESS,
    NOTHING,
    NUMBER,
    READ,
    TYPE_CODES,
    WRITE,
)
from ..operation import NEMESIS, Operation
from .loaded import Loaded
from .scanned_history import ScannedHistory
from .source import DAMAGED, open_binary
from .txn_pairing import micro_operations, paired
from .txn_scanner import (
    ELEMENTS,
    KEYS,
    LINES,
    MOPS,
    NAMED,
    NEWLINES,
    NEXT,
    ODD,
    SHAPES,
    loops,
)

CHUNK_BYTES = 1 << 20
"""How much is scanned at a time."""

UNUSABLE = -2
"""In the ``first`` column: a value that is not one of plain micro-operations."""

_MOST_MOPS = 2**31 - 1
_MOST_FUNCTIONS = 1000
_PATIENCE = 2_000
"""Lines not understood, if they are the greater part, from which the general reader is quicker."""

_VERBS = {
    "r": READ, ":r": READ, "read": READ, "append": APPEND, ":append": APPEND,
    "w": WRITE, ":w": WRITE, "write": WRITE,
}  # fmt: skip

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Unsure(Exception):
    """Only the general reader can tell."""


class Dialect(Protocol):
    """What the lines of one format mean. Its methods raise :class:`Unsure`."""

    format: str
    colons: bool
    """Whether ``":ok"`` is ``"ok"``."""

    def odd(self, line: bytes) -> tuple[Operation, int]:
        """The operation of an odd line, and its own index (-1: none)."""
        ...

    def whole(self, line: bytes) -> bool:
        """Whether a last line without its newline is whole; else it is torn."""
        ...

    def check(self, index: NDArray[np.int64], position: int) -> None:
        """Look at the own indexes of the operations from a position on."""
        ...

    def retype(self, process: NDArray[np.int32], type_: NDArray[np.int8]) -> None:
        """Change types in place, once all operations have been seen."""
        ...

    def decode(self, line: bytes, at: int) -> Operation:
        """The operation at a position (any error: the file has changed)."""
        ...

    def described(self, history: ScannedHistory, torn_line: int) -> Loaded:
        """What the general reader would say of it. ``torn_line``: what was dropped, or 0."""
        ...


def read(
    path: str | Path, dialect: Dialect, *, compiled: bool = True, chunk_bytes: int = CHUNK_BYTES
) -> Loaded | None:
    """Read a file. ``None``: use the general reader. Memory: some 70 bytes an operation, 9 a
    micro-operation, 4 an element of a list, and a few chunks.
    """
    try:
        file = _seekable(path)
    except (*DAMAGED, OSError):
        return None
    try:
        return _Reader(file, dialect, compiled, chunk_bytes).run()
    except (Unsure, OSError, OverflowError):
        file.close()
        return None


def _seekable(path: str | Path) -> IO[bytes]:
    """The file, or what a compressed one holds in a temporary one."""
    file = open_binary(path)
    if not isinstance(file, gzip.GzipFile):
        return file  # type: ignore[return-value]
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - handed to the caller
    try:
        with file:
            while block := file.read(CHUNK_BYTES):
                unpacked.write(block)
    except BaseException:
        unpacked.close()
        raise
    unpacked.seek(0)
    return unpacked


class _Scratch:
    """Room for what the lines of one chunk hold."""

    def __init__(self, size: int) -> None:
        lines, mops = size // 2 + 2, size // 8 + 2
        self.offset, self.index, self.time = (np.empty(lines, np.int64) for _ in range(3))
        self.process = np.empty(lines, np.int32)
        self.type = np.empty(lines, np.int8)
        self.f = np.empty(lines, np.int16)
        self.first, self.last = (np.empty(lines, np.int32) for _ in range(2))
        self.what = np.empty(mops, np.int8)
        self.key, self.number = (np.empty(mops, np.int32) for _ in range(2))
        self.elements = np.empty(size // 2 + 2, np.int32)

    def groups(self) -> tuple[Any, ...]:
        """The scanner's ``rows`` and ``mops``."""
        return (
            (
                self.offset, self.index, self.time, self.process, self.type, self.f, self.first,
                self.last,
            ),
            (self.what, self.key, self.number, self.elements),
        )  # fmt: skip


class _KeyTable:
    """Codes of keys: those that the scanner found, and (negative) those of odd lines."""

    def __init__(self, seat: Callable[..., Any]) -> None:
        self._seat = seat
        self.kinds = np.empty(1 << 10, np.int8)
        self.numbers, self.hashes = np.empty(1 << 10, np.int64), np.empty(1 << 10, np.int64)
        self.sizes = np.empty(1 << 10, np.int32)
        self.names = np.empty(1 << 14, np.uint8)
        self.slots = np.full(1 << 12, -1, np.int32)
        self.odd: dict[Any, int] = {}

    def arrays(self) -> tuple[Any, ...]:
        """The scanner's ``table``."""
        return self.slots, self.hashes, self.kinds, self.numbers, self.sizes, self.names

    def grow(self, count: int, longest: int) -> None:
        """Double the room; ``longest``: bytes that one more name may take."""
        self.hashes, self.kinds, self.numbers, self.sizes = (
            np.concatenate((column, np.empty_like(column)))
            for column in (self.hashes, self.kinds, self.numbers, self.sizes)
        )
        self.names = np.concatenate((self.names, np.empty(len(self.names) + longest, np.uint8)))
        self.slots = np.full(2 * len(self.slots), -1, np.int32)
        self._seat(self.hashes, count, self.slots)

    def odd_code(self, key: Any) -> int:
        """The code of a key from an odd line."""
        return self.odd.setdefault(key, -1 - len(self.odd))

    def resolve(self, count: int, key: Any) -> list[Any]:
        """The keys by code; codes of odd lines in ``key`` are replaced."""
        names = self.names.tobytes()
        keys: list[Any] = [
            names[number : number + size].decode() if kind == NAMED else number
            for kind, number, size in zip(
                self.kinds[:count].tolist(), self.numbers[:count].tolist(),
                self.sizes[:count].tolist(), strict=True,
            )
        ]  # fmt: skip
        if self.odd:
            known = {name: code for code, name in enumerate(keys)}
            codes = np.empty(len(self.odd), np.int32)
            for name, odd in self.odd.items():
                if name not in known:
                    known[name] = len(keys)
                    keys.append(name)
                codes[-1 - odd] = known[name]
            negative = key < 0
            key[negative] = codes[-1 - key[negative]]
        return keys


class _Reader:
    """One file, chunk by chunk; what is kept grows in place."""

    def __init__(self, file: IO[bytes], dialect: Dialect, compiled: bool, size: int) -> None:
        self.file, self.dialect, self.compiled, self.size = file, dialect, compiled, size
        self.scan, seat = loops(compiled)
        self.table = _KeyTable(seat)
        self.count = np.zeros(8, np.int64)
        self.kept = {
            name: array(code)
            for name, code in (
                ("offset", "q"), ("process", "i"), ("type", "b"), ("f", "h"), ("first", "i"),
                ("last", "i"), ("what", "b"), ("key", "i"), ("number", "i"), ("elements", "i"),
            )
        }  # fmt: skip
        self.functions: dict[str, int] = {"txn": 0, ":txn": 1}
        self.time = -(2**63)
        self.newlines = self.odd_lines = 0

    def run(self) -> Loaded:
        """Read it all. :class:`Unsure`."""
        buffer, room = bytearray(self.size), _Scratch(self.size)
        base = used = torn_line = 0
        while True:
            if used == len(buffer):
                buffer += bytes(len(buffer))
                room = _Scratch(len(buffer))
            got = self.file.readinto(memoryview(buffer)[used:])  # type: ignore[attr-defined]
            used += got
            if not got:
                break
            end = buffer.rfind(b"\n", used - got, used) + 1
            if end:
                self._chunk(buffer, end, base, room)
                buffer[: used - end] = buffer[end:used]
                base, used = base + end, used - end
        rest = bytes(buffer[:used])
        if rest.strip():
            if self.dialect.whole(rest):
                self._chunk(bytearray(rest + b"\n"), used + 1, base, _Scratch(used + 1))
            else:
                torn_line = self.newlines + 1
        del buffer, room
        return self._finish(torn_line)

    def _chunk(self, buffer: bytearray, end: int, base: int, room: _Scratch) -> None:
        data = np.frombuffer(buffer, np.uint8) if self.compiled else bytes(buffer[:end])
        at = 0
        while at < end:
            self.count[[LINES, MOPS, ELEMENTS, NEWLINES]] = 0
            self.scan(
                data, at, end, self.dialect.colons, *room.groups(), self.table.arrays(), self.count
            )
            at = int(self.count[NEXT])
            self._odd_lines(buffer, room)
            self._keep(room, base)
            if at < end:
                self.table.grow(int(self.count[KEYS]), end)

    def _keep(self, room: _Scratch, base: int) -> None:
        lines, mops, elements = (int(self.count[at]) for at in (LINES, MOPS, ELEMENTS))
        self.newlines += int(self.count[NEWLINES])
        if not lines:
            return
        time = room.time[:lines]
        if time[0] < self.time or (time[1:] < time[:-1]).any():
            raise Unsure
        self.time = int(time[-1])
        self.dialect.check(room.index[:lines], len(self.kept["type"]))
        so_far = len(self.kept["what"])
        if so_far + mops > _MOST_MOPS:
            raise Unsure
        room.offset[:lines] += base
        room.first[:lines][room.first[:lines] >= 0] += so_far
        room.last[:lines] += so_far
        for name, length in (
            *((name, lines) for name in ("offset", "process", "type", "f", "first", "last")),
            *((name, mops) for name in ("what", "key", "number")),
            ("elements", elements),
        ):
            self.kept[name].frombytes(memoryview(getattr(room, name)[:length]).cast("B"))

    def _odd_lines(self, buffer: bytearray, room: _Scratch) -> None:
        rows = np.flatnonzero(room.type[: self.count[LINES]] == ODD).tolist()
        self.odd_lines += len(rows)
        total = len(self.kept["type"]) + int(self.count[LINES])
        if self.odd_lines > _PATIENCE and 2 * self.odd_lines > total:
            raise Unsure
        for row in rows:
            begin = int(room.offset[row])
            line = bytes(buffer[begin : buffer.index(b"\n", begin)])
            operation, room.index[row] = self.dialect.odd(line)
            room.time[row] = operation.time
            room.type[row] = TYPE_CODES[operation.type]
            code = self.functions.setdefault(operation.f, len(self.functions))
            if code > _MOST_FUNCTIONS:
                raise Unsure
            room.f[row] = code
            if operation.process == NEMESIS:
                room.process[row] = NEMESIS_PROCESS
                continue
            process: Any = operation.process
            if type(process) is not int or process < 0 or operation.key is not None:
                raise Unsure
            room.process[row] = process
            self._odd_value(operation.value, row, room)

    def _odd_value(self, value: Any, row: int, room: _Scratch) -> None:
        """The micro-operations of an odd line, if they are plain after all."""
        if value is None:
            return
        steps = _plain_steps(value)
        if steps is None:
            room.first[row] = UNUSABLE
            return
        count = self.count
        room.first[row] = count[MOPS]
        for verb, key, inner in steps:
            shape, number = NOTHING, 0
            if type(inner) is list:
                shape, number = LIST, len(inner)
                place = int(count[ELEMENTS])
                room.elements[place : place + number] = inner
                count[ELEMENTS] += number
            elif inner is not None:
                shape, number = NUMBER, inner
            at = int(count[MOPS])
            room.what[at], room.number[at] = verb * SHAPES + shape, number
            room.key[at] = self.table.odd_code(key)
            count[MOPS] += 1
        room.last[row] = count[MOPS]

    def _finish(self, torn_line: int) -> Loaded:
        def taken(name: str, dtype: Any) -> Any:
            return np.frombuffer(self.kept.pop(name), dtype)

        offset, process = taken("offset", np.int64), taken("process", np.int32)
        type_ = taken("type", np.int8)
        self.dialect.retype(process, type_)
        pair = paired(process, type_, taken("f", np.int16), self.compiled)
        if pair is None:
            raise Unsure
        key = taken("key", np.int32)
        keys = self.table.resolve(int(self.count[KEYS]), key)
        micro = micro_operations(
            process, type_, pair, taken("first", np.int32), taken("last", np.int32), SHAPES,
            taken("what", np.int8), key, taken("number", np.int32), taken("elements", np.int32),
            keys,
        )  # fmt: skip
        history = ScannedHistory(
            self.file, offset, process, type_, pair, self.dialect.decode, micro
        )
        return self.dialect.described(history, torn_line)


def _plain_steps(value: Any) -> list[tuple[int, Any, Any]] | None:
    """Verb, key and value of each; ``None`` if anything is not plain."""
    if type(value) is not list:
        return None
    steps = []
    for step in value:
        if type(step) is not list or len(step) not in (2, 3):
            return None
        verb = _VERBS.get(step[0]) if type(step[0]) is str else None
        inner = step[2] if len(step) == 3 else None
        plain = inner is None or _is_small(inner)
        plain = plain or (type(inner) is list and all(map(_is_small, inner)))
        if verb is None or type(step[1]) not in (int, str) or not plain:
            return None
        steps.append((verb, step[1], inner))
    return steps


def _is_small(value: Any) -> bool:
    return type(value) is int and -(2**31) <= value < 2**31
