"""Configurations of the table search: comparing, keeping, forgetting them; the transition table.

A configuration is ``width`` entries of the flat array ``pool``: its state, its node in the tree
of steps, the number of crashed calls used (below 0: dominated); then words of 60 bits with one
bit for every open call that has not taken effect; then words of counts of crashed calls that have,
by kind. Everything is a flat sequence, so that the same source runs on arrays, compiled, and on
lists, as it stands.
"""

from __future__ import annotations

from .register_frontier import PLACE as _PLACE

WORD = 60
"""Open calls in one word, and bits of counts in one."""

PLACE = tuple(_PLACE.tolist())
"""``PLACE[bit % 61]`` is the number of a single bit."""

CALL, DUE, WEIGHT, SLOT = 0, 1, 2, 3
"""Columns of ``slots``: the call, the position of its completion, a number for its kind."""

CHANGING, PURE = 15, 16
"""Entries of ``n`` (see ``table_steps.py``): open kinds that may change the state, and others."""

STATE, NODE, USED, ROW = 0, 1, 2, 3
"""Columns of a configuration; its words begin at ``ROW``."""

IMPOSSIBLE, MISSING = -1, -(2**62)
"""Values of the table besides the state that follows; below -1: several, from ``-2 - value`` on
in ``many``, their number first."""

HEAD_BITS = 24
"""In ``head``: a stamp, and below it the first configuration of the bucket, plus one."""

COARSE = 255
"""The worst score that the narrowing tells apart."""


def _place(state, kind, mask):
    """Where to look first for a pair."""
    h = (state * 40503) ^ (kind * 60493)
    h = (h ^ (h >> 15)) & 0xFFFFFFFF
    return ((h * 0x2C1B3C6D) >> 13) & mask


def _get(table, mask, state, kind):
    """What follows when an operation of this kind is performed in this state."""
    h, key = _place(state, kind, mask), (state << 31) + kind + 1
    while True:
        held = table[2 * h]
        if held == key:
            return table[2 * h + 1]
        if held == 0:
            return MISSING
        h = (h + 1) & mask


def _put(table, mask, key, value):
    """Enter what follows; true if the pair was not there."""
    h = _place((key - 1) >> 31, (key - 1) & 0x7FFFFFFF, mask)
    while table[2 * h] != 0 and table[2 * h] != key:
        h = (h + 1) & mask
    new = table[2 * h] == 0
    table[2 * h], table[2 * h + 1] = key, value
    return new


def _hash(pool, row, slots, nw, bits):
    """Bucket of a configuration: those of the same state and open kinds share it."""
    h = pool[row + STATE] * 40503 + 12345
    for w in range(nw):
        m = pool[row + ROW + w]
        while m:
            low = m & -m
            h += slots[SLOT * (w * WORD + PLACE[low % 61]) + WEIGHT]
            m ^= low
    h = ((h & 0xFFFFFFFF) * 0x2C1B3C6D) >> 13
    return (h ^ (h >> 15)) & ((1 << bits) - 1)


def _later(pool, one, other, slots, kinds, masks, n, nw):
    """Whether ``one`` can do what the other does, call by call: it is in the same state, has as
    many calls of every kind open, due no earlier, and of those that change nothing no more."""
    if pool[one + STATE] != pool[other + STATE]:
        return False
    same = True
    for w in range(ROW, ROW + nw):
        if pool[one + w] != pool[other + w]:
            same = False
    if same:
        return True
    for j in range(n[CHANGING] + n[PURE]):
        at = nw * WORD + j if j < n[CHANGING] else 2 * nw * WORD + j - n[CHANGING]
        g = kinds[at] * nw
        balance = 0
        for w in range(nw):
            mine = pool[one + ROW + w] & ~pool[other + ROW + w] & masks[g + w]
            theirs = pool[other + ROW + w] & ~pool[one + ROW + w] & masks[g + w]
            while theirs:
                balance -= 1
                theirs &= theirs - 1
            while mine:
                low = mine & -mine
                mine ^= low
                balance += 1
                due = slots[SLOT * (w * WORD + PLACE[low % 61]) + DUE]
                if _spare(pool, one, other, due, slots, masks, g, nw) < 0:
                    return False
        if balance > 0 or (balance < 0 and j < n[CHANGING]):
            return False
    return True


def _spare(pool, one, other, due, slots, masks, g, nw):
    """Calls of a kind due by then that only the other has open, less those only ``one`` has."""
    spare = 0
    for w in range(nw):
        differ = (pool[one + ROW + w] ^ pool[other + ROW + w]) & masks[g + w]
        while differ:
            low = differ & -differ
            differ ^= low
            if slots[SLOT * (w * WORD + PLACE[low % 61]) + DUE] <= due:
                spare += -1 if pool[one + ROW + w] & low else 1
    return spare


