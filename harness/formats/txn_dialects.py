"""What lines of transactions mean in duress's own format and in Jepsen's JSON."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ..errors import UserError
from ..history import INVOKE, NEMESIS_PROCESS, TYPE_CODES
from ..operation import NEMESIS, Operation
from .builder import HistoryBuilder
from .jepsen import KNOWN_FIELDS, bare
from .jsonl import torn_note
from .loaded import Loaded
from .scanned_history import ScannedHistory
from .source import excerpt
from .txn_lines import Unsure

_decoder = msgspec.json.Decoder(Operation)
_encode = msgspec.json.Encoder().encode
_UNDECODABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_MOST = 2**63 - 1


def _interned(operation: Operation) -> None:
    """What a history keeps must be writable as JSON."""
    try:
        _encode((operation.value, operation.key, operation.error))
    except (ValueError, RecursionError, TypeError):
        raise Unsure from None


class OwnLines:
    """duress's own lines: every field has its place, and positions are as written."""

    format = "jsonl"
    colons = False

    def odd(self, line: bytes) -> tuple[Operation, int]:
        """The operation of an odd line, and its own index. :class:`Unsure`."""
        try:
            operation = _decoder.decode(line)
        except _UNDECODABLE:
            raise Unsure from None
        _interned(operation)
        return operation, operation.index

    def whole(self, line: bytes) -> bool:
        """A killed writer leaves a torn line, which is dropped."""
        try:
            _decoder.decode(line)
        except _UNDECODABLE:
            return False
        return True

    def check(self, index: Any, position: int) -> None:
        """Indexes are positions, or negative. :class:`Unsure`."""
        expected = np.arange(position, position + len(index))
        if not ((index == expected) | (index < 0)).all():
            raise Unsure

    def retype(self, process: Any, type_: Any) -> None:
        """Nothing to change."""

    def decode(self, line: bytes, at: int) -> Operation:
        """The operation at a position."""
        operation = _decoder.decode(line)
        return operation if operation.index == at else msgspec.structs.replace(operation, index=at)

    def described(self, history: ScannedHistory, torn_line: int) -> Loaded:
        """With a note on a torn line."""
        notes = [torn_note(torn_line)] if torn_line else []
        return Loaded(history, "jsonl", notes=notes, torn=int(bool(torn_line)))


class JepsenLines:
    """Op objects, one a line, if no liberty has to be taken to make them a history."""

    format = "jepsen-json"
    colons = True

    def __init__(self, path: str | Path) -> None:
        self._nemesis = HistoryBuilder(lambda: str(path))
        self._dropped: set[str] = set()
        self._indexes = array("q")
        self._own = False
        self._invoked_by_nemesis: frozenset[int] = frozenset()

    def odd(self, line: bytes) -> tuple[Operation, int]:
        """The operation of an odd line, and its own index. :class:`Unsure`."""
        try:
            op = msgspec.json.decode(line)
        except _UNDECODABLE:
            raise Unsure from None
        if type(op) is not dict:
            raise Unsure
        self._dropped.update(op.keys() - KNOWN_FIELDS)
        operation = _operation(op, -1)
        if operation.process == NEMESIS:
            try:
                self._nemesis.add(
                    NEMESIS, operation.type, operation.f, operation.value, time=operation.time,
                    key=operation.key, node=operation.node, error=operation.error,
                )  # fmt: skip
            except UserError:
                raise Unsure from None
        _interned(operation)
        index = op.get("index")
        return operation, index if type(index) is int and 0 <= index <= _MOST else -1

    def whole(self, line: bytes) -> bool:
        """If it is not, that is an error, which the general reader finds."""
        return True

    def check(self, index: Any, position: int) -> None:
        """Any are allowed; they are kept if they are not the positions."""
        index[index < -1] = -1
        expected = np.arange(position, position + len(index))
        self._own = self._own or bool(((index != expected) & (index >= 0)).any())
        self._indexes.frombytes(memoryview(index).cast("B"))

    def retype(self, process: Any, type_: Any) -> None:
        """Jepsen logs both ends of a fault as ``info``: of two alike, the first invokes it."""
        client = process != NEMESIS_PROCESS
        if not (client & (type_ == INVOKE)).any():
            raise Unsure  # no invocation tells that values are not [key, value]
        at = np.flatnonzero(~client)[sorted(self._nemesis.nemesis_invocations())]
        type_[at] = INVOKE
        self._invoked_by_nemesis = frozenset(at.tolist())

    def decode(self, line: bytes, at: int) -> Operation:
        """The operation at a position."""
        operation = _operation(msgspec.json.decode(line), at)
        if at in self._invoked_by_nemesis:
            return msgspec.structs.replace(operation, type="invoke")
        return operation

    def described(self, history: ScannedHistory, torn_line: int) -> Loaded:
        """With a note on fields that were left out."""
        dropped = ", ".join(sorted(map(excerpt, self._dropped)))
        notes = [f"fields left out: {dropped}"] if self._dropped else []
        return Loaded(
            history, "jepsen-json", {}, notes, source_index=self._indexes if self._own else None
        )


def _operation(op: dict[str, Any], at: int) -> Operation:
    """An op object as an operation. :class:`Unsure` if that takes any liberty."""
    process, type_, f = (bare(op.get(name)) for name in ("process", "type", "f"))
    node, time = op.get("node"), op.get("time")
    if type(type_) is not str or type_ not in TYPE_CODES or type(f) is not str:
        raise Unsure
    if type(time) is not int or not -_MOST <= time <= _MOST:
        raise Unsure
    if process != NEMESIS and (type(process) is not int or process < 0):
        raise Unsure
    if node is not None and type(node) is not str:
        node = str(node)
    kind: Any = type_
    return Operation(
        at, time, process, kind, f, op.get("value"), op.get("key"), node, op.get("error")
    )
