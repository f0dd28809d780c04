"""What the workloads delivery and broadcast share: unique messages, reads of logs, a last reading.

At the end each node is asked until nothing is under way there any more; when that is so
everywhere (or was asked often enough), each is asked for its whole log.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from ..harness.generator import PENDING, Context, Generator, each_thread, phases
from ..harness.operation import Operation
from .ask_until import AskUntil

Draw = Callable[[Random, int], tuple[str, Any]]
"""The operation that sends a message of a number: its ``f`` and ``value``."""


class Messages(Generator):
    """Sends and reads of logs; ``sent`` messages so far."""

    __slots__ = ("_draw", "_sends", "_sent")

    ignores_updates = True

    def __init__(self, draw: Draw, sends: float, sent: int = 0) -> None:
        self._draw = draw
        self._sends = sends
        self._sent = sent

    def op(self, context: Context) -> Any:
        """One more of either, by whoever is free."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        random = context.random
        if self._sent and random.random() >= self._sends:
            return Operation(-1, context.time, process, "invoke", "delivered"), self
        f, value = self._draw(random, self._sent + 1)
        operation = Operation(-1, context.time, process, "invoke", f, value)
        return operation, Messages(self._draw, self._sends, self._sent + 1)


def last_reading() -> Generator:
    """Wait until all is done, then read everything."""
    return phases(
        each_thread(AskUntil("outstanding", lambda count: count == 0)),
        each_thread(AskUntil("all-delivered", lambda _log: True)),
    )
