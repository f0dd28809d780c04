"""Values of operations as hashable, immutable parts of states."""

from __future__ import annotations

from typing import Any


def freeze(value: Any) -> Any:
    """The same plain data, hashable: lists become tuples, maps sorted tuples of pairs."""
    kind = type(value)
    if kind is list or kind is tuple:
        return tuple(freeze(item) for item in value)
    if kind is dict:
        return tuple(sorted((str(name), freeze(item)) for name, item in value.items()))
    if kind is set or kind is frozenset:
        return frozenset(freeze(item) for item in value)
    return value


class Box(tuple):
    """A state that may hold ``None``: a tuple of one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(self[0])


def box(value: Any) -> Box:
    """A state that holds a value, ``None`` included."""
    return Box((value,))
