"""Elements are added to a set, removed, and added again, all over the cluster at the same time.

Elements come back: about half of the additions are of elements that are there or were, so that adds
and removes of one element meet that do not know of each other. At the end every node is asked for
all that it holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.convergence import SET, Convergence
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator
from ..harness.operation import Operation
from ..harness.option_values import flag, share, whole
from .final_questions import final_questions


class SetOperations(Generator):
    """``fresh`` is the next new element; adds and removes are of one of the last ``window``."""

    __slots__ = ("_again", "_fresh", "_reads", "_removes", "_window")

    ignores_updates = True

    def __init__(
        self, reads: float, removes: float, again: float, window: int, fresh: int = 0
    ) -> None:
        self._reads = reads
        self._removes = removes
        self._again = again
        self._window = window
        self._fresh = fresh

    def op(self, context: Context) -> Any:
        """One more operation by some free process."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        random, fresh = context.random, self._fresh
        if random.random() < self._reads:
            return Operation(-1, context.time, process, "invoke", "read"), self
        recent = max(0, fresh - 1 - int(random.random() * self._window))
        if fresh and random.random() < self._removes:
            return Operation(-1, context.time, process, "invoke", "remove", recent), self
        if fresh and random.random() < self._again:
            return Operation(-1, context.time, process, "invoke", "add", recent), self
        operation = Operation(-1, context.time, process, "invoke", "add", fresh)
        return operation, SetOperations(
            self._reads, self._removes, self._again, self._window, fresh + 1
        )


class OrSetWorkload:
    """An observed-remove set: all replicas agree in the end; no add is lost, no remove undone."""

    name: ClassVar[str] = "or-set"
    options: ClassVar[Mapping[str, str]] = {
        "read-share": "share of operations that read (default 0.05)",
        "remove-share": "share of the others that remove (default 0.4; grow_only: 0)",
        "again-share": "share of additions of an element that was added before (default 0.5)",
        "window": "how many of the newest elements are added again and removed (default 30)",
        "grow_only": "of the system (false)",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {
        "read-share": ("0",),
        "window": ("1", "5"),
    }
    """What ``duress shrink`` tries."""

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        removes = 0.0 if flag(options, "grow_only", False) else 0.4
        self._operations = SetOperations(
            share(options, "read-share", 0.05),
            share(options, "remove-share", removes),
            share(options, "again-share", 0.5),
            whole(options, "window", 30, 1),
        )

    def generator(self) -> Generator:
        """Operations by whoever is free."""
        return self._operations

    def final_generator(self) -> Generator:
        """Every client asks its node for what it holds, until that changes no more."""
        return final_questions()

    def checkers(self) -> Mapping[str, Checker]:
        """Agreement, and what must and must not be there."""
        return {"convergence": Convergence(SET)}
