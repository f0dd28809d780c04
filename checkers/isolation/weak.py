"""Monotonic atomic view, read atomic and causal consistency, decided exactly.

Biswas, Enea (OOPSLA 2019): a history satisfies a level if there is a total commit order that
contains who read whom (and, for causal, the order of sessions) such that whenever ``t3`` reads
``x`` from ``t1`` and sees ``t2``, which also writes ``x``, then ``t2`` comes before ``t1``. What
"sees" means makes the level: ``t3`` read something of ``t2`` earlier (monotonic atomic view, which
they call read committed), anywhere (read atomic), or anything that follows ``t2`` (causal). None
of it depends on the commit order, so that all such edges can be added at once (Møldrup,
Pavlogiannis: "AWDIT", PLDI 2025) and only a cycle remains to be looked for.

For causal consistency only the edges that an order at hand does not have already are added:
the writers of ``x`` that stand between ``t1`` and ``t3`` in it and that ``t3`` has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..linearizability.kernel import Kernel
from .graph import WR, WW, Graph, build, serial_order
from .sorting import distinct
from .transactions import Transactions

_INT = np.int32

CLOCK_BYTES = 400_000_000
"""Memory for the vector clocks of as many sessions as fit at a time."""


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
    writer = np.repeat(np.arange(len(txns), dtype=_INT), np.diff(relations.write_start))
    alive = txns.kind[writer] != 2
    writer, key = writer[alive], relations.write_key[alive]
    width = len(txns.keys)
    spot = txns.process[writer].astype(np.int64) * width + key
    order = np.lexsort((writer, spot))
    joined = spot[order] * (len(txns) + 1) + writer[order]
    wanted = txns.process[relations.reader].astype(np.int64) * width + relations.key
    at = np.searchsorted(joined, wanted * (len(txns) + 1) + relations.reader) - 1
    fits = at >= 0
    fits[fits] = spot[order][at[fits]] == wanted[fits]
    seen = writer[order][at[fits]]
    other = seen != relations.source[fits]
    rows = np.flatnonzero(fits)[other]
    return np.column_stack(
        (seen[other], relations.source[rows], relations.reader[rows], relations.key[rows])
    ).astype(_INT)


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
                low, high = write_start[seen], write_start[seen + 1]
                while low < high:
                    middle = (low + high) // 2
                    if write_key[middle] < key[two]:
                        low = middle + 1
                    else:
                        high = middle
                if low < write_start[seen + 1] and write_key[low] == key[two]:
                    found.append((seen, source[two], reader, key[two]))
    rows = np.empty((len(found), 4), np.int32)
    for at in range(len(found)):
        rows[at, 0] = found[at][0]
        rows[at, 1] = found[at][1]
        rows[at, 2] = found[at][2]
        rows[at, 3] = found[at][3]
    return rows


_atomic = Kernel(_atomic_plain)


# -- causal -------------------------------------------------------------------------------


def causal(
    relations: Relations, transitive: bool = True, members: Any = None
) -> tuple[Graph, Derived]:
    """The commit order of causal consistency: acyclic exactly if the history is causal.

    Who read whom and the sessions must be acyclic together (else it is not, by G1c). If not
    ``transitive``, of PRAM: a transaction sees what its session has read from, and what the
    sessions of those did before, but not what those had read (Burckhardt: "Principles of eventual
    consistency", 2014, section 5.2: so, vis;so and so;vis are part of vis). ``members`` (bool per
    transaction): those that can have been seen by a reader that should have read from them.
    """
    txns = relations.txns
    empty = np.empty(0, _INT)
    derived = Derived(empty, empty, empty, empty)
    sessions = _Sessions(relations, transitive, members)
    while True:
        graph = graph_of(relations, derived, sessions=True)
        order, complete = serial_order(graph, txns, realtime=False)
        if not complete:
            return graph, derived
        place = np.empty(len(txns) + 1, _INT)
        place[order] = np.arange(len(order), dtype=_INT)
        fresh = sessions.contradictions(place)
        if not len(fresh):
            return graph, derived
        columns = (derived.seen, derived.source, derived.reader, derived.key)
        derived = Derived(*(np.concatenate((c, fresh[:, i])) for i, c in enumerate(columns)))


class _Sessions:
    """Vector clocks over sessions, a block of sessions at a time if memory is short."""

    def __init__(self, relations: Relations, transitive: bool, members: Any) -> None:
        txns = relations.txns
        self.transitive = transitive
        count = len(txns)
        self.relations = relations
        every, session = np.unique(txns.process, return_inverse=True)
        by_session = np.argsort(session, kind="stable")
        starts = np.searchsorted(session[by_session], np.arange(len(every) + 1))
        self.number = np.empty(count, _INT)
        self.number[by_session] = np.arange(count) - starts[session[by_session]] + 1
        # Only the sessions that matter have a clock.
        kept = distinct(session if members is None else session[members])
        number = np.full(len(every), -1, _INT)
        number[kept] = np.arange(len(kept), dtype=_INT)
        self.session, self.sessions = number[session], len(kept)
        graph = graph_of(relations, Derived(*(np.empty(0, _INT) for _ in range(4))), sessions=True)
        self.order = serial_order(graph, txns, realtime=False)[0]
        self.order = self.order[self.order < count]
        self.bounds = np.searchsorted(relations.reader, np.arange(count + 1)).astype(_INT)
        self.block = max(1, min(self.sessions, CLOCK_BYTES // (4 * count)))
        self.clock: Any = None

    def contradictions(self, place: Any) -> Any:
        """Rows ``seen, source, reader, key``: writers that a reader saw, after the one it read."""
        relations = self.relations
        alive = relations.txns.kind != 2
        writer = np.repeat(
            np.arange(len(relations.txns), dtype=_INT), np.diff(relations.write_start)
        )
        key = relations.write_key
        keep = alive[writer]
        writer, key = writer[keep], key[keep]
        order = np.lexsort((place[writer], key))
        writer, key = writer[order], key[order]
        start = np.searchsorted(key, np.arange(len(relations.txns.keys) + 1)).astype(_INT)
        rows = []
        for low in range(0, self.sessions, self.block):
            high = min(low + self.block, self.sessions)
            if self.clock is None or self.block < self.sessions:
                self.clock = _clocks.for_size(len(self.order) * 4)(
                    self.order, relations.txns.previous, self.bounds, relations.source,
                    self.session, self.number, low, high, self.transitive,
                )  # fmt: skip
            found = _between.for_size(len(relations.reader))(
                relations.reader, relations.key, relations.source, start, writer, place,
                self.session, self.number, self.clock, low, high,
            )  # fmt: skip
            rows.append(found)
        return np.concatenate(rows) if rows else np.empty((0, 4), _INT)


def _clocks_plain(
    order: Any, previous: Any, bounds: Any, source: Any, session: Any, number: Any, low: int,
    high: int, transitive: bool,
) -> Any:  # fmt: skip
    """int32[n, high - low]: the last transaction of each session that happened before each."""
    clock = np.zeros((len(previous), high - low), np.int32)
    for at in range(len(order)):
        txn = order[at]
        mine = clock[txn]
        for which in range(bounds[txn] - 1, bounds[txn + 1]):
            other = previous[txn] if which < bounds[txn] else source[which]
            if other < 0 or other == txn:
                continue
            if transitive or which < bounds[txn]:
                theirs = clock[other]
                for s in range(high - low):
                    if theirs[s] > mine[s]:
                        mine[s] = theirs[s]
            at_session = session[other] - low
            if 0 <= at_session < high - low and number[other] > mine[at_session]:
                mine[at_session] = number[other]
    return clock


def _between_plain(
    reader: Any, key: Any, source: Any, start: Any, writer: Any, place: Any, session: Any,
    number: Any, clock: Any, low: int, high: int,
) -> Any:  # fmt: skip
    found = []
    for at in range(len(reader)):
        txn, origin = reader[at], source[at]
        if origin == txn:
            continue
        floor = -1 if origin < 0 else place[origin]
        ceiling = place[txn]
        left, right = start[key[at]], start[key[at] + 1]
        end = right
        while left < right:
            middle = (left + right) // 2
            if place[writer[middle]] <= floor:
                left = middle + 1
            else:
                right = middle
        for w in range(left, end):
            seen = writer[w]
            if place[seen] >= ceiling:
                break
            of = session[seen]
            if low <= of < high and clock[txn, of - low] >= number[seen]:
                found.append((seen, origin, txn, key[at]))
    rows = np.empty((len(found), 4), np.int32)
    for at in range(len(found)):
        rows[at, 0] = found[at][0]
        rows[at, 1] = found[at][1]
        rows[at, 2] = found[at][2]
        rows[at, 3] = found[at][3]
    return rows


_clocks = Kernel(_clocks_plain)
_between = Kernel(_between_plain)
