"""Decides the calls on one object of any model by its transition table.

1. If all transitions can be had (``table_closure.py``) and they are those of a register, the
   register search decides.
2. Otherwise the table search, narrow first; where a narrow one dies and all states
   are known, a stretch before that place is looked for that nothing explains from any state.
3. At last every configuration, as far as the budget goes.

**Calls that change nothing** matter most: they may take effect as soon as they can. A model may
name them (``pure``); of others they are known if all transitions are. Otherwise, functions that
changed nothing so far are only supposed never to. An explanation found so is one without the
supposition, for every step of it is the model's own; but before a refutation is believed, the
search runs again without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .calls import CRASHED, Calls
from .models_collections import AppendLog
from .preparation import Problem
from .search import Outcome
from .table_closure import PAIRS, Closure, as_register, closure
from .table_commuting import may_wait, pure_kinds
from .table_frontier import IMPOSSIBLE
from .table_kernel import DEAD, VALID
from .table_logs import ReadLog
from .table_search import UNLIMITED, Found, Run
from .table_view import kinds_of, view_of
from .transitions import NotPure, Transitions

TIERS = ((16, 1), (256, 64), (4096, UNLIMITED))
"""Beams to try in turn, each with the number of configurations under which it may use crashed
operations to get more; at last every configuration."""

WALKED = 300
"""Calls that are performed one after the other to see which functions change the state."""

WINDOWS = (64, 256, 1024)
WINDOW_STEPS = 1_000_000


@dataclass(frozen=True)
class Answer:
    """What was found out; the fields are those of ``algorithms.Judged``."""

    valid: bool | None
    algorithm: str
    witness: Any = None
    position: int = -1
    certificate: tuple[int, ...] | None = None
    note: str = ""
    frontier: int = 0
    explored: int = 0
    final: Outcome | None = None


def every_state(problem: Problem) -> list[Any] | None:
    """All states that any operations of the history can lead to, if there are few."""
    closed = closure(problem.model, kinds_of(problem)[1])
    return None if closed is None else closed.states


def decide(
    problem: Problem,
    memory_bytes: int,
    exhausted: Callable[[int], str],
    compiled: bool | None = None,
) -> Answer:
    """Decide one object's calls.

    ``exhausted(bytes)`` says what has run out, or nothing. ``compiled`` forces the kernel.
    """
    return _Decision(problem, memory_bytes, exhausted, compiled).answer()


class _Decision:
    def __init__(
        self, problem: Problem, memory_bytes: int, exhausted: Callable[[int], str],
        compiled: bool | None,
    ) -> None:  # fmt: skip
        self.problem, self.calls, self.compiled = problem, problem.calls, compiled
        self.memory_bytes, self.exhausted = memory_bytes, exhausted
        self.kinds, self.operations = kinds_of(problem)
        self.kinds = np.asarray(self.kinds, np.int64)
        self.model, self.explored = problem.model, 0

    def answer(self) -> Answer:
        """By the register search, or by the table."""
        if type(self.model) is AppendLog:
            self.model = ReadLog(self.model, self.operations)
            if self.model.contradiction is not None:
                return self._contradiction(self.model.contradiction)
        model, calls = self.model, self.calls
        closed = closure(model, self.operations, min(PAIRS, 2 * len(calls) + 1_000))
        if closed is not None:
            columns = as_register(closed)
            if columns is not None:
                return self._as_register(columns)
        declared = pure_kinds(model, self.operations)
        if declared is not None:
            return self._search(declared, closed)
        if closed is not None:
            return self._search(closed.pure, closed)
        return self._supposing(self._changing_functions())

    def _contradiction(self, kinds: tuple[int, int]) -> Answer:
        """Two reads of a log of which neither is the beginning of the other."""
        two = [int(np.argmax(self.kinds == kind)) for kind in kinds]
        position = max(int(self.calls.returned[at]) for at in two)
        return Answer(False, "reads of a log", None, position, tuple(sorted(two)))

    def _as_register(self, columns: Any) -> Answer:
        from . import registers

        f, a, b = (column[self.kinds] for column in columns)
        calls = replace(self.calls, f=f, a=a, b=b, initial=0)
        rows = max(1024, min(1 << 20, self.memory_bytes // (16 * 6 * 200)))
        found = registers.decide(calls, rows, lambda: self.exhausted(0))
        return Answer(
            found.valid, f"{found.algorithm}, as a register", found.witness, found.position,
            found.certificate, found.note, found.frontier, found.explored,
        )  # fmt: skip

    def _changing_functions(self) -> set[str]:
        """Functions seen to change the state when calls are performed as they ended."""
        moves = Transitions(self.model, self.operations)
        state, changing = moves.number(self.model.initial), set()
        for at in np.argsort(self.calls.returned, kind="stable")[:WALKED].tolist():
            kind = int(self.kinds[at])
            after = moves.after(state, kind)
            if after < IMPOSSIBLE:
                after = moves.many[-1 - after]
            if after not in (IMPOSSIBLE, state):
                changing.add(self.operations[kind].f)
                state = after
        return changing

    def _supposing(self, changing: set[str]) -> Answer:
        """Suppose that other functions change nothing, as long as that holds."""
        while True:
            pure = [operation.f not in changing for operation in self.operations]
            if not any(pure):
                return self._search(pure, None)
            try:
                answer = self._search(pure, None, supposed=True)
            except NotPure as wrong:
                changing.add(self.operations[wrong.kind].f)
                continue
            if answer.valid is not False:
                return answer
            return self._search([False] * len(pure), None)

    def _search(self, pure: list[bool], closed: Closure | None, supposed: bool = False) -> Answer:
        view = view_of(self.calls, self.kinds, pure)
        rows = max(1024, min(1 << 22, self.memory_bytes // (8 * 6 * (view.width + 4))))
        moves = Transitions(self.model, self.operations)
        moves.may_wait = may_wait(self.model, self.operations, closed)
        if supposed:
            moves.supposed = {kind for kind, each in enumerate(pure) if each}
        why, found, position = "", None, -1
        for tier, (beam, enough) in enumerate((*TIERS, (rows, UNLIMITED))):
            beam = min(beam, rows)
            cap = min(max(4 * beam, 128), rows)
            run = Run(view, moves, [self.model.initial], beam, cap, enough, self.compiled)
            found = run.go(lambda run=run: self.exhausted(run.bytes()))
            self.explored += found.explored
            if found.answer == VALID:
                name = f"table search, {beam} wide"
                return Answer(True, name, found.order, explored=self.explored)
            position = self._position(view, found)
            if found.answer == DEAD:
                return self._dead(run, found, position)
            if tier == 1 and closed is not None:
                refuted = self._windows(position, pure, closed)
                if refuted is not None:
                    return refuted
            why = self.exhausted(run.bytes())
            if beam >= rows or why:
                break
        assert found is not None
        why = why or f"{self.explored} configurations explored, no room for more"
        note = (
            f"{why} at index {position}, with {found.frontier} configurations still possible "
            "before it"
        )
        return Answer(
            None, "table search", None, position, None, note, found.frontier, self.explored
        )

    def _dead(self, run: Run, found: Found, position: int) -> Answer:
        states = run.final()
        if isinstance(self.model, ReadLog):
            states = tuple((self.model.told(state), calls) for state, calls in states)
        order = [int(at) for at in found.order]
        final = Outcome(False, order, position, found.call, states, found.frontier, self.explored)
        return Answer(
            False, "table search", None, position, None, "", found.frontier, self.explored, final
        )

    def _position(self, view: Any, found: Found) -> int:
        """Index in the history of the event at which the search stopped."""
        call = int(view.event[min(found.at, len(view.event) - 1)])
        return int(self.calls.invoked[call] if call >= 0 else self.calls.returned[~call])

    def _windows(self, stop: int, pure: list[bool], closed: Closure) -> Answer | None:
        """Look for a stretch of calls before ``stop`` that nothing explains from any state."""
        calls = self.calls
        upto = int(calls.invoked.searchsorted(stop))
        changing = ~np.array(pure, dtype=bool)[self.kinds]
        for size in WINDOWS:
            if upto <= size or self.exhausted(0):
                return None
            start = int(calls.invoked[upto - size])
            part = (calls.returned >= start) & (calls.invoked < stop)
            # What was open at the start may have taken effect before it: any time, or never.
            firm = (calls.returned <= stop) & (calls.invoked >= start)
            keep = np.flatnonzero(part & (firm | changing))
            some = Calls(
                calls.invoked[keep],
                np.where(firm[keep], calls.returned[keep], CRASHED),
                calls.f[keep], calls.a[keep], calls.b[keep],
            )  # fmt: skip
            view = view_of(some, self.kinds[keep], pure)
            moves = Transitions(self.model, self.operations)
            run = Run(view, moves, closed.states, 1 << 14, 1 << 14, UNLIMITED, self.compiled)
            found = run.go(lambda: self.exhausted(0), WINDOW_STEPS)
            self.explored += found.explored
            if found.answer == DEAD:
                position = int(some.returned[found.call])
                return Answer(False, "window refutation", None, position, explored=self.explored)
            if found.answer != VALID:
                return None
        return None
