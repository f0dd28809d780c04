"""Drives the array search for registers: narrow first, wider where that loses its way.

1. A frontier of a few configurations (a beam) explains most valid histories.
2. Where it dies after configurations were dropped, a refutation is looked for near that
   place: a value that had been overwritten (:func:`overwritten`), or a window of calls
   that nothing explains from any state at all.
3. Then ever wider beams, and at last every configuration, as far as the budget goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .calls import CAS, CRASHED, READ, WRITE, Calls
from .kernel import Kernel
from .register_kernel import (
    AT,
    CRAMPED,
    DEAD,
    HELPERS,
    PAUSED,
    PLACED,
    STUCK,
    VALID,
    Room,
    _search,
    bits_for,
)
from .register_steps import BEFORE, EXPLORED
from .register_view import WORTH_LOADING, Lines, lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNLIMITED = 2**62
TIERS = ((16, 1), (64, 1), (1024, 64), (16384, UNLIMITED))
"""Beams to try in turn, each with the number of configurations under which it may use crashed
operations to get more: few histories need that, and it costs most of the time."""

SHORT = 200
SHORT_TIERS = ((64, UNLIMITED), (256, UNLIMITED), (16384, UNLIMITED))
"""The same up to so many calls: exact at once, with room enough for most."""

WINDOWS = (64, 256, 1024)
STEPS = 30_000_000
WINDOW_STEPS = 2_000_000
SLICE, SLICE_UNCOMPILED = 100_000, 1_000
"""Configurations that one pass may look at, a window may, and how many between two looks at the
clock; about a fifth of a microsecond each, or some twenty uncompiled."""

search = Kernel(_search, *HELPERS, counted=False, loading=WORTH_LOADING)


@dataclass(frozen=True)
class Found:
    """The kernel's answer; ``at`` is an event's position on the time line."""

    answer: int
    at: int
    explored: int
    frontier: int
    order: NDArray[np.int32]
    call: int


def run(
    view: Lines,
    starts: Any,
    beam: int,
    cap: int,
    limit: int = UNLIMITED,
    enough: int = UNLIMITED,
    *,
    first: int = 0,
    last: int | None = None,
    exhausted: Callable[[], object] = lambda: "",
) -> Found:
    """One pass of the kernel over all events (or those from ``first``, where nothing is open).

    ``PAUSED`` if it looked at ``limit`` configurations or was ``exhausted``.
    """
    out, found = np.zeros(len(view.call) + 1, np.int32), np.zeros(4, np.int64)
    kind = view.kind.copy()
    kernel = search.for_size(len(view.call))
    stride = SLICE if kernel is not search.function else SLICE_UNCOMPILED
    room = Room.made(
        starts,
        len(view.call),
        view.values,
        cap,
        enough,
        view.words,
        view.lanes,
        view.after.shape[1] > 0,
    )
    stop, upto = len(view.event) if last is None else last, 0
    while True:
        upto = min(limit, upto + stride)
        answer = kernel(
            view.event, first, stop, view.call, kind, view.kind_calls, view.after, beam, enough,
            cap, view.words, view.lanes, bits_for(cap), upto, *room, out, found,
        )  # fmt: skip
        first = int(found[AT])
        if answer == CRAMPED:
            room = room.roomier()
        elif answer != PAUSED or upto >= limit or exhausted():
            break
    return Found(
        int(answer), first, int(room.n[EXPLORED]), int(room.n[BEFORE]), out[: found[PLACED]],
        int(found[STUCK]),
    )  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What the register search says of one object's calls.

    ``position``     index in the history where it failed or gave up, else -1.
    ``certificate``  calls that contradict one another whatever the others did.
    """

    valid: bool | None
    algorithm: str
    witness: NDArray[np.int32] | None = None
    position: int = -1
    certificate: tuple[int, ...] | None = None
    note: str = ""
    frontier: int = 0
    explored: int = 0


def decide(calls: Calls, rows_limit: int, exhausted: Any, after: Any = None) -> Answer:
    """Decide the calls on one register.

    ``rows_limit``: configurations that fit into memory; ``exhausted()`` says what has run
    out, or nothing. ``after``: what appends do (``appends.py``).
    """
    view = lines(calls) if after is None else lines(calls, None, after)
    best = None
    explored = 0
    tiers = SHORT_TIERS if len(calls) <= SHORT else TIERS
    for tier, (beam, enough) in enumerate((*tiers, (rows_limit, UNLIMITED))):
        beam = min(beam, rows_limit)
        room = min(16 * beam, max(rows_limit, 1024))
        if len(calls) <= SHORT and tier == 0:
            beam = room
        found = run(view, [view.initial], beam, room, STEPS, enough, exhausted=exhausted)
        explored += found.explored
        if found.answer == VALID:
            return Answer(True, f"frontier search, {beam} wide", found.order, explored=explored)
        position = int(calls.returned[found.call])
        if found.answer == DEAD:
            return Answer(False, "frontier search", None, position, explored=explored)
        if tier == 0 and after is None:
            refuted = overwritten(calls)
            if refuted is not None:
                return refuted
        if tier == 1 and after is None:
            refuted = _windows(calls, found, explored)
            if refuted is not None:
                return refuted
        best = found
        if exhausted() or beam >= rows_limit or found.answer == PAUSED:
            break
    assert best is not None
    why = exhausted() or f"{explored} configurations explored"
    note = (
        f"{why}; explained up to index {int(calls.returned[best.call])}, where {best.frontier} "
        "configurations were still possible"
    )
    return Answer(
        None, "frontier search", None, int(calls.returned[best.call]), None, note,
        best.frontier, explored,
    )  # fmt: skip


