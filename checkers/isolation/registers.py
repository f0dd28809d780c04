"""Who read whose write of a register, and what is known of the order of its versions.

As Elle's ``rw_register`` does it (Kingsbury, Alvaro: VLDB 2020, section 5): the initial version
comes first; if the user says so, keys are sequentially consistent or linearizable; a write
follows what its transaction read of the key. The last is always used for anti-dependencies:
were it otherwise, the writer that was read would follow its own reader (G1c), so it holds at
read committed and above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..linearizability.kernel import Kernel
from .sorting import distinct
from .transactions import NIL, OK, READ, WRITE, Transactions
from .writes import Writes, collect

if TYPE_CHECKING:
    from numpy.typing import NDArray

_INT = np.int32

FOLLOWS, SESSION, ZONES, GIVEN = 0, 1, 2, 3
"""Why one version comes before another: a write follows a read, sequential, linearizable keys, the
order of transactions that was given."""

INITIAL, UNKNOWN = -1, -2
"""In ``source``: the initial version; a value that nobody can have written."""


@dataclass(frozen=True)
class Registers:
    """Reads of committed transactions, before any own write of the key, and who was read.

    ``mop``, ``reader``, ``key``, ``source`` int32 per read (``source`` is a transaction,
    :data:`INITIAL` or :data:`UNKNOWN`); ``first`` bool: it is the reader's first of the key.
    ``write`` int32 per read: the entry in ``writes``, or -1. ``rewrites`` bool per read: its
    transaction writes the key afterwards. ``alive`` bool per transaction: it committed, as far
    as anybody saw. ``assumed``: values that nobody wrote, taken as initial.
    """

    txns: Transactions
    writes: Writes
    mop: NDArray[np.int32]
    reader: NDArray[np.int32]
    key: NDArray[np.int32]
    source: NDArray[np.int32]
    write: NDArray[np.int32]
    first: NDArray[np.bool_]
    rewrites: NDArray[np.bool_]
    alive: NDArray[np.bool_]
    internal: NDArray[np.int32]
    future: NDArray[np.int32]
    assumed: int


def read(txns: Transactions, initial: Any, unwritten: str) -> Registers:
    """Who read what. ``initial``: a value that means the initial version, as ``None`` does."""
    writes = collect(txns)
    role, internal, future = _roles.for_size(len(txns.op))(
        txns.kind, txns.start, txns.op, txns.key, txns.value
    )
    mop = np.flatnonzero(role >= 1).astype(_INT)
    key = txns.key[mop]
    write = writes.find(key, txns.value[mop])
    is_nil = txns.op[mop] == NIL
    if initial is not None:
        is_nil |= _equals(txns, mop, initial)
    write[is_nil] = -1
    source = np.where(write >= 0, writes.txn[np.maximum(write, 0)] if len(writes) else -1, UNKNOWN)
    source[is_nil] = INITIAL
    assumed = 0
    unknown = source == UNKNOWN
    if unknown.any() and unwritten == "initial" and initial is None:
        assumed = _take_as_initial(txns, mop, key, source, unknown, is_nil)
    alive = txns.kind == OK
    alive[source[source >= 0]] = True
    return Registers(
        txns, writes, mop, txns.owner[mop], key, source.astype(_INT), write,
        (role[mop] & 1) == 1, role[mop] >= 4, alive & (txns.kind != 2),
        np.flatnonzero(internal).astype(_INT), np.flatnonzero(future).astype(_INT), assumed,
    )  # fmt: skip


def _equals(txns: Transactions, mop: Any, initial: Any) -> Any:
    """bool per read: its value is the initial one."""
    codes = distinct(txns.value[mop[txns.op[mop] == READ]])
    same = [int(c) for c in codes if txns.decode(int(c)) == initial]
    return (txns.op[mop] == READ) & np.isin(txns.value[mop], np.array(same, _INT))


def _take_as_initial(
    txns: Transactions, mop: Any, key: Any, source: Any, unknown: Any, is_nil: Any
) -> int:
    """Take the one value of a key that nobody wrote as its initial one, if nothing was read too."""
    at = np.flatnonzero(unknown)
    pairs = distinct(
        (key[at].astype(np.int64) << 32) | (txns.value[mop[at]].astype(np.int64) & 0xFFFFFFFF)
    )
    different = np.bincount((pairs >> 32).astype(np.int64), minlength=len(txns.keys))
    nothing = np.zeros(len(txns.keys), np.bool_)
    nothing[key[is_nil]] = True
    takes = (different == 1) & ~nothing
    chosen = at[takes[key[at]]]
    source[chosen] = INITIAL
    return int(takes.sum())


def _roles_plain(kind: Any, start: Any, op: Any, key: Any, value: Any) -> Any:
    # 0: a write, or a read after an own write; bit 1: first read of the key; bit 2: a later one;
    # bit 4 is added if the transaction writes the key afterwards.
    role = np.zeros(len(op), np.int8)
    internal = np.zeros(len(op), np.bool_)
    future = np.zeros(len(op), np.bool_)
    for txn in range(len(kind)):
        if kind[txn] != OK:
            continue
        for mop in range(start[txn], start[txn + 1]):
            if op[mop] == WRITE:
                continue
            role[mop] = 1
            for before in range(mop - 1, start[txn] - 1, -1):
                if key[before] != key[mop]:
                    continue
                if op[before] == WRITE:
                    role[mop] = 0
                    internal[mop] = op[mop] != READ or value[before] != value[mop]
                else:
                    role[mop] = 2 if role[before] else 0
                    differs = op[before] == READ and value[before] != value[mop]
                    internal[mop] = op[mop] != op[before] or differs
                break
            for later in range(mop + 1, start[txn + 1]):
                if key[later] == key[mop] and op[later] == WRITE:
                    if role[mop] and role[mop] < 4:
                        role[mop] += 4
                    if op[mop] == READ and value[later] == value[mop]:
                        future[mop] = True
    return role, internal, future


_roles = Kernel(_roles_plain)


# -- the order of versions ----------------------------------------------------------------


@dataclass(frozen=True)
class VersionOrder:
    """``before`` and ``after`` (writers; ``before`` may be :data:`INITIAL`), ``key``, ``why``."""

    key: NDArray[np.int32]
    before: NDArray[np.int32]
    after: NDArray[np.int32]
    why: NDArray[np.int8]
    cyclic: list[tuple[int, int, int]]
    """Keys whose order contradicts itself: the key and two writers (or :data:`INITIAL`)."""


def order_versions(
    registers: Registers, sequential: bool, linearizable: bool, ranks: Any = None
) -> VersionOrder:
    """All direct edges between versions that follow from reads and the user's assumptions.

    ``ranks``: int64 per transaction, the place in a given order of transactions or -1.
    """
    follows = registers.rewrites & (registers.source >= INITIAL)
    parts = [(registers.key[follows], registers.source[follows], registers.reader[follows])]
    whys = [FOLLOWS]
    cyclic: list[tuple[int, int, int]] = []
    if ranks is not None:
        parts.append(_by_ranks(registers, ranks))
        whys.append(GIVEN)
    if sequential or linearizable:
        touched = _touches(registers)
        if sequential:
            parts.append(_by_session(registers.txns, touched))
            whys.append(SESSION)
        if linearizable:
            zones, cyclic = _by_zones(registers.txns, touched)
            parts.append(zones)
            whys.append(ZONES)
    key, before, after = (np.concatenate([part[i] for part in parts]) for i in range(3))
    why = np.concatenate([np.full(len(p[0]), w, np.int8) for p, w in zip(parts, whys, strict=True)])
    keep = (before != after) & ((after < 0) | registers.alive[np.maximum(after, 0)])
    keep &= (before < 0) | registers.alive[np.maximum(before, 0)]
    # What was seen before the initial version contradicts that it is the first.
    back = np.flatnonzero(keep & (after < 0))
    cyclic += [(int(key[at]), INITIAL, int(before[at])) for at in back]
    keep &= after >= 0
    key, before, after, why = key[keep], before[keep], after[keep], why[keep]
    order = np.lexsort((why, after, before, key))
    key, before, after, why = key[order], before[order], after[order], why[order]
    again = np.zeros(len(key), np.bool_)
    again[1:] = (key[1:] == key[:-1]) & (before[1:] == before[:-1]) & (after[1:] == after[:-1])
    return VersionOrder(key[~again], before[~again], after[~again], why[~again], cyclic)


def _touches(registers: Registers) -> tuple[Any, Any, Any]:
    """Transaction, key and version (its writer) of every read and every last write."""
    writes = registers.writes
    final = writes.final & registers.alive[writes.txn] if len(writes) else writes.final
    seen = (registers.source >= INITIAL) & (registers.source != registers.reader)
    return (
        np.concatenate((registers.reader[seen], writes.txn[final])),
        np.concatenate((registers.key[seen], writes.key[final])),
        np.concatenate((registers.source[seen], writes.txn[final])),
    )


def _by_ranks(registers: Registers, ranks: Any) -> tuple[Any, Any, Any]:
    """Versions that a given order of transactions puts one after the other."""
    writes = registers.writes
    kept = np.flatnonzero(writes.final & registers.alive[writes.txn] & (ranks[writes.txn] >= 0))
    key, txn = writes.key[kept], writes.txn[kept]
    order = np.lexsort((ranks[txn], key))
    key, txn = key[order], txn[order]
    follows = key[1:] == key[:-1]
    return key[1:][follows], txn[:-1][follows], txn[1:][follows]


def _by_session(txns: Transactions, touched: Any) -> tuple[Any, Any, Any]:
    """Versions that one process touched one after the other."""
    who, key, version = touched
    order = np.lexsort((who, key, txns.process[who]))
    who, key, version = who[order], key[order], version[order]
    process = txns.process[who]
    same_group = (key[1:] == key[:-1]) & (process[1:] == process[:-1])
    new_txn = np.concatenate(([True], ~same_group | (who[1:] != who[:-1])))
    block = np.cumsum(new_txn) - 1
    starts = np.flatnonzero(new_txn)
    ends = np.append(starts[1:], len(who))
    linked = np.flatnonzero(
        (key[starts[1:]] == key[starts[:-1]]) & (process[starts[1:]] == process[starts[:-1]])
    )
    del block
    before, after, keys = [], [], []
    for one in range(2):
        for two in range(2):
            a, b = starts[linked] + one, starts[linked + 1] + two
            fits = (a < ends[linked]) & (b < ends[linked + 1])
            before.append(version[a[fits]])
            after.append(version[b[fits]])
            keys.append(key[a[fits]])
    before, after, keys = np.concatenate(before), np.concatenate(after), np.concatenate(keys)
    return keys, before, after


def _by_zones(txns: Transactions, touched: Any) -> tuple[Any, list[tuple[int, int, int]]]:
    """Versions of one key that real time orders: one was seen before another was last seen.

    A version's zone (Gibbons, Korach: SIAM J. Computing 1997) is from the first completion of
    what touched it to the last invocation; ``v`` is before ``w`` if ``v``'s first completion is
    before ``w``'s last invocation. Only the pairs with none between are given. Two versions
    before each other contradict a linearizable key; every longer contradiction contains two.
    """
    who, key, version = touched
    order = np.lexsort((version, key))
    who, key, version = who[order], key[order], version[order]
    if not len(who):
        return (key, version, version), []
    new = np.concatenate(([True], (key[1:] != key[:-1]) | (version[1:] != version[:-1])))
    starts = np.flatnonzero(new)
    first_end = np.minimum.reduceat(txns.completed[who], starts)
    last_begin = np.maximum.reduceat(txns.invoked[who], starts)
    key, version = key[starts], version[starts]
    order = np.lexsort((last_begin, key))
    key, version = key[order], version[order]
    first_end, last_begin = first_end[order], last_begin[order]
    before, after, cyclic = _zones.for_size(len(key))(key, first_end, last_begin)
    bad = [(int(key[a]), int(version[a]), int(version[b])) for a, b in cyclic]
    banned = np.zeros(len(txns.keys), np.bool_)
    banned[[k for k, _, _ in bad]] = True
    keep = ~banned[key[before]]
    before, after = before[keep], after[keep]
    return (key[before], version[before], version[after]), bad


def _zones_plain(key: Any, first_end: Any, last_begin: Any) -> Any:
    """Per key, in order of the last invocation: pairs with none between, and contradictions."""
    before = []
    after = []
    cyclic = []
    count = len(key)
    least = np.full((count + 1, 3), -1, np.int32)  # the three least first_end of each suffix
    start = 0
    while start < count:
        stop = start
        while stop < count and key[stop] == key[start]:
            stop += 1
        least[stop] = -1
        for at in range(stop - 1, start - 1, -1):
            new = at
            for slot in range(3):
                old = least[at + 1, slot]
                if new >= 0 and (old < 0 or first_end[new] < first_end[old]):
                    least[at, slot] = new
                    new = old
                else:
                    least[at, slot] = old
        for v in range(start, stop):
            low, high = start, stop
            while low < high:
                middle = (low + high) // 2
                if last_begin[middle] > first_end[v]:
                    high = middle
                else:
                    low = middle + 1
            best = second = -1
            for slot in range(3):
                u = least[low, slot] if low < stop else -1
                if u >= 0 and u != v:
                    if best < 0:
                        best = u
                    elif second < 0:
                        second = u
            if best < 0:
                continue
            if first_end[best] < last_begin[v]:
                cyclic.append((v, best))
            if second < 0 or last_begin[best] <= first_end[second]:
                before.append(v)
                after.append(best)
            w = low
            while w < stop and last_begin[w] <= first_end[best]:
                if w != v and w != best:
                    before.append(v)
                    after.append(w)
                w += 1
        start = stop
    pairs = np.empty((len(cyclic), 2), np.int64)
    for at in range(len(cyclic)):
        pairs[at, 0] = cyclic[at][0]
        pairs[at, 1] = cyclic[at][1]
    one = np.empty(len(before), np.int64)
    two = np.empty(len(before), np.int64)
    for at in range(len(before)):
        one[at] = before[at]
        two[at] = after[at]
    return one, two, pairs


_zones = Kernel(_zones_plain)
