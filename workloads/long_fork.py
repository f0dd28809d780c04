"""Writes of single keys, and reads of groups of keys: does everyone see them in one order?

Every key is written once, with neighbours of its group at about the same time; whoever wrote
one reads the whole group next. Two reads that each miss what the other has seen are a long fork,
which parallel snapshot isolation allows and snapshot isolation forbids (Jepsen's ``long-fork``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.long_fork import LongFork
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator
from ..harness.option_values import share, whole
from .transactions import transaction

MEAN_AGE = 4.0
"""Reads go to groups that are so many behind the newest, on average."""


class GroupOperations(Generator):
    """``fresh`` is the next key; ``owed`` the threads that wrote and read next, with the group."""

    __slots__ = ("_fresh", "_owed", "_reads", "_size")

    ignores_updates = True

    def __init__(
        self, size: int, reads: float, fresh: int = 0, owed: Mapping[int, int] | None = None
    ) -> None:
        self._size = size
        self._reads = reads
        self._fresh = fresh
        self._owed = owed or {}

    def op(self, context: Context) -> Any:
        """A read of a group, or the write of a fresh key."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        random, thread = context.random, context.thread_of(process)
        group = self._owed.get(thread)
        if group is None and self._fresh and random.random() < self._reads:
            newest = (self._fresh - 1) // self._size
            group = max(0, newest - int(random.expovariate(1 / MEAN_AGE)))
        owed = {owing: at for owing, at in self._owed.items() if owing != thread}
        if group is not None:
            keys = list(range(group * self._size, (group + 1) * self._size))
            random.shuffle(keys)
            steps = [["r", key, None] for key in keys]
            return transaction(context, process, steps), self._with(self._fresh, owed)
        owed[thread] = self._fresh // self._size
        operation = transaction(context, process, [["w", self._fresh, 1]])
        return operation, self._with(self._fresh + 1, owed)

    def _with(self, fresh: int, owed: Mapping[int, int]) -> GroupOperations:
        return GroupOperations(self._size, self._reads, fresh, owed)


class LongForkWorkload:
    """Keys written once and read in groups: all reads agree in which order they were written."""

    name: ClassVar[str] = "long-fork"
    options: ClassVar[Mapping[str, str]] = {
        "group-size": "keys that are read together (default 3)",
        "read-share": "share of reads among what is not a writer's own read (default 0.5)",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {"group-size": ("2",)}

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        size = whole(options, "group-size", 3, 2, 1000)
        self._operations = GroupOperations(size, share(options, "read-share", 0.5))

    def generator(self) -> Generator:
        """Group after group."""
        return self._operations

    def final_generator(self) -> Generator | None:
        """None: a read after all writes sees all of them, whatever their order was."""
        return None

    def checkers(self) -> Mapping[str, Checker]:
        """Every pair of reads of a group."""
        return {"long-fork": LongFork()}