def overwritten(calls: Calls) -> Answer | None:
    """Finds an operation that saw a value which had certainly been overwritten.

    A read of ``v`` (or a cas from ``v``) cannot be explained if some write ``u`` of another
    value had completed before it began, and no operation that sets ``v`` completed after
    ``u`` began and began before the read completed: whichever of them set ``v`` did so
    before ``u``. ``u`` and the read contradict each other whatever the others did.
    """
    f, inv, ret = calls.f, calls.invoked, calls.returned
    ok = ret != CRASHED
    sets = (f == WRITE) | ((f == CAS) & (calls.a != calls.b))
    target = np.where(f == CAS, calls.b, calls.a)
    looks = np.flatnonzero(ok & ((f == READ) | (f == CAS)))
    firm = np.flatnonzero(ok & sets)
    worst: tuple[int, int, int] | None = None
    # For every value: which of its setters is the last to complete, of those begun so far.
    by_target = np.argsort(target[sets], kind="stable")
    setters = np.flatnonzero(sets)[by_target]
    cuts = np.searchsorted(target[setters], np.arange(int(target.max(initial=0)) + 2))
    order = firm[np.argsort(ret[firm], kind="stable")]
    ends = ret[order]
    # The latest begun of the setters completed so far, and the latest that sets another value.
    top, second = _two_latest(inv[order], target[order])
    for value in np.unique(calls.a[looks]).tolist():
        some = looks[calls.a[looks] == value]
        mine = setters[cuts[value] : cuts[value + 1]] if value + 1 < len(cuts) else setters[:0]
        before = np.searchsorted(ends, inv[some])
        if value != calls.initial:
            begun = inv[mine[0]] if len(mine) else CRASHED
            never = some[ret[some] < begun]
            if len(never):
                at = int(never[np.argmin(ret[never])])
                if worst is None or ret[at] < worst[0]:
                    worst = (int(ret[at]), at, at)
        has = before > 0
        some, before = some[has], before[has] - 1
        first = order[top[before]]
        other = np.where(second[before] >= 0, order[second[before]], -1)
        rival = np.where(target[first] != value, first, other)
        real = rival >= 0
        some, rival = some[real], rival[real]
        if not len(some):
            continue
        latest = np.maximum.accumulate(ret[mine]) if len(mine) else np.zeros(0, np.int64)
        begun = np.searchsorted(inv[mine], ret[some])
        supply = np.where(begun > 0, latest[begun - 1] if len(mine) else -1, -1)
        bad = np.flatnonzero(supply < inv[rival])
        if len(bad):
            at = int(bad[np.argmin(ret[some[bad]])])
            if worst is None or ret[some[at]] < worst[0]:
                worst = (int(ret[some[at]]), int(rival[at]), int(some[at]))
    if worst is None:
        return None
    return Answer(False, "overwritten value", None, worst[0], tuple(sorted({worst[1], worst[2]})))


def _two_latest(inv: Any, target: Any) -> tuple[Any, Any]:
    """Running positions of the largest ``inv``, and of the largest with another target."""
    n = len(inv)
    top, second = np.zeros(n, np.int64), np.full(n, -1, np.int64)
    first, other = 0, -1
    begun, goal = inv.tolist(), target.tolist()
    for at in range(n):
        if begun[at] >= begun[first]:
            if goal[at] != goal[first]:
                other = first
            first = at
        elif goal[at] != goal[first] and (other < 0 or begun[at] > begun[other]):
            other = at
        top[at], second[at] = first, other
    return top, second


def _windows(calls: Calls, found: Found, explored: int) -> Answer | None:
    """Looks for a stretch of calls before a dead end that nothing explains from any state."""
    stop = int(calls.returned[found.call])
    upto = int(calls.invoked.searchsorted(stop))
    for size in WINDOWS:
        start = int(calls.invoked[max(0, upto - size)])
        part = np.flatnonzero((calls.returned >= start) & (calls.invoked < stop))
        # What was open at the start may have taken effect before it: any time, or never.
        firm = (calls.returned <= stop) & (calls.invoked >= start)
        keep = part[firm[part] | (calls.f[part] == WRITE) | (calls.f[part] == CAS)]
        some = Calls(
            calls.invoked[keep],
            np.where(firm[keep], calls.returned[keep], CRASHED),
            calls.f[keep], calls.a[keep], calls.b[keep], calls.initial,
        )  # fmt: skip
        view = lines(some)
        if len(some) and upto - size > 0 and view.values <= 64:
            got = run(view, np.arange(view.values), 1 << 15, 1 << 16, WINDOW_STEPS)
            if got.answer == DEAD:
                return Answer(
                    False, "window refutation", None, int(some.returned[got.call]),
                    None, explored=explored + got.explored,
                )  # fmt: skip
            if got.answer == PAUSED:
                return None
    return None
