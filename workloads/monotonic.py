"""Registers that only grow: does what clients see ever go backwards?

Every process has a register of its own, to which it writes 1, 2, 3, …, and reads those of the
others, some at a time. A smaller value is an older one, so a stale read shows at once, by the
session guarantees (monotonic reads, read your writes) or by real time. A process whose write may
or may not have happened is gone, and its register with it, so values never come in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from ..checkers.monotonic import Monotonic
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator
from ..harness.option_values import share, whole
from .transactions import LEVEL_OPTIONS, STRICT, order_of, transaction


class GrowingRegisters(Generator):
    """``last`` is what each process wrote last; process p writes to key p."""

    __slots__ = ("_last", "_most", "_reads")

    ignores_updates = True

    def __init__(self, reads: float, most: int, last: Mapping[Any, int] | None = None) -> None:
        self._reads = reads
        self._most = most
        self._last = last or {}

    def op(self, context: Context) -> Any:
        """A read of some registers, or the next write to one's own."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        random, everyone = context.random, context.all_processes()
        if random.random() < self._reads:
            keys = random.sample(everyone, min(self._most, len(everyone)))
            steps = [["r", key, None] for key in keys]
            return transaction(context, process, steps), self
        last = {at: value for at, value in self._last.items() if at in everyone}
        last[process] = last.get(process, 0) + 1
        operation = transaction(context, process, [["w", process, last[process]]])
        return operation, GrowingRegisters(self._reads, self._most, last)


class MonotonicWorkload:
    """Registers that only grow, each with one writer: no client sees one go backwards."""

    name: ClassVar[str] = "monotonic"
    options: ClassVar[Mapping[str, str]] = {
        "keys-per-read": "registers that a transaction reads (default 3)",
        "read-share": "share of transactions that read (default 0.6)",
        "order": f"judged within each session, or by realtime too (default, if {STRICT})",
        "promised-level": LEVEL_OPTIONS["promised-level"],
    }

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._operations = GrowingRegisters(
            share(options, "read-share", 0.6), whole(options, "keys-per-read", 3, 1)
        )
        self._checker = Monotonic(order_of(options))

    def generator(self) -> Generator:
        """Writes and reads by whoever is free."""
        return self._operations

    def final_generator(self) -> Generator | None:
        """None: every read of the main phase counts already."""
        return None

    def checkers(self) -> Mapping[str, Checker]:
        """That nothing goes backwards."""
        return {"monotonic": self._checker}
