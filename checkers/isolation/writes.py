"""Who wrote which version: every write is found again by its key and value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..linearizability.kernel import Kernel
from .transactions import FAIL, WRITE, Transactions

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Writes:
    """One entry a write, in the order of the history.

    ``mop``, ``txn``, ``key``, ``value`` int32; ``failed`` bool: its transaction aborted;
    ``final`` bool: it is the last write of its transaction to its key; ``unique`` bool per key:
    no value was written to it twice. ``twice``: pairs of writes of the same value.
    """

    mop: NDArray[np.int32]
    txn: NDArray[np.int32]
    key: NDArray[np.int32]
    value: NDArray[np.int32]
    failed: NDArray[np.bool_]
    final: NDArray[np.bool_]
    unique: NDArray[np.bool_]
    twice: list[tuple[int, int]]
    _sorted: NDArray[np.int64]
    _order: NDArray[np.int64]
    _start: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.mop)

    def find(self, key: Any, value: Any) -> Any:
        """int32: the write of each key and value, or -1."""
        if not len(self) or not len(key):
            return np.full(len(key), -1, np.int32)
        return _find.for_size(len(key))(key, value, self._start, self._sorted, self._order)


def _joined(key: Any, value: Any) -> Any:
    return (key.astype(np.int64) << 32) | (value.astype(np.int64) & 0xFFFFFFFF)


def collect(txns: Transactions) -> Writes:
    """All writes of a history."""
    mop = np.flatnonzero(txns.op == WRITE).astype(np.int32)
    txn, key, value = txns.owner[mop], txns.key[mop], txns.value[mop]
    joined = _joined(key, value)
    order = np.argsort(joined, kind="stable")
    ordered = joined[order]
    again = np.flatnonzero(ordered[1:] == ordered[:-1])
    unique = np.ones(len(txns.keys), np.bool_)
    unique[key[order[again]]] = False
    final = np.ones(len(mop), np.bool_)
    by_txn = np.argsort(_joined(txn, key), kind="stable")
    same = (txn[by_txn[1:]] == txn[by_txn[:-1]]) & (key[by_txn[1:]] == key[by_txn[:-1]])
    final[by_txn[:-1][same]] = False
    return Writes(
        mop, txn, key, value, txns.kind[txn] == FAIL, final, unique,
        [(int(order[at]), int(order[at + 1])) for at in again[:100]],
        ordered, order, np.searchsorted(ordered, np.arange(len(txns.keys) + 1) << 32),
    )  # fmt: skip


def _find_plain(key: Any, value: Any, start: Any, ordered: Any, order: Any) -> Any:
    found = np.full(len(key), -1, np.int32)
    for at in range(len(key)):
        low, high = start[key[at]], start[key[at] + 1]
        if low == high:
            continue
        sought = (np.int64(key[at]) << 32) | (np.int64(value[at]) & 0xFFFFFFFF)
        guess = low + sought - ordered[low]  # right at once where values are consecutive
        if low <= guess < high and ordered[guess] == sought:
            found[at] = order[guess]
            continue
        stop = high
        while low < high:
            middle = (low + high) // 2
            if ordered[middle] < sought:
                low = middle + 1
            else:
                high = middle
        if low < stop and ordered[low] == sought:
            found[at] = order[low]
    return found


_find = Kernel(_find_plain)
