"""One process writes keys in order, others read them in reverse: is anyone out of step?

A writer writes the keys of a group one after the other, each in a transaction of its own and the
next only once the one before is acknowledged. A reader reads them one after the other in reverse:
once it has seen one, it must see all that were written before. That is what sequential consistency
(and already PRAM) promises, and what caches and lagging replicas break (Jepsen's ``sequential``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.sequential import Sequential
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator
from ..harness.operation import Operation
from ..harness.option_values import share, whole
from .transactions import transaction

MEAN_AGE = 3.0
"""Readers begin with groups that are so many behind the newest, on average."""

Walk = tuple[str, int]
"""What a process is about to do: ``r`` or ``w``, and with which key."""


class GroupWalks(Generator):
    """``fresh`` is the next group; ``walks`` what each process has begun and goes on with."""

    __slots__ = ("_fresh", "_reads", "_size", "_walks")

    def __init__(
        self, size: int, reads: float, fresh: int = 0, walks: Mapping[Any, Walk] | None = None
    ) -> None:
        self._size = size
        self._reads = reads
        self._fresh = fresh
        self._walks = walks or {}

    def op(self, context: Context) -> Any:
        """The next step of some free process, or the first of its next walk."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        random, size, fresh = context.random, self._size, self._fresh
        walk = self._walks.get(process)
        if walk is None and fresh and random.random() < self._reads:
            group = max(0, fresh - 1 - int(random.expovariate(1 / MEAN_AGE)))
            walk = ("r", (group + 1) * size - 1)
        elif walk is None:
            walk = ("w", fresh * size)
            fresh += 1
        f, key = walk
        operation = transaction(context, process, [[f, key, 1 if f == "w" else None]])
        following = key + 1 if f == "w" else key - 1
        walks = self._others(process, context)
        if following // size == key // size:
            walks[process] = f, following
        return operation, self._with(fresh, walks)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """A writer whose write failed leaves its group as it is."""
        walk = self._walks.get(event.process)
        if event.type != "fail" or walk is None or walk[0] != "w":
            return self
        return self._with(self._fresh, self._others(event.process, context))

    def _others(self, process: Any, context: Context) -> dict[Any, Walk]:
        everyone = context.all_processes()
        return {at: w for at, w in self._walks.items() if at != process and at in everyone}

    def _with(self, fresh: int, walks: Mapping[Any, Walk]) -> GroupWalks:
        return GroupWalks(self._size, self._reads, fresh, walks)


class SequentialWorkload:
    """Keys written in order by one process and read in reverse by another."""

    name: ClassVar[str] = "sequential"
    options: ClassVar[Mapping[str, str]] = {
        "group-size": "keys that are written in order (default 5)",
        "read-share": "share of walks that read (default 0.6)",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {"group-size": ("2",)}

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        size = whole(options, "group-size", 5, 2, 1000)
        self._operations = GroupWalks(size, share(options, "read-share", 0.6))

    def generator(self) -> Generator:
        """Walks by whoever is free."""
        return self._operations

    def final_generator(self) -> Generator | None:
        """None: a read after all writes sees all of them, whatever their order was."""
        return None

    def checkers(self) -> Mapping[str, Checker]:
        """That every reader sees what each writer wrote in its order."""
        return {"sequential": Sequential()}
