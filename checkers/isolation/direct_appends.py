"""Anomalies of lists that show without a graph: in one read, one transaction or one key.

Names and definitions as in Elle (Kingsbury, Alvaro: VLDB 2020, section 4.3) and Adya's thesis:
G1a, G1b, garbage-read, dirty-update, duplicate-elements, incompatible-order, internal,
future-read, lost-update; G-cursor (Adya, section 4.2.3).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..linearizability.kernel import Kernel
from .appends import Lists
from .findings import Example, Findings, name_of, shown, step_text
from .sorting import distinct
from .transactions import NIL, OK, WRITE

UNREAD = 1 << 30
"""In place of a position in the order of versions: after all that were read."""


def find(lists: Lists) -> Findings:
    """All of them, counted."""
    found = Findings()
    _orders(lists, found)
    _aborted_and_garbage(lists, found)
    _intermediate(lists, found)
    _within(lists, found)
    return found


def _orders(lists: Lists, found: Findings) -> None:
    txns = lists.txns
    odd = lists.reads[~lists.agrees]

    def disagreement(mop: int) -> Example:
        other = int(lists.longest[txns.key[mop]])
        one, two = int(txns.owner[mop]), int(txns.owner[other])
        key = txns.keys[int(txns.key[mop])]
        text = (
            f"{name_of(txns, one)} {step_text(txns, mop)} but {name_of(txns, two)} "
            f"{step_text(txns, other)}: neither list is a prefix of the other, "
            "so there is no one order of versions."
        )
        return Example([one, two], text, key)

    found.add("incompatible-order", odd.tolist(), disagreement)
    found.add("incompatible-order", _out_of_turn(lists), lambda pair: _turned(lists, *pair))

    def repeated(mop: int) -> Example:
        owner = int(txns.owner[mop])
        values = txns.list_of(mop)
        first = next(v for v in values if values.count(v) > 1)
        text = (
            f"{name_of(txns, owner)} {step_text(txns, mop)}, which holds {shown(first)} "
            f"{values.count(first)} times though it was appended once."
        )
        return Example([owner], text, txns.keys[int(txns.key[mop])])

    mops = [int(m) for m in lists.longest[lists.doubled]]
    for mop in odd.tolist():
        begin, length = int(txns.begin[mop]), int(txns.length[mop])
        if len(distinct(txns.elements[begin : begin + length])) < length:
            mops.append(mop)
    found.add("duplicate-elements", [m for m in mops if _appended_once(lists, m)], repeated)


def _out_of_turn(lists: Lists) -> list[tuple[int, int]]:
    """Pairs of appends of one transaction to one key of which only or first the later is seen."""
    writes = lists.writes
    order = np.lexsort((writes.mop, writes.key, writes.txn))
    one, two = order[:-1], order[1:]
    same = (writes.txn[one] == writes.txn[two]) & (writes.key[one] == writes.key[two])
    one, two = one[same], two[same]
    seen, before = lists.place[two], lists.place[one]
    bad = (seen >= 0) & ((before < 0) | (before > seen)) & ~writes.failed[one]
    return list(zip(one[bad].tolist(), two[bad].tolist(), strict=True))


def _turned(lists: Lists, one: int, two: int) -> Example:
    txns, writes = lists.txns, lists.writes
    txn, key = int(writes.txn[one]), txns.keys[int(writes.key[one])]
    longest = int(lists.longest[writes.key[one]])
    reader = int(txns.owner[longest])
    first, second = (shown(txns.decode(int(writes.value[w]))) for w in (one, two))
    text = (
        f"{name_of(txns, txn)} appended {first} and then {second}, but {name_of(txns, reader)} "
        f"{step_text(txns, longest)}, where {second} does not come after {first}."
    )
    return Example([txn, reader], text, key)


def _appended_once(lists: Lists, mop: int) -> bool:
    return bool(lists.writes.unique[lists.txns.key[mop]])


def _first_where(lists: Lists, bad: Any) -> Any:
    """int64[keys]: the first position in each key's order that is ``bad``, or a large number."""
    first = np.full(len(lists.txns.keys), 1 << 40, np.int64)
    at = np.flatnonzero(bad)
    key = np.searchsorted(lists.offset, at, side="right") - 1
    np.minimum.at(first, key, at - lists.offset[key])
    return first


