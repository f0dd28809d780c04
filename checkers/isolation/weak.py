"""Monotonic atomic view, read atomic and causal consistency, decided exactly.

Biswas, Enea (OOPSLA 2019): a history satisfies a level if there is a total commit order that
contains who read whom (and, for causal, the order of sessions) such that whenever ``t3`` reads
``x`` from ``t1`` and sees ``t2``, which also writes ``x``, then ``t2`` comes before ``t1``. What
"sees" means makes the level: ``t3`` read something of ``t2`` earlier (monotonic atomic view, which
they call read committed), anywhere (read atomic), or anything that follows ``t2`` (causal). None
of it depends on the commit order, so that all such edges can be added at once (Møldrup,
Pavlogiannis: "AWDIT", PLDI 2025) and only a cycle remains to be looked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..linearizability.kernel import Kernel
from .graph import WR, WW, Graph, build
from .searches import as_rows, first_write
from .sorting import distinct
from .transactions import Transactions

_INT = np.int32


@dataclass(frozen=True)
class Relations:
    """Who reads what from whom and who writes what.

    ``reader``, ``key``, ``source``, ``mop`` int32 per read, ordered by reader and then ``mop``;
    ``source`` is a transaction or -1, the initial version. ``write_key`` int32, the keys that
    each transaction writes (``write_start`` int32[n+1]), ascending; ``base``: sources, targets of
    edges that every commit order has (who read whom; for lists also the order of versions).
    """

    txns: Transactions
    reader: Any
    key: Any
    source: Any
    mop: Any
    write_start: Any
    write_key: Any
    base: tuple[Any, Any]


@dataclass(frozen=True)
class Derived:
    """Edges ``seen → source``: ``reader`` sees ``seen`` but read ``key`` from ``source``."""

    seen: Any
    source: Any
    reader: Any
    key: Any

    def __len__(self) -> int:
        return len(self.seen)


def relations(
    txns: Transactions, reads: tuple[Any, Any, Any, Any], writes: tuple[Any, Any], base: Any
) -> Relations:
    """``reads``: reader, key, source, mop; ``writes``: transaction and key of those that count."""
    reader, key, source, mop = reads
    order = np.lexsort((mop, reader))
    width = max(len(txns.keys), 1)
    pairs = distinct(writes[0].astype(np.int64) * width + writes[1])
    start = np.searchsorted(pairs // width, np.arange(len(txns) + 1)).astype(_INT)
    return Relations(
        txns, reader[order], key[order], source[order], mop[order], start,
        (pairs % width).astype(_INT), base,
    )  # fmt: skip


def graph_of(relations: Relations, derived: Derived, sessions: bool) -> Graph:
    """The commit order's edges: labels are entries of ``derived``, or -1. One node is the start."""
    txns = relations.txns
    source, target = relations.base
    if sessions:
        later = np.flatnonzero(txns.previous >= 0).astype(_INT)
        source = np.concatenate((source, txns.previous[later]))
        target = np.concatenate((target, later))
    count = len(txns)
    begins = distinct(relations.reader[relations.source < 0])
    first = np.where(derived.source < 0, count, derived.source)
    # The initial version is a transaction before all others.
    firsts = distinct(derived.seen[derived.source < 0])
    return build(
        count + 1,
        np.concatenate((source, np.full(len(begins) + len(firsts), count), derived.seen)),
        np.concatenate((target, begins, firsts, first)),
        np.concatenate(
            (
                np.full(len(source) + len(begins) + len(firsts), WR, np.int8),
                np.full(len(derived), WW, np.int8),
            )
        ),
        np.concatenate(
            (np.full(len(source) + len(begins) + len(firsts), -1), np.arange(len(derived)))
        ),
    )


def atomic(relations: Relations, monotonic: bool, sessions: bool = False) -> Derived:
    """The edges of read atomic or, if ``monotonic``, of monotonic atomic view."""
    bounds = np.searchsorted(relations.reader, np.arange(len(relations.txns) + 1))
    found = _atomic.for_size(len(relations.reader))(
        bounds, relations.key, relations.source, relations.write_start, relations.write_key,
        monotonic,
    )  # fmt: skip
    if sessions:
        own = _own_session(relations)
        found = np.concatenate((found, own))
    return Derived(found[:, 0], found[:, 1], found[:, 2], found[:, 3])


def _own_session(relations: Relations) -> Any:
    """For each read, the last writer of its key before it in its session, unless that was read."""
    txns = relations.txns
    by_process = np.argsort(txns.process, kind="stable").astype(_INT)
    bounds = np.searchsorted(relations.reader, np.arange(len(txns) + 1))
    seen = _written_before.for_size(len(relations.reader))(
        by_process, txns.process, txns.kind, bounds, relations.key, relations.write_start,
        relations.write_key, len(txns.keys),
    )  # fmt: skip
    rows = np.flatnonzero((seen >= 0) & (seen != relations.source))
    return np.column_stack(
        (seen[rows], relations.source[rows], relations.reader[rows], relations.key[rows])
    ).astype(_INT)


def _written_before_plain(
    by_process: Any, process: Any, kind: Any, bounds: Any, key: Any, write_start: Any,
    write_key: Any, keys: int,
) -> Any:  # fmt: skip
    """int32 per read: who wrote the key last before its transaction in its session, or -1."""
    seen = np.full(len(key), -1, np.int32)
    last = np.full(keys, -1, np.int32)
    for txn in by_process:
        for read in range(bounds[txn], bounds[txn + 1]):
            writer = last[key[read]]
            if writer >= 0 and process[writer] == process[txn]:
                seen[read] = writer
        if kind[txn] != 2:
            for write in range(write_start[txn], write_start[txn + 1]):
                last[write_key[write]] = txn
    return seen


_written_before = Kernel(_written_before_plain)


def _atomic_plain(
    bounds: Any, key: Any, source: Any, write_start: Any, write_key: Any, monotonic: bool
) -> Any:
    found = []
    for reader in range(len(bounds) - 1):
        start, stop = bounds[reader], bounds[reader + 1]
        for one in range(start, stop):
            seen = source[one]
            if seen < 0 or seen == reader:
                continue
            for two in range(one + 1 if monotonic else start, stop):
                if source[two] == seen or source[two] == reader:
                    continue
                end = write_start[seen + 1]
                low = first_write(write_key, key[two], write_start[seen], end)
                if low < end and write_key[low] == key[two]:
                    found.append((seen, source[two], reader, key[two]))
    return as_rows(found)


_atomic = Kernel(_atomic_plain, first_write, as_rows)
