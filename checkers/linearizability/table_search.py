"""Runs the table search: fills in transitions, looks at the budget, makes room."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .kernel import Kernel
from .table_frontier import CALL, ROW, SLOT, STATE, WORD
from .table_frontier import HELPERS as FRONTIER_HELPERS
from .table_kernel import (
    AT,
    CRAMPED,
    DEAD,
    HELPERS,
    LARGER,
    LOST,
    NEED,
    PAUSED,
    PLACED,
    RENUMBER,
    STUCK,
    Room,
    _regrow,
    _search,
    bits_for,
)
from .table_steps import (
    BEFORE,
    COUNT,
    ENTRIES,
    EXPLORED,
    MOST,
    PHASE,
    TIDY,
    WAITING,
    WANT_LIMIT,
    WANTS,
)
from .table_view import View
from .transitions import Transitions

if TYPE_CHECKING:
    pass

UNLIMITED = 2**62
SLICE, SLICE_UNCOMPILED = 100_000, 1_000
"""Configurations explored between two looks at the clock."""

STATES = 4_096
"""So many states that no configuration is in any more are forgotten."""

SHOWN = 256
"""Configurations that are kept as evidence."""

search = Kernel(_search, *HELPERS, counted=False, loading=1_500)
regrow = Kernel(_regrow, *FRONTIER_HELPERS, counted=False, loading=1_500)


@dataclass(frozen=True)
class Found:
    """The kernel's answer; ``at`` is an event's position on the time line.

    ``frontier``: configurations before the completion it stopped at; ``states`` of them.
    """

    answer: int
    at: int
    explored: int
    frontier: int
    order: Any
    call: int


def _zeros(count: int) -> Any:
    return np.zeros(count, np.int64)


def _list(count: int) -> list[int]:
    return [0] * count


class Run:
    """One pass over all events, from some states, with a beam and room for ``cap``."""

    def __init__(
        self,
        view: View,
        transitions: Transitions,
        starts: Iterable[Any],
        beam: int,
        cap: int,
        enough: int = UNLIMITED,
        compiled: bool | None = None,
    ) -> None:
        size = len(view.kind_of)
        self.view, self.transitions = view, transitions
        self.beam, self.cap, self.enough = beam, cap, enough
        self.kernel = search.for_size(size) if compiled is None else search.compiled()
        if compiled is False:
            self.kernel = search.function
        self.plain = self.kernel is search.function
        self.make: Callable[[int], Any] = _list if self.plain else _zeros
        numbers = [transitions.number(state) for state in dict.fromkeys(starts)]
        self.room = Room.made(self.make, numbers, view, cap)
        self.room.n[WAITING] = transitions.may_wait is not None
        self.want, self.answer = self.make(WANT_LIMIT), self.make(WANT_LIMIT)
        self.many, self.many_size = self.make(1), 0
        self.known: dict[int, int] = {}
        self.out, self.found = self.make(size + 1), self.make(4)

    def bytes(self) -> int:
        """Memory of what grows, roughly."""
        room, states = self.room, len(self.transitions.states)
        return 8 * (len(room.pool) + len(room.tree) * 3 // 2 + len(room.table)) + 300 * states

    def go(self, exhausted: Callable[[], object] = lambda: "", limit: int = UNLIMITED) -> Found:
        """Search; ``PAUSED`` if it explored ``limit`` configurations or was ``exhausted``."""
        view, first, upto = self.view, 0, 0
        stride = SLICE_UNCOMPILED if self.plain else SLICE
        fixed = [view.event, view.kind_of, view.due, view.kind, view.kind_calls]
        if self.plain:
            fixed = [each.tolist() for each in fixed]
        else:
            fixed[3] = fixed[3].copy()
        event, kind_of, due, kind, kind_calls = fixed
        upto = min(limit, stride)
        fills = 0
        while True:
            answer = self.kernel(
                event, first, len(event), kind_of, due, kind, kind_calls, self.beam, self.enough,
                self.cap, view.words, view.width, bits_for(self.cap), upto, self.want, self.answer,
                self.many, *self.room, self.out, self.found,
            )  # fmt: skip
            first = int(self.found[AT])
            if answer == NEED:
                self._fill()
                fills += 1
                if not fills % 256 and exhausted():
                    answer = PAUSED
                    break
            elif answer == CRAMPED:
                self.room = self.room.roomier(self.make)
                if exhausted():
                    answer = PAUSED
                    break
            elif answer == LARGER:
                self._enlarge()
                if exhausted():
                    answer = PAUSED
                    break
            elif answer == RENUMBER:
                self._renumber()
            elif answer == PAUSED:
                if upto >= limit or exhausted():
                    break
                upto = min(limit, int(self.room.n[EXPLORED]) + stride)
            else:
                break
        return Found(
            int(answer), first, int(self.room.n[EXPLORED]),
            int(self.room.n[BEFORE if answer in (DEAD, LOST) or self.room.n[PHASE] else COUNT]),
            self.out[: self.found[PLACED]], int(self.found[STUCK]),
        )  # fmt: skip

    def final(self) -> tuple[tuple[Any, tuple[int, ...]], ...]:
        """After ``DEAD``: the states before that completion, with the calls still open in each."""
        view, room, states = self.view, self.room, self.transitions.states
        found: dict[int, set[int]] = {}
        for at in range(self.cap + 1, self.cap + 1 + min(int(room.n[BEFORE]), SHOWN)):
            row = at * view.width
            calls = found.setdefault(int(room.pool[row + STATE]), set())
            for slot in range(view.words * WORD):
                if int(room.pool[row + ROW + slot // WORD]) >> slot % WORD & 1:
                    calls.add(int(room.slots[SLOT * slot + CALL]))
        return tuple((states[state], tuple(sorted(calls))) for state, calls in found.items())

    def _fill(self) -> None:
        """Ask the model for what the kernel wants."""
        n, moves = self.room.n, self.transitions
        keys = dict.fromkeys(int(key) for key in self.want[: n[WANTS]])
        after = moves.after
        answers = [after((key - 1) >> 31, (key - 1) & 0x7FFFFFFF) for key in keys]
        count = len(answers)
        self.want[:count], self.answer[:count] = list(keys), answers
        n[WANTS] = count
        if len(moves.many) != self.many_size:
            n[MOST] = moves.most
            if len(moves.many) > len(self.many):
                grown = self.make(2 * len(moves.many))
                grown[: self.many_size] = self.many[: self.many_size]
                self.many = grown
            self.many[self.many_size : len(moves.many)] = moves.many[self.many_size :]
            self.many_size = len(moves.many)
        if len(moves.states) > STATES + 4 * n[COUNT]:
            n[TIDY] = 1

    def _enlarge(self) -> None:
        table = self.make(2 * len(self.room.table))
        kernel = regrow.function if self.plain else regrow.compiled()
        kernel(self.room.table, table)
        self.room = self.room._replace(table=table)

    def _renumber(self) -> None:
        """Forget states that no configuration is in; what follows them is asked for again."""
        room, width = self.room, self.view.width
        rows = range(STATE, int(room.n[COUNT]) * width, width)
        living = sorted({int(room.pool[at]) for at in rows})
        kept = self.transitions.keep(living)
        for at in rows:
            room.pool[at] = kept[int(room.pool[at])]
        self.room = room._replace(table=self.make(8 * WANT_LIMIT))
        room.n[ENTRIES] = 0
        self.many_size = 0
