"""What goes into a queue must come out, once: enqueues, dequeues, and a drain at the end.

Every element is enqueued once. At the end, when everything was healed, every client drains the
queue: what is not out then is lost (Jepsen's ``total-queue``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.total_queue import TotalQueue
from ..harness.checker import Checker
from ..harness.errors import UserError
from ..harness.generator import Generator, phases
from ..harness.option_values import flag, share
from .drawn import Drawn, by_everyone


class QueueWorkload:
    """Elements through a queue: none is lost, none comes twice, none from nowhere."""

    name: ClassVar[str] = "queue"
    options: ClassVar[Mapping[str, str]] = {
        "dequeue-share": "share of operations that dequeue (default 0.45)",
        "duplicates": "whether an element may be delivered more than once (default false)",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {"dequeue-share": ("0", "0.2")}
    """What ``duress shrink`` tries: only the drain at the end."""

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._dequeues = share(options, "dequeue-share", 0.45)
        if self._dequeues == 1.0:
            raise UserError("dequeue-share: expected less than 1: nothing would ever be enqueued")
        self._checker = TotalQueue(duplicates=flag(options, "duplicates", False))

    def _draw(self, random: Random, number: int) -> tuple[str, Any]:
        return ("dequeue", None) if random.random() < self._dequeues else ("enqueue", number)

    def generator(self) -> Generator:
        """Enqueues and dequeues by whoever is free."""
        return Drawn(self._draw)

    def final_generator(self) -> Generator | None:
        """Everyone drains it, and once more when all of that is over."""
        return phases(by_everyone("drain"), by_everyone("drain"))

    def checkers(self) -> Mapping[str, Checker]:
        """What came of every element."""
        return {"total-queue": self._checker}
