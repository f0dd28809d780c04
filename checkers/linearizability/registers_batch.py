"""Many small registers in a few passes of the array search, on all cores.

The calls of all objects are laid out one object after the other (``register_view.py``); every pass
takes some of the objects in turn. It decides those that a narrow search explains, nearly all of
a healthy system's; the others need a closer look.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .calls import CAS, Calls
from .kernel import Kernel
from .register_frontier import COVER, NODE, ROW, STATE
from .register_kernel import (
    HELPERS,
    PLACED,
    VALID,
    Room,
    _search,
    bits_for,
)
from .register_steps import (
    COUNT,
    DROPPED,
    EXPLORED,
    FREE,
    KIND_A,
    KIND_F,
    NSWAPS,
    NWRITES,
    PHASE,
    SIZE,
    WANTED,
)
from .register_view import WORTH_LOADING, Lines, lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

BEAM, ENOUGH, CAP = 8, 1, 128
"""The width of the narrow search: how many configurations it keeps, with how many it does without
crashed operations, how many may be in hand."""

CHUNK = 20_000
"""Calls between two looks at the clock: some milliseconds."""


def explained(
    calls: Calls, starts: NDArray[np.int64], exhausted: Callable[[], object] = lambda: ""
) -> tuple[list[NDArray[Any] | None], int]:
    """A witness for every object that is explained (else ``None``), and the work done.

    Object ``k`` has the calls from ``starts[k]`` on; witnesses count from there.
    """
    view = lines(calls, starts)
    objects, size = len(starts) - 1, len(calls)
    orders, placed = np.zeros(size, np.int32), np.full(objects, -1, np.int64)
    chunks = np.unique(np.searchsorted(starts, np.arange(0, size + CHUNK, CHUNK)))
    chunks = np.unique(np.minimum(np.append(chunks, objects), objects)).tolist()
    pieces = list(pairwise(chunks))
    workers = min(len(pieces), len(os.sched_getaffinity(0)))
    each = each_register.for_size(size)

    def work(pieces: list[tuple[int, int]]) -> int:
        room = Room.made([view.initial], size, view.values, CAP, ENOUGH, view.words, view.lanes)
        for low, high in pieces:
            if exhausted():
                break
            _pass(each, view, room, low, high, orders, placed)
        return int(room.n[EXPLORED])

    if workers > 1:
        with ThreadPoolExecutor(workers) as pool:
            explored = sum(pool.map(work, [pieces[at::workers] for at in range(workers)]))
    else:
        explored = work(pieces)
    counts, first = placed.tolist(), starts.tolist()
    return [
        orders[at : at + count] if count >= 0 else None
        for at, count in zip(first, counts, strict=False)
    ], explored


def _pass(
    each: Any, view: Lines, room: Room, low: int, high: int, orders: Any, placed: Any
) -> None:
    out = np.zeros(int(np.diff(view.starts[low : high + 1]).max(initial=0)) * 2 + 8, np.int32)
    each(
        view.event, view.begins, view.starts, low, high, view.initial, orders, placed,
        view.call, view.kind, view.kind_calls, view.after, BEAM, ENOUGH, CAP, view.words,
        view.lanes, bits_for(CAP), *room, out, np.zeros(4, np.int64),
    )  # fmt: skip


def _each(
    event, begins, starts, low, high, initial, orders, placed, call, kind, kind_calls, after,
    beam, enough, cap, nw, nu, bits, pool, head, chain, sets, value, slots, slot_of, free,
    opened, lane_kind, score, order, n, tree, number, out, found,
):  # fmt: skip
    """Search the objects ``low`` … ``high`` one by one; ``placed`` is -1 if not explained."""
    for k in range(low, high):
        n[SIZE], n[COUNT], n[DROPPED], n[PHASE] = 1, 1, 0, 0
        for x in range(ROW + nw + nu):
            pool[0, x] = 0
        pool[0, STATE], pool[0, COVER], pool[0, NODE] = initial, -1, 0
        for j in range(len(lane_kind)):
            old = lane_kind[j]
            if old >= 0 and kind[old, KIND_F] == CAS:
                value[kind[old, KIND_A], WANTED] -= 1
            lane_kind[j] = -1
        answer = _search(
            event, begins[k], begins[k + 1], call, kind, kind_calls, after, beam, enough, cap, nw,
            nu, bits, 1 << 62, pool, head, chain, sets, value, slots, slot_of, free, opened,
            lane_kind, score, order, n, tree, number, out, found,
        )  # fmt: skip
        if answer == VALID:
            placed[k] = found[PLACED]
            for x in range(found[PLACED]):
                orders[starts[k] + x] = out[x] - starts[k]
            continue
        # It stopped half-way: sweep up.
        n[FREE], n[NWRITES], n[NSWAPS] = len(free), 0, 0
        for s in range(len(free)):
            free[s] = s
        for v in range(len(sets)):
            for w in range(nw):
                sets[v, w] = 0
        for v in range(len(value)):
            value[v, WANTED] = 0
        for j in range(len(lane_kind)):
            lane_kind[j] = -1


each_register = Kernel(_each, _search, *HELPERS, counted=False, loading=WORTH_LOADING)
