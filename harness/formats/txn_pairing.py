"""Which completion belongs to which invocation, and what that makes of the micro-operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..history import (
    INFO,
    INVOKE,
    LIST,
    OK,
    UNPAIRED,
    MicroOperations,
)

_SPARSE = 4
"""Process numbers beyond so many times the operations are renumbered first."""


def paired(process: Any, type_: Any, f: Any, compiled: bool) -> Any:
    """int32 per operation: its completion, or the reverse; ``None`` if that breaks the rules.

    The rules of :class:`~..history.History`: one operation of a process at a time, completions
    follow their invocations with the same ``f``, nothing follows an ``info`` of a client.
    """
    slot, size = process + 1, int(process.max(initial=0)) + 2
    if size > _SPARSE * len(process) + 1000:
        numbers, slot = np.unique(slot, return_inverse=True)
        slot += int(numbers[0] != 0)  # slot 0 is the nemesis's
        size = len(numbers) + 1
    pair = np.full(len(process), UNPAIRED, np.int32)
    state = np.full(size, _FREE, np.int32)
    right = (_pairer() if compiled else _pair)(slot, type_, f, pair, state)
    return pair if right else None


_FREE, _CRASHED = -1, -2


def _pair(slot: Any, type_: Any, f: Any, pair: Any, state: Any) -> bool:
    for at in range(len(slot)):
        who = slot[at]
        opened = state[who]
        if type_[at] == INVOKE:
            if opened != _FREE:
                return False
            state[who] = at
            continue
        if opened >= 0:
            if f[opened] != f[at]:
                return False
            pair[at] = opened
            pair[opened] = at
            state[who] = _FREE
        elif who != 0:  # only the nemesis may log what it never invoked
            return False
        if type_[at] == INFO and who != 0:
            state[who] = _CRASHED
    return True


_compiled: list[Any] = []


def _pairer() -> Any:
    if not _compiled:
        import numba

        _compiled.append(numba.njit(cache=True, nogil=True)(_pair))
    return _compiled[0]


def micro_operations(
    process: Any, type_: Any, pair: Any, first: Any, last: Any, shapes: int, what: Any, key: Any,
    number: Any, elements: Any, keys: list[Any],
) -> MicroOperations | None:  # fmt: skip
    """Those of the client invocations, in their order; ``None`` if a value is not a plain one.

    ``first`` and ``last`` bound the micro-operations of each operation, or ``first`` is negative:
    -1 for null, less for what is not plain. List reads stand in ``elements`` as in ``what``.
    """
    invoked = np.flatnonzero((type_ == INVOKE) & (process >= 0)).astype(np.int32)
    completed = pair[invoked]
    outcome = np.where(completed == UNPAIRED, INFO, type_[completed]).astype(np.int8)
    source = np.where(outcome == OK, completed, invoked)
    source = np.where(first[source] == -1, invoked, source)
    begins, sizes = first[source], last[source] - first[source]
    if (begins < 0).any():
        return None
    start = np.zeros(len(invoked) + 1, np.int32)
    np.cumsum(sizes, out=start[1:])
    at = np.repeat(begins - start[:-1], sizes)
    at += np.arange(len(at), dtype=np.int32)
    shape = what % shapes
    sizes = np.where(shape == LIST, number, 0)
    begin = np.cumsum(sizes, dtype=np.int64)
    begin -= sizes
    return MicroOperations(
        invoked=invoked,
        completed=completed,
        type=outcome,
        process=process[invoked],
        start=start,
        verb=(what // shapes)[at],
        shape=shape[at],
        key=key[at],
        number=number[at],
        begin=begin[at],
        elements=elements,
        keys=keys,
    )
