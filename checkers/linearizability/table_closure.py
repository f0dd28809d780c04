"""All transitions of a model over the kinds of operations in a history, if there are few.

What is known of every state can be relied on: which kinds never change the state, that a stretch of
calls has no explanation from any state at all, and that a model *is* a register. Then, whatever
words it uses, the register search decides it: a kind that is possible in one state only and stays
there is a read, one that leads to one state from everywhere is a write, one that leads from one
state to another a cas, one that stays everywhere but in one state tells that the value differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .calls import CAS, DIFFERS, READ, WRITE
from .table_frontier import IMPOSSIBLE
from .transitions import Transitions

PAIRS = 20_000
"""So many pairs of state and kind are asked for at most; fewer in short histories."""

STATES = 256


@dataclass(frozen=True)
class Closure:
    """``after[state, kind]``: the entry of the table; state 0 is the initial one."""

    states: list[Any]
    after: Any

    @property
    def pure(self) -> list[bool]:
        """For every kind whether it never changes the state."""
        same = self.after == np.arange(len(self.states))[:, None]
        return ((self.after == IMPOSSIBLE) | same).all(axis=0).tolist()


def closure(model: Any, operations: Sequence[Any], pairs: int = PAIRS) -> Closure | None:
    """Every state that these operations can lead to, or ``None`` if there are too many."""
    moves = Transitions(model, operations)
    moves.number(model.initial)
    rows: list[list[int]] = []
    while len(rows) < len(moves.states):
        if len(moves.states) > STATES or (len(rows) + 1) * len(operations) > pairs:
            return None
        rows.append([moves.after(len(rows), kind) for kind in range(len(operations))])
    return Closure(moves.states, np.array(rows, np.int64).reshape(len(rows), -1))


def as_register(closed: Closure) -> Any:
    """Columns ``f``, ``a``, ``b`` for every kind (see ``calls.py``), or ``None``.

    The register's values are the numbers of states; one that is never there stands for nothing.
    """
    after, size = closed.after, len(closed.states)
    nowhere = size
    if (after < IMPOSSIBLE).any():
        return None
    here = np.arange(size)[:, None]
    possible, stays = after != IMPOSSIBLE, after == here
    count, staying = possible.sum(axis=0), (stays & possible).sum(axis=0)
    only = np.where(count == 1, possible.argmax(axis=0), 0)
    target = after[only, np.arange(after.shape[1])]
    everywhere = (count == size) & (after == after[0]).all(axis=0)
    reads = (count == 1) & (staying == 1)
    never = count == 0
    swaps = (count == 1) & (staying == 0)
    differs = (staying == count) & (count == size - 1) & ~reads & ~never
    always = (staying == count) & (count == size) & ~reads
    writes = everywhere & ~reads & ~always
    if not (reads | never | swaps | differs | always | writes).all():
        return None
    f = np.select(
        [reads | never, swaps, differs | always, writes], [READ, CAS, DIFFERS, WRITE]
    ).astype(np.int8)
    a = np.select(
        [reads, never, swaps, differs, always],
        [only, nowhere, only, possible.argmin(axis=0), nowhere],
        after[0],
    ).astype(np.int32)
    return f, a, np.where(swaps, target, 0).astype(np.int32)
