"""The last question of workloads whose replicas must agree in the end: what do you hold?"""

from __future__ import annotations

from typing import Any

from ..checkers.final_answers import FINAL
from ..harness.generator import PENDING, Context, Generator, each_thread
from ..harness.operation import Operation

ASK_EVERY_S = 0.5
STEADY_TIMES = 4
"""An answer that was the same so often in a row is the last one."""

ASK_TIMES = 30


class UntilSteady(Generator):
    """One process asks its node until the answer changes no more.

    ``due`` is when to ask next (``None``: an answer is awaited), ``left`` how many times at most,
    ``same`` how often the last ``answer`` came in a row.
    """

    __slots__ = ("_answer", "_due", "_left", "_same", "_value")

    def __init__(
        self,
        value: Any,
        left: int = ASK_TIMES,
        due: int | None = 0,
        answer: Any = None,
        same: int = 0,
    ) -> None:
        self._value = value
        self._left = left
        self._due = due
        self._answer = answer
        self._same = same

    def op(self, context: Context) -> Any:
        """The next question, when it is time."""
        if self._left == 0 or self._same == STEADY_TIMES:
            return None
        process = context.some_free_process()
        if process is None or self._due is None:
            return PENDING, self
        operation = Operation(
            -1, max(context.time, self._due), process, "invoke", FINAL, self._value
        )
        return operation, UntilSteady(self._value, self._left, None, self._answer, self._same)

    def update(self, context: Context, event: Operation) -> Generator:
        """Count answers that are like the one before."""
        if event.f != FINAL or event.type == "invoke":
            return self
        answer = event.value if event.type == "ok" else None
        same = 0 if answer is None else self._same + 1 if answer == self._answer else 1
        due = event.time + int(ASK_EVERY_S * 1e9)
        return UntilSteady(self._value, self._left - 1, due, answer, same)


def final_questions(value: Any = None) -> Generator:
    """Every client asks its own node."""
    return each_thread(UntilSteady(value))
