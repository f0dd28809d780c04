"""A counter goes up and down all over the cluster; at the end every node is asked for its value.

Unlike ``counter`` this expects nothing of reads before the end, but that no value was impossible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.convergence import COUNTER, Convergence
from ..harness.checker import Checker
from ..harness.generator import Generator
from ..harness.option_values import flag, share, whole
from .drawn import Drawn
from .final_questions import final_questions


class PnCounterWorkload:
    """A counter that is replicated by gossip: all agree in the end, on what was added up."""

    name: ClassVar[str] = "pn-counter"
    options: ClassVar[Mapping[str, str]] = {
        "read-share": "share of operations that read (default 0.2)",
        "max-delta": "the largest amount that is added (default 5)",
        "subtract-share": "share of additions of a negative amount (default 0.3; grow_only: 0)",
        "grow_only": "of the system (false)",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {
        "subtract-share": ("0",),
        "max-delta": ("1",),
    }
    """What ``duress shrink`` tries: simpler sums."""

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        subtractions = 0.0 if flag(options, "grow_only", False) else 0.3
        self._reads = share(options, "read-share", 0.2)
        self._most = whole(options, "max-delta", 5, 1, 1_000_000)
        self._subtractions = share(options, "subtract-share", subtractions)

    def _draw(self, random: Random, number: int) -> tuple[str, Any]:
        if random.random() < self._reads:
            return "read", None
        amount = 1 + int(random.random() * self._most)
        return "add", -amount if random.random() < self._subtractions else amount

    def generator(self) -> Generator:
        """Additions and reads by whoever is free."""
        return Drawn(self._draw)

    def final_generator(self) -> Generator:
        """Every client asks its node for its count, until that changes no more."""
        return final_questions()

    def checkers(self) -> Mapping[str, Checker]:
        """Agreement, and the sum."""
        return {"convergence": Convergence(COUNTER)}
