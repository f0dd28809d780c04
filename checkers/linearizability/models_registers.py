"""Registers, counters and maps."""

from __future__ import annotations

from typing import Any

from ...harness.operation import Operation
from .values import Box, box, freeze

READS = frozenset({"read", "get"})


class Register:
    """One value: read, write."""

    family = "register"
    pure = frozenset({"read"})
    observers = frozenset({"read"})
    functions = frozenset({"read", "write"})

    def __init__(self, initial: Any = None) -> None:
        self.initial = box(freeze(initial))

    def step(self, state: Box, operation: Operation) -> Box | None:
        """A write replaces the value; a read must return it."""
        if operation.f == "write":
            return box(freeze(operation.value))
        return state if state[0] == freeze(operation.value) else None


class CasRegister(Register):
    """One value: read, write, and cas [from, to], which succeeds only on ``from``.

    A ``differs`` is what a failed cas tells where ``failed_cas="observe"``: the value was
    not ``from`` at some moment of the call.
    """

    pure = frozenset({"read", "differs"})
    functions = frozenset({"read", "write", "cas", "differs"})

    def step(self, state: Box, operation: Operation) -> Box | None:
        """As a register; a successful cas found ``from``."""
        if operation.f == "cas":
            old, new = operation.value
            return box(freeze(new)) if state[0] == freeze(old) else None
        if operation.f == "differs":
            return state if state[0] != freeze(operation.value[0]) else None
        return super().step(state, operation)


class MultiRegister:
    """Several named registers: txn [[read|write, name, value], …], done atomically.

    ``initial`` maps names to values; a read of ``None`` constrains nothing. ``read`` and
    ``write`` of a map of names to values are understood too.
    """

    observers = frozenset({"txn", "read"})
    functions = frozenset({"txn", "read", "write"})

    def __init__(self, initial: Any = None) -> None:
        self.initial = freeze(initial or {})

    def is_pure(self, operation: Operation) -> bool:
        """True of a transaction that only reads."""
        return all(kind.startswith("r") for kind, _, _ in self._parts(operation))

    def step(self, state: Any, operation: Operation) -> Any:
        """All parts in order; a read must return what its register then holds."""
        values = dict(state)
        for kind, name, value in self._parts(operation):
            if kind.startswith("w"):
                values[str(name)] = freeze(value)
            elif (
                operation.type == "ok"
                and value is not None
                and (values.get(str(name)) != freeze(value))
            ):
                return None
        return tuple(sorted(values.items()))

    def _parts(self, operation: Operation) -> list[tuple[str, Any, Any]]:
        if operation.f == "txn":
            return [(kind, name, value) for kind, name, value in operation.value or ()]
        value = operation.value or {}
        pairs = value.items() if isinstance(value, dict) else value
        return [(operation.f, name, each) for name, each in pairs]


class Counter:
    """A number: add (a delta, negative too), read."""

    pure = frozenset({"read"})
    observers = frozenset({"read"})
    functions = frozenset({"add", "read"})

    def __init__(self, initial: Any = 0) -> None:
        self.initial = initial

    def step(self, state: Any, operation: Operation) -> Any:
        """An add without a value adds one."""
        if operation.f == "add":
            return state + (1 if operation.value is None else operation.value)
        return state if state == operation.value else None


class KeyValueMap:
    """A map: get, put, append, cas [from, to], delete; each key judged alone.

    The key is the operation's ``key``, or the first item of its value (``[key, value]``,
    ``[key, from, to]``, or just ``key`` for get and delete while the result is unknown).
    A missing key reads as ``initial``; append joins strings and extends lists.
    """

    family = "map"
    pure = frozenset({"get", "read", "differs"})
    observers = frozenset({"get", "read"})
    functions = frozenset({"get", "read", "put", "write", "append", "cas", "delete", "differs"})

    def __init__(self, initial: Any = None) -> None:
        self.initial = box(freeze(initial))

    def part(self, operation: Operation) -> tuple[Any, Operation]:
        """The key within the value, and the operation on that key alone."""
        value = operation.value
        if operation.f == "delete" and not isinstance(value, list | tuple):
            return freeze(value), _with_value(operation, None)
        if not isinstance(value, list | tuple) or not value:
            return freeze(value), _with_value(operation, None)
        key, rest = value[0], list(value[1:])
        if operation.f in ("cas", "differs"):
            inner = rest[0] if len(rest) == 1 else rest
            return freeze(key), _with_value(operation, inner)
        return freeze(key), _with_value(operation, rest[0] if rest else None)

    def step(self, state: Box, operation: Operation) -> Box | None:
        """On one key: a get must return the value, a cas must have found ``from``."""
        held, f, value = state[0], operation.f, freeze(operation.value)
        if f in READS:
            return state if held == value else None
        if f in ("put", "write"):
            return box(value)
        if f == "append":
            return box(_joined(held, value))
        if f == "delete":
            return self.initial
        if f == "cas":
            return box(value[1]) if held == value[0] else None
        return state if held != value[0] else None


def _with_value(operation: Operation, value: Any) -> Operation:
    return Operation(
        index=operation.index,
        time=operation.time,
        process=operation.process,
        type=operation.type,
        f=operation.f,
        value=value,
    )


def _joined(held: Any, value: Any) -> Any:
    if isinstance(value, str) and (held is None or isinstance(held, str)):
        return (held or "") + value
    return (*(held or ()), value)
