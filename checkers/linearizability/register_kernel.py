"""The configuration search for registers, over arrays; runs compiled or as it stands.

The frontier of ``search.py``, for read / write / cas / differs, with one more fact:

**Covered writes.** A write that was open when the configuration's last blind write W took
effect may be placed just before W, where nobody sees it. So once it must complete, it
can simply be let go. A configuration therefore *dominates* another with the same state
and the same open cas operations if it has used no more crashed operations of any kind,
its last blind write is not earlier, it has no read open that the other has not, and it has
every open write of the other, any further ones being covered: it can imitate each step of the
other, and let go of the further writes when they complete.

A configuration is a row of ``rows``: words of 60 bits with one bit for every open call that
has not taken effect, then words of four counts (15 bits, the highest kept free for comparing
four at once) of crashed operations that have. ``info`` holds its state, the time of its last
blind write, its node in the tree of steps and the number of crashed operations used.
"""

# Loops over arrays, meant for compilation, are exempt from the limits on length.
from __future__ import annotations

import numpy as np

from .calls import CAS, READ, WRITE
from .register_frontier import (
    COVER,
    FULL,
    HELPERS,
    LANE,
    LANES,
    NODE,
    STATE,
    USED,
    WORD,
    _collect,
    _narrow,
    _offer,
    _order,
    _settle,
)

VALID, DEAD, LOST, SPENT = 0, 1, 2, 3
"""Answers: explained; not explainable; configurations were dropped, then none was left; budget."""


