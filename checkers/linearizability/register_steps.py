"""Single steps of the register search over arrays; the search is in ``register_kernel.py``."""

from __future__ import annotations

from .calls import APPEND, CAS, DIFFERS, READ, WRITE
from .register_frontier import (
    BEGAN,
    BIT,
    CALL,
    COVER,
    DUE,
    EVERY,
    FULL,
    INV,
    LANE,
    LANES,
    LOOKS,
    NODE,
    ROW,
    STATE,
    SWAPS,
    USED,
    VALUES,
    WHERE,
    WRITES,
    A,
    B,
    F,
    _enter,
    _offer,
    _settle,
)

SIZE, FREE, NWRITES, NSWAPS, STAMP, TOKEN, EXPLORED, DROPPED, COUNTS = range(9)
"""Numbers that change as the search goes on: steps in the tree, free slots, open writes and
cas, stamps of the buckets and of marked values, configurations explored, whether any were
dropped, words of counts to compare."""

COUNT, QUEUED, DONE, LEVEL, EVERY_KIND, FULL_UP, BEFORE, PHASE, NUMBERS = range(9, 18)
"""More of them: configurations that are through, that wait, that were expanded, the end of the
nearest ones; whether crashed calls are used too; whether there was no room; the frontier's size
before the completion; whether it stands in the midst of one. Last, how many numbers there are."""

KIND_F, KIND_A, KIND_B, KIND_AT, KIND_LIVE, KIND_LANE, KIND_OPEN = range(7)
"""Columns of ``kind``: function, values, first of ``kind_calls``, last event at which it is of use;
its lane (or -1) and how many have been invoked."""

WANTED, MARK, EXTENDED = 0, 1, 2
"""Columns of ``value``: open calls that look for it; the last configuration that wrote it, and the
last that came to it by an append."""


