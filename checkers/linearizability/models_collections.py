"""Sets, queues, stacks and logs."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from typing import Any

from ...harness.operation import Operation
from .values import freeze

INSERTS = frozenset({"enqueue", "push", "insert", "add", "offer"})
TAKES = frozenset({"dequeue", "pop", "remove", "poll", "delete-min", "remove-min", "extract-min"})


class Set:
    """A set: add, remove, contains [element, true|false], read of the whole content.

    Adding what is there and removing what is not are legal and change nothing.
    """

    family = "set"
    pure = frozenset({"read", "contains"})
    observers = frozenset({"read", "contains"})
    functions = frozenset({"add", "remove", "contains", "read"})

    def __init__(self, initial: Any = ()) -> None:
        self.initial = frozenset(freeze(item) for item in initial)

    def step(self, state: frozenset, operation: Operation) -> frozenset | None:
        """A read must return exactly the content."""
        f, value = operation.f, operation.value
        if f == "add":
            return state | {freeze(value)}
        if f == "remove":
            return state - {freeze(value)}
        if f == "contains":
            element, found = value
            return state if (freeze(element) in state) == found else None
        return state if frozenset(freeze(item) for item in value or ()) == state else None


class GrowOnlySet(Set):
    """A grow-only set: add, read of the whole content."""

    functions = frozenset({"add", "read", "contains"})


class _Sequence:
    """What queues and stacks share: a tuple of elements; ``None`` taken means it was empty."""

    observers = TAKES
    functions = INSERTS | TAKES

    def __init__(self, initial: Any = ()) -> None:
        self.initial: tuple[Any, ...] = tuple(freeze(item) for item in initial)

    def step(self, state: tuple, operation: Operation) -> tuple | None:
        """A take must give the element whose turn it is."""
        value = freeze(operation.value)
        if operation.f in INSERTS:
            return self._put(state, value)
        if not state:
            return state if value is None else None
        taken, rest = self._take(state)
        if operation.type == "info":
            return rest
        return rest if taken == value else None

    def _put(self, state: tuple, value: Any) -> tuple:
        return (*state, value)

    def _take(self, state: tuple) -> tuple[Any, tuple]:
        return state[0], state[1:]


class FifoQueue(_Sequence):
    """A queue, first in first out: enqueue, dequeue (``None``: it was empty)."""

    family = "queue"


class Stack(_Sequence):
    """A stack, last in first out: push, pop (``None``: it was empty)."""

    family = "stack"

    def _take(self, state: tuple) -> tuple[Any, tuple]:
        return state[-1], state[:-1]


class PriorityQueue(_Sequence):
    """A priority queue: insert, remove of the least (``None``: it was empty)."""

    family = "priority-queue"

    def __init__(self, initial: Any = ()) -> None:
        super().__init__(sorted(initial))

    def _put(self, state: tuple, value: Any) -> tuple:
        held = list(state)
        insort(held, value)
        return tuple(held)


class UnorderedQueue:
    """A bag: enqueue, dequeue of any element (``None``: it was empty)."""

    family = "unordered-queue"
    observers = TAKES
    functions = INSERTS | TAKES

    def __init__(self, initial: Any = ()) -> None:
        self.initial = frozenset(_counted(initial).items())

    def steps(self, state: frozenset, operation: Operation) -> Iterator[frozenset]:
        """A take whose result is unknown may have given anything that was there."""
        held, value = dict(state), freeze(operation.value)
        if operation.f in INSERTS:
            held[value] = held.get(value, 0) + 1
            yield frozenset(held.items())
        elif operation.type == "info":
            for element in held:
                yield _without(held, element)
        elif value is None:
            if not held:
                yield state
        elif value in held:
            yield _without(held, value)


class AppendLog:
    """An append-only log: append, read of the whole content in order."""

    family = "log"
    pure = frozenset({"read"})
    observers = frozenset({"read"})
    functions = frozenset({"append", "read"})

    def __init__(self, initial: Any = ()) -> None:
        self.initial: tuple[Any, ...] = tuple(freeze(item) for item in initial)

    def step(self, state: tuple, operation: Operation) -> tuple | None:
        """A read must return exactly what was appended, in order."""
        if operation.f == "append":
            return (*state, freeze(operation.value))
        return state if state == tuple(freeze(item) for item in operation.value or ()) else None


def _counted(items: Any) -> dict[Any, int]:
    held: dict[Any, int] = {}
    for item in items:
        held[freeze(item)] = held.get(freeze(item), 0) + 1
    return held


def _without(held: dict[Any, int], element: Any) -> frozenset:
    left = dict(held)
    left[element] -= 1
    if not left[element]:
        del left[element]
    return frozenset(left.items())
