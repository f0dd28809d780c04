"""The rhythm of a nemesis: inject, wait, heal, wait, and again."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from ..harness.generator import PENDING, Context, Generator
from ..harness.operation import NEMESIS, Operation

Wish = Callable[[Random], dict[str, Any]]
"""Draws what to inject next: ``{"kind": …, …}``."""


class Cadence(Generator):
    """Alternates ``inject`` and ``heal`` of one kind, without end.

    Pauses are drawn between half and one and a half times their mean, which keeps
    windows of every length and phase likely while no fault lasts forever.

    ``Cadence("kill", wish, random, every_s=3, lasts_s=1)`` injects about every
    three seconds after the last heal and heals about a second later.
    """

    __slots__ = ("_due", "_every_ns", "_kind", "_lasts_ns", "_next", "_planned", "_wish")

    def __init__(
        self, kind: str, wish: Wish, random: Random, *, every_s: float, lasts_s: float
    ) -> None:
        self._kind = kind
        self._wish = wish
        self._every_ns = int(every_s * 1e9)
        self._lasts_ns = int(lasts_s * 1e9)
        self._next: dict[str, Any] | None = wish(random)
        self._due = _around(random, self._every_ns)
        self._planned: Any = None

    def op(self, context: Context) -> Any:
        """The next inject or heal, at its time."""
        if not context.free & context.nemesis_mask:
            return PENDING, self
        # Asked again and again until it is due, and the answer does not depend on the moment.
        if self._planned is None or context.time > self._due:
            self._planned = self._plan(context)
        return self._planned

    def _plan(self, context: Context) -> Any:
        injecting = self._next is not None
        operation = Operation(
            -1,
            max(context.time, self._due),
            NEMESIS,
            "invoke",
            "inject" if injecting else "heal",
            self._next if injecting else {"kind": self._kind},
        )
        return operation, self._after(operation.time, injecting, context.random)

    def _after(self, time: int, injected: bool, random: Random) -> Cadence:
        successor = self._same()
        successor._next = None if injected else self._wish(random)
        successor._due = time + _around(random, self._lasts_ns if injected else self._every_ns)
        return successor

    @property
    def cycle_s(self) -> float:
        """Mean seconds from one fault to the next."""
        return (self._every_ns + self._lasts_ns) / 1e9

    def paced(self, cycle_s: float) -> Cadence:
        """The same with another time from fault to fault; each lasts as long as before."""
        other = self._same()
        other._every_ns = max(1, round(cycle_s * 1e9) - self._lasts_ns)
        # As it was drawn: a rhythm of its own would need a draw of its own.
        other._due = round(self._due * other._every_ns / max(1, self._every_ns))
        return other

    def _same(self) -> Cadence:
        other = Cadence.__new__(Cadence)
        other._kind = self._kind
        other._wish = self._wish
        other._planned = None
        other._every_ns = self._every_ns
        other._lasts_ns = self._lasts_ns
        other._next = self._next
        other._due = self._due
        return other


def _around(random: Random, mean_ns: int) -> int:
    return int(mean_ns * (0.5 + random.random()))