def _frugal(pool, one, other, first, last, guard):
    """Whether ``one`` has used no more crashed calls of any kind than the other."""
    for w in range(first, last):
        g = guard[w - first]
        if ((pool[other + w] | g) - pool[one + w]) & g != g:
            return False
    return True


def _offer(
    pool, width, base, count, cap, half, head, chain, stamp, bits, nw, guard, slots, kinds, masks, n
):  # fmt: skip
    """Keep the configuration at ``base + count`` unless another can do all that it can.

    New count; -1: dominated; -2: no room.
    """
    new = (base + count) * width
    bucket = (half << bits) + _hash(pool, new, slots, nw, bits)
    first = -1
    if head[bucket] >> HEAD_BITS == stamp:
        first = (head[bucket] & ((1 << HEAD_BITS) - 1)) - 1
    at = first
    while at >= 0:
        other = (base + at) * width
        if (
            pool[other + USED] >= 0
            and _later(pool, other, new, slots, kinds, masks, n, nw)
            and _frugal(pool, other, new, ROW + nw, width, guard)
        ):
            return -1
        at = chain[base + at]
    if count >= cap:
        return -2
    at = first
    while at >= 0:
        other = (base + at) * width
        if (
            pool[other + USED] >= 0
            and _later(pool, new, other, slots, kinds, masks, n, nw)
            and _frugal(pool, new, other, ROW + nw, width, guard)
        ):
            pool[other + USED] = -1 - pool[other + USED]
        at = chain[base + at]
    chain[base + count] = first
    head[bucket] = (stamp << HEAD_BITS) + count + 1
    return count + 1


def _strike(pool, width, new, head, chain, stamp, bits, nw, guard, slots, kinds, masks, n):
    """Drop the configurations that are through and no better than the one at ``new``."""
    bucket = _hash(pool, new, slots, nw, bits)
    struck = 0
    if head[bucket] >> HEAD_BITS == stamp:
        at = (head[bucket] & ((1 << HEAD_BITS) - 1)) - 1
        while at >= 0:
            other = at * width
            if (
                pool[other + USED] >= 0
                and _later(pool, new, other, slots, kinds, masks, n, nw)
                and _frugal(pool, new, other, ROW + nw, width, guard)
            ):
                pool[other + USED] = -1 - pool[other + USED]
                struck += 1
            at = chain[at]
    return struck


def _living(pool, count, width):
    """Close the gaps that dominated configurations leave. New count."""
    kept = 0
    for c in range(count):
        if pool[c * width + USED] >= 0:
            if kept != c:
                for x in range(width):
                    pool[kept * width + x] = pool[c * width + x]
            kept += 1
    return kept


def _narrow(pool, count, beam, width, nw, opened, slots, score, order):
    """Keep the ``beam`` most promising configurations. New count.

    They have used few crashed calls, have let few take effect, but many that change nothing.
    """
    for i in range(count):
        points = pool[i * width + USED] * 4 + opened
        for w in range(ROW, ROW + nw):
            m = pool[i * width + w]
            while m:
                low = m & -m
                pure = slots[SLOT * (w * WORD - ROW * WORD + PLACE[low % 61]) + WEIGHT] == 0
                points += 2 if pure else -1
                m ^= low
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
            for x in range(width):
                pool[kept * width + x] = pool[i * width + x]
        kept += 1
    return kept


def _collect(tree, size, pool, count, width, number):
    """Forget steps of dead configurations. New size of the tree."""
    for i in range(size):
        number[i] = 0
    number[0] = 1
    for c in range(count):
        node = pool[c * width + NODE]
        while number[node] == 0:
            number[node] = 1
            node = tree[2 * node]
    kept = 0
    for i in range(size):
        if number[i]:
            number[i] = kept
            tree[2 * kept] = number[tree[2 * i]]
            tree[2 * kept + 1] = tree[2 * i + 1]
            kept += 1
    for c in range(count):
        pool[c * width + NODE] = number[pool[c * width + NODE]]
    return kept


def _order(tree, node, out):
    """Write the order of calls that leads to a node; how many."""
    count = 0
    while node > 0:
        out[count] = tree[2 * node + 1]
        count += 1
        node = tree[2 * node]
    for i in range(count // 2):
        out[i], out[count - 1 - i] = out[count - 1 - i], out[i]
    return count


HELPERS = (
    _place, _get, _put, _hash, _later, _spare, _frugal, _offer, _strike, _living, _narrow, _collect,
    _order,
)  # fmt: skip
