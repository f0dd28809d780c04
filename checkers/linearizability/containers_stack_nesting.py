"""The nesting of a stack's values: which can be outermost, again and again. O(n log n).

See :mod:`containers_stack` for the proof. A *piece* is a run of gaps between two
events that change what is covered. Piece ``k`` lies after the ``k``-th such event;
``piece[p]`` is the piece of the gap after position ``p``. One more piece stands for
the time after everything, when what is never popped leaves.
"""

from __future__ import annotations

import numpy as np

from .kernel import Kernel

MANY = 1 << 29
"""Added to the cover of a piece that is known to be free."""


# -- plain Python over arrays ---------------------------------------------------------


def _number_pieces(inv, ret, end, push, pop, forward, piece):
    """Fill ``forward`` (values certain to be inside for a time) and ``piece``; the last piece."""
    changes = np.zeros(end + 1, np.int8)
    for v in range(len(push)):
        if push[v] >= 0:
            stop = inv[pop[v]] if pop[v] >= 0 else end
            if ret[push[v]] < stop:
                forward[v] = 1
                changes[ret[push[v]]] = 1
                changes[stop] = 1
    count = 0
    for p in range(end):
        count += int(changes[p])
        piece[p] = count
    return count


def _build_cover(inv, ret, push, pop, forward, piece, last, least, added):
    """``least``: a tree of minima of how many values cover each piece, ``added``: to do below."""
    size = len(added)
    for k in range(size):
        least[size + k] = MANY if k > last else 0
    for v in range(len(push)):
        if forward[v]:
            least[size + piece[ret[push[v]]]] += 1
            if pop[v] >= 0:
                least[size + piece[inv[pop[v]]]] -= 1
    running = 0
    for k in range(last + 1):
        running += least[size + k]
        least[size + k] = running
    for k in range(size - 1, 0, -1):
        least[k] = min(least[2 * k], least[2 * k + 1])


def _uncover(least, added, low, high):
    """One value fewer covers the pieces from ``low`` to ``high``."""
    size = len(added)
    low += size
    high += size + 1
    lowest = low >> 1
    highest = (high - 1) >> 1
    while low < high:
        if low & 1:
            least[low] -= 1
            if low < size:
                added[low] -= 1
            low += 1
        if high & 1:
            high -= 1
            least[high] -= 1
            if high < size:
                added[high] -= 1
        low >>= 1
        high >>= 1
    while lowest > 0:
        least[lowest] = min(least[2 * lowest], least[2 * lowest + 1]) + added[lowest]
        lowest >>= 1
    while highest > 0:
        least[highest] = min(least[2 * highest], least[2 * highest + 1]) + added[highest]
        highest >>= 1


def _take_free(least, added):
    """A piece that nothing covers any more, now marked so; there is one."""
    size = len(added)
    node = 1
    wanted = 0
    while node < size:
        wanted -= added[node]
        node *= 2
        if least[node] != wanted:
            node += 1
    free = node - size
    least[node] += MANY
    node >>= 1
    while node > 0:
        least[node] = min(least[2 * node], least[2 * node + 1]) + added[node]
        node >>= 1
    return free


def _sort_windows(inv, ret, end, push, pop, forward, piece, begin_count, owner, reach):
    """Windows by their first piece: ``owner`` 2v (push) or 2v+1 (pop).

    ``reach``: a tree of maxima over their last pieces. ``begin_count[k]``: how many begin at
    piece k or before.
    """
    for v in range(len(push)):
        if forward[v]:
            begin_count[piece[inv[push[v]]] + 1] += 1
            if pop[v] >= 0 and ret[pop[v]] < end:
                begin_count[piece[inv[pop[v]]] + 1] += 1
    for k in range(len(begin_count) - 1):
        begin_count[k + 1] += begin_count[k]
    size = len(reach) // 2
    for v in range(len(push)):
        if forward[v]:
            begin = piece[inv[push[v]]]
            owner[begin_count[begin]] = 2 * v
            reach[size + begin_count[begin]] = piece[ret[push[v]]] - 1
            begin_count[begin] += 1
            if pop[v] >= 0 and ret[pop[v]] < end:
                begin = piece[inv[pop[v]]]
                owner[begin_count[begin]] = 2 * v + 1
                reach[size + begin_count[begin]] = piece[ret[pop[v]] - 1]
                begin_count[begin] += 1
    for k in range(size - 1, 0, -1):
        reach[k] = max(reach[2 * k], reach[2 * k + 1])


def _take_window(reach, before, least):
    """The last window before index ``before`` that reaches ``least``, now struck out; or -1."""
    size = len(reach) // 2
    node = size + before
    while node > 1:
        if node & 1 and reach[node - 1] >= least:
            node -= 1
            while node < size:
                node = 2 * node + 1
                if reach[node] < least:
                    node -= 1
            found = node - size
            reach[node] = -1
            node >>= 1
            while node > 0:
                reach[node] = max(reach[2 * node], reach[2 * node + 1])
                node >>= 1
            return found
        node >>= 1
    return -1


def _nest(inv, ret, end, push, pop, forward, piece, rank, freed):
    """Peel off outermost values. Returns (last piece, values left over).

    ``rank[v]``: 1 for the first peeled; 0: never. ``freed[k]``: how many were peeled when
    piece k became free; ``MANY``: never.
    """
    last = _number_pieces(inv, ret, end, push, pop, forward, piece)
    size = 2
    while size < last + 2:
        size *= 2
    least = np.empty(2 * size, np.int32)
    added = np.zeros(size, np.int32)
    _build_cover(inv, ret, push, pop, forward, piece, last, least, added)
    begin_count = np.zeros(last + 3, np.int32)
    count = 0
    for v in range(len(push)):
        count += int(forward[v])
    size = 2
    while size <= 2 * count + 1:
        size *= 2
    owner = np.empty(size, np.int32)
    reach = np.full(2 * size, -1, np.int32)
    _sort_windows(inv, ret, end, push, pop, forward, piece, begin_count, owner, reach)
    ready = np.empty(count + 1, np.int32)
    peeled = 0
    waiting = 0
    free_side = np.zeros(len(push), np.int8)
    for v in range(len(push)):
        if pop[v] < 0 or ret[pop[v]] == end:
            free_side[v] = 1
    while True:
        while least[1] == 0:
            free = _take_free(least, added)
            freed[free] = peeled
            at = _take_window(reach, begin_count[free], free)
            while at >= 0:
                v = owner[at] >> 1
                free_side[v] += 1
                if free_side[v] == 2:
                    ready[waiting] = v
                    waiting += 1
                at = _take_window(reach, begin_count[free], free)
        if waiting == 0:
            return last, count - peeled
        waiting -= 1
        v = ready[waiting]
        peeled += 1
        rank[v] = peeled
        high = piece[inv[pop[v]]] - 1 if pop[v] >= 0 else last
        _uncover(least, added, piece[ret[push[v]]], high)


nest = Kernel(
    _nest,
    _number_pieces,
    _build_cover,
    _uncover,
    _take_free,
    _sort_windows,
    _take_window,
)
