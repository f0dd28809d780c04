"""Where in time a nested stack's values enter and leave, and the order of calls. O(n log n)."""

from __future__ import annotations

import numpy as np

from .containers_stack_nesting import MANY
from .kernel import Kernel

# -- plain Python over arrays ---------------------------------------------------------


def _earlier(tree, before, bound):
    """The last index below ``before`` whose value is at most ``bound``; there is one."""
    size = len(tree) // 2
    node = size + before
    while not (node & 1 and tree[node - 1] <= bound):
        node >>= 1
    node -= 1
    while node < size:
        node = 2 * node + 1
        if tree[node] > bound:
            node -= 1
    return node - size


def _later(tree, start, bound):
    """The first index from ``start`` on whose value is at most ``bound``; there is one."""
    size = len(tree) // 2
    node = size + start
    if tree[node] <= bound:
        return start
    while node & 1 or tree[node + 1] > bound:
        node >>= 1
    node += 1
    while node < size:
        node *= 2
        if tree[node] > bound:
            node += 1
    return node - size


def _place(inv, ret, push, pop, forward, piece, last, rank, freed, opens, closes):
    """The pieces at whose end a value enters and at whose start it leaves (last + 1: never)."""
    size = 4
    while size < last + 3:
        size *= 2
    tree = np.full(2 * size, MANY, np.int32)
    for k in range(last + 1):
        tree[size + k] = freed[k]
    tree[size + last + 1] = 0
    for k in range(size - 1, 0, -1):
        tree[k] = min(tree[2 * k], tree[2 * k + 1])
    for v in range(len(push)):
        if forward[v]:
            opens[v] = _earlier(tree, piece[ret[push[v]]], rank[v] - 1)
            closes[v] = last + 1
            if pop[v] >= 0:
                closes[v] = _later(tree, piece[inv[pop[v]]], rank[v] - 1)


def _order(inv, ret, f, a, end, push, pop, forward, piece, last, rank, freed, opens, closes,
           witness):  # fmt: skip
    """The witness; returns its length, or ~i if call i must have found the stack empty."""
    values = len(push)
    by_rank = np.zeros(values + 1, np.int32)
    peeled = 0
    for v in range(values):
        peeled += int(forward[v])
        by_rank[rank[v]] = v
    opening = np.full(last + 3, -1, np.int32)
    closing = np.full(last + 3, -1, np.int32)
    next_opening = np.empty(values, np.int32)
    next_closing = np.empty(values, np.int32)
    for k in range(peeled, 0, -1):
        v = by_rank[k]
        next_opening[v] = opening[opens[v]]
        opening[opens[v]] = v
    for k in range(1, peeled + 1):
        v = by_rank[k]
        next_closing[v] = closing[closes[v]]
        closing[closes[v]] = v
    pair = np.full(end + 1, -1, np.int32)
    for v in range(values):
        if push[v] >= 0 and not forward[v]:
            pair[max(inv[push[v]], inv[pop[v]])] = v
    nothing = np.full(end + 1, -1, np.int32)
    next_nothing = np.empty(len(f), np.int32)
    gap = end
    bare = np.empty(end + 1, np.int32)
    for p in range(end - 1, -1, -1):
        if freed[piece[p]] == 0:
            gap = p
        bare[p] = gap
    for i in range(len(f)):
        if f[i] == 1 and a[i] == 0 and ret[i] != end:
            gap = bare[inv[i]]
            if gap >= ret[i]:
                return ~i
            next_nothing[i] = nothing[gap]
            nothing[gap] = i
    return _emit(end, push, pop, piece, last, opening, next_opening, closing, next_closing,
                 pair, nothing, next_nothing, witness)  # fmt: skip


def _emit(end, push, pop, piece, last, opening, next_opening, closing, next_closing, pair,
          nothing, next_nothing, witness):  # fmt: skip
    """Piece by piece: what leaves, inner first; what passes through; what enters, outer first."""
    count = 0
    p = 0
    for k in range(last + 1):
        v = closing[k]
        while v >= 0:
            witness[count] = pop[v]
            count += 1
            v = next_closing[v]
        while p < end and piece[p] == k:
            v = pair[p]
            if v >= 0:
                witness[count] = push[v]
                witness[count + 1] = pop[v]
                count += 2
            i = nothing[p]
            while i >= 0:
                witness[count] = i
                count += 1
                i = next_nothing[i]
            p += 1
        v = opening[k]
        while v >= 0:
            witness[count] = push[v]
            count += 1
            v = next_opening[v]
    return count


place = Kernel(_place, _earlier, _later)
order = Kernel(_order, _emit)
