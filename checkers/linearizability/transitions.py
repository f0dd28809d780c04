"""A model's transitions, computed in Python when a search asks for them, once each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...harness.operation import Operation
from .models import successors
from .table_frontier import IMPOSSIBLE
from .table_steps import MAY_WAIT


class NotPure(Exception):
    """A kind that was thought never to change the state does; ``kind`` is its number."""

    def __init__(self, kind: int) -> None:
        super().__init__(kind)
        self.kind = kind


class Transitions:
    """Numbers for states, and what follows each pair of a state and a kind of operation.

    ``states``  by number. ``many`` lists the states after pairs with several: their number,
    then they. ``most``: the largest such number. ``steps``: how often the model was asked.
    ``supposed``: kinds that are supposed never to change the state (else :class:`NotPure`).
    ``may_wait(kind, other)``: whether it could always come after the other, if that is known.
    """

    def __init__(self, model: Any, operations: Sequence[Operation]) -> None:
        self.operations = operations
        self.states: list[Any] = []
        self.many: list[int] = []
        self.most = 1
        self.steps = 0
        self.supposed: set[int] = set()
        self.may_wait: Callable[[int, int], bool] | None = None
        self._numbers: dict[Any, int] = {}
        self._several: dict[tuple[int, ...], int] = {}
        self._step: Callable[[Any, Operation], Any] | None = None
        if getattr(model, "steps", None) is None:
            self._step = model.step
        self._successors = successors(model)

    def number(self, state: Any) -> int:
        """The number of a state, new or known."""
        found = self._numbers.get(state)
        if found is None:
            found = self._numbers[state] = len(self.states)
            self.states.append(state)
        return found

    def after(self, state: int, kind: int) -> int:
        """The entry of the table for a pair (see ``table_frontier.py`` and ``table_steps.py``)."""
        if state >= MAY_WAIT:
            assert self.may_wait is not None
            return int(self.may_wait(state - MAY_WAIT, kind))
        found = self._after(state, kind)
        if kind in self.supposed and found not in (IMPOSSIBLE, state):
            raise NotPure(kind)
        return found

    def _after(self, state: int, kind: int) -> int:
        self.steps += 1
        if self._step is not None:
            to = self._step(self.states[state], self.operations[kind])
            return IMPOSSIBLE if to is None else self.number(to)
        every = self._successors(self.states[state], self.operations[kind])
        found = tuple(dict.fromkeys(self.number(each) for each in every))
        if not found:
            return IMPOSSIBLE
        if len(found) == 1:
            return found[0]
        at = self._several.get(found)
        if at is None:
            at = self._several[found] = len(self.many)
            self.many += (len(found), *found)
            self.most = max(self.most, len(found))
        return -2 - at

    def keep(self, living: Sequence[int]) -> dict[int, int]:
        """Forget all other states; the new numbers of those that stay."""
        kept = {old: new for new, old in enumerate(living)}
        self.states = [self.states[old] for old in living]
        self._numbers = {state: new for new, state in enumerate(self.states)}
        self.many, self._several = [], {}
        return kept
