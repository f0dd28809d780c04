"""What a trial has been through, as a bounded set of numbers: equal numbers, equal moments.

Two kinds of features, neither of which knows any protocol. They are hashed to 16 bits, so that a
trial's coverage is at most 64 Ki numbers whatever the protocol.

*Pairs*: what two nodes say of themselves (``Protocol.observe``) at one moment, with their names
forgotten and whole numbers replaced by which of the two is ahead. Two leaders of one term are
another pair than two leaders of different ones; terms 7 and 8 are as 70 and 75. That is the
abstraction of model-guided fuzzing (Gulcan et al., "Model-guided Fuzzing of Distributed Systems",
2024), with comparisons in place of a TLA+ model. Pairs, because states of all nodes together
are so many that nearly every trial has some of its own, and then being new says nothing.

*Sequences*: which kinds of message a node received one after the other, as the event pairs of
Mallory (Meng et al., "Greybox Fuzzing of Distributed Systems", CCS 2023), of a node each.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

SIZE = 1 << 16

Kind = tuple[Any, ...]
"""A kind of message: its type and its fields that are true or false, with their values."""


def kind_of(body: Mapping[str, Any]) -> Kind:
    """The kind of a message, by its body."""
    fields = [(name, value) for name, value in body.items() if value is True or value is False]
    return (body.get("type"), *sorted(fields)) if fields else (body.get("type"),)


def pairs_of(nodes: Sequence[Mapping[str, Any] | None]) -> set[tuple[Any, ...]]:
    """What any two nodes are to each other, as they tell it (``None``: down)."""
    return {_pair(one, other) for one, other in itertools.combinations(nodes, 2)}


def _pair(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> tuple[Any, ...]:
    if one is None or other is None:
        up = one or other or {}
        return ("down", *(v for _, v in sorted(up.items()) if type(v) is not int))
    names = sorted({*one, *other})
    return min(_as_seen(one, other, names), _as_seen(other, one, names), key=repr)


def _as_seen(
    one: Mapping[str, Any], other: Mapping[str, Any], names: Sequence[str]
) -> tuple[Any, ...]:
    seen = []
    for name in names:
        mine, yours = one.get(name), other.get(name)
        if type(mine) is int and type(yours) is int:
            seen.append((mine > yours) - (mine < yours))
        else:
            seen += [str(mine), str(yours)]
    return tuple(seen)


def feature(what: tuple[Any, ...]) -> int:
    """The number of a pair or sequence; the same in every process and on every machine."""
    return zlib.crc32(repr(what).encode()) % SIZE
