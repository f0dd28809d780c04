"""Pairs of insertions that exclude each other: Adya's G2, write skew on a predicate.

For every key two clients try to insert a row, one on the left and one on the right, each only if
the key has no row on either side. If both succeed, each missed the other's row in what it read:
an anti-dependency cycle, which serializability forbids and snapshot isolation does not (Adya,
"Weak consistency", PhD thesis, MIT 1999, section 3.2.3; Jepsen's ``adya`` test).
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from ..checkers.predicate_writes import PredicateWrites
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator
from ..harness.operation import Operation


class Insertions(Generator):
    """Two insertions of every key one right after the other, by whoever is free.

    Operation n (from 0) is about key n // 2 and has the id n + 1. Which side comes first
    changes with the key.
    """

    __slots__ = ("_number",)

    ignores_updates = True

    def __init__(self, number: int = 0) -> None:
        self._number = number

    def op(self, context: Context) -> Any:
        """The next insertion."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        key, second = divmod(self._number, 2)
        row: list[int | None] = [None, None]
        row[(key + second) % 2] = self._number + 1
        operation = Operation(-1, context.time, process, "invoke", "insert", [key, row])
        return operation, Insertions(self._number + 1)


class WriteSkewWorkload:
    """Pairs of insertions that exclude each other: at most one of each may succeed."""

    name: ClassVar[str] = "write-skew"
    options: ClassVar[Mapping[str, str]] = {}

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        pass

    def generator(self) -> Generator:
        """Pair after pair."""
        return Insertions()

    def final_generator(self) -> Generator | None:
        """None: the insertions themselves tell."""
        return None

    def checkers(self) -> Mapping[str, Checker]:
        """At most one row a key."""
        return {"predicate-writes": PredicateWrites()}
