"""What goes into a queue must come out, once: enqueues, dequeues, and a drain at the end.

Every element is enqueued once. At the end, when everything was healed, every client drains the
queue: what is not out then is lost (Jepsen's ``total-queue``). Since every client does that, and
twice, every node is drained, also where nodes disagree about what is in the queue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.total_queue import TotalQueue, says_empty
from ..harness.checker import Checker
from ..harness.errors import UserError
from ..harness.generator import PENDING, Context, Generator, each_thread, phases
from ..harness.operation import Operation
from ..harness.option_values import flag, one_of, share
from .drawn import Drawn, by_everyone

AT_ONCE, ONE_BY_ONE = "at-once", "one-by-one"
"""How a queue is drained."""

AGAIN_NS = 500_000_000
DRAIN_TRIES = 8
"""How long a client waits at the end after a dequeue went wrong, and how often it tries again."""


class DequeuesUntilEmpty(Generator):
    """One client dequeues until the queue is empty.

    ``left`` dequeues may still go wrong before it gives up; ``due`` is when to try next.
    """

    __slots__ = ("_due", "_left")

    def __init__(self, left: int = DRAIN_TRIES, due: int | None = 0) -> None:
        self._left = left
        self._due = due

    def op(self, context: Context) -> Any:
        """The next dequeue, once the one before is over."""
        if self._left == 0:
            return None
        process = context.some_free_process()
        if process is None or self._due is None:
            return PENDING, self
        time = max(context.time, self._due)
        waiting = DequeuesUntilEmpty(self._left, None)
        return Operation(-1, time, process, "invoke", "dequeue"), waiting

    def update(self, context: Context, event: Operation) -> Generator:
        """Go on; stop where nothing was left, wait where something went wrong."""
        if event.f != "dequeue" or event.type == "invoke":
            return self
        if event.type == "ok":
            return DequeuesUntilEmpty(self._left, event.time)
        if says_empty(event.error):
            return DequeuesUntilEmpty(0)
        return DequeuesUntilEmpty(self._left - 1, event.time + AGAIN_NS)


class QueueWorkload:
    """Elements through a queue: none is lost, none comes twice, none from nowhere."""

    name: ClassVar[str] = "queue"
    options: ClassVar[Mapping[str, str]] = {
        "dequeue-share": "share of operations that dequeue (default 0.45)",
        "duplicates": "whether an element may be delivered more than once (default false)",
        "drain": "at the end: at-once (default), or one-by-one: by dequeues, of which each has an "
        "outcome of its own",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {"dequeue-share": ("0", "0.2")}
    """What ``duress shrink`` tries: only the drain at the end."""

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._dequeues = share(options, "dequeue-share", 0.45)
        if self._dequeues == 1.0:
            raise UserError("dequeue-share: expected less than 1: nothing would ever be enqueued")
        self._drain = one_of(options, "drain", AT_ONCE, (AT_ONCE, ONE_BY_ONE))
        self._checker = TotalQueue(duplicates=flag(options, "duplicates", False))

    def _draw(self, random: Random, number: int) -> tuple[str, Any]:
        return ("dequeue", None) if random.random() < self._dequeues else ("enqueue", number)

    def generator(self) -> Generator:
        """Enqueues and dequeues by whoever is free."""
        return Drawn(self._draw)

    def final_generator(self) -> Generator | None:
        """Everyone drains it, and once more when all of that is over."""
        if self._drain == ONE_BY_ONE:
            return phases(each_thread(DequeuesUntilEmpty()), each_thread(DequeuesUntilEmpty()))
        return phases(by_everyone("drain"), by_everyone("drain"))

    def checkers(self) -> Mapping[str, Checker]:
        """What came of every element."""
        return {"total-queue": self._checker}
