"""Configurations of the register search over arrays: comparing, keeping, forgetting them.

Their layout, and why one may stand for another, is told in ``register_kernel.py``.
"""

from __future__ import annotations

import numpy as np

from .calls import WRITE

WORD = 60
"""Open calls in one word."""

LANES = 4
LANE = 15
GUARD = 0x4000 | 0x4000 << 15 | 0x4000 << 30 | 0x4000 << 45
FULL = 0x3FFF
"""Counts of crashed operations: so many in a word, so wide, their highest bits, the largest."""

STATE, COVER, NODE, USED, ROW = 0, 1, 2, 3, 4
"""Columns of a configuration; its words begin at ``ROW``."""

LOOKS, SWAPS, WRITES, EVERY, VALUES = 0, 1, 2, 3, 4
"""Rows of ``sets``: open reads and observations, cas, writes, observations; then two for every
value: reads of it, observations that it is not there."""

CALL, BEGAN, WHERE, BIT = 0, 1, 2, 3
"""Columns of ``slots``: the call, when it was invoked; its word and bit in a configuration."""

INV, DUE, F, A, B, KIND = 0, 1, 2, 3, 4, 5
"""Columns of ``call``: positions of invocation and completion, function, values, kind."""

PLACE = np.array([next((n for n in range(60) if pow(2, n, 61) == r), 0) for r in range(61)])
"""``PLACE[bit % 61]`` is the number of a single bit: 2 generates the numbers modulo 61."""

HEAD_BITS = 24
"""In ``head``: a stamp, and below it the first configuration of the bucket, plus one."""

COARSE = 255
"""The worst score that the narrowing tells apart."""


def _dominates(pool, one, other, sets, nw, counts, slots):
    """True if configuration ``one`` can do whatever the other one can."""
    if pool[one, STATE] != pool[other, STATE] or pool[one, COVER] < pool[other, COVER]:
        return False
    if pool[one, USED] < 0 or (counts == 0 and pool[one, USED] > pool[other, USED]):
        return False
    for w in range(nw):
        mine, theirs = pool[one, ROW + w], pool[other, ROW + w]
        if mine == theirs:
            continue
        if (mine ^ theirs) & sets[SWAPS, w]:
            return False
        if mine & ~theirs & sets[LOOKS, w]:
            return False
        if theirs & ~mine & sets[WRITES, w]:
            return False
        more = mine & ~theirs & sets[WRITES, w]
        while more:
            low = more & -more
            if slots[w * WORD + PLACE[low % 61], BEGAN] > pool[one, COVER]:
                return False
            more ^= low
    for w in range(ROW + nw, ROW + nw + counts):
        if ((pool[other, w] | GUARD) - pool[one, w]) & GUARD != GUARD:
            return False
    return True


def _hash(pool, at, sets, nw, bits):
    """Bucket of a configuration: those that dominate one another share it."""
    h = pool[at, STATE] * 40503 + 12345
    for w in range(nw):
        m = pool[at, ROW + w] & sets[SWAPS, w]
        h = ((h ^ (m & 0x3FFFFFFF) ^ (m >> 30)) * 3266489 + w) & 0xFFFFFFFFFF
        h ^= h >> 17
    return (h ^ (h >> 11)) & ((1 << bits) - 1)


def _enter(pool, base, at, table, head, chain, stamp, bits, sets, nw):
    """Make a configuration known to ``_offer``."""
    bucket = (table << bits) + _hash(pool, base + at, sets, nw, bits)
    first = head[bucket]
    chain[base + at] = (first & ((1 << HEAD_BITS) - 1)) - 1 if first >> HEAD_BITS == stamp else -1
    head[bucket] = (stamp << HEAD_BITS) + at + 1


