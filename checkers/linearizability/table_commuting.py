"""Which operations may wait: whenever one is followed by another, they could have come in the other
order, with the same results and the same state afterwards.

A user's model says it with ``commutes(one, other)``, true if in every state the order of the
two matters neither for what is possible nor for the state afterwards. Of a model with few
transitions it is read off them; of some models here it is told below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...harness.operation import Operation
from .models_collections import INSERTS, Set, UnorderedQueue
from .models_registers import Counter, MultiRegister
from .table_closure import Closure
from .table_frontier import IMPOSSIBLE
from .values import freeze

MayWait = Callable[[int, int], bool]


def pure_kinds(model: Any, operations: Sequence[Operation]) -> list[bool] | None:
    """For every kind whether the model says that it never changes the state; ``None``: nothing."""
    if isinstance(model, UnorderedQueue):
        return [_bag_place(operation)[0] == "empty" for operation in operations]
    if not hasattr(model, "pure") and not hasattr(model, "is_pure"):
        return None
    names = getattr(model, "pure", frozenset())
    is_pure = getattr(model, "is_pure", lambda operation: operation.f in names)
    return [bool(is_pure(operation)) for operation in operations]


def may_wait(model: Any, operations: Sequence[Operation], closed: Closure | None) -> MayWait | None:
    """Whether a kind may always wait for another; ``None`` if nothing is known."""
    told = getattr(model, "commutes", None)
    if told is not None:
        return lambda one, other: bool(told(operations[one], operations[other]))
    if closed is not None and not (closed.after < IMPOSSIBLE).any():
        # A last row stands for "impossible": nothing follows.
        after = np.vstack((closed.after, np.full(closed.after.shape[1], IMPOSSIBLE)))

        def in_every_state(one: int, other: int) -> bool:
            both = after[after[:, one], other]
            return bool(((both == IMPOSSIBLE) | (both == after[after[:, other], one])).all())

        return in_every_state
    if isinstance(model, UnorderedQueue):
        bag = [_bag_place(operation) for operation in operations]
        return lambda one, other: _bag_waits(bag[one], bag[other])
    touches = next((each for kind, each in TOUCHES.items() if isinstance(model, kind)), None)
    if touches is None:
        return None
    places = [touches(model, operation) for operation in operations]
    return lambda one, other: _apart(places[one], places[other])


def _bag_place(operation: Operation) -> tuple[str, Any]:
    value = freeze(operation.value)
    if operation.f in INSERTS:
        return "put", value
    if operation.type == "info":
        return "any", None
    return ("empty", None) if value is None else ("take", value)


def _bag_waits(one: tuple[str, Any], other: tuple[str, Any]) -> bool:
    """Putting may wait but for what takes the same; taking may, but for finding it empty; to
    have found it empty cannot wait for a put. What cannot follow at all does no harm."""
    if one[0] == "put":
        return other[0] in ("put", "empty") or (other[0] == "take" and other[1] != one[1])
    return other[0] != ("put" if one[0] == "empty" else "empty") or one[0] == other[0]


def _apart(one: dict[Any, str], other: dict[Any, str]) -> bool:
    """Whether two touch nothing in common, or only in ways that do not interfere."""
    return all(
        place not in other or (mode == other[place] and mode in HARMLESS)
        for place, mode in one.items()
    )


HARMLESS = frozenset({"look", "add", "put", "drop", "change"})
"""Ways to touch a place that do not interfere with the same way of touching it."""

ALL = ("all",)
"""The place of what depends on everything that is there."""


def _of_counter(_: Any, operation: Operation) -> dict[Any, str]:
    return {ALL: "add" if operation.f == "add" else "look"}


def _of_set(_: Any, operation: Operation) -> dict[Any, str]:
    if operation.f == "read":
        return {ALL: "look"}
    if operation.f == "contains":
        return {freeze(operation.value[:1]): "look"}
    return {ALL: "change", (freeze(operation.value),): "put" if operation.f == "add" else "drop"}


def _of_registers(model: MultiRegister, operation: Operation) -> dict[Any, str]:
    places: dict[Any, str] = {}
    for kind, name, value in model._parts(operation):
        if kind.startswith("w"):
            places[(str(name),)] = "write"
        elif operation.type == "ok" and value is not None:
            places.setdefault((str(name),), "look")
    return places


TOUCHES: dict[type, Callable[[Any, Operation], dict[Any, str]]] = {
    Counter: _of_counter,
    Set: _of_set,
    MultiRegister: _of_registers,
}
"""For each model what an operation touches, and how."""
