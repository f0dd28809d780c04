"""Many small registers in one pass of the array search.

The calls of all objects are laid one object after the other on one time line, with a
completed write of the initial value between two objects. Everything that completes has
completed before that write begins, so the whole is linearizable if and only if every object
is: an explanation of the whole, cut at those writes, explains each, and explanations of
all may be joined. What crashed belongs to its object alone (``lines(…, group)``) and
is of no use after its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .calls import CRASHED, WRITE, Calls
from .register_kernel import VALID
from .registers import TIERS, UNLIMITED, lines, run

if TYPE_CHECKING:
    from numpy.typing import NDArray

BEAM, ENOUGH = TIERS[0]
ROOM = 16 * BEAM


def explained(many: Sequence[Calls]) -> tuple[list[NDArray[Any] | None], int]:
    """A witness for every object that the beam explains (else ``None``), and the work done.

    One without needs a closer look: it fails, or the beam lost it.
    """
    joined, group, ends, sizes = _joined(many)
    view = lines(joined, group, ends)
    starts = np.concatenate(([0], np.cumsum(sizes + 1)))
    witnesses: list[NDArray[Any] | None] = [None] * len(many)
    done = explored = first = 0
    while done < len(many):
        found = run(view, [view.initial], BEAM, ROOM, UNLIMITED, ENOUGH, first=first)
        explored += found.explored
        upto = len(many) if found.answer == VALID else int(group[found.call])
        of = group[found.order]
        by_object = np.argsort(of, kind="stable")
        cuts = np.searchsorted(of[by_object], np.arange(done, upto + 1))
        for k in range(done, upto):
            at = cuts[k - done], cuts[k - done + 1]
            local = found.order[by_object[at[0] : at[1]]] - starts[k]
            witnesses[k] = local[local < sizes[k]]
        if upto < len(many):
            first = int(ends[upto]) + 1
        done = upto + 1
    return witnesses, explored


def _joined(many: Sequence[Calls]) -> tuple[Calls, Any, Any, Any]:
    """All calls on one time line; each one's object, and where each object ends on it."""
    sizes = np.array([len(calls) for calls in many])
    objects = np.repeat(np.arange(len(many)), sizes)
    invoked = np.concatenate([calls.invoked for calls in many])
    returned = np.concatenate([calls.returned for calls in many])
    ok = np.flatnonzero(returned != CRASHED)
    span = int(max(invoked.max(initial=0), returned[ok].max(initial=0))) + 1
    events = np.concatenate((objects * span + invoked, objects[ok] * span + returned[ok]))
    order = np.argsort(events)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    events_of = sizes + np.bincount(objects[ok], minlength=len(many))
    ends = np.cumsum(events_of) + 2 * np.arange(len(many))
    # The place of every call, leaving one free after each object for the write between.
    place = np.arange(len(invoked)) + objects
    between = np.cumsum(sizes + 1) - 1
    total = len(invoked) + len(many)
    group = np.repeat(np.arange(len(many)), sizes + 1)
    at, end = np.empty(total, np.int64), np.full(total, CRASHED, np.int64)
    at[place] = rank[: len(invoked)] + 2 * objects
    end[place[ok]] = rank[len(invoked) :] + 2 * objects[ok]
    at[between], end[between] = ends, ends + 1
    f, a, b = np.full(total, WRITE, np.int8), np.zeros(total, np.int32), np.zeros(total, np.int32)
    a[between] = many[0].initial
    f[place] = np.concatenate([calls.f for calls in many])
    a[place] = np.concatenate([calls.a for calls in many])
    b[place] = np.concatenate([calls.b for calls in many])
    return Calls(at, end, f, a, b, many[0].initial), group, ends + 1, sizes
