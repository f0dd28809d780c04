"""Single steps of the table search; the search is in ``table_kernel.py``."""

from __future__ import annotations

from .table_frontier import (
    CALL,
    CHANGING,
    DUE,
    IMPOSSIBLE,
    MISSING,
    NODE,
    PLACE,
    PURE,
    ROW,
    SLOT,
    STATE,
    USED,
    WORD,
    _get,
    _offer,
    _strike,
)

SIZE, FREE, STAMP, EXPLORED, DROPPED, COUNT, QUEUED, DONE, LEVEL, EVERY, FULL, BEFORE = range(12)
"""Numbers that change as the search goes on: steps in the tree, free slots, stamps of the
buckets, configurations explored, whether any were dropped; configurations that are through, that
wait, that were expanded, the end of the nearest ones; whether crashed calls are used too, whether
there was no room, the frontier's size before the completion."""

PHASE, WANTS, ENTRIES = range(12, 15)
CRASHED_KINDS, TIDY, TRIED, STRUCK, MOST = range(17, 22)
"""More: what it is in the midst of, pairs that are wanted and entered, open kinds that may
change the state and those that never do, kinds of crashed calls; whether to stop at the next
completion; attempts to drop a configuration by what another one leads to, and successes; the most
states that one operation led to so far."""

WAITING, NUMBERS = 22, 23
"""Whether it is asked which kinds may wait for which; how many numbers there are."""

MAY_WAIT = 1 << 30
"""The table tells of kinds, too: the entry of ``MAY_WAIT + a`` and ``b`` is 1 if ``a``, whenever
``b`` can follow it, could as well come after it."""

KIND_OPEN, KIND_AT, KIND_WORD, KIND_SHIFT, KIND_TOP, KIND_GROUP, KIND_CRASHED, KIND_PURE = range(8)
KIND = 8
"""Columns of ``kind``: crashed calls of it so far, the first of them in ``kind_calls``; where
their count stands in a configuration and how high it may go; its group of open calls (or -1);
whether it is in the list of kinds of crashed calls; whether it never changes the state."""

WANT_LIMIT = 4096
"""Pairs asked for at once."""


def _ask(table, mask, want, n, state, kind):
    """Remember that a pair is wanted, once."""
    if n[WANTS] < WANT_LIMIT:
        key = (state << 31) + kind + 1
        for j in range(max(0, n[WANTS] - 8), n[WANTS]):
            if want[j] == key:
                return
        want[n[WANTS]] = key
        n[WANTS] += 1


def _can_settle(pool, row, state, n, kinds, masks, nw, table, mask, want):
    """Whether it is known which open calls that change nothing are possible in a state."""
    ready = True
    for j in range(n[PURE]):
        g = kinds[2 * nw * WORD + j]
        for w in range(nw):
            if pool[row + ROW + w] & masks[g * nw + w]:
                if _get(table, mask, state, kinds[g]) == MISSING:
                    _ask(table, mask, want, n, state, kinds[g])
                    ready = False
                break
    return ready


def _settle(pool, row, n, kinds, masks, nw, slots, table, mask, tree):
    """Let every open call that changes nothing take effect where it can."""
    state = pool[row + STATE]
    for j in range(n[PURE]):
        g = kinds[2 * nw * WORD + j]
        known = False
        for w in range(nw):
            free = pool[row + ROW + w] & masks[g * nw + w]
            if free:
                if not known and _get(table, mask, state, kinds[g]) == IMPOSSIBLE:
                    break
                known = True
                pool[row + ROW + w] ^= free
                if pool[row + NODE] < 0:
                    continue
                while free:
                    low = free & -free
                    size = n[SIZE]
                    tree[2 * size] = pool[row + NODE]
                    tree[2 * size + 1] = slots[SLOT * (w * WORD + PLACE[low % 61]) + CALL]
                    pool[row + NODE] = size
                    n[SIZE] = size + 1
                    free ^= low


def _soonest(pool, row, g, masks, nw, slots):
    """Of the calls of one kind that have not taken effect the first to complete, or -1."""
    best, soonest = -1, 0
    for w in range(nw):
        here = pool[row + ROW + w] & masks[g * nw + w]
        while here:
            low = here & -here
            s = w * WORD + PLACE[low % 61]
            if best < 0 or slots[SLOT * s + DUE] < soonest:
                best, soonest = s, slots[SLOT * s + DUE]
            here ^= low
    return best


def _uses(pool, row, kind, k):
    """How many crashed calls of a kind have taken effect."""
    at = KIND * k
    return (pool[row + kind[at + KIND_WORD]] >> kind[at + KIND_SHIFT]) & kind[at + KIND_TOP]


def _is_open(pool, row, g, masks, nw):
    """Whether a call of a group is open in a configuration and has not taken effect."""
    found = False
    for w in range(nw):
        found = found or pool[row + ROW + w] & masks[g * nw + w] != 0
    return found


