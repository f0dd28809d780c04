"""Who wrote which version: every write is found again by its key and value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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

    def __len__(self) -> int:
        return len(self.mop)

    def find(self, key: Any, value: Any) -> Any:
        """int32: the write of each key and value, or -1."""
        if not len(self) or not len(key):
            return np.full(len(key), -1, np.int32)
        sought = _joined(key, value)
        at = np.minimum(np.searchsorted(self._sorted, sought), len(self) - 1)
        return np.where(self._sorted[at] == sought, self._order[at], -1).astype(np.int32)


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
        ordered, order,
    )  # fmt: skip
