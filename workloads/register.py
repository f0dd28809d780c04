"""Reads, writes and compare-and-sets of independent registers, judged by linearizability."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.linearizability import Linearizable
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator, independent, limit
from ..harness.operation import Operation
from ..harness.option_values import share, whole


class RegisterOperations(Generator):
    """Operations on one register: every value is written once, so that lost or stale
    ones show at once. A compare-and-set guesses one of the latest values.
    """

    __slots__ = ("_cas", "_reads", "_written")

    def __init__(self, reads: float, cas: float, written: int = 0) -> None:
        self._reads = reads
        self._cas = cas
        self._written = written

    def op(self, context: Context) -> Any:
        """One more operation by some free process."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        random = context.random
        if random.random() < self._reads:
            return Operation(-1, context.time, process, "invoke", "read"), self
        value = self._written + 1
        successor = RegisterOperations(self._reads, self._cas, value)
        if value > 1 and random.random() < self._cas:
            guess = max(1, self._written - int(random.random() * 3))
            return Operation(-1, context.time, process, "invoke", "cas", [guess, value]), successor
        return Operation(-1, context.time, process, "invoke", "write", value), successor


class RegisterWorkload:
    """Linearizable registers: read, write and cas over independent keys."""

    name: ClassVar[str] = "register"
    options: ClassVar[Mapping[str, str]] = {
        "threads-per-key": "processes that work on one key at a time (default 2)",
        "ops-per-key": "operations before a key is retired for a new one (default 300)",
        "read-share": "share of operations that read (default 0.4)",
        "cas-share": "share of the others that compare and set (default 0.5)",
    }

    smaller: ClassVar[Mapping[str, Sequence[str]]] = {"threads-per-key": ("100",)}
    """What ``duress shrink`` tries: everyone on one key."""

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._threads_per_key = whole(options, "threads-per-key", min(2, concurrency), 1)
        self._ops_per_key = whole(options, "ops-per-key", 300, 1)
        self._reads = share(options, "read-share", 0.4)
        self._cas = share(options, "cas-share", 0.5)
        # Threads must divide evenly into groups; the largest fitting group is taken.
        while concurrency % self._threads_per_key:
            self._threads_per_key -= 1

    def generator(self) -> Generator:
        """Groups of threads, each on a key of its own, key after key."""
        return independent.concurrent(
            self._threads_per_key,
            itertools.count(),
            lambda _key: limit(self._ops_per_key, RegisterOperations(self._reads, self._cas)),
        )

    def final_generator(self) -> Generator | None:
        """None: every read of the main phase counts already."""
        return None

    def checkers(self) -> Mapping[str, Checker]:
        """Linearizability of every key."""
        return {"linearizable": Linearizable(model="cas-register")}
