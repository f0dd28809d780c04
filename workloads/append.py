"""Transactions that append to lists and read them, judged by isolation levels.

Lists are the best evidence there is: a read shows not only whose write was the last one but all
writes before it in their order, so that almost every isolation anomaly can be told from what
clients saw (Kingsbury and Alvaro, "Elle", VLDB 2020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.isolation import Isolation
from ..harness.checker import Checker
from ..harness.generator import Generator
from .transactions import LEVEL_OPTIONS, SHAPE_OPTIONS, Shape, Transactions, level_of


class AppendWorkload:
    """Transactions of appends and reads of lists, judged by an isolation level."""

    name: ClassVar[str] = "append"
    options: ClassVar[Mapping[str, str]] = {**SHAPE_OPTIONS, **LEVEL_OPTIONS}
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {"key-count": ("1", "2")}

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._shape = Shape.of(options, "append")
        self._checker = Isolation("list-append", level_of(options))

    def generator(self) -> Generator:
        """One transaction after another by whoever is free."""
        return Transactions(self._shape)

    def final_generator(self) -> Generator | None:
        """None: every read of the main phase counts already."""
        return None

    def checkers(self) -> Mapping[str, Checker]:
        """The isolation level."""
        return {"isolation": self._checker}
