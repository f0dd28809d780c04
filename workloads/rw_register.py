"""Transactions that read and write registers, judged by isolation levels.

What most stores offer, and weaker evidence than lists: a read tells whose write it saw, but not
which came before it. What may be assumed of the store beyond that (each key is linearizable, …)
is an option, and lets the checker infer more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.isolation import Isolation
from ..harness.checker import Checker
from ..harness.generator import Generator
from ..harness.option_values import flag
from .transactions import LEVEL_OPTIONS, SHAPE_OPTIONS, Shape, Transactions, level_of

ASSUMPTIONS = {
    "linearizable-keys": "assume that each key by itself is linearizable (default false)",
    "sequential-keys": "assume that each key by itself is sequentially consistent (default false)",
    "wfr-keys": "assume that within a transaction a write follows the reads (default false)",
}


class RwRegisterWorkload:
    """Transactions of reads and writes of registers, judged by an isolation level."""

    name: ClassVar[str] = "rw-register"
    options: ClassVar[Mapping[str, str]] = {**SHAPE_OPTIONS, **LEVEL_OPTIONS, **ASSUMPTIONS}
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {"key-count": ("1", "2")}

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._shape = Shape.of(options, "w")
        self._checker = Isolation(
            "rw-register",
            level_of(options),
            linearizable_keys=flag(options, "linearizable-keys", False),
            sequential_keys=flag(options, "sequential-keys", False),
            wfr_keys=flag(options, "wfr-keys", False),
        )

    def generator(self) -> Generator:
        """One transaction after another by whoever is free."""
        return Transactions(self._shape)

    def final_generator(self) -> Generator | None:
        """None: every read of the main phase counts already."""
        return None

    def checkers(self) -> Mapping[str, Checker]:
        """The isolation level."""
        return {"isolation": self._checker}
