"""Histories: every operation of a trial, in one total order of observation.

A :class:`History` is append-only and columnar. An operation costs about 45
bytes plus its part of the tables of distinct values; :class:`Operation` objects
are made when asked for. Checkers work on :meth:`History.columns`, a view of
NumPy arrays over the same memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import msgspec

from .operation import NEMESIS, Operation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INVOKE, OK, FAIL, INFO = 0, 1, 2, 3
"""Type codes of the ``type`` column."""

TYPE_NAMES = ("invoke", "ok", "fail", "info")
TYPE_CODES = {name: code for code, name in enumerate(TYPE_NAMES)}

NEMESIS_PROCESS = -1
"""How the nemesis stands in the ``process`` column."""

UNPAIRED = -1
"""In the ``pair`` column: an invocation with no completion, or the reverse."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class Intern:
    """A table of distinct plain values; equal only if equal as JSON (``1`` is not ``True``)."""

    __slots__ = ("_by_int", "_by_json", "_by_text", "table")

    def __init__(self) -> None:
        self.table: list[Any] = [None]
        self._by_int: dict[int, int] = {}
        self._by_text: dict[str, int] = {}
        self._by_json: dict[bytes, int] = {b"null": 0}

    def code(self, value: Any) -> int:
        """The number of a value, new or known. ``None`` is always 0."""
        if value is None:
            return 0
        kind = type(value)
        if kind is int:
            index: dict[Any, int] = self._by_int
            at: Any = value
        elif kind is str:
            index, at = self._by_text, value
        else:
            index, at = self._by_json, _encode(value)
        found = index.get(at)
        if found is None:
            found = index[at] = len(self.table)
            self.table.append(value)
        return found


@dataclass(frozen=True)
class Columns:
    """The history as arrays of equal length, one entry an operation.

    ``time`` int64 nanoseconds; ``process`` int32 (:data:`NEMESIS_PROCESS` for the
    nemesis); ``type`` int8 (:data:`INVOKE` …); ``f``, ``key``, ``value``, ``node``,
    ``error`` int32 codes into the tables of the same name in plural (code 0 is
    ``None``); ``pair`` int32, the position of the completion of an invocation and
    the reverse, or :data:`UNPAIRED`.
    """

    time: NDArray[np.int64]
    process: NDArray[np.int32]
    type: NDArray[np.int8]
    f: NDArray[np.int32]
    key: NDArray[np.int32]
    value: NDArray[np.int32]
    node: NDArray[np.int32]
    error: NDArray[np.int32]
    pair: NDArray[np.int32]
    fs: list[Any]
    keys: list[Any]
    values: list[Any]
    nodes: list[Any]
    errors: list[Any]

    def __len__(self) -> int:
        return len(self.time)


READ, APPEND, WRITE = 0, 1, 2
"""Verbs of micro-operations."""

NOTHING, NUMBER, LIST = 0, 1, 2
"""Shapes of their values: null, a whole number of 32 bits, a list of such."""


@dataclass(frozen=True)
class MicroOperations:
    """Transactions as arrays: ``n`` client invocations in order, ``m`` micro-operations.

    ``invoked`` int32[n], their positions; ``completed`` int32[n], those of their completions or
    :data:`UNPAIRED`; ``type`` int8[n] (:data:`OK`, :data:`FAIL`, :data:`INFO`); ``process``
    int32[n]; ``start`` int32[n+1]: invocation ``i`` has micro-operations ``start[i]`` to
    ``start[i+1]``, as told by an ``ok`` completion, else as asked. ``verb`` and ``shape`` int8[m];
    ``key`` int32[m], a code into ``keys``; ``number`` int32[m], the value, or the length of a list,
    which is the part of ``elements`` (int32) from ``begin`` (int64[m]) on.
    """

    invoked: NDArray[np.int32]
    completed: NDArray[np.int32]
    type: NDArray[np.int8]
    process: NDArray[np.int32]
    start: NDArray[np.int32]
    verb: NDArray[np.int8]
    shape: NDArray[np.int8]
    key: NDArray[np.int32]
    number: NDArray[np.int32]
    begin: NDArray[np.int64]
    elements: NDArray[np.int32]
    keys: list[Any]


class HistoryError(ValueError):
    """A history that breaks the rules; the message names the operation."""