def _crash(k, at, nw, nu, n, kind, lane_kind, value, pool):
    """A call of a kind that crashes was invoked: count it, in a lane of its own."""
    if kind[k, KIND_LANE] < 0:
        # There is a free one: `register_view.py` counted the kinds of use at a time.
        j = 0
        while lane_kind[j] >= 0 and kind[lane_kind[j], KIND_LIVE] >= at:
            j += 1
        old = lane_kind[j]
        if old >= 0:
            kind[old, KIND_LANE] = -1
            if kind[old, KIND_F] == CAS:
                value[kind[old, KIND_A], WANTED] -= 1
            for c in range(n[COUNT]):
                pool[c, ROW + nw + j // LANES] &= ~(0x7FFF << (LANE * (j % LANES)))
        lane_kind[j], kind[k, KIND_LANE] = k, j
        if kind[k, KIND_F] == CAS:
            value[kind[k, KIND_A], WANTED] += 1
    kind[k, KIND_OPEN] += 1
    if n[COUNTS] < nu:
        n[DROPPED] = 1


def _invoke(i, n, call, slots, slot_of, free, opened, sets, value, pool, tree):
    """Call ``i`` was invoked: it is open in every configuration, or takes effect at once."""
    n[FREE] -= 1
    slot = free[n[FREE]]
    slot_of[i], slots[slot, CALL], slots[slot, BEGAN] = slot, i, call[i, INV]
    w, bit, f, a = slots[slot, WHERE], slots[slot, BIT], call[i, F], call[i, A]
    if f in (WRITE, CAS, APPEND):
        which = 1 if f == CAS else 0
        j = n[NWRITES + which]
        while j > 0 and call[slots[opened[which, j - 1], CALL], DUE] > call[i, DUE]:
            opened[which, j] = opened[which, j - 1]
            j -= 1
        opened[which, j] = slot
        n[NWRITES + which] += 1
        if f != CAS:
            sets[WRITES, w] |= bit
        else:
            sets[SWAPS, w] |= bit
            value[a, WANTED] += 1
        for c in range(n[COUNT]):
            pool[c, ROW + w] |= bit
        return
    sets[LOOKS, w] |= bit
    if f == READ:
        sets[VALUES + 2 * a, w] |= bit
        value[a, WANTED] += 1
    else:
        sets[EVERY, w] |= bit
        sets[VALUES + 2 * a + 1, w] |= bit
    size = n[SIZE]
    for c in range(n[COUNT]):
        if (pool[c, STATE] == a) == (f == READ):
            tree[size, 0], tree[size, 1] = pool[c, NODE], i
            pool[c, NODE] = size
            size += 1
        else:
            pool[c, ROW + w] |= bit
    n[SIZE] = size


def _close(i, slot, n, call, slots, free, opened, sets, value):
    """Call ``i`` has completed: its slot is free again."""
    free[n[FREE]] = slot
    n[FREE] += 1
    w, bit, f, a = slots[slot, WHERE], slots[slot, BIT], call[i, F], call[i, A]
    if f in (WRITE, CAS, APPEND):
        which = 1 if f == CAS else 0
        sets[SWAPS if f == CAS else WRITES, w] &= ~bit
        j = 0
        while opened[which, j] != slot:
            j += 1
        n[NWRITES + which] -= 1
        while j < n[NWRITES + which]:
            opened[which, j] = opened[which, j + 1]
            j += 1
        if f == CAS:
            value[a, WANTED] -= 1
        return
    sets[LOOKS, w] &= ~bit
    if f == READ:
        sets[VALUES + 2 * a, w] &= ~bit
        value[a, WANTED] -= 1
    else:
        sets[EVERY, w] &= ~bit
        sets[VALUES + 2 * a + 1, w] &= ~bit


def _divide(i, w, bit, n, call, pool, queue, cap, width, head, chain, bits, sets, nw, slots, tree):
    """Move the configurations where call ``i`` has not taken effect to the queue.

    Those where it has stay. An uncovered write must take effect, a covered one can be let go.
    """
    kept = queued = 0
    for c in range(n[COUNT]):
        if pool[c, ROW + w] & bit:
            to = queue + queued
            queued += 1
        else:
            to = kept
            kept += 1
        if to != c:
            for x in range(width):
                pool[to, x] = pool[c, x]
    n[STAMP] += 1
    for c in range(kept):
        _enter(pool, 0, c, 0, head, chain, n[STAMP], bits, sets, nw)
    for q in range(queued):
        _enter(pool, queue, q, 1, head, chain, n[STAMP], bits, sets, nw)
    if call[i, F] in (WRITE, APPEND):
        for q in range(queue, queue + queued):
            if call[i, INV] >= pool[q, COVER]:
                continue
            for x in range(width):
                pool[kept, x] = pool[q, x]
            pool[kept, ROW + w] &= ~bit
            tree[n[SIZE], 0], tree[n[SIZE], 1] = pool[q, NODE], ~i
            pool[kept, NODE] = n[SIZE]
            n[SIZE] += 1
            got = _offer(
                pool, 0, kept, cap, 0, head, chain, n[STAMP], bits, sets, nw, n[COUNTS], slots
            )
            kept = got if got >= 0 else kept
    n[BEFORE], n[COUNT], n[QUEUED] = n[COUNT], kept, queued
    n[DONE], n[LEVEL], n[EVERY_KIND], n[FULL_UP] = 0, queued, 0, 0


def _swap_open(q, old, new, upto, opened, slots, call, pool):
    """Whether one of the first open cas can change ``old`` to ``new``."""
    for j in range(upto):
        s = opened[1, j]
        i = slots[s, CALL]
        if (
            call[i, A] == old
            and call[i, B] == new
            and pool[q, ROW + slots[s, WHERE]] & slots[s, BIT]
        ):
            return True
    return False


def _expand(
    q, i, at, after, n, call, kind, kind_calls, lane_kind, opened, slots, sets, value, pool, queue,
    cap, width, nw, nu, head, chain, bits, tree,
):  # fmt: skip
    """All configurations one operation further than the one at row ``q`` of the queue."""
    state, total, queued = pool[q, STATE], n[COUNT], n[QUEUED]
    n[TOKEN] += 1
    observed = uncovered = extends = False
    s = 0
    for x in range(nw):
        observed = observed or pool[q, ROW + x] & sets[EVERY, x] != 0
    for j in range(n[NWRITES]):
        s = opened[0, j]
        if pool[q, ROW + slots[s, WHERE]] & slots[s, BIT] and slots[s, BEGAN] > pool[q, COVER]:
            uncovered = True
    choices = n[NWRITES] + n[NSWAPS]
    for choice in range(choices + (nu * LANES if n[EVERY_KIND] else 0)):
        lane = -1
        if choice < choices:
            is_write = choice < n[NWRITES]
            s = opened[0, choice] if is_write else opened[1, choice - n[NWRITES]]
            if not pool[q, ROW + slots[s, WHERE]] & slots[s, BIT]:
                continue
            one = slots[s, CALL]
            extends = call[one, F] == APPEND
            to = call[one, A] if is_write else call[one, B]
            if not is_write and (
                call[one, A] != state
                or _swap_open(q, state, to, choice - n[NWRITES], opened, slots, call, pool)
            ):
                continue
        else:
            lane = choice - choices
            k = lane_kind[lane]
            if k < 0 or kind[k, KIND_LIVE] < at:
                continue
            is_write, to = kind[k, KIND_F] != CAS, kind[k, KIND_B]
            extends = kind[k, KIND_F] == APPEND
            uses = (pool[q, ROW + nw + lane // LANES] >> (LANE * (lane % LANES))) & 0x7FFF
            if uses >= kind[k, KIND_OPEN]:
                continue
            if not is_write and (
                to == state
                or kind[k, KIND_A] != state
                or _swap_open(q, state, to, n[NSWAPS], opened, slots, call, pool)
            ):
                continue
            if uses >= FULL - 1:
                n[DROPPED] = 1
                continue
            one = kind_calls[kind[k, KIND_AT] + uses]
        if extends:
            # Into the dark (state 0) only if it must: nobody can tell when it went there.
            to = after[state, to]
            if one != i and (to == 0 or value[to, EXTENDED] == n[TOKEN]):
                continue
            value[to, EXTENDED] = n[TOKEN]
        elif is_write:
            if value[to, MARK] == n[TOKEN]:
                continue
            value[to, MARK] = n[TOKEN]
            # A blind write on the way is of use only if its value is looked at; one of the
            # value that is there, only if it makes others covered.
            if one != i and (
                (to == state and not uncovered) or (value[to, WANTED] == 0 and not observed)
            ):
                continue
        ends = one == i or (
            (to == call[i, A]) if call[i, F] == READ else call[i, F] == DIFFERS and to != call[i, A]
        )
        new = total if ends else queue + queued
        for x in range(width):
            pool[new, x] = pool[q, x]
        pool[new, STATE] = to
        if is_write and not extends:
            pool[new, COVER] = at
        if lane >= 0:
            pool[new, ROW + nw + lane // LANES] += 1 << (LANE * (lane % LANES))
            pool[new, USED] += 1
        else:
            pool[new, ROW + slots[s, WHERE]] &= ~slots[s, BIT]
        tree[n[SIZE], 0], tree[n[SIZE], 1] = pool[q, NODE], one
        pool[new, NODE] = n[SIZE]
        n[SIZE] = _settle(pool, new, sets, nw, slots, tree, n[SIZE] + 1)
        n[EXPLORED] += 1
        got = _offer(
            pool, 0 if ends else queue, total if ends else queued, cap, 0 if ends else 1,
            head, chain, n[STAMP], bits, sets, nw, n[COUNTS], slots,
        )  # fmt: skip
        if got == -2:
            n[FULL_UP] = 1
        elif got >= 0 and ends:
            total = got
        elif got >= 0:
            queued = got
    n[COUNT], n[QUEUED] = total, queued


def _through(n, beam, enough, cap, nu):
    """Whether enough was expanded; turns to the crashed calls where the others are too few."""
    while True:
        if n[DONE] >= n[LEVEL]:
            n[LEVEL] = n[QUEUED]
            plenty = min(enough, beam) if n[EVERY_KIND] else 2 * beam
            if beam < cap and n[COUNT] >= plenty:
                if n[DONE] < n[QUEUED] or (nu > 0 and n[EVERY_KIND] == 0):
                    n[DROPPED] = 1
                return True
        if n[DONE] < n[QUEUED]:
            return False
        if n[EVERY_KIND] or nu == 0:
            return True
        if n[COUNT] >= enough:
            n[DROPPED] = 1
            return True
        n[EVERY_KIND], n[DONE], n[LEVEL] = 1, 0, n[QUEUED]


HELPERS = (_swap_open, _crash, _invoke, _close, _divide, _expand, _through)
