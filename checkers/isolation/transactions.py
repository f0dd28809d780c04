"""Histories of transactions as flat arrays: what every part of this checker works on."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from ...harness.history import (
    APPEND,
    FAIL,
    INFO,
    INVOKE,
    LIST,
    NEMESIS_PROCESS,
    NUMBER,
    OK,
    UNPAIRED,
)
from ...harness.history import READ as READS
from ...harness.history import WRITE as WRITES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...harness.history import History, MicroOperations

NIL, READ, WRITE = 0, 1, 2
"""Codes of the ``op`` column: a read of nothing (the initial state), a read, a write."""

NEVER = 2**31 - 1
"""In ``completed``: nobody knows when, or whether, it ended."""

_READS = frozenset(("r", "read", ":r"))
_WRITES = {
    "list-append": frozenset(("append", ":append")),
    "rw-register": frozenset(("w", "write", ":w")),
}


class StrangeHistory(ValueError):
    """An operation is not a transaction of the model; the message says which and why."""


@dataclass(frozen=True)
class Transactions:
    """``n`` transactions with ``m`` micro-operations, in the order of their invocation.

    ``kind``       int8[n]: ``OK``, ``FAIL`` or ``INFO``.
    ``process``    int32[n].
    ``invoked``    int32[n]: position in the history.
    ``completed``  int32[n]: position in the history, or :data:`NEVER` unless ``OK``.
    ``start``      int32[n+1]: transaction ``t`` has micro-operations ``start[t]`` to
                   ``start[t+1]``.
    ``op``         int8[m]: :data:`NIL`, :data:`READ` or :data:`WRITE`. Reads of transactions
                   that did not commit tell nothing and are left out.
    ``key``        int32[m]: code of the key.
    ``value``      int32[m]: code of the value written, or read from a register.
    ``begin``, ``length``  int64[m], int32[m]: the part of ``elements`` that a list read saw.
    ``elements``   int32: codes of the values in lists.
    ``keys``       the keys by code; ``decode`` gives back a value from its code.
    """

    kind: NDArray[np.int8]
    process: NDArray[np.int32]
    invoked: NDArray[np.int32]
    completed: NDArray[np.int32]
    start: NDArray[np.int32]
    op: NDArray[np.int8]
    key: NDArray[np.int32]
    value: NDArray[np.int32]
    begin: NDArray[np.int64]
    length: NDArray[np.int32]
    elements: NDArray[np.int32]
    keys: list[Any]
    decode: Callable[[int], Any]

    def __len__(self) -> int:
        return len(self.kind)

    @cached_property
    def owner(self) -> NDArray[np.int32]:
        """int32[m]: the transaction of each micro-operation."""
        import numpy as np

        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.start))

    @cached_property
    def previous(self) -> NDArray[np.int32]:
        """int32[n]: the last transaction of the same process before it that can have committed."""
        import numpy as np

        alive = np.flatnonzero(self.kind != FAIL)
        order = alive[np.argsort(self.process[alive], kind="stable")]
        before = np.full(len(self), -1, np.int32)
        same = self.process[order[1:]] == self.process[order[:-1]]
        before[order[1:][same]] = order[:-1][same]
        return before

    def list_of(self, mop: int) -> list[Any]:
        """What a list read saw."""
        begin = int(self.begin[mop])
        return [self.decode(int(e)) for e in self.elements[begin : begin + int(self.length[mop])]]


class _Codes:
    """Numbers for values of any kind: in order of appearance."""

    def __init__(self) -> None:
        self.table: list[Any] = []
        self._known: dict[Any, int] = {}

    def __call__(self, value: Any) -> int:
        kind = type(value)
        at = value if kind is int or kind is str else ("json", json.dumps(value, sort_keys=True))
        code = self._known.get(at)
        if code is None:
            code = self._known[at] = len(self.table)
            self.table.append(value)
        return code


class _Columns:
    """Where the loop over the micro-operations puts what it finds."""

    def __init__(self, model: str, codes: _Codes | None) -> None:
        self.lists = model == "list-append"
        self.verbs = _WRITES[model]
        self.codes = codes
        self.keys: dict[Any, int] = {}
        self.key_names: list[Any] = []
        self.start = array("i", [0])
        self.op = array("b")
        self.key = array("i")
        self.value = array("i")
        self.begin = array("q")
        self.length = array("i")
        self.elements = array("i")

    def key_code(self, key: Any, independent: Any) -> int:
        """The number of a key; those of different independent objects differ."""
        hashed = key if type(key) in (int, str) else (json.dumps(key, sort_keys=True),)
        if independent is not None:
            hashed = (json.dumps(independent, sort_keys=True), hashed)
        code: Any = self.keys.get(hashed)
        if code is None:
            code = self.keys[hashed] = len(self.key_names)
            self.key_names.append(key if independent is None else [independent, key])
        return code

    def add(self, steps: Any, committed: bool, independent: Any) -> None:
        """One transaction's micro-operations."""
        ops, values = self.op, self.value
        begins, lengths, codes = self.begin, self.length, self.codes
        for step in steps:
            if len(step) == 3:
                name, key, value = step
            else:
                name, key = step
                value = cast(Any, None)
            read = name == "r" or name in _READS
            if read and not committed:
                continue
            self.key.append(self.key_code(key, independent))
            begins.append(len(self.elements))
            if not read:
                if name not in self.verbs:
                    raise StrangeHistory(f"does {name!r}, which the model does not know")
                ops.append(WRITE)
                values.append(codes(value) if codes else value)
            elif value is None:
                ops.append(NIL)
                values.append(-1)
            elif not self.lists:
                ops.append(READ)
                values.append(codes(value) if codes else value)
            else:
                if type(value) is not list:
                    raise StrangeHistory(f"reads {value!r} where a list is expected")
                ops.append(READ if value else NIL)
                values.append(-1)
                self.elements.extend(map(codes, value) if codes else value)
                lengths.append(len(value))
                continue
            lengths.append(0)
        self.start.append(len(ops))