def _near(pool, row, one, n, kind, kinds, masks, nw, table, mask, want, near):
    """Mark in ``near`` the kinds that may have to take effect before a call of kind ``one``.

    They are those that may not wait for it, or not for one of them: all others may as well take
    effect afterwards. Its entries: the open kinds that may change the state, then the kinds
    of crashed calls, then the open kinds that never do. False if it is not known which may wait.
    """
    slot_count, changing, crashed = nw * WORD, n[CHANGING], n[CRASHED_KINDS]
    total, ready, first, last = changing + crashed + n[PURE], True, 0, 1
    for j in range(total):
        near[j] = 0 if n[WAITING] else 1
    if not n[WAITING]:
        return True
    near[total] = one
    while first < last:
        k = near[total + first]
        first += 1
        for j in range(total):
            if near[j]:
                continue
            if j < changing:
                g = kinds[slot_count + j]
                other, here = kinds[g], _is_open(pool, row, g, masks, nw)
            elif j < changing + crashed:
                other = kinds[3 * slot_count + j - changing]
                here = n[EVERY] and _uses(pool, row, kind, other) < kind[KIND * other + KIND_OPEN]
            else:
                g = kinds[2 * slot_count + j - changing - crashed]
                other, here = kinds[g], _is_open(pool, row, g, masks, nw)
            if not here:
                continue
            if other != one:
                value = _get(table, mask, MAY_WAIT + other, k)
                if value == MISSING:
                    _ask(table, mask, want, n, MAY_WAIT + other, k)
                    ready = False
                if value == 1:
                    continue
            near[j] = 1
            near[total + last] = other
            last += 1
    return ready


def _known(
    pool, row, one, n, kind, kinds, masks, nw, table, mask, many, want, crashed, near
):  # fmt: skip
    """Whether all is known that is needed to go on from a configuration."""
    if not _near(pool, row, one, n, kind, kinds, masks, nw, table, mask, want, near):
        return False
    ready, state, slot_count = True, pool[row + STATE], nw * WORD
    for j in range(n[CHANGING] + (n[CRASHED_KINDS] if crashed else 0)):
        if not near[j]:
            continue
        if j < n[CHANGING]:
            g = kinds[slot_count + j]
            k = kinds[g]
            if not _is_open(pool, row, g, masks, nw):
                continue
        else:
            k = kinds[3 * slot_count + j - n[CHANGING]]
            if _uses(pool, row, kind, k) >= kind[KIND * k + KIND_OPEN]:
                continue
        value = _get(table, mask, state, k)
        if value == MISSING:
            _ask(table, mask, want, n, state, k)
            ready = False
        elif value >= 0:
            if not _can_settle(pool, row, value, n, kinds, masks, nw, table, mask, want):
                ready = False
        elif value != IMPOSSIBLE:
            for x in range(1, many[-2 - value] + 1):
                if not _can_settle(
                    pool, row, many[x - 2 - value], n, kinds, masks, nw, table, mask, want
                ):
                    ready = False
    return ready


