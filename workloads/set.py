"""Elements are added to one set, and the whole set is read: is any of them ever missing?

Every element is added once, so each read tells exactly which additions it saw. At the end, when
everything was healed, every client reads once more (Jepsen's ``set`` and ``set-full``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.set import FinalSet
from ..checkers.set_full import SetFull
from ..harness.checker import Checker
from ..harness.errors import UserError
from ..harness.generator import Generator, phases
from ..harness.option_values import one_of, share
from .drawn import PROMISE_OPTIONS, Drawn, by_everyone, is_eventual, judges_every_read
from .final_questions import final_questions


class SetWorkload:
    """Additions to a set and reads of all of it: nothing that was added is lost or stale."""

    name: ClassVar[str] = "set"
    options: ClassVar[Mapping[str, str]] = {
        "read-share": "share of operations that read (default 0.15)",
        "final": "which reads of the end must see everything: all or the last (default all)",
        **PROMISE_OPTIONS,
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {"read-share": ("0", "0.03")}
    """What ``duress shrink`` tries: reads are the long ones."""

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._reads = share(options, "read-share", 0.15)
        if self._reads == 1.0:
            raise UserError("read-share: expected less than 1: nothing would ever be added")
        self._is_eventual = is_eventual(options)
        self._checkers: Mapping[str, Checker] = {
            "set-full": SetFull(linearizable=judges_every_read(options)),
            "set": FinalSet(one_of(options, "final", "all", ("all", "last"))),
        }

    def _draw(self, random: Random, number: int) -> tuple[str, Any]:
        return ("read", None) if random.random() < self._reads else ("add", number)

    def generator(self) -> Generator:
        """Additions and reads by whoever is free."""
        return Drawn(self._draw)

    def final_generator(self) -> Generator | None:
        """Everyone reads, and once more when all of these reads are over."""
        if self._is_eventual:
            return final_questions()
        return phases(by_everyone("read"), by_everyone("read"))

    def checkers(self) -> Mapping[str, Checker]:
        """What became of every element; and what the reads at the end saw."""
        return self._checkers
