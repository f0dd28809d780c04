"""What all transactional workloads share: random transactions over keys that come and go.

Source of the shape: Elle's generators (Kingsbury and Alvaro, "Elle: inferring isolation anomalies
from experimental observations", VLDB 2020): a few active keys at a time, each retired for a new
one after so many writes, so that the order of versions stays short enough to read; every value
is written to its key once, so that each read tells whose write it saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from random import Random
from typing import Any

from ..checkers.orders import ORDERS, REALTIME, SESSION
from ..harness.errors import UserError
from ..harness.generator import PENDING, Context, Generator
from ..harness.operation import Operation
from ..harness.option_values import one_of, real, share, whole

STRICT = "strict-serializable"
"""What is promised where nobody says otherwise."""

SHAPE_OPTIONS: Mapping[str, str] = {
    "key-count": "keys in use at a time (default 10, or 3 if they are uniform)",
    "key-distribution": "exponential (some keys are contended) or uniform (default exponential)",
    "key-base": "exponential: how many times likelier each key is than the one before (default 2)",
    "min-length": "fewest micro-operations of a transaction (default 1)",
    "max-length": "most micro-operations of a transaction (default 4)",
    "max-writes-per-key": "writes to a key before it is retired for a new one (default 32)",
    "read-only-share": "share of transactions that only read (default 0.3)",
}
"""What :meth:`Shape.of` takes."""

LEVEL_OPTIONS: Mapping[str, str] = {
    "level": f"isolation level to judge by (default: the system's, or {STRICT})",
    "promised-level": "what the system promises; said by the system itself",
}
"""What :func:`level_of` takes."""


@dataclass(frozen=True)
class Shape:
    """How transactions look.

    ``keys``             keys in use at a time.
    ``base``             how many times likelier each is than the one before; 1: all alike.
    ``shortest``, ``longest``  micro-operations.
    ``writes_per_key``   before it is retired.
    ``read_only``        share of transactions without a write; all others have at least one.
    ``write``            the micro-operation that writes: ``append`` or ``w``.
    """

    keys: int
    base: float
    shortest: int
    longest: int
    writes_per_key: int
    read_only: float
    write: str

    @classmethod
    def of(cls, options: Mapping[str, Any], write: str) -> Shape:
        """From options; :class:`UserError` names the one that makes no sense."""
        distribution = one_of(
            options, "key-distribution", "exponential", ("exponential", "uniform")
        )
        uniform = distribution == "uniform"
        shortest = whole(options, "min-length", 1, 1)
        longest = whole(options, "max-length", max(4, shortest), 1)
        if longest < shortest:
            raise UserError(f"max-length: expected at least min-length {shortest}, got {longest}")
        return cls(
            keys=whole(options, "key-count", 3 if uniform else 10, 1, 100_000),
            base=1.0 if uniform else real(options, "key-base", 2.0, 1.0, 100.0),
            shortest=shortest,
            longest=longest,
            writes_per_key=whole(options, "max-writes-per-key", 32, 1),
            read_only=share(options, "read-only-share", 0.3),
            write=write,
        )

    def some_key(self, random: Random) -> int:
        """The place of a key among the active ones."""
        if self.base <= 1.0:
            return int(random.random() * self.keys)
        # The inverse of the distribution: place i is base times as likely as place i - 1.
        # Counted from the last, most likely one, so that it cannot overflow with many keys.
        least = self.base**-self.keys
        from_last = -log(1.0 - random.random() * (1.0 - least)) / log(self.base)
        return self.keys - 1 - min(int(from_last), self.keys - 1)


class Transactions(Generator):
    """Random transactions ``[["r", key, None], ["append", key, value], …]``.

    ``keys`` are the active keys, each with the number of writes to it so far; the n-th write to
    a key has the value n. ``fresh`` is the next key.
    """

    __slots__ = ("_fresh", "_keys", "_shape")

    ignores_updates = True

    def __init__(
        self, shape: Shape, keys: tuple[tuple[int, int], ...] = (), fresh: int = 0
    ) -> None:
        self._shape = shape
        self._keys = keys or tuple((key, 0) for key in range(shape.keys))
        self._fresh = fresh or shape.keys

    def op(self, context: Context) -> Any:
        """One more transaction by some free process."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        steps, successor = self.draw(context.random)
        return Operation(-1, context.time, process, "invoke", "txn", steps), successor

    def draw(self, random: Random) -> tuple[list[list[Any]], Transactions]:
        """The micro-operations of one transaction, and what follows it."""
        shape = self._shape
        keys, fresh = list(self._keys), self._fresh
        length = shape.shortest + int(random.random() * (shape.longest - shape.shortest + 1))
        reads_only = random.random() < shape.read_only
        # One place is surely a write, so that the share of those that only read is the one given.
        sure_write = -1 if reads_only else int(random.random() * length)
        steps: list[list[Any]] = []
        for place in range(length):
            at = shape.some_key(random)
            key, writes = keys[at]
            if place != sure_write and (reads_only or random.random() < 0.5):
                steps.append(["r", key, None])
                continue
            if writes == shape.writes_per_key:
                key, writes = fresh, 0
                fresh += 1
            keys[at] = key, writes + 1
            steps.append([shape.write, key, writes + 1])
        return steps, Transactions(shape, tuple(keys), fresh)


def level_of(options: Mapping[str, Any], default: str = "") -> str:
    """The isolation level to judge by: as asked for, else as promised; checked by the checker."""
    return options.get("level") or default or options.get("promised-level") or STRICT


def transaction(context: Context, process: Any, steps: list[list[Any]]) -> Operation:
    """The invocation of a transaction."""
    return Operation(-1, context.time, process, "invoke", "txn", steps)


def order_of(options: Mapping[str, Any]) -> str:
    """The order to judge by: real time where it is promised, unless another is asked for."""
    promised = options.get("promised-level") or STRICT
    is_real = promised.startswith("str") and "session" not in promised
    return one_of(options, "order", REALTIME if is_real else SESSION, ORDERS)
