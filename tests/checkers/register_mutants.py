"""The register search with one small change: does any history notice, and how?

A change is noticed as *wrong* (a verdict, the place of a failure, or an order that explains
nothing; a crash or an endless loop too) or only as *work* (the answers stand, but the number of
configurations explored, or what a narrow beam loses, is another).
"""

from __future__ import annotations

import inspect
import signal
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from duress.checkers.linearizability import (
    register_frontier,
    register_view,
    registers,
    registers_batch,
)
from duress.checkers.linearizability.calls import APPEND, CAS, CRASHED, DIFFERS, READ, WRITE, Calls
from duress.checkers.linearizability.register_kernel import DEAD, LOST, VALID, Room

from .container_mutants import mutants, mutated

LIMIT_S = 0.2
"""Processor time for one history; endless loops count as wrong."""

SETTINGS = (
    (4096, 4096, 2**62, False),
    (4096, 4096, 2**62, True),
    (4, 64, 2**62, False),
    (2, 8, 2**62, False),
    (3, 3, 2**62, False),
    (4, 64, 1, False),
    (1, 16, 1, False),
    (1, 16, 2**62, False),
)
"""Beam, room, enough, and whether all configurations fall into one bucket: exact first."""

STEPS = 40
"""Steps for which the tree has room at first; it grows, and sheds dead ones, all the time."""

MOST_STEPS = 1 << 16
"""More than any history here needs."""


BY_HAND = (
    ("_dominates", "theirs & ~mine & sets[WRITES, w]", "mine & ~theirs & sets[WRITES, w]"),
    ("_settle", "~sets[reads + 1, w]", "sets[reads + 1, w]"),
    ("_collect", "number[pool[c, NODE]]", "pool[c, NODE]"),
    ("_divide", "call[i, INV] >= pool[q, COVER]", "call[i, INV] < pool[q, COVER]"),
    ("_expand", "pool[new, COVER] = at", "pool[new, COVER] = at + 9"),
    ("_expand", "uses >= kind[k, KIND_OPEN]", "uses > kind[k, KIND_OPEN]"),
    ("_expand", "value[to, WANTED] == 0", "value[to, WANTED] != 0"),
    ("_invoke", "> call[i, DUE]", "< call[i, DUE]"),
    ("_crash", "kind[k, KIND_OPEN] += 1", "kind[k, KIND_OPEN] += 2"),
    ("_close", "free[n[FREE]] = slot", "free[n[FREE]] = 0"),
    ("_demand", "max(last[call[i, A]], call[i, DUE])", "call[i, INV]"),
    ("_kinds_of", "kind[k, KIND_LANE] = last[to], -1", "kind[k, KIND_LANE] = 0, -1"),
    ("_order", "kept // 2", "kept // 3"),
    ("_through", " or (nu > 0 and n[EVERY_KIND] == 0)", ""),
)
"""Function, what stands there, what is put there instead; shows as a wrong answer."""

SLOWER_BY_HAND = (
    ("_swap_open", "call[i, B] == new", "call[i, B] != new"),
    ("_narrow", "pool[i, USED] * 4", "0"),
    ("_through", "else 2 * beam", "else beam"),
)
"""The same; shows as other work."""

UNSEEN: dict[str, str] = {
    "_search: 4 * n[SIZE] > len(tree) := False": "else few steps at a time are forgotten",
    "_dominates: mine == theirs := False": "equal words pass every comparison",
    "_living: kept != c := True": "copies a row onto itself",
    "_narrow: kept != i := True": "copies a row onto itself",
    "_divide: to != c := True": "copies a row onto itself",
    "_expand: uses >= FULL - 1 := False": "takes 16,382 crashed calls of one kind",
    "_find_kinds: 2 * (high - low) > begins[k + 1] - begins[k] := True": (
        "nothing of that object crashed"
    ),
    "_kinds_of: kind[other, KIND_LIVE] >= call[i, INV] := True": "lanes that nobody uses",
}
"""What nothing shows, and why it is there all the same."""