def _expand(
    row, slot, n, kind, kind_calls, kinds, masks, nw, slots, table, mask, many, pool, width,
    queue, cap, head, chain, bits, guard, tree, strike, near,
):  # fmt: skip
    """All configurations one operation further than the one at ``row``.

    They are kept with those that are through if the call in ``slot`` has taken effect, else in
    the queue. ``strike``: instead, drop those that are through and can be reached thus.
    """
    slot_count, state = nw * WORD, pool[row + STATE]
    scratch = (queue + cap + 1) * width
    word, bit = slot // WORD, 1 << (slot % WORD)
    for j in range(n[CHANGING] + (n[CRASHED_KINDS] if n[EVERY] else 0)):
        s = -1
        if not near[j]:
            continue
        if j < n[CHANGING]:
            g = kinds[slot_count + j]
            k = kinds[g]
            s = _soonest(pool, row, g, masks, nw, slots)
            if s < 0:
                continue
            one = slots[SLOT * s + CALL]
        else:
            k = kinds[3 * slot_count + j - n[CHANGING]]
            uses = _uses(pool, row, kind, k)
            if uses >= kind[KIND * k + KIND_OPEN]:
                continue
            one = kind_calls[kind[KIND * k + KIND_AT] + uses]
        value = _get(table, mask, state, k)
        if value == IMPOSSIBLE:
            continue
        total = 1 if value >= 0 else many[-2 - value]
        for x in range(1, total + 1):
            to = value if value >= 0 else many[x - 2 - value]
            if s < 0 and to == state:
                continue
            for y in range(width):
                pool[scratch + y] = pool[row + y]
            pool[scratch + STATE] = to
            if s >= 0:
                pool[scratch + ROW + s // WORD] &= ~(1 << (s % WORD))
            else:
                pool[scratch + kind[KIND * k + KIND_WORD]] += 1 << kind[KIND * k + KIND_SHIFT]
                pool[scratch + USED] += 1
            if strike:
                pool[scratch + NODE] = -1
                _settle(pool, scratch, n, kinds, masks, nw, slots, table, mask, tree)
                n[TRIED] += 1
                n[STRUCK] += _strike(
                    pool,
                    width,
                    scratch,
                    head,
                    chain,
                    n[STAMP],
                    bits,
                    nw,
                    guard,
                    slots,
                    kinds,
                    masks,
                    n,
                )
                continue
            size = n[SIZE]
            tree[2 * size], tree[2 * size + 1] = pool[row + NODE], one
            pool[scratch + NODE] = size
            n[SIZE] = size + 1
            _settle(pool, scratch, n, kinds, masks, nw, slots, table, mask, tree)
            n[EXPLORED] += 1
            ends = pool[scratch + ROW + word] & bit == 0
            base, count = (0, n[COUNT]) if ends else (queue, n[QUEUED])
            for y in range(width):
                pool[(base + count) * width + y] = pool[scratch + y]
            got = _offer(
                pool, width, base, count, cap, 0 if ends else 1, head, chain, n[STAMP], bits, nw,
                guard, slots, kinds, masks, n,
            )  # fmt: skip
            if got == -2:
                n[FULL] = 1
            elif got >= 0 and ends:
                n[COUNT] = got
            elif got >= 0:
                n[QUEUED] = got


def _divide(
    n, slot, pool, width, queue, cap, head, chain, bits, nw, guard, slots, kinds, masks
):  # fmt: skip
    """Move the configurations where the call in ``slot`` has not taken effect to the queue."""
    word, bit = slot // WORD, 1 << (slot % WORD)
    n[BEFORE] = n[COUNT]
    n[STAMP] += 1
    kept = queued = 0
    for c in range(n[COUNT]):
        waits = pool[c * width + ROW + word] & bit
        base, count = (queue, queued) if waits else (0, kept)
        if base + count != c:
            for x in range(width):
                pool[(base + count) * width + x] = pool[c * width + x]
        got = _offer(
            pool, width, base, count, cap, 1 if waits else 0, head, chain, n[STAMP], bits, nw,
            guard, slots, kinds, masks, n,
        )  # fmt: skip
        if got >= 0 and waits:
            queued = got
        elif got >= 0:
            kept = got
    n[COUNT], n[QUEUED], n[DONE], n[LEVEL], n[FULL] = kept, queued, 0, queued, 0


def _open_kind(k, slot, n, kind, kinds, masks, nw):
    """Note that a call of a kind is open in a slot."""
    g, slot_count = kind[KIND * k + KIND_GROUP], nw * WORD
    if g < 0:
        pure = kind[KIND * k + KIND_PURE]
        g = slot  # nobody else's: every group is named after a slot of its own
        while kinds[g] >= 0:
            g = (g + 1) % slot_count
        kinds[g], kind[KIND * k + KIND_GROUP] = k, g
        if pure:
            kinds[2 * slot_count + n[PURE]] = g
            n[PURE] += 1
        else:
            kinds[slot_count + n[CHANGING]] = g
            n[CHANGING] += 1
    masks[g * nw + slot // WORD] |= 1 << (slot % WORD)


def _close(i, slot, k, n, kind, kinds, masks, nw, free):
    """A call has completed: its slot is free again."""
    free[n[FREE]] = slot
    n[FREE] += 1
    g, slot_count = kind[KIND * k + KIND_GROUP], nw * WORD
    masks[g * nw + slot // WORD] &= ~(1 << (slot % WORD))
    for w in range(nw):
        if masks[g * nw + w]:
            return
    pure = kind[KIND * k + KIND_PURE]
    first = (2 if pure else 1) * slot_count
    last = n[PURE] if pure else n[CHANGING]
    j = 0
    while kinds[first + j] != g:
        j += 1
    kinds[first + j] = kinds[first + last - 1]
    if pure:
        n[PURE] -= 1
    else:
        n[CHANGING] -= 1
    kinds[g], kind[KIND * k + KIND_GROUP] = -1, -1


def _through(n, beam, enough, cap):
    """Whether enough was expanded; turns to the crashed calls where the others are too few."""
    while True:
        if n[DONE] >= n[LEVEL]:
            n[LEVEL] = n[QUEUED]
            plenty = min(enough, beam) if n[EVERY] else 2 * beam
            if beam < cap and n[COUNT] >= plenty:
                if n[DONE] < n[QUEUED]:
                    n[DROPPED] = 1
                return True
        if n[DONE] < n[QUEUED]:
            return False
        if n[EVERY] or n[CRASHED_KINDS] == 0:
            return True
        if n[COUNT] >= enough:
            n[DROPPED] = 1
            return True
        n[EVERY], n[DONE], n[LEVEL] = 1, 0, n[QUEUED]


HELPERS = (
    _through, _ask, _can_settle, _settle, _soonest, _uses, _is_open, _near, _known, _expand,
    _divide, _open_kind, _close,
)  # fmt: skip
