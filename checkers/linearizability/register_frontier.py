"""Configurations of the register search over arrays: comparing, keeping, forgetting them.

Their layout, and why one may stand for another, is told in ``register_kernel.py``.
"""

from __future__ import annotations

import math

import numpy as np

from .calls import WRITE

WORD = 60
LANES = 4
LANE = 15
GUARD = 0x4000 | 0x4000 << 15 | 0x4000 << 30 | 0x4000 << 45
FULL = 0x3FFF

STATE, COVER, NODE, USED = 0, 1, 2, 3
"""Columns of ``info``."""


def _dominates(rows, info, one, other_row, other_info, masks, nw, counts, inv, slot_call):
    """True if configuration ``one`` of a list can do whatever the other one can."""
    if info[one, STATE] != other_info[STATE] or info[one, COVER] < other_info[COVER]:
        return False
    for w in range(nw):
        mine, theirs = rows[one, w], other_row[w]
        if (mine ^ theirs) & masks[1, w]:
            return False
        if mine & ~theirs & masks[0, w]:
            return False
        if theirs & ~mine & masks[2, w]:
            return False
    if counts == 0 and info[one, USED] > other_info[USED]:
        return False
    for w in range(nw, nw + counts):
        if ((other_row[w] | GUARD) - rows[one, w]) & GUARD != GUARD:
            return False
    for w in range(nw):
        more = rows[one, w] & ~other_row[w] & masks[2, w]
        while more:
            low = more & -more
            if inv[slot_call[w * WORD + math.frexp(float(low))[1] - 1]] > info[one, COVER]:
                return False
            more ^= low
    return True


def _hash(row, info, masks, nw, bits):
    """Bucket of a configuration: those that dominate one another share it."""
    h = int(info[STATE]) * 40503 + 12345
    for w in range(nw):
        m = int(row[w] & masks[1, w])
        h = ((h ^ (m & 0x3FFFFFFF) ^ (m >> 30)) * 3266489 + w) & 0xFFFFFFFFFF
        h ^= h >> 17
    return (h ^ (h >> 11)) & ((1 << bits) - 1)


def _offer(
    rows, info, count, cap, row, about, heads, stamps, chain, stamp, bits,
    masks, nw, nu, counts, inv, slot_call,
):  # fmt: skip
    """Add a configuration unless dominated. New count; -1: dominated; -2: no room.

    ``counts``: ``nu``, or 0 to compare only the total of crashed operations used.
    """
    bucket = _hash(row, about, masks, nw, bits)
    if stamps[bucket] != stamp:
        stamps[bucket] = stamp
        heads[bucket] = -1
    at = heads[bucket]
    while at >= 0:
        if info[at, USED] >= 0 and _dominates(
            rows, info, at, row, about, masks, nw, counts, inv, slot_call
        ):
            return -1
        at = chain[at]
    if count >= cap:
        return -2
    for w in range(nw + nu):
        rows[count, w] = row[w]
    for w in range(4):
        info[count, w] = about[w]
    at = heads[bucket]
    while at >= 0:
        if info[at, USED] >= 0 and _dominates(
            rows, info, count, rows[at], info[at], masks, nw, counts, inv, slot_call
        ):
            info[at, USED] = -1 - info[at, USED]
        at = chain[at]
    chain[count] = heads[bucket]
    heads[bucket] = count
    return count + 1


def _settle(row, about, reads, differs, every, nw, slot_call, tree, size):
    """Let every open read that this state allows take effect. New size of the tree."""
    state = about[STATE]
    for w in range(nw):
        free = row[w] & (reads[state, w] | (every[w] & ~differs[state, w]))
        if free:
            row[w] ^= free
            while free:
                low = free & -free
                tree[size, 0] = about[NODE]
                tree[size, 1] = slot_call[w * WORD + math.frexp(float(low))[1] - 1]
                about[NODE] = size
                size += 1
                free ^= low
    return size


def _collect(tree, size, info, count, number):
    """Forget steps of dead configurations. New size of the tree."""
    for i in range(size):
        number[i] = 0
    number[0] = 1
    for c in range(count):
        node = info[c, NODE]
        while number[node] == 0:
            number[node] = 1
            node = tree[node, 0]
    kept = 0
    for i in range(size):
        if number[i]:
            number[i] = kept
            tree[kept, 0] = number[tree[i, 0]] if i else 0
            tree[kept, 1] = tree[i, 1]
            kept += 1
    for c in range(count):
        info[c, NODE] = number[info[c, NODE]]
    return kept


def _narrow(rows, info, count, beam, width, masks, nw, score, order):
    """Keep the ``beam`` most promising configurations. New count."""
    for i in range(count):
        points = info[i, USED] * 4
        for w in range(nw):
            m = rows[i, w] & (masks[0, w] | masks[1, w])
            while m:
                points += 1
                m &= m - 1
        score[i] = min(points, 4095)
    for i in range(4097):
        order[i] = 0
    for i in range(count):
        order[score[i] + 1] += 1
    limit, taken = 0, 0
    while taken + order[limit + 1] <= beam:
        taken += order[limit + 1]
        limit += 1
    spare = beam - taken
    kept = 0
    for i in range(count):
        if score[i] > limit or (score[i] == limit and spare <= 0):
            continue
        if score[i] == limit:
            spare -= 1
        if kept != i:
            for w in range(width):
                rows[kept, w] = rows[i, w]
            for w in range(4):
                info[kept, w] = info[i, w]
        kept += 1
    return kept


def _order(tree, node, f, out):
    """Write the order of calls that leads to a node; how many."""
    count = 0
    while node > 0:
        out[count] = tree[node, 1]
        count += 1
        node = tree[node, 0]
    waiting = np.empty(count, np.int32)
    held, kept = 0, 0
    for i in range(count):
        call = out[i]
        if call < 0:
            waiting[held] = ~call
            held += 1
            continue
        out[kept] = call
        kept += 1
        if f[call] == WRITE and held:
            # Everything let go since then stood just before this write; `out` runs
            # backwards, and there is room: each of them left one entry behind.
            for j in range(held):
                out[kept] = waiting[j]
                kept += 1
            held = 0
    for i in range(kept // 2):
        out[i], out[kept - 1 - i] = out[kept - 1 - i], out[i]
    return kept


HELPERS = (_dominates, _hash, _offer, _settle, _collect, _narrow, _order)
