"""An append-only log as a position in what was read of it.

In a history that can be explained every read is a beginning of the longest one, and the log grows
through all of its beginnings until that read; only then may it go astray, where no read can be
explained any more. So a number is enough for a state: the length of what it holds of the longest
read. The model here allows an order of the calls that has all reads in it if and only if the log's
own model does, provided that all reads are beginnings of the longest; if two are not, they
contradict each other whatever the others did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...harness.operation import Operation
from .values import freeze

ASTRAY = -1
"""The state in which the log holds something that nobody read."""


class ReadLog:
    """A model with numbers as states; ``contradiction``: two kinds of reads, or ``None``."""

    pure = frozenset({"read"})

    def __init__(self, model: Any, operations: Sequence[Operation]) -> None:
        reads = [
            (at, freeze(operation.value or ()))
            for at, operation in enumerate(operations)
            if operation.f == "read"
        ]
        longest, self.content = max(reads, key=lambda read: len(read[1]), default=(-1, ()))
        self.contradiction = next(
            ((at, longest) for at, value in reads if value != self.content[: len(value)]), None
        )
        initial = tuple(model.initial)
        fits = initial == self.content[: len(initial)]
        self.initial = len(initial) if fits else ASTRAY  # then no read can be explained
        self._length = {operations[at].index: len(value) for at, value in reads}

    def step(self, state: int, operation: Operation) -> int | None:
        """Reads are told apart by the index of their operation."""
        if operation.f == "read":
            return state if state == self._length[operation.index] else None
        if state in (ASTRAY, len(self.content)):
            return ASTRAY
        return state + 1 if self.content[state] == freeze(operation.value) else None

    def told(self, state: int) -> tuple[Any, ...]:
        """What the log holds in a state."""
        return (*self.content, ...) if state == ASTRAY else self.content[:state]