def _search(
    event, first, last, inv, due, f, a, b, kind, kind_at, kind_calls, kind_f, kind_a, kind_b,
    live, starts, beam, enough, cap, nw, nu, values, limit, want_witness, out, found,
):  # fmt: skip
    """Search the events ``first`` … ``last``; the answer, with details in ``found``.

    ``found``: event reached, explored, size of the frontier, calls in ``out``, the call that
    could not be placed.
    """
    width = nw + nu
    # A frugal search compares configurations only by how many crashed operations they used.
    counts = nu if enough > cap else 0
    rows, info = np.zeros((cap, width), np.int64), np.zeros((cap, 4), np.int64)
    rows2, info2 = np.zeros((cap, width), np.int64), np.zeros((cap, 4), np.int64)
    queue, about = np.zeros((cap, width), np.int64), np.zeros((cap, 4), np.int64)
    row, new = np.zeros(width, np.int64), np.zeros(4, np.int64)
    bits = 6
    while (1 << bits) < 2 * cap:
        bits += 1
    heads, stamps = np.zeros(1 << bits, np.int32), np.zeros(1 << bits, np.int32)
    heads2, stamps2 = np.zeros(1 << bits, np.int32), np.zeros(1 << bits, np.int32)
    chain, chain2 = np.zeros(cap, np.int32), np.zeros(cap, np.int32)
    stamp = 0
    masks = np.zeros((3, nw), np.int64)
    reads, differs = np.zeros((values, nw), np.int64), np.zeros((values, nw), np.int64)
    every = np.zeros(nw, np.int64)
    wanted = np.zeros(values, np.int32)
    slots = nw * WORD
    slot_call = np.full(slots, -1, np.int32)
    slot_of = np.zeros(len(f), np.int64)
    free = np.arange(slots - 1, -1, -1)
    nfree = slots
    writes, nwrites = np.zeros(slots, np.int64), 0
    swaps, nswaps = np.zeros(slots, np.int64), 0
    token = 0
    marks = np.zeros(values, np.int64)
    kinds = len(kind_f)
    avail = np.zeros(kinds + 1, np.int64)
    lane = np.full(kinds + 1, -1, np.int64)
    lane_kind = np.full(nu * LANES + 1, -1, np.int64)
    score, order = np.zeros(cap, np.int32), np.zeros(4098, np.int32)
    tree = np.zeros((max(4 * cap, 4096) + 64 * (slots + 2), 2), np.int32)
    number = np.zeros(len(tree), np.int32)
    size = 1
    count = 0
    for s in starts:
        info[count, STATE], info[count, COVER] = s, -1
        count += 1
    dropped = False
    explored = 0
    for at in range(first, last):
        i = event[at]
        if i == len(f):
            continue
        if size > len(tree) // 2:
            size = _collect(tree, size, info, count, number)
            if size > len(tree) // 4:
                bigger = np.zeros((2 * len(tree), 2), np.int32)
                bigger[:size] = tree[:size]
                tree = bigger
                number = np.zeros(len(tree), np.int32)
        if i >= 0:
            if kind[i] == -1:
                continue
            if kind[i] >= 0:
                k = kind[i]
                if lane[k] < 0:
                    j = 0
                    while j < nu * LANES and lane_kind[j] >= 0 and live[lane_kind[j]] >= at:
                        j += 1
                    if j == nu * LANES:
                        dropped = True
                        continue
                    if lane_kind[j] >= 0:
                        old = lane_kind[j]
                        lane[old] = -1
                        if kind_f[old] == CAS:
                            wanted[kind_a[old]] -= 1
                        for c in range(count):
                            rows[c, nw + j // LANES] &= ~(0x7FFF << (LANE * (j % LANES)))
                    lane_kind[j], lane[k] = k, j
                    if kind_f[k] == CAS:
                        wanted[kind_a[k]] += 1
                avail[k] += 1
                dropped = dropped or counts < nu
                continue
            nfree -= 1
            slot = free[nfree]
            slot_of[i], slot_call[slot] = slot, i
            w, bit = slot // WORD, 1 << (slot % WORD)
            if f[i] == WRITE or f[i] == CAS:
                listed = writes if f[i] == WRITE else swaps
                j = nwrites if f[i] == WRITE else nswaps
                while j > 0 and due[slot_call[listed[j - 1]]] > due[i]:
                    listed[j] = listed[j - 1]
                    j -= 1
                listed[j] = slot
                if f[i] == WRITE:
                    nwrites += 1
                    masks[2, w] |= bit
                else:
                    nswaps += 1
                    masks[1, w] |= bit
                    wanted[a[i]] += 1
                for c in range(count):
                    rows[c, w] |= bit
                continue
            masks[0, w] |= bit
            if f[i] == READ:
                reads[a[i], w] |= bit
                wanted[a[i]] += 1
            else:
                every[w] |= bit
                differs[a[i], w] |= bit
            for c in range(count):
                if (info[c, STATE] == a[i]) == (f[i] == READ):
                    tree[size, 0], tree[size, 1] = info[c, NODE], i
                    info[c, NODE] = size
                    size += 1
                else:
                    rows[c, w] |= bit
            continue
        # -- the completion of call i: it must have taken effect ---------------------
        i = ~i
        slot = slot_of[i]
        w, bit = slot // WORD, 1 << (slot % WORD)
        stamp += 1
        total, queued = 0, 0
        room = True
        for c in range(count):
            if info[c, USED] < 0:
                continue
            if not rows[c, w] & bit:
                got = _offer(
                    rows2, info2, total, cap, rows[c], info[c], heads2, stamps2, chain2, stamp,
                    bits, masks, nw, nu, counts, inv, slot_call,
                )  # fmt: skip
                if got >= 0:
                    total = got
                elif got == -2:
                    room = False
                continue
            if f[i] == WRITE and inv[i] < info[c, COVER]:
                for x in range(width):
                    row[x] = rows[c, x]
                for x in range(4):
                    new[x] = info[c, x]
                row[w] &= ~bit
                tree[size, 0], tree[size, 1] = new[NODE], ~i
                new[NODE] = size
                size += 1
                got = _offer(
                    rows2, info2, total, cap, row, new, heads2, stamps2, chain2, stamp,
                    bits, masks, nw, nu, counts, inv, slot_call,
                )  # fmt: skip
                if got >= 0:
                    total = got
                elif got == -2:
                    room = False
            got = _offer(
                queue, about, queued, cap, rows[c], info[c], heads, stamps, chain, stamp,
                bits, masks, nw, nu, counts, inv, slot_call,
            )  # fmt: skip
            if got >= 0:
                queued = got
        done = 0
        level = queued
        # First without crashed operations; with them only where that leaves too little.
        choices = nwrites + nswaps
        while True:
            if done >= level:
                level = queued
                plenty = 2 * beam if choices == nwrites + nswaps else min(enough, beam)
                if beam < cap and total >= plenty:
                    dropped = dropped or done < queued
                    break
            if done >= queued:
                if choices == nwrites + nswaps + nu * LANES:
                    break
                if total >= enough:
                    dropped = True
                    break
                choices = nwrites + nswaps + nu * LANES
                done, level = 0, queued
                if queued == 0:
                    break
            q = done
            done += 1
            if about[q, USED] < 0:
                continue
            state = about[q, STATE]
            token += 1
            observed = False
            for x in range(nw):
                observed = observed or queue[q, x] & every[x] != 0
            uncovered = False
            for j in range(nwrites):
                s = writes[j]
                if queue[q, s // WORD] & (1 << (s % WORD)) and inv[slot_call[s]] > about[q, COVER]:
                    uncovered = True
            for choice in range(choices):
                crashed = -1
                call = -1
                j = uses = s = 0
                if choice < nwrites:
                    s = writes[choice]
                    if not queue[q, s // WORD] & (1 << (s % WORD)):
                        continue
                    call = slot_call[s]
                    to, is_write = a[call], True
                    if marks[to] == token:
                        continue
                    marks[to] = token
                elif choice < nwrites + nswaps:
                    s = swaps[choice - nwrites]
                    call = slot_call[s]
                    if a[call] != state or not queue[q, s // WORD] & (1 << (s % WORD)):
                        continue
                    to, is_write = b[call], False
                    same = False
                    for j in range(choice - nwrites):
                        other = slot_call[swaps[j]]
                        if (
                            a[other] == state
                            and b[other] == to
                            and queue[q, swaps[j] // WORD] & (1 << (swaps[j] % WORD))
                        ):
                            same = True
                            break
                    if same:
                        continue
                else:
                    j = choice - nwrites - nswaps
                    crashed = lane_kind[j]
                    if crashed < 0 or live[crashed] < at:
                        continue
                    is_write = kind_f[crashed] == WRITE
                    to = kind_b[crashed]
                    if not is_write and (to == state or kind_a[crashed] != state):
                        continue
                    if is_write and marks[to] == token:
                        continue
                    uses = (queue[q, nw + j // LANES] >> (LANE * (j % LANES))) & 0x7FFF
                    if uses >= avail[crashed]:
                        continue
                    if uses >= FULL - 1:
                        dropped = True
                        continue
                    if not is_write:
                        same = False
                        for x in range(nswaps):
                            other = slot_call[swaps[x]]
                            if (
                                a[other] == state
                                and b[other] == to
                                and queue[q, swaps[x] // WORD] & (1 << (swaps[x] % WORD))
                            ):
                                same = True
                                break
                        if same:
                            continue
                # A blind write on the way is of use only if its value is looked at; one of
                # the value that is there, only if it makes others covered.
                if (
                    is_write
                    and call != i
                    and ((to == state and not uncovered) or (wanted[to] == 0 and not observed))
                ):
                    continue
                for x in range(width):
                    row[x] = queue[q, x]
                for x in range(4):
                    new[x] = about[q, x]
                new[STATE] = to
                if is_write:
                    new[COVER] = at
                if crashed >= 0:
                    row[nw + j // LANES] += 1 << (LANE * (j % LANES))
                    new[USED] += 1
                    call = kind_calls[kind_at[crashed] + uses]
                else:
                    row[s // WORD] &= ~(1 << (s % WORD))
                if size + slots + 2 > len(tree):
                    bigger = np.zeros((2 * len(tree), 2), np.int32)
                    bigger[:size] = tree[:size]
                    tree = bigger
                    number = np.zeros(len(tree), np.int32)
                tree[size, 0], tree[size, 1] = new[NODE], call
                new[NODE] = size
                size += 1
                size = _settle(row, new, reads, differs, every, nw, slot_call, tree, size)
                explored += 1
                if row[w] & bit:
                    got = _offer(
                        queue, about, queued, cap, row, new, heads, stamps, chain, stamp,
                        bits, masks, nw, nu, counts, inv, slot_call,
                    )  # fmt: skip
                    if got >= 0:
                        queued = got
                    elif got == -2:
                        room = False
                else:
                    got = _offer(
                        rows2, info2, total, cap, row, new, heads2, stamps2, chain2, stamp,
                        bits, masks, nw, nu, counts, inv, slot_call,
                    )  # fmt: skip
                    if got >= 0:
                        total = got
                    elif got == -2:
                        room = False
        if not room:
            dropped = True
        kept = 0
        for c in range(total):
            if info2[c, USED] >= 0:
                if kept != c:
                    for x in range(width):
                        rows2[kept, x] = rows2[c, x]
                    for x in range(4):
                        info2[kept, x] = info2[c, x]
                kept += 1
        found[1] = explored
        if kept == 0 or explored > limit:
            found[0], found[2], found[4] = at, count, i
            if want_witness and count:
                found[3] = _order(tree, info[0, NODE], f, out)
            return SPENT if kept else LOST if dropped else DEAD
        if kept > beam:
            dropped = True
            kept = _narrow(rows2, info2, kept, beam, width, masks, nw, score, order)
        rows, rows2, info, info2, count = rows2, rows, info2, info, kept
        # -- close the slot ------------------------------------------------------------
        free[nfree] = slot
        nfree += 1
        for x in range(3):
            masks[x, w] &= ~bit
        if f[i] == WRITE or f[i] == CAS:
            listed = writes if f[i] == WRITE else swaps
            j = 0
            while listed[j] != slot:
                j += 1
            if f[i] == WRITE:
                nwrites -= 1
                end = nwrites
            else:
                nswaps -= 1
                end = nswaps
                wanted[a[i]] -= 1
            while j < end:
                listed[j] = listed[j + 1]
                j += 1
        elif f[i] == READ:
            reads[a[i], w] &= ~bit
            wanted[a[i]] -= 1
        else:
            every[w] &= ~bit
            differs[a[i], w] &= ~bit
    found[0], found[2] = last, count
    if want_witness:
        found[3] = _order(tree, info[0, NODE], f, out)
    return VALID


__all__ = ["HELPERS", "LANES", "WORD"]