def flatten(history: History, model: str) -> Transactions:
    """The transactions of a history. :class:`StrangeHistory` if one is not of the model.

    A value that is a whole number of 32 bits stands for itself; if any is not, all are numbered.
    """
    import numpy as np

    micro = history.micro_operations()
    scanned = micro and from_arrays(micro, model)
    if scanned:
        return scanned
    columns = history.columns()
    chosen = np.flatnonzero((columns.type == INVOKE) & (columns.process != NEMESIS_PROCESS))
    pair = columns.pair[chosen]
    kind = np.where(pair == UNPAIRED, INFO, columns.type[pair]).astype(np.int8)
    try:
        filled, decode = _fill(columns, chosen, pair, kind, model, None), int
    except (TypeError, OverflowError):
        codes = _Codes()
        filled, decode = _fill(columns, chosen, pair, kind, model, codes), codes.table.__getitem__
    view = np.asarray
    return Transactions(
        kind=kind,
        process=columns.process[chosen],
        invoked=chosen.astype(np.int32),
        completed=np.where(kind == OK, pair, NEVER).astype(np.int32),
        start=view(filled.start, np.int32),
        op=view(filled.op, np.int8),
        key=view(filled.key, np.int32),
        value=view(filled.value, np.int32),
        begin=view(filled.begin, np.int64),
        length=view(filled.length, np.int32),
        elements=view(filled.elements, np.int32),
        keys=filled.key_names,
        decode=decode,
    )


def from_arrays(micro: MicroOperations, model: str) -> Transactions | None:
    """The same from arrays; ``None`` if that takes a closer look at values, or to say what is odd.

    ``begin`` and ``elements`` are arranged in another way than by the loop over objects.
    """
    import numpy as np

    lists = model == "list-append"
    keep = (micro.verb != READS) | np.repeat(micro.type == OK, np.diff(micro.start))
    verb, shape = micro.verb[keep], micro.shape[keep]
    key, number = micro.key[keep], micro.number[keep]
    read = verb == READS
    usual = np.where(read, shape != (NUMBER if lists else LIST), shape == NUMBER)
    usual &= read | (verb == (APPEND if lists else WRITES))
    if not usual.all():
        return None
    start = np.zeros(len(keep) + 1, np.int32)
    np.cumsum(keep, out=start[1:])
    full = (shape == LIST) & (number > 0) if lists else shape == NUMBER
    # Keys are numbered in the order of their appearance.
    first = np.full(len(micro.keys), len(key), np.int32)
    first[key[::-1]] = np.arange(len(key) - 1, -1, -1, dtype=np.int32)
    appearing = np.argsort(first, kind="stable")[: int((first < len(key)).sum())]
    code = np.empty(len(micro.keys), np.int32)
    code[appearing] = np.arange(len(appearing), dtype=np.int32)
    return Transactions(
        kind=micro.type,
        process=micro.process,
        invoked=micro.invoked,
        completed=np.where(micro.type == OK, micro.completed, NEVER).astype(np.int32),
        start=start[micro.start],
        op=np.where(read, np.where(full, READ, NIL), WRITE).astype(np.int8),
        key=code[key],
        value=np.where(read if lists else read & ~full, -1, number).astype(np.int32),
        begin=micro.begin[keep],
        length=np.where(shape == LIST, number, 0).astype(np.int32),
        elements=micro.elements,
        keys=[micro.keys[at] for at in appearing.tolist()],
        decode=int,
    )


def _fill(columns: Any, chosen: Any, pair: Any, kind: Any, model: str, codes: Any) -> _Columns:
    import numpy as np

    filled = _Columns(model, codes)
    asked = columns.value[chosen]
    told = np.where(pair == UNPAIRED, asked, columns.value[pair]).tolist()
    table, objects = columns.values, columns.keys
    for position, was_asked, was_told, outcome, independent in zip(
        chosen.tolist(),
        asked.tolist(),
        told,
        kind.tolist(),
        columns.key[chosen].tolist(),
        strict=True,
    ):
        steps = table[was_told if outcome == OK else was_asked]
        if outcome == OK and steps is None:
            steps = table[was_asked]
        try:
            if type(steps) is not list:
                raise StrangeHistory("is not a list of micro-operations")
            filled.add(steps, outcome == OK, objects[independent])
        except StrangeHistory as strange:
            raise StrangeHistory(f"operation {position} {strange}") from None
        except (ValueError, TypeError) as error:
            bad = codes is not None or not _steps_are_lists(steps)
            if bad:
                raise StrangeHistory(
                    f"operation {position} holds a micro-operation that is not [name, key, value]"
                ) from error
            raise
    return filled


def _steps_are_lists(steps: Any) -> bool:
    return all(type(step) is list and len(step) in (2, 3) for step in steps)
