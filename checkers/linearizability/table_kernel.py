"""The configuration search over a model's transition table; runs compiled or as it stands.

The frontier of ``search.py``, for any model whose states and kinds of operations are numbered. It
stops where the table has a gap, with the list of pairs it needs (``NEED``), and goes on from there
when they are filled in. Besides the facts told there it uses one more:

**Laziness.** A configuration from which another can be reached by letting one more open or
crashed call take effect can do all that the other can: it still has that choice. So of those
that are through a completion only the ones that none of the others leads to are kept. Where
operations commute (counters, sets, bags, permits), that leaves few of the many orders and subsets
that had been tried. (By induction on the number of calls that have taken effect there is always
one that is kept: each step makes that number larger.)

Everything that changes stands in sequences that the caller gives (:class:`Room`): the search can
stop anywhere and go on later, so that the caller fills in the table, looks at the clock and makes
room.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from . import table_frontier, table_steps
from .table_frontier import (
    CALL,
    CHANGING,
    COARSE,
    DUE,
    IMPOSSIBLE,
    MISSING,
    NODE,
    ROW,
    SLOT,
    STATE,
    USED,
    WEIGHT,
    WORD,
    _collect,
    _get,
    _living,
    _narrow,
    _order,
    _put,
)
from .table_steps import (
    COUNT,
    CRASHED_KINDS,
    DONE,
    DROPPED,
    ENTRIES,
    EVERY,
    EXPLORED,
    FREE,
    FULL,
    KIND,
    KIND_OPEN,
    KIND_PURE,
    MOST,
    NUMBERS,
    PHASE,
    QUEUED,
    SIZE,
    STRUCK,
    TIDY,
    TRIED,
    WANT_LIMIT,
    WANTS,
    _ask,
    _close,
    _divide,
    _expand,
    _known,
    _open_kind,
    _through,
)

VALID, DEAD, LOST, PAUSED, CRAMPED, NEED, LARGER, RENUMBER = range(8)
"""Answers: explained; not explainable; configurations were dropped, then none was left; the limit
of configurations explored is reached; the tree of steps is full; pairs are wanted; the table is
full; it stands before a completion, as ``TIDY`` asked."""

AT, PLACED, STUCK = 0, 1, 2
"""Entries of ``found``: event reached, calls in ``out``, the call that could not be placed."""

LEAST_STEPS = 4_096
"""Steps that there is room for at first, at least."""

PATIENCE, WORTH = 20_000, 256
"""After so many attempts dropping by what others lead to goes on only if one in ``WORTH``
succeeded."""


def _search(
    event, first, last, kind_of, due, kind, kind_calls, beam, enough, cap, nw, width, bits,
    limit, want, answer, many, table, pool, head, chain, kinds, masks, slots, slot_of, free,
    guard, score, order, near, n, tree, number, out, found,
):  # fmt: skip
    """Search the events ``first`` … ``last``; the answer, with details in ``found``.

    After all answers but the first three it goes on from ``found[AT]``; after ``NEED`` with what
    follows ``want[j]`` in ``answer[j]``.
    """
    mask, queue, room = len(table) // 2 - 1, cap + 1, len(tree) // 2
    for j in range(n[WANTS]):
        n[ENTRIES] += _put(table, mask, want[j], answer[j])
    n[WANTS] = 0
    if 2 * n[ENTRIES] + 2 * WANT_LIMIT > mask:
        found[AT] = first
        return LARGER
    for at in range(first, last):
        i = event[at]
        if i >= 0:
            if n[SIZE] + n[COUNT] > room:
                found[AT] = at
                return CRAMPED
            k = kind_of[i]
            if due[i] < 0:
                if due[i] == -1:
                    _crash(k, n, kind, kinds, nw)
                continue
            if not _invoke(
                i, k, due[i], n, kind, kinds, masks, nw, slots, slot_of, free, table, mask, pool,
                width, tree, want,
            ):  # fmt: skip
                found[AT] = at
                return NEED
            continue
        # -- the completion of call i: it must have taken effect ---------------------
        i = ~i
        slot = slot_of[i]
        if n[PHASE] == 0 and _awaited(slot, pool, n[COUNT], width):
            if 2 * n[SIZE] > room:
                n[SIZE] = _collect(tree, n[SIZE], pool, n[COUNT], width, number)
                if 4 * n[SIZE] > room:
                    found[AT] = at
                    return CRAMPED
            if n[TIDY]:
                n[TIDY], found[AT] = 0, at
                return RENUMBER
            _divide(
                n, slot, pool, width, queue, cap, head, chain, bits, nw, guard, slots, kinds, masks
            )
            n[PHASE], n[EVERY] = 1, 1 if enough > cap else 0
        if n[PHASE] == 1:
            answer = _spread(
                i, slot, beam, enough, limit, room, kind_of, kind, kind_calls, kinds, masks,
                nw, slots, table, mask, many, want, pool, width, queue, cap, head, chain, bits,
                guard, tree, near, n,
            )  # fmt: skip
            if answer != VALID:
                found[AT], found[STUCK] = at, i
                return answer
            n[DROPPED] = n[DROPPED] or n[FULL]
            n[PHASE], n[DONE] = 2, 0
        if n[PHASE] == 2:
            if not _thin(
                slot, kind_of[i], kind, kind_calls, kinds, masks, nw, slots, table, mask, many,
                want, pool, width, queue, cap, head, chain, bits, guard, tree, near, n,
            ):  # fmt: skip
                found[AT] = at
                return NEED
            n[PHASE] = 0
            n[COUNT] = _living(pool, n[COUNT], width)
            if n[COUNT] == 0:
                found[AT], found[STUCK] = at, i
                found[PLACED] = _order(tree, pool[queue * width + NODE], out)
                return LOST if n[DROPPED] else DEAD
            if n[COUNT] > beam:
                n[DROPPED] = 1
                n[COUNT] = _narrow(
                    pool, n[COUNT], beam, width, nw, nw * WORD - n[FREE], slots, score, order
                )
        _close(i, slot, kind_of[i], n, kind, kinds, masks, nw, free)
    found[AT] = last
    found[PLACED] = _order(tree, pool[NODE], out)
    return VALID


def _awaited(slot, pool, count, width):
    """Whether the call in a slot has yet to take effect in some configuration."""
    c = 0
    while c < count and not pool[c * width + ROW + slot // WORD] & (1 << (slot % WORD)):
        c += 1
    return c < count


def _crash(k, n, kind, kinds, nw):
    """A call of a kind was invoked that crashes: from now on it may take effect at any time."""
    if kind[KIND * k + KIND_OPEN] == 0:
        kinds[3 * nw * WORD + n[CRASHED_KINDS]] = k
        n[CRASHED_KINDS] += 1
    kind[KIND * k + KIND_OPEN] += 1


def _spread(
    i, slot, beam, enough, limit, room, kind_of, kind, kind_calls, kinds, masks, nw, slots,
    table, mask, many, want, pool, width, queue, cap, head, chain, bits, guard, tree, near, n,
):  # fmt: skip
    """Expand the queued configurations until call ``i`` has taken effect in enough of them."""
    while not _through(n, beam, enough, cap):
        if n[SIZE] + _most_steps(n, nw) > room:
            return CRAMPED
        if n[EXPLORED] > limit:
            return PAUSED
        row = (queue + n[DONE]) * width
        if pool[row + USED] >= 0:
            if not _ready(
                n[DONE], n[QUEUED], queue, kind_of[i], width, pool, n, kind, kinds, masks, nw,
                table, mask, many, want, near,
            ):  # fmt: skip
                return NEED
            _expand(
                row, slot, n, kind, kind_calls, kinds, masks, nw, slots, table, mask, many, pool,
                width, queue, cap, head, chain, bits, guard, tree, False, near,
            )  # fmt: skip
        n[DONE] += 1
    return VALID


def _thin(
    slot, one, kind, kind_calls, kinds, masks, nw, slots, table, mask, many, want, pool, width,
    queue, cap, head, chain, bits, guard, tree, near, n,
):  # fmt: skip
    """Drop the configurations that are through and that another one leads to. False: in want."""
    if n[COUNT] <= 1 or (n[TRIED] >= PATIENCE and n[STRUCK] * WORTH <= n[TRIED]):
        return True
    while n[DONE] < n[COUNT]:
        row = n[DONE] * width
        if pool[row + USED] >= 0:
            if not _ready(
                n[DONE], n[COUNT], 0, one, width, pool, n, kind, kinds, masks, nw, table, mask,
                many, want, near,
            ):  # fmt: skip
                return False
            _expand(
                row, slot, n, kind, kind_calls, kinds, masks, nw, slots, table, mask, many, pool,
                width, queue, cap, head, chain, bits, guard, tree, True, near,
            )  # fmt: skip
        n[DONE] += 1
    return True


def _most_steps(n, nw):
    """Steps that one expansion may add to the tree."""
    opened = nw * WORD - n[FREE]
    return (n[CHANGING] + n[CRASHED_KINDS]) * n[MOST] * (opened + 1)


def _ready(
    at, count, base, one, width, pool, n, kind, kinds, masks, nw, table, mask, many, want, near
):  # fmt: skip
    """Whether the configuration ``at`` can be expanded; if not, what the next ones need too."""
    row = (base + at) * width
    if _known(pool, row, one, n, kind, kinds, masks, nw, table, mask, many, want, n[EVERY], near):
        return True
    for other in range(at + 1, count):
        row = (base + other) * width
        if n[WANTS] < WANT_LIMIT and pool[row + USED] >= 0:
            _known(
                pool, row, one, n, kind, kinds, masks, nw, table, mask, many, want, n[EVERY], near
            )
    return False


def _invoke(
    i, k, ends, n, kind, kinds, masks, nw, slots, slot_of, free, table, mask, pool, width, tree,
    want,
):  # fmt: skip
    """Call ``i`` was invoked: it is open in every configuration, or takes effect at once.

    False, and nothing done, if it is not known where it could.
    """
    pure = kind[KIND * k + KIND_PURE]
    if pure:
        ready = True
        for c in range(n[COUNT]):
            state = pool[c * width + STATE]
            if _get(table, mask, state, k) == MISSING:
                _ask(table, mask, want, n, state, k)
                ready = False
        if not ready:
            return False
    n[FREE] -= 1
    slot = free[n[FREE]]
    slot_of[i] = slot
    slots[SLOT * slot + CALL], slots[SLOT * slot + DUE] = i, ends
    slots[SLOT * slot + WEIGHT] = 0 if pure else ((k + 1) * 0x9E3779B1) & 0xFFFFFFF
    _open_kind(k, slot, n, kind, kinds, masks, nw)
    for c in range(n[COUNT]):
        row = c * width
        if pure and _get(table, mask, pool[row + STATE], k) != IMPOSSIBLE:
            size = n[SIZE]
            tree[2 * size], tree[2 * size + 1] = pool[row + NODE], i
            pool[row + NODE] = size
            n[SIZE] = size + 1
        else:
            pool[row + ROW + slot // WORD] |= 1 << (slot % WORD)
    return True


def _regrow(old, new):
    """Enter all pairs of a table into a larger one."""
    mask = len(new) // 2 - 1
    for h in range(len(old) // 2):
        if old[2 * h] != 0:
            _put(new, mask, old[2 * h], old[2 * h + 1])


class Room(NamedTuple):
    """The sequences that a search works in, in the order in which it takes them."""

    table: Any
    pool: Any
    head: Any
    chain: Any
    kinds: Any
    masks: Any
    slots: Any
    slot_of: Any
    free: Any
    guard: Any
    score: Any
    order: Any
    near: Any
    n: Any
    tree: Any
    number: Any

    @classmethod
    def made(cls, make: Any, starts: Any, view: Any, cap: int) -> Room:
        """Room for ``cap`` configurations; ``make(count)`` gives a sequence of zeros."""
        nw, width, bits = view.words, view.width, bits_for(cap)
        slot_count = nw * WORD
        pool = make((2 * cap + 3) * width)
        for at, state in enumerate(starts):
            pool[at * width + STATE] = state
        kinds, free, guard = make(3 * slot_count + view.crashed_kinds), make(slot_count), make(1)
        for at in range(slot_count):
            kinds[at], free[at] = -1, slot_count - 1 - at
        if view.guards:
            guard = make(len(view.guards))
            for at, bit in enumerate(view.guards):
                guard[at] = bit
        n = make(NUMBERS)
        n[SIZE], n[FREE], n[COUNT], n[MOST] = 1, slot_count, len(starts), 1
        steps = max(4 * cap, LEAST_STEPS)
        return cls(
            make(8 * WANT_LIMIT), pool, make(2 << bits), make(2 * (cap + 1)), kinds,
            make(slot_count * nw), make(SLOT * slot_count), make(len(view.kind_of)), free, guard,
            make(cap + 1), make(COARSE + 3), make(4 * slot_count + 2 * view.crashed_kinds + 2), n,
            make(2 * steps), make(steps),
        )  # fmt: skip

    def roomier(self, make: Any) -> Room:
        """The same with twice the steps."""
        tree = make(2 * len(self.tree))
        tree[: len(self.tree)] = self.tree
        return self._replace(tree=tree, number=make(len(tree) // 2))


def bits_for(cap: int) -> int:
    """Bits of a bucket's number: two buckets for each configuration."""
    return max(6, (2 * cap - 1).bit_length())


HELPERS = (
    *table_frontier.HELPERS, *table_steps.HELPERS, _awaited, _crash, _spread, _thin, _most_steps,
    _ready, _invoke,
)  # fmt: skip
