"""Calls on one object laid out for the table search: one time line, kinds, counts of the crashed.

A crashed call whose kind never changes the state is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...harness.history import FAIL, OK
from .calls import CRASHED, Calls
from .table_frontier import ROW, WORD
from .table_steps import (
    KIND,
    KIND_AT,
    KIND_CRASHED,
    KIND_GROUP,
    KIND_PURE,
    KIND_SHIFT,
    KIND_TOP,
    KIND_WORD,
)

if TYPE_CHECKING:
    from ...harness.operation import Operation
    from .preparation import Problem

OF_NO_USE = -2
"""In ``due``: crashed, and changes nothing; -1: crashed."""


@dataclass(frozen=True)
class View:
    """What the search reads.

    ``event``    per position: ``i`` where call ``i`` was invoked, ``~i`` where it returned.
    ``kind_of``  per call its kind; ``due`` the position of its completion, -1 if it crashed.
    ``kind``     per kind the columns ``KIND_OPEN`` …; ``kind_calls``: crashed calls by kind.
    ``words``    of 60 open calls; ``guards``: for every word of counts their highest bits.
    """

    event: Any
    kind_of: Any
    due: Any
    kind: Any
    kind_calls: Any
    words: int
    guards: list[int]
    crashed_kinds: int

    @property
    def width(self) -> int:
        """Entries of one configuration."""
        return ROW + self.words + len(self.guards)


def view_of(calls: Calls, kinds: Any, pure: Sequence[bool]) -> View:
    """The calls laid out. ``kinds``: per call its kind; ``pure``: per kind."""
    size, number = len(calls), len(pure)
    kind_of, unchanging = np.asarray(kinds, np.int64), np.array(pure, dtype=bool)
    done = np.flatnonzero(calls.returned < CRASHED)
    places = np.concatenate((calls.invoked, calls.returned[done]))
    order = np.argsort(places, kind="stable")
    event = np.concatenate((np.arange(size), ~done))[order].astype(np.int64)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    due = np.full(size, -1, np.int64)
    due[done] = rank[size:]
    gone = calls.returned >= CRASHED
    due[gone & unchanging[kind_of]] = OF_NO_USE
    completes = np.where(event < 0, ~event, event)
    opened = np.where(event < 0, -1, 1) * (due[completes] >= 0)
    most = int(np.cumsum(opened).max(initial=0))
    kind = np.zeros((number, KIND), np.int64)
    kind[:, KIND_GROUP], kind[:, KIND_PURE] = -1, unchanging
    counted = np.flatnonzero(due == -1)
    counted = counted[np.argsort(kind_of[counted], kind="stable")]
    counts = np.bincount(kind_of[counted], minlength=number)
    kind[:, KIND_AT], kind[:, KIND_CRASHED] = np.cumsum(counts) - counts, counts
    words = max(1, -(-most // WORD))
    guards = _lanes(kind, counts, ROW + words)
    return View(
        event, kind_of, due, kind.reshape(-1), counted.astype(np.int64), words, guards,
        int((counts > 0).sum()),
    )  # fmt: skip


def _lanes(kind: Any, counts: Any, first: int) -> list[int]:
    """Give every kind of crashed calls room for its count and a guard bit above it."""
    guards: list[int] = []
    used = WORD
    for k in np.flatnonzero(counts).tolist():
        width = int(counts[k]).bit_length() + 1
        if used + width > WORD:
            guards.append(0)
            used = 0
        kind[k, KIND_WORD], kind[k, KIND_SHIFT] = first + len(guards) - 1, used
        kind[k, KIND_TOP] = (1 << (width - 1)) - 1
        used += width
        guards[-1] |= 1 << (used - 1)
    return guards


def kinds_of(problem: Problem) -> tuple[Any, list[Operation]]:
    """For every call the number of its kind, and the kinds; equal calls are one kind.

    The same as :attr:`Problem.kinds`, from the columns where the values stand for themselves.
    """
    model, calls = problem.model, problem.calls
    if problem.part is not None or not len(problem):
        return problem.kinds
    columns = problem.history.columns()
    done = calls.returned < CRASHED
    ends = np.where(done, calls.returned, calls.invoked)
    f, succeeded = columns.f[calls.invoked], done & (columns.type[ends] == OK)
    observers = getattr(model, "observers", None)
    if observers is None:
        sees = succeeded & (columns.value[ends] != 0)
    else:
        sees = succeeded & np.array([name in observers for name in columns.fs], dtype=bool)[f]
    value = columns.value[np.where(sees, ends, calls.invoked)].astype(np.int64)
    how = np.where(done, np.where(columns.type[ends] == FAIL, 2, 1), 0)
    both = (value * len(columns.fs) + f) * 3 + how
    if getattr(model, "owner_aware", False):
        _, process = np.unique(columns.process[calls.invoked], return_inverse=True)
        both = both * (int(process.max()) + 1) + process
    _, first, kinds = np.unique(both, return_index=True, return_inverse=True)
    return kinds, [problem.operation(at) for at in first.tolist()]
