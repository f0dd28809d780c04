"""At the end of a trial: ask until the answer is what is waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..harness.generator import PENDING, Context, Generator
from ..harness.operation import Operation

EVERY_S, TIMES = 0.25, 40
"""How often, and how many times at most."""


class AskUntil(Generator):
    """One process asks ``f`` until ``is_done(value)`` of an answer; ``value`` goes along.

    ``due`` is when to ask next (``None``: an answer is awaited), ``left`` how many times.
    """

    __slots__ = ("_due", "_f", "_is_done", "_left", "_value")

    def __init__(
        self,
        f: str,
        is_done: Callable[[Any], bool],
        value: Any = None,
        left: int = TIMES,
        due: int | None = 0,
    ) -> None:
        self._f = f
        self._is_done = is_done
        self._value = value
        self._left = left
        self._due = due

    def op(self, context: Context) -> Any:
        """The next question, when it is time."""
        if self._left == 0:
            return None
        process = context.some_free_process()
        if process is None or self._due is None:
            return PENDING, self
        time = max(context.time, self._due)
        operation = Operation(-1, time, process, "invoke", self._f, self._value)
        return operation, AskUntil(self._f, self._is_done, self._value, self._left, None)

    def update(self, context: Context, event: Operation) -> Generator:
        """Ask again unless it is done."""
        if event.f != self._f or event.type == "invoke":
            return self
        is_done = event.type == "ok" and self._is_done(event.value)
        left = 0 if is_done else self._left - 1
        due = event.time + int(EVERY_S * 1e9)
        return AskUntil(self._f, self._is_done, self._value, left, due)
