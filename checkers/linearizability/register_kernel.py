"""The configuration search for registers, over arrays; runs compiled or as it stands.

The frontier of ``search.py``, for read / write / cas / differs, with one more fact:

**Covered writes.** A write that was open when the configuration's last blind write W took
effect may be placed just before W, where nobody sees it. So once it must complete, it
can simply be let go. A configuration therefore *dominates* another with the same state
and the same open cas operations if it has used no more crashed operations of any kind,
its last blind write is not earlier, it has no read open that the other has not, and it has
every open write of the other, any further ones being covered: it can imitate each step of the
other, and let go of the further writes when they complete.

A configuration is a row of ``pool``: its state, the time of its last blind write, its node in
the tree of steps, the number of crashed operations used (below 0: dominated); then words of 60
bits with one bit for every open call that has not taken effect; then words of four counts (15
bits, the highest kept free for comparing four at once) of crashed operations that have.

At a completion only the configurations where that call has not taken effect yet move on: they
queue in the second half of ``pool`` and are expanded, nearest first, until it has.

Everything that changes stands in arrays that the caller gives (:class:`Room`), for two reasons: the
search can stop anywhere and go on later, so that the caller looks at the clock and makes room;
and compiled without reference counting (which costs more than the search itself) it cannot
allocate.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import register_frontier, register_steps
from .register_frontier import (
    BIT,
    COARSE,
    COVER,
    KIND,
    LANES,
    NODE,
    ROW,
    STATE,
    USED,
    VALUES,
    WHERE,
    WORD,
    _collect,
    _living,
    _narrow,
    _order,
)
from .register_steps import (
    BEFORE,
    COUNT,
    COUNTS,
    DONE,
    DROPPED,
    EXPLORED,
    FREE,
    FULL_UP,
    NSWAPS,
    NUMBERS,
    NWRITES,
    PHASE,
    SIZE,
    WANTED,
    _close,
    _crash,
    _divide,
    _expand,
    _invoke,
    _through,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALID, DEAD, LOST, PAUSED, CRAMPED = 0, 1, 2, 3, 4
"""Answers: explained; not explainable; configurations were dropped, then none was left; the limit
of configurations explored is reached; the tree of steps is full: go on with a larger one."""

AT, PLACED, STUCK = 0, 1, 2
"""Entries of ``found``: event reached, calls in ``out``, the call that could not be placed."""


def _search(
    event, first, last, call, kind, kind_calls, after, beam, enough, cap, nw, nu, bits, limit,
    pool, head, chain, sets, value, slots, slot_of, free, opened, lane_kind, score, order, n,
    tree, number, out, found,
):  # fmt: skip
    """Search the events ``first`` … ``last``; the answer, with details in ``found``.

    After ``PAUSED`` and ``CRAMPED`` it goes on from ``found[AT]``.
    """
    width, queue, slot_count = ROW + nw + nu, cap + 1, nw * WORD
    for at in range(first, last):
        i = event[at]
        if i >= 0:
            if n[SIZE] + n[COUNT] > len(tree):
                found[AT] = at
                return CRAMPED
            k = call[i, KIND]
            if k >= 0:
                _crash(k, at, nw, nu, n, kind, lane_kind, value, pool)
            elif k == -2:
                _invoke(i, n, call, slots, slot_of, free, opened, sets, value, pool, tree)
            continue
        # -- the completion of call i: it must have taken effect ---------------------
        i = ~i
        slot = slot_of[i]
        w, bit = slots[slot, WHERE], slots[slot, BIT]
        waits = n[PHASE] == 1
        for c in range(n[COUNT]):
            if pool[c, ROW + w] & bit:
                waits = True
                break
        if waits:
            if n[PHASE] == 0:
                if 2 * n[SIZE] > len(tree):
                    n[SIZE] = _collect(tree, n[SIZE], pool, n[COUNT], number)
                    if 4 * n[SIZE] > len(tree):
                        found[AT] = at
                        return CRAMPED
                _divide(
                    i, w, bit, n, call, pool, queue, cap, width, head, chain, bits, sets, nw,
                    slots, tree,
                )  # fmt: skip
                n[PHASE] = 1
            choices = n[NWRITES] + n[NSWAPS] + nu * LANES
            while not _through(n, beam, enough, cap, nu):
                if n[SIZE] + choices * (slot_count + 2) > len(tree):
                    found[AT] = at
                    return CRAMPED
                if n[EXPLORED] > limit:
                    found[AT], found[STUCK] = at, i
                    return PAUSED
                q = queue + n[DONE]
                n[DONE] += 1
                if pool[q, USED] >= 0:
                    _expand(
                        q, i, at, after, n, call, kind, kind_calls, lane_kind, opened, slots, sets,
                        value, pool, queue, cap, width, nw, nu, head, chain, bits, tree,
                    )  # fmt: skip
            n[PHASE] = 0
            if n[FULL_UP]:
                n[DROPPED] = 1
            n[COUNT] = _living(pool, n[COUNT], width)
            if n[COUNT] == 0:
                found[AT], found[STUCK] = at, i
                found[PLACED] = _order(tree, pool[queue, NODE], call, out, number)
                return LOST if n[DROPPED] else DEAD
            if n[COUNT] > beam:
                n[DROPPED] = 1
                n[COUNT] = _narrow(pool, n[COUNT], beam, width, sets, nw, score, order)
        _close(i, slot, n, call, slots, free, opened, sets, value)
    found[AT] = last
    found[PLACED] = _order(tree, pool[0, NODE], call, out, number)
    return VALID


class Room(NamedTuple):
    """The arrays that a search works in, in the order in which it takes them."""

    pool: NDArray[Any]
    head: NDArray[Any]
    chain: NDArray[Any]
    sets: NDArray[Any]
    value: NDArray[Any]
    slots: NDArray[Any]
    slot_of: NDArray[Any]
    free: NDArray[Any]
    opened: NDArray[Any]
    lane_kind: NDArray[Any]
    score: NDArray[Any]
    order: NDArray[Any]
    n: NDArray[Any]
    tree: NDArray[Any]
    number: NDArray[Any]

    @classmethod
    def made(
        cls, starts: Any, calls: int, values: int, cap: int, enough: int, nw: int, nu: int,
        extended: bool = False,
    ) -> Room:  # fmt: skip
        """Room for ``cap`` configurations of ``nw`` and ``nu`` words, begun in some states.

        ``extended``: whether there are appends.
        """
        bits = bits_for(cap)
        pool = np.empty((2 * (cap + 1), ROW + nw + nu), np.int64)
        pool[: len(starts)] = 0
        pool[: len(starts), STATE], pool[: len(starts), COVER] = starts, -1
        slots, free = _slots(nw)
        slot_count = len(slots)
        value = np.zeros((values, 3), np.int64)
        if extended:  # what an append may lead to is always wanted, but not the dark
            value[1:, WANTED] = 1
        n = np.zeros(NUMBERS, np.int64)
        n[SIZE], n[FREE], n[COUNT] = 1, slot_count, len(starts)
        # A frugal search compares configurations only by how many crashed operations they used.
        n[COUNTS] = nu if enough > cap else 0
        steps = max(4 * cap, 4096) + 64 * (slot_count + 2)
        tree = np.empty((steps, 2), np.int32)
        tree[0] = 0
        return cls(
            pool,
            np.zeros(2 << bits, np.int64),
            np.empty(2 * (cap + 1), np.int32),
            np.zeros((VALUES + 2 * values, nw), np.int64),
            value,
            slots.copy(),
            np.empty(calls, np.int32),
            free.copy(),
            np.zeros((2, slot_count), np.int64),
            np.full(nu * LANES + 1, -1, np.int64),
            np.empty(cap + 1, np.int32),
            np.empty(COARSE + 3, np.int32),
            n,
            tree,
            np.empty(steps, np.int32),
        )

    def roomier(self) -> Room:
        """The same with twice the steps."""
        tree = np.empty((2 * len(self.tree), 2), np.int32)
        tree[: len(self.tree)] = self.tree
        return self._replace(tree=tree, number=np.empty(len(tree), np.int32))


@lru_cache(maxsize=8)
def _slots(nw: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Slots for the open calls in so many words, with their places, and all of them as free."""
    places = np.arange(nw * WORD)
    slots = np.zeros((len(places), 4), np.int64)
    slots[:, WHERE], slots[:, BIT] = places // WORD, 1 << (places % WORD)
    return slots, places[::-1].copy()


def bits_for(cap: int) -> int:
    """Bits of a bucket's number: two buckets for each configuration."""
    return max(6, (2 * cap - 1).bit_length())


HELPERS = (*register_frontier.HELPERS, *register_steps.HELPERS)

__all__ = ["BEFORE", "HELPERS", "Room"]
