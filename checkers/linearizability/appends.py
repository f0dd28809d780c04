"""Maps with append, as registers whose writes may extend: reads reveal the order of appends.

The states of one key are numbered. A state that is not the beginning of anything that was ever
read (or that a cas found) is **dark**: whatever is appended to it, nobody can see it, until a blind
write comes. All dark states behave alike and are number 0, so there are no more states than
beginnings that were seen. Three more facts for ``register_steps.py``:

* Appends that were open when the last blind write took effect are covered like writes: they may
  have stood just before it.
* An append or a write that leads into the dark need not take effect before it must: until the next
  blind write (which covers it) nobody looks, and all that happens in between, appends, is possible
  in any state.
* So in the dark only blind writes are tried, and the append that must complete.

These hold without observations that a value differs (``failed_cas="observe"``), which may be
true only in the dark; such histories are left to the general search, as are lists.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...harness.history import FAIL
from .calls import APPEND, CAS, CRASHED, READ, WRITE, Calls
from .values import freeze

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .preparation import Problem

DARK = 0
"""The number of the states that nobody ever saw."""

TABLE = 4_000_000
"""Entries of the table of transitions up to which it is made."""


def encoded(problem: Problem) -> tuple[Calls, NDArray[np.int32]] | None:
    """The calls as on a register, and the state after each append in each state.

    ``None`` if something else than strings is appended, or a failed cas is an observation.
    """
    kinds, operations = _distinct(problem)
    states: dict[Any, int] = {_nowhere: DARK}
    texts: dict[str, int] = {}
    codes = []
    initial = problem.model.initial[0]
    states.setdefault(initial, len(states))
    seen: set[Any] = set()
    for f, plain in operations:
        value = freeze(plain)
        if f == "append":
            if not isinstance(value, str):
                return None
            codes.append((APPEND, texts.setdefault(value, len(texts)), 0))
        elif f in ("get", "read"):
            seen.add(value)
            codes.append((READ, states.setdefault(value, len(states)), 0))
        elif f in ("put", "write"):
            codes.append((WRITE, states.setdefault(value, len(states)), 0))
        elif f == "delete":
            codes.append((WRITE, states[initial], 0))
        elif f == "cas":
            old, new = (states.setdefault(each, len(states)) for each in value)
            seen.add(value[0])
            codes.append((CAS, old, new))
        else:
            return None
    if not all(state is None or isinstance(state, str | _Nowhere) for state in states):
        return None
    seen.discard(None)
    after = _table(states, texts, seen)
    if after is None:
        return None
    columns = np.array(codes, np.int32).reshape(-1, 3)[kinds]
    calls = replace(
        problem.calls,
        f=columns[:, 0].astype(np.int8),
        a=columns[:, 1].copy(),
        b=columns[:, 2].copy(),
        initial=states[initial],
    )
    return calls, after


def _distinct(problem: Problem) -> tuple[Any, list[tuple[str, Any]]]:
    """For every call its number among the distinct ones; the function and value of those."""
    if problem.part is not None:
        kinds, operations = problem.kinds
        return kinds, [(operation.f, operation.value) for operation in operations]
    columns, calls = problem.history.columns(), problem.calls
    observes = np.array([f in problem.model.observers for f in columns.fs], dtype=bool)
    f = columns.f[calls.invoked]
    ends = np.where(calls.returned < CRASHED, calls.returned, calls.invoked)
    rows = np.where(observes[f], ends, calls.invoked)
    failed = columns.type[ends] == FAIL
    f = np.where(failed, len(columns.fs), f)
    both = f.astype(np.int64) * len(columns.values) + columns.value[rows]
    distinct, kinds = np.unique(both, return_inverse=True)
    names = [*columns.fs, "differs"]
    return kinds, [
        (names[at // len(columns.values)], columns.values[at % len(columns.values)])
        for at in distinct.tolist()
    ]


def _table(states: dict[Any, int], texts: dict[str, int], seen: set[Any]) -> Any:
    """Transitions; new states are added to ``states`` as they are found to be reachable."""
    texts_seen = sorted(seen)
    # Those that another one begins with say nothing more.
    longest = [
        one
        for one, other in zip(texts_seen, [*texts_seen[1:], None], strict=False)
        if other is None or not other.startswith(one)
    ]
    lengths = sorted({len(text) for text in texts})
    moves = []
    work = [state for state in states if not isinstance(state, _Nowhere)]
    while work:
        state = work.pop()
        held = state or ""
        at = bisect_left(longest, held)
        while at < len(longest) and longest[at].startswith(held):
            for length in lengths:
                text = longest[at][len(held) : len(held) + length]
                if len(text) == length and text in texts:
                    new = held + text
                    if new not in states:
                        states[new] = len(states)
                        work.append(new)
                    moves.append((states[state], texts[text], states[new]))
            at += 1
    if len(states) * max(1, len(texts)) > TABLE:
        return None
    after = np.full((len(states), max(1, len(texts))), DARK, np.int32)
    if moves:
        rows, columns, to = np.array(moves).T
        after[rows, columns] = to
    return after


class _Nowhere:
    """Stands for the dark states among the others."""


_nowhere = _Nowhere()
