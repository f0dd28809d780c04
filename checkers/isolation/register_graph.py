"""The dependencies between transactions on registers, and why each is there."""

from __future__ import annotations

from typing import Any

import numpy as np

from .appends import all_to_all
from .evidence import EdgeReason, Reason
from .findings import name_of, shown, step_text
from .graph import RW, WR, WW, Graph, build
from .registers import FOLLOWS, GIVEN, INITIAL, SESSION, Registers, VersionOrder
from .sorting import distinct

_INT = np.int32
_MANY = 4096


def dependencies(registers: Registers, versions: VersionOrder, wfr: bool) -> Graph:
    """Labels: the key for wr; the entry in ``versions`` for ww and rw; ``-1 - key`` for an rw
    edge from the initial version to one that none is known to come before.
    """
    usable = (registers.source >= 0) & registers.alive[np.maximum(registers.source, 0)]
    parts: list[Any] = [
        (WR, registers.source[usable], registers.reader[usable], registers.key[usable])
    ]
    numbers = np.arange(len(versions.key), dtype=_INT)
    written = versions.before >= 0
    if not wfr:
        written &= versions.why != FOLLOWS
    parts.append((WW, versions.before[written], versions.after[written], numbers[written]))

    width = len(registers.txns) + 2
    of_read = registers.key.astype(np.int64) * width + registers.source + 1
    usable = registers.source >= INITIAL
    order = np.flatnonzero(usable)
    order = order[np.argsort(of_read[order], kind="stable")]
    sorted_reads, readers = of_read[order], registers.reader[order]
    of_edge = versions.key.astype(np.int64) * width + versions.before + 1
    low = np.searchsorted(sorted_reads, of_edge)
    high = np.searchsorted(sorted_reads, of_edge, side="right")
    edge, at = _expanded(low, high)
    parts.append((RW, readers[at], versions.after[edge], numbers[edge]))

    extra, nodes = _from_initial(registers, versions, sorted_reads, readers, width)
    parts += extra
    kind = np.concatenate([np.full(len(part[1]), part[0], np.int8) for part in parts])
    source, target, label = (
        np.concatenate([part[i] for part in parts]).astype(_INT) for i in (1, 2, 3)
    )
    return build(nodes, source, target, kind, label)


def _expanded(low: Any, high: Any) -> tuple[Any, Any]:
    """For ranges ``low[i]:high[i]``: the number ``i`` of each of their members, and the member."""
    size = high - low
    which = np.repeat(np.arange(len(size)), size)
    first = np.cumsum(size) - size
    return which, np.arange(len(which)) - first[which] + low[which]


def _from_initial(
    registers: Registers, versions: VersionOrder, sorted_reads: Any, readers: Any, width: int
) -> tuple[list[Any], int]:
    """rw edges from who read the initial version to the first writers."""
    writes, nodes = registers.writes, len(registers.txns)
    eligible = writes.final & registers.alive[writes.txn] if len(writes) else writes.final
    version = writes.key[eligible].astype(np.int64) * width + writes.txn[eligible]
    later = distinct(versions.key.astype(np.int64) * width + versions.after)
    least = np.sort(version[~np.isin(version, later)])
    keys, first = np.unique(least // width, return_index=True)
    last = np.append(first[1:], len(least))
    low = np.searchsorted(sorted_reads, keys * width + INITIAL + 1)
    high = np.searchsorted(sorted_reads, keys * width + INITIAL + 1, side="right")
    pairs = (high - low) * (last - first)
    few = pairs <= _MANY
    which, at = _expanded(low[few], high[few])
    tails = (last - first)[few][which]
    reader = np.repeat(readers[at], tails)
    begin = np.repeat(first[few][which], tails)
    inner = np.arange(len(begin)) - np.repeat(np.cumsum(tails) - tails, tails)
    target = least[begin + inner] % width
    label = -1 - least[begin + inner] // width
    parts: list[Any] = [(RW, reader, target, label)]
    for i in np.flatnonzero(~few):
        heads = [(RW, distinct(readers[low[i] : high[i]]))]
        ends = (least[first[i] : last[i]] % width).astype(_INT)
        made, nodes = all_to_all(heads, ends, -1 - int(keys[i]), nodes)
        parts += made
    return parts, nodes


# -- reasons ------------------------------------------------------------------------------


def register_reasons(registers: Registers, versions: VersionOrder) -> EdgeReason:
    """Why an edge between two transactions on registers is there."""
    txns = registers.txns

    def last_value(txn: int, key: int) -> Any:
        mops = range(int(txns.start[txn]), int(txns.start[txn + 1]))
        own = [m for m in mops if txns.key[m] == key and txns.op[m] == 2]
        return txns.decode(int(txns.value[own[-1]]))

    def read_of(txn: int, key: int, source: int) -> int:
        at = np.flatnonzero(
            (registers.reader == txn) & (registers.key == key) & (registers.source == source)
        )
        return int(registers.mop[at[0]])

    def version_text(edge: int) -> str:
        key, before, after = (
            int(column[edge]) for column in (versions.key, versions.before, versions.after)
        )
        x = shown(txns.keys[key])
        new = shown(last_value(after, key))
        old = "the initial value" if before < 0 else shown(last_value(before, key))
        if versions.why[edge] == FOLLOWS:
            return f"{name_of(txns, after)} read {old} from {x} before writing {new}"
        if versions.why[edge] == GIVEN:
            one, two = name_of(txns, before), name_of(txns, after)
            return f"the given order of transactions puts {one} before {two}"
        if versions.why[edge] == SESSION:
            return f"one process saw {old} in {x} before {new}"
        return f"{old} was seen in {x} before an operation that saw {new} began"

    def reason(one: int, two: int, kind: int, label: int) -> Reason:
        first, second = name_of(txns, one), name_of(txns, two)
        if kind == WR:
            mop = read_of(two, label, one)
            value = txns.decode(int(txns.value[mop]))
            x = shown(txns.keys[label])
            return (
                txns.keys[label],
                value,
                f"{first} wrote {shown(value)} to {x}, which {second} read",
            )
        if label < 0:
            key, source = -1 - label, INITIAL
            value = last_value(two, key)
            text = f"{first} {step_text(txns, read_of(one, key, source))}, its initial value, "
            return txns.keys[key], value, f"{text}and {second} wrote {shown(value)} to it"
        key = int(versions.key[label])
        value, x = last_value(two, key), shown(txns.keys[key])
        if kind == RW:
            read = read_of(one, key, int(versions.before[label]))
            start = f"{first} {step_text(txns, read)} and {second} wrote {shown(value)} to it later"
        else:
            start = f"{first} and then {second} wrote {x}"
        return txns.keys[key], value, f"{start} ({version_text(label)})"

    return reason
