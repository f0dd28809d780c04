"""Ids are generated through all nodes at once: is any given out twice?

The lightest of workloads, and the one that "we simply count" fails after a restart or a fail-over
(Jepsen's and Maelstrom's ``unique-ids``).
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from ..checkers.unique_ids import UniqueIds
from ..harness.checker import Checker
from ..harness.generator import Generator
from .drawn import Drawn


class UniqueIdsWorkload:
    """Generated ids: no two are equal."""

    name: ClassVar[str] = "unique-ids"
    options: ClassVar[Mapping[str, str]] = {}

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        pass

    def generator(self) -> Generator:
        """One id after the other, by whoever is free."""
        return Drawn(lambda _random, _number: ("generate", None))

    def final_generator(self) -> Generator | None:
        """None: every id that was given out counts already."""
        return None

    def checkers(self) -> Mapping[str, Checker]:
        """Distinctness."""
        return {"unique-ids": UniqueIds()}
