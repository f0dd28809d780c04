"""A counter is added to and read: does it ever show what its additions cannot have led to?

Amounts differ, so that many a value between the bounds is impossible, too (Jepsen's ``counter``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.counter import Counter
from ..harness.checker import Checker
from ..harness.generator import Generator
from ..harness.option_values import share, whole
from .drawn import PROMISE_OPTIONS, Drawn, by_everyone, is_eventual, judges_every_read
from .final_questions import final_questions


class CounterWorkload:
    """Additions to a counter and reads of it: every value within what they can give."""

    name: ClassVar[str] = "counter"
    options: ClassVar[Mapping[str, str]] = {
        "read-share": "share of operations that read (default 0.4)",
        "max-delta": "the largest amount that is added (default 5)",
        "subtract-share": "share of additions of a negative amount (default 0.2)",
        **PROMISE_OPTIONS,
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {
        "subtract-share": ("0",),
        "max-delta": ("1", "2"),
    }
    """What ``duress shrink`` tries: simpler sums."""

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._reads = share(options, "read-share", 0.4)
        self._most = whole(options, "max-delta", 5, 1, 1_000_000)
        self._subtractions = share(options, "subtract-share", 0.2)
        self._is_eventual = is_eventual(options)
        self._checker = Counter(linearizable=judges_every_read(options))

    def _draw(self, random: Random, number: int) -> tuple[str, Any]:
        if random.random() < self._reads:
            return "read", None
        amount = 1 + int(random.random() * self._most)
        return "add", -amount if random.random() < self._subtractions else amount

    def generator(self) -> Generator:
        """Additions and reads by whoever is free."""
        return Drawn(self._draw)

    def final_generator(self) -> Generator | None:
        """Everyone reads once more."""
        return final_questions() if self._is_eventual else by_everyone("read")

    def checkers(self) -> Mapping[str, Checker]:
        """The bounds of every read."""
        return {"counter": self._checker}