def _offer(pool, base, count, cap, table, head, chain, stamp, bits, sets, nw, counts, slots):
    """Keep the configuration at ``base + count`` unless another can do all that it can.

    New count; -1: dominated; -2: no room. ``counts``: words of counts of crashed operations to
    compare, or 0 to compare only their total.
    """
    new = base + count
    bucket = (table << bits) + _hash(pool, new, sets, nw, bits)
    first = -1
    if head[bucket] >> HEAD_BITS == stamp:
        first = (head[bucket] & ((1 << HEAD_BITS) - 1)) - 1
    at = first
    while at >= 0:
        if _dominates(pool, base + at, new, sets, nw, counts, slots):
            return -1
        at = chain[base + at]
    if count >= cap:
        return -2
    at = first
    while at >= 0:
        other = base + at
        if pool[other, USED] >= 0 and _dominates(pool, new, other, sets, nw, counts, slots):
            pool[other, USED] = -1 - pool[other, USED]
        at = chain[base + at]
    chain[new] = first
    head[bucket] = (stamp << HEAD_BITS) + count + 1
    return count + 1


def _settle(pool, at, sets, nw, slots, tree, size):
    """Let every open read that this state allows take effect. New size of the tree."""
    reads = VALUES + 2 * pool[at, STATE]
    for w in range(nw):
        free = pool[at, ROW + w] & (sets[reads, w] | (sets[EVERY, w] & ~sets[reads + 1, w]))
        pool[at, ROW + w] ^= free
        while free:
            low = free & -free
            tree[size, 0] = pool[at, NODE]
            tree[size, 1] = slots[w * WORD + PLACE[low % 61], CALL]
            pool[at, NODE] = size
            size += 1
            free ^= low
    return size


def _collect(tree, size, pool, count, number):
    """Forget steps of dead configurations. New size of the tree."""
    for i in range(size):
        number[i] = 0
    number[0] = 1
    for c in range(count):
        node = pool[c, NODE]
        while number[node] == 0:
            number[node] = 1
            node = tree[node, 0]
    kept = 0
    for i in range(size):
        if number[i]:
            number[i] = kept
            tree[kept, 0] = number[tree[i, 0]]
            tree[kept, 1] = tree[i, 1]
            kept += 1
    for c in range(count):
        pool[c, NODE] = number[pool[c, NODE]]
    return kept


def _living(pool, count, width):
    """Close the gaps that dominated configurations leave. New count."""
    kept = 0
    for c in range(count):
        if pool[c, USED] >= 0:
            if kept != c:
                for x in range(width):
                    pool[kept, x] = pool[c, x]
            kept += 1
    return kept


def _narrow(pool, count, beam, width, sets, nw, score, order):
    """Keep the ``beam`` most promising configurations. New count."""
    for i in range(count):
        points = pool[i, USED] * 4
        for w in range(nw):
            m = pool[i, ROW + w] & (sets[LOOKS, w] | sets[SWAPS, w])
            while m:
                points += 1
                m &= m - 1
        score[i] = min(points, COARSE)
    for i in range(COARSE + 2):
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
                pool[kept, w] = pool[i, w]
        kept += 1
    return kept


def _order(tree, node, call, out, waiting):
    """Write the order of calls that leads to a node; how many."""
    count = 0
    while node > 0:
        out[count] = tree[node, 1]
        count += 1
        node = tree[node, 0]
    held, kept = 0, 0
    for i in range(count):
        at = out[i]
        if at < 0:
            waiting[held] = ~at
            held += 1
            continue
        out[kept] = at
        kept += 1
        if call[at, F] == WRITE and held:
            # Everything let go since then stood just before this write; `out` runs
            # backwards, and there is room: each of them left one entry behind.
            for j in range(held):
                out[kept] = waiting[j]
                kept += 1
            held = 0
    for i in range(kept // 2):
        out[i], out[kept - 1 - i] = out[kept - 1 - i], out[i]
    return kept


HELPERS = (_hash, _dominates, _enter, _offer, _settle, _collect, _living, _narrow, _order)