WORK = frozenset(
    {
        "_search: waits := True",
        "_search: pool[c, ROW + w] & bit := True",
        "_search: n[COUNT] > beam := False",
        "_search: k == -2 := True",
        "_search: 2 * n[SIZE] > len(tree) := True",
        "_search: 2 * n[SIZE] > len(tree) := False",
        "_search: n[EXPLORED] > limit := False",
        "_search: pool[q, USED] >= 0 := True",
        "_search: 4 * n[SIZE] > len(tree) := True",
        "_dominates: pool[one, USED] < 0 or (counts == 0 and pool[one, USED] > po… := False",
        "_dominates: (mine ^ theirs) & sets[SWAPS, w] := True",
        "_dominates: mine & ~theirs & sets[LOOKS, w] := True",
        "_dominates: theirs & ~mine & sets[WRITES, w] := True",
        "_dominates: slots[w * WORD + PLACE[low % 61], BEGAN] > pool[one, COVER] := True",
        "_dominates: slots[w * WORD + PLACE[low % 61], BEGAN] > pool[one, COVER] := False",
        "_enter: first >> HEAD_BITS == stamp := False",
        "_offer: _dominates(pool, base + at, new, sets, nw, counts, slots) := False",
        "_offer: pool[other, USED] >= 0 and _dominates(pool, new, other, sets… := False",
        "_collect: number[i] := True",
        "_living: pool[c, USED] >= 0 := True",
        "_narrow: score[i] > limit or (score[i] == limit and spare <= 0) := False",
        "_narrow: score[i] == limit := True",
        "_narrow: score[i] == limit := False",
        "_narrow: kept != i := False",
        "_swap_open: call[i, A] == old and call[i, B] == new and pool[q, ROW + sl… := False",
        "_crash: n[COUNTS] < nu := False",
        "_crash: kind[k, KIND_F] == CAS := True",
        "_crash: kind[old, KIND_F] == CAS := True",
        "_crash: kind[old, KIND_F] == CAS := False",
        "_invoke: f != CAS := False",
        "_close: f == CAS := True",
        "_close: f == CAS := False",
        "_close: f == CAS := True (3)",
        "_close: f == CAS := False (3)",
        "_expand: pool[q, ROW + slots[s, WHERE]] & slots[s, BIT] and slots[s, … := True",
        "_expand: one != i and (to == 0 or value[to, EXTENDED] == n[TOKEN]) := False",
        "_expand: is_write := False",
        "_expand: n[EVERY_KIND] := True",
        "_expand: value[to, MARK] == n[TOKEN] := False",
        "_expand: one != i and (to == state and (not uncovered) or (value[to, … := False",
        "_through: n[DONE] >= n[LEVEL] := True",
        "_through: n[DONE] >= n[LEVEL] := False",
        "_through: n[COUNT] >= enough := False",
        "_through: beam < cap and n[COUNT] >= plenty := False",
        "_through: n[EVERY_KIND] := True",
        "_through: n[EVERY_KIND] := False",
        "_through: n[DONE] < n[QUEUED] or (nu > 0 and n[EVERY_KIND] == 0) := True",
        "_lay_out: i < 0 := False",
        "_lay_out: f[i] == CAS and a[i] == b[i] := False",
        "_lay_out: call[i, KIND] == -2 := True",
        "_find_kinds: extended := True",
        "_demand: call[i, KIND] == -2 := True",
        "_demand: call[i, F] == READ or call[i, F] == CAS := True",
        "_demand: call[i, KIND] == -1 and call[i, F] == CAS and (last[call[i, … := False",
        "_demand: call[i, F] == DIFFERS := True",
        "_kinds_of: call[i, INV] >= last[to] := False",
        "_kinds_of: k < 0 := True",
        "_each: answer == VALID := False",
        "_each: old >= 0 and kind[old, KIND_F] == CAS := False",
    }
)
"""What only saves work."""


class Case(NamedTuple):
    """Calls on one object, whether they are linearizable, the completion at which they fail."""

    calls: Calls
    after: Any
    valid: bool
    position: int


class Batch(NamedTuple):
    """Calls on several objects, and which of them can be explained."""

    calls: Calls
    starts: Any
    valid: tuple[bool, ...]


def functions() -> dict[str, FunctionType]:
    """The plain functions of the kernels, by name."""
    kernels = (
        registers.search, register_view._layout, register_view._kinds, registers_batch.each_register
    )  # fmt: skip
    return {f.__name__: f for kernel in kernels for f in (kernel.function, *kernel.helpers)}  # type: ignore[misc]


def changed(function: FunctionType, old: str, new: str) -> CodeType:
    """The function with the one place that reads ``old`` reading ``new``."""
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{function.__name__}: {source.count(old)} places of {old!r}"
    scope: dict[str, Any] = dict(function.__globals__)
    exec(compile(source.replace(old, new), function.__code__.co_filename, "exec"), scope)
    return scope[function.__name__].__code__


