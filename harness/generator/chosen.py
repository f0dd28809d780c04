"""Only some of a generator's operations, by number: the script of a shrunk trial."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..operation import Operation
from .context import Context
from .core import Answer, Combinator, Generator
from .lifting import lift


def chosen(numbers: Iterable[int], generator: Any) -> Generator:
    """The operations of the generator with these numbers (from 0); it ends after the last.

    The others are passed over in no time, as though a client had left them out.
    """
    wanted = frozenset(numbers)
    return Chosen(lift(generator), wanted, max(wanted, default=-1), 0)


class Chosen(Combinator, frozen=True):
    """A generator, which of its operations are wanted, and how many it has given."""

    generator: Generator
    wanted: frozenset[int]
    last: int
    given: int

    def op(self, context: Context) -> Answer:
        """The next operation that is wanted."""
        generator, given = self.generator, self.given
        while given <= self.last:
            answer = generator.op(context)
            if answer is None:
                return None
            step, successor = answer
            if type(step) is not Operation:
                after = None if successor is None else self._at(successor, given)
                return step, after
            given += 1
            if given - 1 in self.wanted:
                return step, None if successor is None else self._at(successor, given)
            if successor is None:
                return None
            generator = successor
        return None

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the generator."""
        inner = self.generator.update(context, event)
        if inner is self.generator:
            return self
        return None if inner is None else self._at(inner, self.given)

    def _at(self, generator: Generator, given: int) -> Chosen:
        return Chosen(generator, self.wanted, self.last, given)
