"""Calls on registers laid out for the search: one time line, objects one after the other.

Every object has its own stretch of events, in their order, and its own kinds of crashed calls.
A crashed write or cas is left out (kind -1) if nobody looks for its value any more: without it
the value just stays as it was, which a later blind write hides; nobody looked in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .calls import CAS, CRASHED, DIFFERS, READ, Calls
from .kernel import Kernel
from .register_frontier import DUE, INV, KIND, LANES, WORD, A, B, F
from .register_steps import KIND_A, KIND_AT, KIND_B, KIND_F, KIND_LANE, KIND_LIVE, KIND_OPEN

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORTH_LOADING = 1_500
"""Calls from which it pays to load numba for the search (its steps are many)."""

EVENTS, OPEN, KINDS, LIVING, CALLS = 0, 1, 2, 3, 4
"""What ``_lay_out`` counts: events, the most open at a time, kinds, the most of them living at a
time, their calls."""


@dataclass(frozen=True)
class Lines:
    """What the search reads.

    ``event``  per position: ``i`` where call ``i`` was invoked, ``~i`` where it returned.
    ``call``   per call the columns ``INV`` … ``KIND`` (-2: completed, -1: of no use).
    ``kind``   per kind of crashed calls the columns ``KIND_F`` … ; ``kind_calls`` by kind.
    ``begins`` per object its first event, and the end; ``starts`` its first call, and the end.
    """

    event: NDArray[np.int32]
    call: NDArray[np.int32]
    kind: NDArray[np.int64]
    kind_calls: NDArray[np.int32]
    begins: NDArray[np.int64]
    starts: NDArray[np.int64]
    initial: int
    values: int
    words: int
    lanes: int
    after: NDArray[np.int32]


NO_APPENDS = np.zeros((1, 0), np.int32)


def lines(calls: Calls, starts: Any = None, after: Any = NO_APPENDS) -> Lines:
    """The calls laid out; object ``k`` has those from ``starts[k]`` on, in order of invocation.

    ``after``: the state after each append in each state, if there are any.
    """
    extended = after.shape[1] > 0
    a, b, initial, values = _dense(calls)
    if extended:
        a, b, initial, values = calls.a, calls.b, calls.initial, max(after.shape)
    starts = np.array((0, len(calls)) if starts is None else starts, np.int64)
    invoked, returned, span = _positions(calls)
    size, objects = len(calls), len(starts) - 1
    crashed = int((returned >= CRASHED).sum())
    event, call = np.empty(2 * size - crashed, np.int32), np.empty((size, 6), np.int32)
    kind = np.zeros((crashed, 7), np.int64)
    kind_calls = np.zeros(crashed, np.int32)
    begins, counts = np.zeros(objects + 1, np.int64), np.zeros(5, np.int64)
    mark, cursor = np.zeros(span, np.int32), np.zeros(objects, np.int64)
    owner = np.empty(size, np.int32)
    _layout.for_size(size)(
        invoked, returned, calls.f, a, b, starts, mark, cursor, owner, event, call, begins, counts
    )
    if crashed:
        last, newest = np.full(values, -1, np.int64), np.full(values, -1, np.int64)
        older = np.full(crashed, -1, np.int64)
        _kinds.for_size(size)(
            starts, begins, call, kind, kind_calls, last, newest, older, counts, extended
        )
    return Lines(
        event, call, kind[: counts[KINDS]], kind_calls, begins, starts, initial, values,
        max(1, -(-(int(counts[OPEN]) + 1) // WORD)), -(-int(counts[LIVING]) // LANES), after,
    )  # fmt: skip


def _positions(calls: Calls) -> tuple[Any, Any, int]:
    """Positions from 0 on: as they are if few are empty, else their ranks."""
    invoked, returned, n = calls.invoked, calls.returned, len(calls)
    done = returned < CRASHED
    first = int(invoked.min(initial=CRASHED)) if n else 0
    last = max(int(invoked.max(initial=0)), int(returned.max(initial=0, where=done)))
    if last - first < 8 * n + 64:
        if first:
            return invoked - first, np.where(done, returned - first, CRASHED), last - first + 1
        return invoked, returned, last + 1
    order = np.argsort(np.concatenate((invoked, returned[done])), kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    ends = np.full(n, CRASHED)
    ends[done] = rank[n:]
    return rank[:n], ends, len(order)


def _dense(calls: Calls) -> tuple[Any, Any, int, int]:
    """Values numbered without gaps."""
    a, b = calls.a, calls.b
    highest = max(int(a.max(initial=0)), int(b.max(initial=0)), calls.initial)
    if highest <= 4 * len(a) + 64:
        return a, b, calls.initial, highest + 1
    distinct = np.unique(np.concatenate((a, b, [calls.initial])))
    return (
        np.searchsorted(distinct, a).astype(np.int32),
        np.searchsorted(distinct, b).astype(np.int32),
        int(np.searchsorted(distinct, calls.initial)),
        len(distinct),
    )


def _lay_out(invoked, returned, f, a, b, starts, mark, cursor, owner, event, call, begins, counts):
    """Events object by object, and the calls with their places among them."""
    total = 0
    for k in range(len(starts) - 1):
        begins[k] = cursor[k] = total
        for i in range(starts[k], starts[k + 1]):
            mark[invoked[i]] = i + 1
            call[i, F], call[i, A], call[i, B], call[i, KIND] = f[i], a[i], b[i], -2
            owner[i] = k
            total += 1
            if returned[i] < CRASHED:
                mark[returned[i]] = -1 - i
                total += 1
                # A cas that keeps the value is a read.
                if f[i] == CAS and a[i] == b[i]:
                    call[i, F] = READ
            else:
                call[i, KIND] = -1
    begins[len(starts) - 1] = counts[EVENTS] = total
    for position in range(len(mark)):
        i = mark[position]
        if i == 0:
            continue
        if i > 0:
            i -= 1
            k = owner[i]
            event[cursor[k]] = i
            call[i, INV], call[i, DUE] = cursor[k], total
        else:
            i = -1 - i
            k = owner[i]
            event[cursor[k]] = ~i
            call[i, DUE] = cursor[k]
        cursor[k] += 1
    for k in range(len(starts) - 1):
        now = 0
        for at in range(begins[k], begins[k + 1]):
            i = event[at]
            if i < 0:
                now -= 1
            elif call[i, KIND] == -2:
                now += 1
                counts[OPEN] = max(counts[OPEN], now)


def _demand(low, high, call, last):
    """For every value the last event before which anybody may need the register to hold it."""
    for i in range(low, high):
        last[call[i, A]] = last[call[i, B]] = -1
    observed = -1
    for i in range(low, high):
        if call[i, KIND] == -2:
            if call[i, F] == READ or call[i, F] == CAS:
                last[call[i, A]] = max(last[call[i, A]], call[i, DUE])
            elif call[i, F] == DIFFERS:
                observed = max(observed, call[i, DUE])
    for i in range(low, high):
        last[call[i, A]] = max(last[call[i, A]], observed)
        last[call[i, B]] = max(last[call[i, B]], observed)
    more = True
    while more:
        more = False
        for i in range(low, high):
            if call[i, KIND] == -1 and call[i, F] == CAS and last[call[i, B]] > last[call[i, A]]:
                last[call[i, A]] = last[call[i, B]]
                more = True


def _kinds_of(low, high, call, kind, kind_calls, last, newest, older, counts):
    """The kinds of one object's crashed calls that are of use."""
    for i in range(low, high):
        newest[call[i, A]] = newest[call[i, B]] = -1
    first = counts[KINDS]
    for i in range(low, high):
        f, a = call[i, F], call[i, A]
        to = call[i, B] if f == CAS else a
        if call[i, KIND] != -1 or f in (READ, DIFFERS) or (f == CAS and a == to):
            continue
        if call[i, INV] >= last[to]:
            continue
        k = newest[to]
        while k >= 0 and (kind[k, KIND_F] != f or kind[k, KIND_A] != a):
            k = older[k]
        if k < 0:
            k = counts[KINDS]
            counts[KINDS] += 1
            older[k], newest[to] = newest[to], k
            kind[k, KIND_F], kind[k, KIND_A], kind[k, KIND_B] = f, a, to
            kind[k, KIND_LIVE], kind[k, KIND_LANE] = last[to], -1
            living = 1
            for other in range(first, k):
                if kind[other, KIND_LIVE] >= call[i, INV]:
                    living += 1
            counts[LIVING] = max(counts[LIVING], living)
        call[i, KIND] = k
        kind[k, KIND_OPEN] += 1
    for k in range(first, counts[KINDS]):
        kind[k, KIND_AT] = counts[CALLS]
        counts[CALLS] += kind[k, KIND_OPEN]
        kind[k, KIND_OPEN] = 0
    for i in range(low, high):
        k = call[i, KIND]
        if k >= 0:
            kind_calls[kind[k, KIND_AT] + kind[k, KIND_OPEN]] = i
            kind[k, KIND_OPEN] += 1
    for k in range(first, counts[KINDS]):
        kind[k, KIND_OPEN] = 0


def _find_kinds(starts, begins, call, kind, kind_calls, last, newest, older, counts, extended):
    """The kinds of all objects."""
    for k in range(len(starts) - 1):
        low, high = starts[k], starts[k + 1]
        if 2 * (high - low) > begins[k + 1] - begins[k]:
            if extended:  # what is still of use could be told by what may follow; it is not
                last[:] = begins[k + 1]
            else:
                _demand(low, high, call, last)
            _kinds_of(low, high, call, kind, kind_calls, last, newest, older, counts)


_layout = Kernel(_lay_out, counted=False, loading=WORTH_LOADING)
_kinds = Kernel(_find_kinds, _demand, _kinds_of, counted=False, loading=WORTH_LOADING)