class History(Sequence[Operation]):
    """An append-only sequence of operations; ``history[i].index == i``.

    Rules, checked on :meth:`append` (:class:`HistoryError`): a process has one
    operation open at a time; a completion follows an invocation of its process
    with the same ``f``; nothing follows an ``info`` of a client process; time
    never decreases. A nemesis may also log a lone ``info``. An invocation whose
    completion never came counts as indeterminate.
    """

    def __init__(self, operations: Iterable[Operation] = ()) -> None:
        self._time = array("q")
        self._process = array("i")
        self._type = array("b")
        self._f = array("i")
        self._key = array("i")
        self._value = array("i")
        self._node = array("i")
        self._error = array("i")
        self._pair = array("i")
        self._fs, self._keys, self._values = Intern(), Intern(), Intern()
        self._nodes, self._errors = Intern(), Intern()
        self._open: dict[int, int] = {}
        self._crashed: set[int] = set()
        for operation in operations:
            self.append(operation)

    # -- writing ---------------------------------------------------------------

    def append(self, operation: Operation) -> None:
        """Add one operation; its ``index`` must be the next one or negative (give it one)."""
        position = len(self._time)
        if operation.index >= 0 and operation.index != position:
            raise HistoryError(f"operation {operation.index} stands at position {position}")
        if position and operation.time < self._time[-1]:
            raise HistoryError(
                f"operation {position}: time {operation.time} is before {self._time[-1]}"
            )
        process = operation.process
        if process == NEMESIS:
            process = NEMESIS_PROCESS
        elif type(process) is not int or process < 0:
            raise HistoryError(
                f"operation {position}: process {process!r} is neither a number nor 'nemesis'"
            )
        code = TYPE_CODES[operation.type]
        f = self._fs.code(operation.f)
        pair = UNPAIRED
        if code == INVOKE:
            if process in self._open:
                raise HistoryError(
                    f"operation {position}: process {operation.process} invokes {operation.f!r} "
                    f"while its operation {self._open[process]} is open"
                )
            if process in self._crashed:
                raise HistoryError(
                    f"operation {position}: process {operation.process} invokes {operation.f!r} "
                    "after an info; a crashed process must not be reused"
                )
            self._open[process] = position
        else:
            opened = self._open.pop(process, None)
            if opened is None:
                if process != NEMESIS_PROCESS:
                    raise HistoryError(
                        f"operation {position}: process {operation.process} completes "
                        f"{operation.f!r}, which it never invoked"
                    )
            elif self._f[opened] != f:
                raise HistoryError(
                    f"operation {position}: process {operation.process} completes "
                    f"{operation.f!r} but had invoked {self._fs.table[self._f[opened]]!r}"
                )
            else:
                pair = opened
                self._pair[opened] = position
            if code == INFO and process != NEMESIS_PROCESS:
                self._crashed.add(process)
        self._time.append(operation.time)
        self._process.append(process)
        self._type.append(code)
        self._f.append(f)
        self._key.append(self._keys.code(operation.key))
        self._value.append(self._values.code(operation.value))
        self._node.append(self._nodes.code(operation.node))
        self._error.append(self._errors.code(operation.error))
        self._pair.append(pair)
        self.__dict__.pop("_columns", None)

    # -- reading ---------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._time)

    @overload
    def __getitem__(self, at: int) -> Operation: ...

    @overload
    def __getitem__(self, at: slice) -> list[Operation]: ...

    def __getitem__(self, at: int | slice) -> Operation | list[Operation]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        if at < 0:
            at += len(self)
        process = self._process[at]
        return Operation(
            index=at,
            time=self._time[at],
            process=NEMESIS if process == NEMESIS_PROCESS else process,
            type=TYPE_NAMES[self._type[at]],  # type: ignore[arg-type]
            f=self._fs.table[self._f[at]],
            value=self._values.table[self._value[at]],
            key=self._keys.table[self._key[at]],
            node=self._nodes.table[self._node[at]],
            error=self._errors.table[self._error[at]],
        )

    def __iter__(self) -> Iterator[Operation]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<History of {len(self)} operations>"

    def completion(self, at: int) -> Operation | None:
        """The completion of the invocation at a position (or the reverse), if there is one."""
        pair = self._pair[at]
        return None if pair == UNPAIRED else self[pair]

    def pairs(self) -> Iterator[tuple[Operation, Operation | None]]:
        """Every client invocation with its completion (``None`` if it never came)."""
        for at, code in enumerate(self._type):
            if code == INVOKE and self._process[at] != NEMESIS_PROCESS:
                yield self[at], self.completion(at)

    def nemesis(self) -> Iterator[Operation]:
        """The nemesis's operations."""
        return (self[at] for at, p in enumerate(self._process) if p == NEMESIS_PROCESS)

    def columns(self) -> Columns:
        """The columnar view. Shares no memory with later appends; cached until the next one."""
        return self._columns

    def micro_operations(self) -> MicroOperations | None:
        """The transactions as arrays, if whoever read the history has them and nothing else."""
        return None

    @cached_property
    def _columns(self) -> Columns:
        import numpy as np

        def view(column: array, dtype: Any) -> Any:
            # A copy: a live buffer export would forbid the array to grow.
            return np.array(column, dtype=dtype)

        return Columns(
            time=view(self._time, np.int64),
            process=view(self._process, np.int32),
            type=view(self._type, np.int8),
            f=view(self._f, np.int32),
            key=view(self._key, np.int32),
            value=view(self._value, np.int32),
            node=view(self._node, np.int32),
            error=view(self._error, np.int32),
            pair=view(self._pair, np.int32),
            fs=self._fs.table,
            keys=self._keys.table,
            values=self._values.table,
            nodes=self._nodes.table,
            errors=self._errors.table,
        )
