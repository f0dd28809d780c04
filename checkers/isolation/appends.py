"""Elle's inference over lists: a read shows the whole order of the versions before it.

Kingsbury, Alvaro: Elle, VLDB 2020, sections 3 and 4. The longest read of a key is the order of
its versions, every other read must be a prefix of it, and appends that nobody read follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..linearizability.kernel import Kernel
from .graph import LINK, RW, WR, WW, Graph, build
from .sorting import distinct
from .transactions import FAIL, OK, WRITE, Transactions
from .writes import Writes, collect

if TYPE_CHECKING:
    from numpy.typing import NDArray

_INT = np.int32
_FEW_EDGES = 64


@dataclass(frozen=True)
class Lists:
    """What the reads tell of the lists.

    ``order``      int32: the writes in version order, key by key; -1 for a value nobody appended.
    ``offset``     int32[keys+1]: the part of ``order`` of each key.
    ``longest``    int32[keys]: the micro-operation with the longest read, or -1.
    ``place``      int32 per write: its position in its key's order, or -1 (nobody read it).
    ``sound``      bool[keys]: the order is a total one (no duplicate, all reads are prefixes).
    ``reads``      int32: micro-operations of committed transactions that read.
    ``agrees``     bool per read: it is a prefix of the longest one.
    ``alive``      bool per transaction: it committed, or something of it was read.
    """

    txns: Transactions
    writes: Writes
    order: NDArray[np.int32]
    offset: NDArray[np.int32]
    longest: NDArray[np.int32]
    place: NDArray[np.int32]
    sound: NDArray[np.bool_]
    doubled: NDArray[np.bool_]
    reads: NDArray[np.int32]
    agrees: NDArray[np.bool_]
    alive: NDArray[np.bool_]

    def last_write(self, mop: int) -> int:
        """The write whose version a read saw last, or -1."""
        length = int(self.txns.length[mop])
        return int(self.order[self.offset[self.txns.key[mop]] + length - 1]) if length else -1


def recover(txns: Transactions) -> Lists:
    """The version order of every key."""
    writes = collect(txns)
    committed = txns.kind[txns.owner] == OK
    reads = np.flatnonzero((txns.op != WRITE) & committed).astype(_INT)
    size = len(reads) + len(txns.elements)
    longest, agrees = _prefixes.for_size(size)(
        reads, txns.key, txns.begin, txns.length, txns.elements, len(txns.keys)
    )
    has = longest >= 0
    lengths = np.where(has, txns.length[np.maximum(longest, 0)] if len(reads) else 0, 0)
    offset = np.concatenate(([0], np.cumsum(lengths))).astype(_INT)
    key = np.repeat(np.arange(len(txns.keys), dtype=_INT), lengths)
    starts = txns.begin[longest[key]] - offset[key] if len(key) else np.empty(0, np.int64)
    order = writes.find(key, txns.elements[starts + np.arange(len(key))]) if len(key) else key
    doubled = _doubled(order, key, txns, starts, len(writes))
    place = np.full(len(writes), -1, _INT)
    seen = order >= 0
    at = np.arange(len(order), dtype=_INT)
    place[order[seen]] = (at - offset[key])[seen]
    sound = ~doubled & writes.unique
    sound[txns.key[reads[~agrees]]] = False
    alive = txns.kind == OK
    alive[writes.txn[order[seen]]] = True
    alive &= txns.kind != FAIL
    return Lists(txns, writes, order, offset, longest, place, sound, doubled, reads, agrees, alive)


def _doubled(order: Any, key: Any, txns: Transactions, starts: Any, writes: int) -> Any:
    """bool[keys]: whether the longest read holds a value twice."""
    doubled = np.zeros(len(txns.keys), np.bool_)
    seen = order >= 0
    if int(np.bincount(order[seen], minlength=1).max(initial=0)) > 1:
        often = np.bincount(order[seen], minlength=writes) > 1
        doubled[key[seen][often[order[seen]]]] = True
    for at in distinct(key[~seen]):  # values that nobody appended: rare
        values = txns.elements[(starts + np.arange(len(key)))[key == at]]
        doubled[at] |= len(distinct(values)) < len(values)
    return doubled


def _prefixes_plain(reads: Any, key: Any, begin: Any, length: Any, elements: Any, keys: int) -> Any:
    longest = np.full(keys, -1, np.int32)
    for at in range(len(reads)):
        mop = reads[at]
        best = longest[key[mop]]
        if best < 0 or length[mop] > length[best]:
            longest[key[mop]] = mop
    agrees = np.ones(len(reads), np.bool_)
    for at in range(len(reads)):
        mop = reads[at]
        best = longest[key[mop]]
        mine, other = begin[mop], begin[best]
        for i in range(length[mop]):
            if elements[mine + i] != elements[other + i]:
                agrees[at] = False
                break
    return longest, agrees


_prefixes = Kernel(_prefixes_plain)


# -- edges ------------------------------------------------------------------------------


def dependencies(lists: Lists) -> Graph:
    """The graph of ww, wr and rw dependencies; labels are keys.

    Appends that failed are passed over. Unread appends of committed transactions follow the last
    version that was read; where many meet many readers, two chains of further nodes join them.
    """
    txns, writes = lists.txns, lists.writes
    key = np.repeat(np.arange(len(txns.keys), dtype=_INT), np.diff(lists.offset))
    counted = (lists.order >= 0) & lists.sound[key]
    counted[counted] = ~writes.failed[lists.order[counted]]
    chain = np.flatnonzero(counted)  # positions in version order that have a committed writer
    writer = writes.txn[lists.order[chain]] if len(chain) else np.empty(0, _INT)
    follows = key[chain[1:]] == key[chain[:-1]]
    ww = (writer[:-1][follows], writer[1:][follows], key[chain[1:]][follows])

    reads = lists.reads[lists.agrees]
    owner, read_key = txns.owner[reads], txns.key[reads]
    end = lists.offset[read_key] + txns.length[reads]  # position after what was read
    some = txns.length[reads] > 0
    last = lists.order[end[some] - 1]
    known = last >= 0
    known[known] = ~writes.failed[last[known]]
    wr = (writes.txn[last[known]], owner[some][known], read_key[some][known])
    # A reader of its own append anti-depends on nothing that a ww edge does not tell.
    foreign = np.ones(len(reads), np.bool_)
    foreign[np.flatnonzero(some)[known]] = wr[0] != wr[1]
    foreign &= lists.sound[read_key]

    following = np.searchsorted(chain, end)
    within = foreign & (following < len(chain))
    within[within] = key[chain[following[within]]] == read_key[within]
    rw = (owner[within], writer[following[within]], read_key[within])

    late = foreign & ~within
    parts = [(WW, *ww), (WR, *wr), (RW, *rw)]
    extra, nodes = _unread(lists, chain, key, owner[late], read_key[late])
    parts += extra
    kind = np.concatenate([np.full(len(part[1]), part[0], np.int8) for part in parts])
    source, target, label = (
        np.concatenate([part[i] for part in parts]).astype(_INT) for i in (1, 2, 3)
    )
    return build(nodes, source, target, kind, label)


def _unread(lists: Lists, chain: Any, key: Any, readers: Any, reader_key: Any) -> tuple[Any, int]:
    """Edges to the appends that nobody read, and the number of nodes with those added."""
    txns, writes = lists.txns, lists.writes
    nodes = len(txns)
    pairs = unread_appends(lists)
    keys, appenders = (pairs >> 32).astype(_INT), (pairs & 0xFFFFFFFF).astype(_INT)
    parts: list[Any] = []
    if not len(keys):
        return parts, nodes
    last_of = np.full(len(txns.keys), -1, _INT)
    last_of[key[chain]] = writes.txn[lists.order[chain]]
    reads = distinct((reader_key.astype(np.int64) << 32) | readers)
    readers, reader_key = (reads & 0xFFFFFFFF).astype(_INT), (reads >> 32).astype(_INT)
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    present, sizes = keys[first], np.diff(np.append(first, len(keys)))
    begin = np.searchsorted(reader_key, present)
    heads = np.searchsorted(reader_key, present, side="right") - begin
    last = last_of[present]
    few = (heads + (last >= 0)) * sizes <= _FEW_EDGES
    which, at = _members((heads * sizes)[few])
    source = readers[begin[few][which] + at // sizes[few][which]]
    target = appenders[first[few][which] + at % sizes[few][which]]
    parts.append((RW, source, target, present[few][which]))
    few_last = few & (last >= 0)
    which, at = _members(sizes[few_last])
    target = appenders[first[few_last][which] + at]
    parts.append((WW, last[few_last][which], target, present[few_last][which]))
    for i in np.flatnonzero(~few).tolist():
        ends = [(RW, readers[begin[i] : begin[i] + heads[i]])]
        if last[i] >= 0:
            ends.append((WW, last[i : i + 1]))
        appended = appenders[first[i] : first[i] + sizes[i]]
        made, nodes = all_to_all(ends, appended, int(present[i]), nodes)
        parts += made
    return parts, nodes


def _members(sizes: Any) -> tuple[Any, Any]:
    """For groups of some sizes: the group of each member, and its number in the group."""
    which = np.repeat(np.arange(len(sizes)), sizes)
    return which, np.arange(len(which)) - (np.cumsum(sizes) - sizes)[which]


def unread_appends(lists: Lists) -> Any:
    """int64, ascending: ``key << 32 | txn`` of each transaction with an unread append."""
    writes = lists.writes
    unread = (lists.place < 0) & lists.alive[writes.txn] & lists.sound[writes.key]
    return distinct((writes.key[unread].astype(np.int64) << 32) | writes.txn[unread])


def all_to_all(heads: Any, tails: Any, label: int, nodes: int) -> tuple[Any, int]:
    """Edges from every head to every tail but itself, directly or over chains of nodes."""
    parts, size = [], len(tails)
    if sum(len(sources) for _, sources in heads) * size <= _FEW_EDGES:
        for kind, sources in heads:
            source, target = np.repeat(sources, size), np.tile(tails, len(sources))
            parts.append((kind, source, target, np.full(len(source), label)))
        return parts, nodes
    # up[i] leads to tails i, i+1, …; down[i] to tails i, i-1, …
    up = np.arange(nodes, nodes + size)
    down = up + size
    link = [(up, tails), (down, tails), (up[:-1], up[1:]), (down[1:], down[:-1])]
    parts += [(LINK, s, t, np.full(len(s), label)) for s, t in link]
    for kind, sources in heads:
        at = np.minimum(np.searchsorted(tails, sources), size - 1)
        own = tails[at] == sources
        others, mine, at = sources[~own], sources[own], at[own]
        parts.append((kind, others, np.full(len(others), up[0]), np.full(len(others), label)))
        above, below = at + 1 < size, at > 0
        parts.append((kind, mine[above], up[at[above] + 1], np.full(int(above.sum()), label)))
        parts.append((kind, mine[below], down[at[below] - 1], np.full(int(below.sum()), label)))
    return parts, nodes + 2 * size