@contextmanager
def limited() -> Iterator[None]:
    """Raises :class:`TimeoutError` when the time for one history is over."""

    def stop(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


class Cramped(Room):
    """Room with a tree of a few steps, so that making room is tried too, and counted."""

    grown = 0

    @classmethod
    def made(cls, *shape: Any, **more: Any) -> Any:
        room = Room.made(*shape, **more)
        # What nobody should read is the same in every run.
        room.pool[len(shape[0]) :] = 0
        for array in (room.chain, room.slot_of, room.score, room.order):
            array[:] = 0
        tree = np.zeros((STEPS, 2), np.int32)
        return cls(*room._replace(tree=tree, number=np.zeros(STEPS, np.int32)))

    def roomier(self) -> Any:
        Cramped.grown += 1
        if len(self.tree) > MOST_STEPS:
            raise MemoryError
        return Cramped(*super().roomier())


def one_bucket(*_: Any) -> int:
    """Hash of a configuration that makes all of them meet."""
    return 0


def explains(calls: Calls, after: Any, order: Iterable[Any]) -> bool:
    """Whether an order is one in which every call gave its result."""
    placed, returned = [int(at) for at in order], calls.returned
    done = {at for at in range(len(calls)) if returned[at] != CRASHED}
    if len(set(placed)) != len(placed) or not done <= set(placed):
        return False
    soonest, state = CRASHED, calls.initial
    for at in reversed(placed):
        soonest = min(soonest, int(returned[at]))
        if int(calls.invoked[at]) > soonest:
            return False
    for at in placed:
        f, a = int(calls.f[at]), int(calls.a[at])
        if (f in (READ, CAS) and state != a) or (f == DIFFERS and state == a):
            return False
        if f == APPEND:
            state = int(after[state, a])
        elif f in (WRITE, CAS):
            state = int(calls.b[at]) if f == CAS else a
    return True


def answers(case: Case) -> tuple[bool, list[Any]]:
    """Whether every answer to a history is right, and what it took."""
    more = () if case.after is None else (None, case.after)
    view = registers.lines(case.calls, *more)
    work: list[Any] = [view.words, view.lanes]
    Cramped.grown = 0
    looks: list[int] = []
    for beam, room, enough, meet in SETTINGS:
        with mutated(
            register_frontier._hash, (one_bucket if meet else register_frontier._hash).__code__
        ):
            found = registers.run(
                view, [view.initial], beam, room, 100_000, enough, exhausted=lambda: looks.append(1)
            )
        work.append((found.answer, found.explored, found.frontier, Cramped.grown, len(looks)))
        if found.answer == VALID:
            right = case.valid and explains(case.calls, case.after, found.order)
        elif found.answer == DEAD:
            right = not case.valid and int(case.calls.returned[found.call]) == case.position
        else:
            right = beam < 4096 and found.answer == LOST
        if not right:
            return False, work
    return True, work


def batch_answers(batch: Batch) -> tuple[bool, list[Any]]:
    """The same for many objects together."""
    orders, explored = registers_batch.explained(batch.calls, batch.starts)
    bounds = zip(batch.starts[:-1].tolist(), batch.starts[1:].tolist(), strict=True)
    for order, (low, high), valid in zip(orders, bounds, batch.valid, strict=True):
        c = batch.calls
        columns = (each[low:high] for each in (c.invoked, c.returned, c.f, c.a, c.b))
        some = Calls(*columns, c.initial)  # pyright: ignore[reportCallIssue]  (five of them)
        if order is not None and not (valid and explains(some, None, order.tolist())):
            return False, []
    return True, [explored, [order is None for order in orders]]


def outcome(case: Case | Batch) -> tuple[bool, list[Any]]:
    """Whether all answers to it are right, and what they took."""
    with limited():
        return batch_answers(case) if isinstance(case, Batch) else answers(case)


def noticed(corpus: list[tuple[Any, Any]], only_work: bool = False) -> str:
    """``"wrong"``, ``"work"`` or ``""``; ``only_work``: whether work is all that is expected.

    What notices moves to the front of the corpus: it will notice the next change too.
    """
    found = ""
    for at, (case, before) in enumerate(corpus):
        try:
            right, now = outcome(case)
        except Exception:
            right, now = False, None
        if right and now != before:
            found = "work"
        if not right or (found and only_work):
            corpus.insert(0, corpus.pop(at))
            return found if right else "wrong"
    return found


def forced() -> Iterator[tuple[str, FunctionType, CodeType]]:
    """Every condition of every kernel forced true and false: a name, the function, its code."""
    for name, function in functions().items():
        names: dict[str, int] = {}
        for description, code in mutants(function):
            condition, _, value = description.rpartition(" := ")
            short = condition if len(condition) <= 64 else f"{condition[:60]}…"
            change = f"{name}: {short} := {value}"
            names[change] = names.get(change, 0) + 1
            yield change + (f" ({names[change]})" if names[change] > 1 else ""), function, code