def _aborted_and_garbage(lists: Lists, found: Findings) -> None:
    txns, writes = lists.txns, lists.writes
    known = lists.order >= 0
    failed = known.copy()
    failed[known] = writes.failed[lists.order[known]]
    reads = lists.reads
    key, length = txns.key[reads], txns.length[reads]
    first_failed, first_unknown = _first_where(lists, failed), _first_where(lists, ~known)
    aborted = reads[lists.agrees & (length > first_failed[key])].tolist()
    garbage = reads[lists.agrees & (length > first_unknown[key])].tolist()
    for mop in reads[~lists.agrees].tolist():
        begin = int(txns.begin[mop])
        values = txns.elements[begin : begin + int(txns.length[mop])]
        write = writes.find(np.full(len(values), txns.key[mop]), values)
        if (write < 0).any():
            garbage.append(mop)
        if writes.failed[write[write >= 0]].any():
            aborted.append(mop)

    def element(mop: int, want_failed: bool) -> tuple[Any, int]:
        begin = int(txns.begin[mop])
        values = txns.elements[begin : begin + int(txns.length[mop])]
        write = writes.find(np.full(len(values), txns.key[mop]), values)
        bad = (write >= 0) if want_failed else (write < 0)
        if want_failed:
            bad[bad] = writes.failed[write[bad]]
        at = int(np.flatnonzero(bad)[0])
        return txns.decode(int(values[at])), int(write[at])

    def read_aborted(mop: int) -> Example:
        value, write = element(mop, True)
        reader, writer = int(txns.owner[mop]), int(writes.txn[write])
        text = (
            f"{name_of(txns, writer)} appended {shown(value)} and then failed, yet "
            f"{name_of(txns, reader)} {step_text(txns, mop)}."
        )
        return Example([writer, reader], text, txns.keys[int(txns.key[mop])])

    def read_garbage(mop: int) -> Example:
        value, _ = element(mop, False)
        reader = int(txns.owner[mop])
        text = (
            f"{name_of(txns, reader)} {step_text(txns, mop)}, but nobody ever appended "
            f"{shown(value)} to it."
        )
        return Example([reader], text, txns.keys[int(txns.key[mop])])

    found.add("G1a", aborted, read_aborted)
    found.add("garbage-read", garbage, read_garbage)
    _dirty_updates(lists, failed, found)


def _dirty_updates(lists: Lists, failed: Any, found: Findings) -> None:
    txns, writes = lists.txns, lists.writes
    committed = lists.order >= 0
    committed[committed] = txns.kind[writes.txn[lists.order[committed]]] == OK
    at = np.flatnonzero(failed)
    after = np.flatnonzero(committed)
    following = np.searchsorted(after, at)
    key = np.searchsorted(lists.offset, at, side="right") - 1
    pairs = [
        (int(lists.order[a]), int(lists.order[after[f]]))
        for a, f, k in zip(at, following, key, strict=True)
        if f < len(after) and after[f] < lists.offset[k + 1]
    ]

    def dirty(pair: tuple[int, int]) -> Example:
        one, two = pair
        aborted, later = int(writes.txn[one]), int(writes.txn[two])
        value = txns.decode(int(writes.value[one]))
        text = (
            f"{name_of(txns, aborted)} appended {shown(value)} and then failed, yet the "
            f"version that {name_of(txns, later)} made by appending "
            f"{shown(txns.decode(int(writes.value[two])))} and committing contains it."
        )
        return Example([aborted, later], text, txns.keys[int(writes.key[one])])

    found.add("dirty-update", pairs, dirty)


def _intermediate(lists: Lists, found: Findings) -> None:
    txns, writes = lists.txns, lists.writes
    reads = lists.reads[lists.agrees & (txns.length[lists.reads] > 0)]
    last = lists.order[lists.offset[txns.key[reads]] + txns.length[reads] - 1]
    known = last >= 0
    reads, last = reads[known], last[known]
    bad = ~writes.final[last] & (writes.txn[last] != txns.owner[reads]) & ~writes.failed[last]

    def intermediate(mop: int) -> Example:
        write = lists.last_write(mop)
        reader, writer = int(txns.owner[mop]), int(writes.txn[write])
        text = (
            f"{name_of(txns, reader)} {step_text(txns, mop)}: its last value is not the last that "
            f"{name_of(txns, writer)} appended to it, so an intermediate state was seen."
        )
        return Example([writer, reader], text, txns.keys[int(txns.key[mop])])

    found.add("G1b", reads[bad].tolist(), intermediate)


# -- inside one transaction ---------------------------------------------------------------


def _within(lists: Lists, found: Findings) -> None:
    txns = lists.txns
    place = np.full(len(txns.op), -1, np.int32)
    place[lists.writes.mop] = lists.place
    agrees = np.ones(len(txns.op), np.bool_)
    agrees[lists.reads] = lists.agrees
    internal, future, updates, reach, own = _walk.for_size(len(txns.op))(
        txns.kind, txns.start, txns.op, txns.key, txns.value, txns.begin, txns.length,
        txns.elements, place, agrees,
    )  # fmt: skip

    def inconsistent(mop: int) -> Example:
        txn = int(txns.owner[mop])
        before = [
            step_text(txns, m)
            for m in range(int(txns.start[txn]), mop)
            if txns.key[m] == txns.key[mop]
        ]
        text = (
            f"{name_of(txns, txn)} {', '.join(before[-3:])} and then {step_text(txns, mop)}, "
            "which does not follow from what it did and saw itself."
        )
        return Example([txn], text, txns.keys[int(txns.key[mop])])

    def early(mop: int) -> Example:
        txn = int(txns.owner[mop])
        text = f"{name_of(txns, txn)} {step_text(txns, mop)} before appending part of it itself."
        return Example([txn], text, txns.keys[int(txns.key[mop])])

    found.add("internal", np.flatnonzero(internal).tolist(), inconsistent)
    found.add("future-read", np.flatnonzero(future).tolist(), early)
    _overwritten_between(lists, reach, own, found)
    mops = np.flatnonzero(updates)
    version = np.where(txns.op[mops] == NIL, 0, txns.length[mops])
    same_version = (txns.key[mops].astype(np.int64) << 32) | version
    add_lost_updates(lists.txns, mops, same_version, found)


