"""Operations drawn one by one, each with a number that no other has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from ..checkers.orders import REALTIME
from ..harness.generator import PENDING, Context, Generator, each_thread, limit, repeat, until_ok
from ..harness.operation import Operation
from ..harness.option_values import flag
from .transactions import order_of

Draw = Callable[[Random, int], tuple[str, Any]]
"""From the trial's random and the operation's number, counted from 1: its f and its value."""

EVENTUAL = "eventual"
"""The promised level of systems that agree when all is over, and promise nothing before."""

FINAL_TRIES = 3
"""How often each client tries at the end until it succeeds."""


class Drawn(Generator):
    """Whatever ``draw`` says, by whoever is free; ``number`` operations were drawn so far."""

    __slots__ = ("_draw", "_number")

    ignores_updates = True

    def __init__(self, draw: Draw, number: int = 0) -> None:
        self._draw = draw
        self._number = number

    def op(self, context: Context) -> Any:
        """One more operation by some free process."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        number = self._number + 1
        f, value = self._draw(context.random, number)
        operation = Operation(-1, context.time, process, "invoke", f, value)
        return operation, Drawn(self._draw, number)


def by_everyone(f: str) -> Generator:
    """Every client does it once; again, a few times, if it did not succeed."""
    return each_thread(limit(FINAL_TRIES, until_ok(repeat({"f": f}))))


PROMISE_OPTIONS: Mapping[str, str] = {
    "linearizable": "judge every read by real time (default: where the system promises that)",
    "promised-level": "what the system promises; said by the system itself",
}
"""What :func:`judges_every_read` takes."""


def is_eventual(options: Mapping[str, Any]) -> bool:
    """Whether nothing is promised but that all agree in the end: then only ``final`` reads count,
    which ask until answers change no more."""
    return options.get("promised-level") == EVENTUAL


def judges_every_read(options: Mapping[str, Any]) -> bool:
    """Whether reads are judged by real time, or only those of the end."""
    promised = {name: options[name] for name in ("promised-level",) if name in options}
    return flag(options, "linearizable", order_of(promised) == REALTIME)
