"""Appends to lists of single nodes, some of many numbers at once; reads; nodes that die meanwhile.

Every number is appended once in a trial. An append of several promises that they come in this
order and without others in between, and that a crash before its acknowledgement keeps the first
few: that is how clients can tell a log with a hole. Lists are retired after a while, and read
again later and at the end, so that what a later recovery breaks is seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.recovery import Recovery
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator, each_thread
from ..harness.operation import Operation
from ..harness.option_values import share, whole

FINAL_TRIES = 5
"""How often a client asks for a list at the end before it goes on to the next."""


class Appends(Generator):
    """``number`` is the last one appended, ``operations`` how many there were."""

    __slots__ = ("_number", "_operations", "_shape")

    ignores_updates = True

    def __init__(
        self, shape: tuple[float, float, int, int], number: int = 0, operations: int = 0
    ) -> None:
        self._shape = shape
        self._number = number
        self._operations = operations

    def op(self, context: Context) -> Any:
        """An append to the present list, or a read of that or an older one."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        reads, old, longest, ops_per_key = self._shape
        random, number = context.random, self._number
        newest = key = self._operations // ops_per_key
        if random.random() < reads:
            if random.random() < old:
                key = int(random.random() * (newest + 1))
            operation = Operation(-1, context.time, process, "invoke", "read", key=key)
        else:
            count = _length(random, longest)
            values = list(range(number + 1, number + 1 + count))
            number += count
            operation = Operation(-1, context.time, process, "invoke", "append", values, key=key)
        return operation, Appends(self._shape, number, self._operations + 1)


def _length(random: Random, longest: int) -> int:
    """From 1 to ``longest``: small ones are likely, and every order of magnitude is."""
    low, high = 0, 1
    while high <= longest:
        low, high = low + 1, high * 2
    # Whole powers of two only, for logarithms differ in their last bit between machines.
    least = 1 << int(random.random() * low)
    return min(longest, least + int(random.random() * least))


class LastReads(Generator):
    """One client reads lists one after the other, each until it is answered."""

    __slots__ = ("_left", "_tries")

    def __init__(self, left: Sequence[int], tries: int = 0) -> None:
        self._left = left
        self._tries = tries

    def op(self, context: Context) -> Any:
        """The next read, if the one before has ended."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        if not self._left:
            return None
        key = self._left[0]
        operation = Operation(-1, context.time, process, "invoke", "recovered", key=key)
        return operation, LastReads(self._left, self._tries + 1)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """On to the next list once this one was read, or asked for often enough."""
        if event.type == "ok" or (event.type != "invoke" and self._tries >= FINAL_TRIES):
            return LastReads(self._left[1:])
        return self


class RecoveryWorkload:
    """Prefix-consistent recovery: unique numbers, appended to lists of nodes that crash."""

    name: ClassVar[str] = "recovery"
    options: ClassVar[Mapping[str, str]] = {
        "read-share": "share of operations that read (default 0.35)",
        "old-share": "share of reads of any list, not the present one (default 0.3)",
        "longest": "most numbers in one append (default 4)",
        "ops-per-key": "operations before the lists of all nodes are retired (default 250)",
        "last-lists": "how many of the oldest lists are read at the end (default 40)",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {
        "last-lists": ("1", "3"),
        "longest": ("1", "2"),
    }

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._shape = (
            share(options, "read-share", 0.35),
            share(options, "old-share", 0.3),
            whole(options, "longest", 4, 1, 1000),
            whole(options, "ops-per-key", 250, 1),
        )
        self._last_lists = whole(options, "last-lists", 40, 1, 10_000)

    def generator(self) -> Generator:
        """Appends and reads by whoever is free, each at its own node."""
        return Appends(self._shape)

    def final_generator(self) -> Generator:
        """Every client reads the lists of its node."""
        return each_thread(LastReads(range(self._last_lists)))

    def checkers(self) -> Mapping[str, Checker]:
        """Nothing acknowledged is lost, and what is left is a prefix."""
        return {"recovery": Recovery()}