def _overwritten_between(lists: Lists, reach: Any, own: Any, found: Findings) -> None:
    """G-cursor: others appended between a read and the same transaction's own append.

    Per micro-operation: ``reach`` is where the transaction's last append to the key stands,
    :data:`UNREAD` if nobody read it; ``own``: its appends that stand after what was read.
    """
    txns, writes = lists.txns, lists.writes
    mops = lists.reads[lists.agrees & lists.sound[txns.key[lists.reads]]]
    mops = mops[reach[mops] >= txns.length[mops]]
    counts = lists.order >= 0
    counts[counts] = ~writes.failed[lists.order[counts]]
    before = np.concatenate(([0], np.cumsum(counts)))
    key = txns.key[mops]
    start = lists.offset[key] + txns.length[mops]
    end = np.minimum(lists.offset[key] + reach[mops].astype(np.int64) + 1, lists.offset[key + 1])
    between = before[end] - before[start] > own[mops]

    def cursor(at: int) -> Example:
        mop, reader = int(mops[at]), int(txns.owner[mops[at]])
        inner = [w for w in lists.order[start[at] : end[at]] if w >= 0 and not writes.failed[w]]
        write = int(next(w for w in inner if writes.txn[w] != reader))
        other, value = int(writes.txn[write]), txns.decode(int(writes.value[write]))
        text = (
            f"{name_of(txns, reader)} {step_text(txns, mop)} and appended to it, but "
            f"{name_of(txns, other)} appended {shown(value)} after the one and before the other."
        )
        return Example([reader, other], text, txns.keys[int(txns.key[mop])])

    found.add("G-cursor", np.flatnonzero(between).tolist(), cursor)


def add_lost_updates(txns: Any, mops: Any, version: Any, found: Findings) -> None:
    """Groups of transactions that read one version (a number) of a key and then wrote the key."""
    order = np.argsort(version, kind="stable")
    mops, version = mops[order], version[order]
    if not len(mops):
        return
    starts = np.flatnonzero(np.concatenate(([True], version[1:] != version[:-1])))
    ends = np.append(starts[1:], len(mops))
    many = ends - starts > 1
    groups = [mops[a:b].tolist() for a, b in zip(starts[many], ends[many], strict=True)]

    def lost(group: list[int]) -> Example:
        members = [int(txns.owner[mop]) for mop in group]
        names = ", ".join(name_of(txns, txn) for txn in members[:4])
        text = (
            f"{names} each {step_text(txns, group[0])} and then wrote it: all updates but one "
            "were made without seeing the others."
        )
        return Example(members[:4], text, txns.keys[int(txns.key[group[0]])])

    found.add("lost-update", groups, lost)


def _walk_plain(
    kind: Any, start: Any, op: Any, key: Any, value: Any, begin: Any, length: Any,
    elements: Any, place: Any, agrees: Any,
) -> Any:  # fmt: skip
    internal = np.zeros(len(op), np.bool_)
    future = np.zeros(len(op), np.bool_)
    updates = np.zeros(len(op), np.bool_)
    reach = np.full(len(op), -1, np.int32)
    own = np.zeros(len(op), np.int32)
    for txn in range(len(kind)):
        if kind[txn] != OK:
            continue
        stop = start[txn + 1]
        for mop in range(start[txn], stop):
            if op[mop] == WRITE:
                continue
            # What was read, from its end: own appends since the last own read, then that read.
            end = length[mop]
            touched = False
            wrong = False
            for before in range(mop - 1, start[txn] - 1, -1):
                if key[before] != key[mop]:
                    continue
                touched = True
                if op[before] == WRITE:
                    end -= 1
                    if end < 0 or elements[begin[mop] + end] != value[before]:
                        wrong = True
                        break
                else:
                    if end != length[before]:
                        wrong = True
                    else:
                        for i in range(end):
                            if elements[begin[mop] + i] != elements[begin[before] + i]:
                                wrong = True
                                break
                    break
            internal[mop] = wrong
            for other in range(start[txn], stop):
                if key[other] == key[mop] and op[other] == WRITE:
                    if place[other] < 0:
                        reach[mop] = UNREAD
                    elif place[other] > reach[mop]:
                        reach[mop] = place[other]
                    if place[other] >= length[mop]:
                        own[mop] += 1
            for later in range(mop + 1, stop):
                if key[later] == key[mop] and op[later] == WRITE:
                    if not touched and agrees[mop]:
                        updates[mop] = True
                    if agrees[mop] and place[later] >= 0 and place[later] < length[mop]:
                        future[mop] = True
    return internal, future, updates, reach, own


_walk = Kernel(_walk_plain)
