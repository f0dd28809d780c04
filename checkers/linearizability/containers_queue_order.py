"""The order in which a linearizable queue's calls took effect: O(n).

The construction of :mod:`containers_queue`'s proof: the values are put into the order L
by removing, again and again, one that nothing left must go before; points in time follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .kernel import Kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .timeline import Timeline


def arrange(
    line: Timeline, f: Any, a: Any, enqueue: Any, dequeue: Any, cuts: Any
) -> NDArray[np.int64]:
    """Calls in order, given for each value its calls, and the cuts (ascending)."""
    n = len(f)
    witness = np.empty(n, np.int64)
    count = _arranger.for_size(n)(
        line.inv, line.ret, line.event, f, a, enqueue, dequeue, cuts, witness
    )
    return witness[:count].copy()


# -- the kernel: plain Python over arrays -------------------------------------------


def _values_of(enqueue, dequeue, value):
    """``value[i]``: the value that call ``i`` is about, 0 if none."""
    for v in range(len(enqueue)):
        if enqueue[v] >= 0:
            value[enqueue[v]] = v
        if dequeue[v] >= 0:
            value[dequeue[v]] = v


def _sequence(inv, ret, event, f, value, enqueue, dequeue, order):
    """L, without the cuts: dequeued values by →, then the others by invocation."""
    n = len(f)
    end = len(event)
    done = np.zeros(len(enqueue), np.int8)
    first_free = np.zeros(len(enqueue), np.int8)
    count = 0
    returned_e = 0
    returned_d = 0
    begun_e = 0
    begun_d = 0
    total = 0
    for v in range(1, len(enqueue)):
        if enqueue[v] >= 0 and dequeue[v] >= 0:
            total += 1
    while count < total:
        while returned_e < end:
            i = ~event[returned_e]
            if i >= 0 and f[i] == 0 and dequeue[value[i]] >= 0 and not done[value[i]]:
                break
            returned_e += 1
        while returned_d < end:
            i = ~event[returned_d]
            if i >= 0 and f[i] == 1 and value[i] != 0 and not done[value[i]]:
                break
            returned_d += 1
        before = count
        while begun_e < end and begun_e < returned_e and begun_e < returned_d:
            i = event[begun_e]
            begun_e += 1
            if 0 <= i < n and f[i] == 0 and value[i] != 0 and dequeue[value[i]] >= 0:
                first_free[value[i]] += 1
                if first_free[value[i]] == 2:
                    order[count] = value[i]
                    done[value[i]] = 1
                    count += 1
        while begun_d < end and begun_d < returned_d:
            i = event[begun_d]
            begun_d += 1
            if 0 <= i < n and f[i] == 1 and value[i] != 0:
                first_free[value[i]] += 1
                if first_free[value[i]] == 2:
                    order[count] = value[i]
                    done[value[i]] = 1
                    count += 1
        if count == before:
            raise AssertionError("queue order: the values cannot be ordered")
    for i in range(n):
        if f[i] == 0 and value[i] != 0 and dequeue[value[i]] < 0:
            order[count] = value[i]
            count += 1
    return count


def _respect_cuts(ret, event, enqueue, dequeue, cuts, order, count, segment):
    """Stable sort of L by the number of cuts that a value comes after."""
    end = len(event)
    passed = np.zeros(end + 2, np.int32)
    for cut in cuts:
        passed[cut + 1] += 1
    for p in range(end + 1):
        passed[p + 1] += passed[p]
    size = np.zeros(len(cuts) + 2, np.int32)
    for k in range(count):
        v = order[k]
        before = ret[enqueue[v]]
        if dequeue[v] >= 0:
            before = min(before, ret[dequeue[v]])
        segment[v] = passed[before]
        size[segment[v] + 1] += 1
    for s in range(len(cuts) + 1):
        size[s + 1] += size[s]
    unsorted = order[:count].copy()
    for k in range(count):
        v = unsorted[k]
        order[size[segment[v]]] = v
        size[segment[v]] += 1


def _interleave(inv, ret, f, a, end, enqueue, dequeue, cuts, order, count, segment, witness):
    """Merge enqueues, dequeues and dequeues that found nothing by their points in time."""
    n = len(f)
    point_e = np.empty(count + 1, np.int64)
    point_d = np.empty(count + 1, np.int64)
    latest_e = -1
    latest_d = -1
    dequeued = 0
    for k in range(count):
        v = order[k]
        begin = 4 * cuts[segment[v] - 1] + 2 if segment[v] > 0 else -1
        latest_e = max(latest_e, 4 * inv[enqueue[v]], begin)
        point_e[k] = latest_e
        if dequeue[v] >= 0:
            latest_d = max(latest_e, latest_d, 4 * inv[dequeue[v]])
            point_d[k] = latest_d
            dequeued = k + 1
    last = 4 * end + 4
    point_e[count] = last
    point_d[dequeued] = last
    e = 0
    d = 0
    empty = 0
    at_cut = 0
    cursor = 0
    while True:
        while empty < n and (f[empty] != 1 or a[empty] != 0 or ret[empty] == end):
            empty += 1
        point = last
        if empty < n:
            while cuts[at_cut] < inv[empty]:
                at_cut += 1
            point = 4 * cuts[at_cut] + 1
        if point < point_e[e] and point < point_d[d]:
            witness[cursor] = empty
            empty += 1
        elif point_e[e] <= point_d[d]:
            if e == count:
                return cursor
            witness[cursor] = enqueue[order[e]]
            e += 1
        else:
            witness[cursor] = dequeue[order[d]]
            d += 1
        cursor += 1


def _arrange(inv, ret, event, f, a, enqueue, dequeue, cuts, witness):
    """Fill the witness; returns its length."""
    end = len(event)
    value = np.zeros(len(f), np.int32)
    order = np.empty(len(enqueue), np.int32)
    segment = np.zeros(len(enqueue), np.int32)
    _values_of(enqueue, dequeue, value)
    count = _sequence(inv, ret, event, f, value, enqueue, dequeue, order)
    if len(cuts) > 0:
        _respect_cuts(ret, event, enqueue, dequeue, cuts, order, count, segment)
    return _interleave(inv, ret, f, a, end, enqueue, dequeue, cuts, order, count, segment, witness)


_arranger = Kernel(_arrange, _values_of, _sequence, _respect_cuts, _interleave)
