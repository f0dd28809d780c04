"""One generator after another."""

from __future__ import annotations

from typing import Any

from ..operation import Operation
from .context import Context
from .core import PENDING, Answer, Combinator, Generator
from .lifting import in_order, lift


def concat(*generators: Any) -> Generator:
    """Each generator as soon as the one before it has no more operations to *begin*.

    Operations of the one before may still be running; see :func:`phases`. A list is the same::

        concat(limit(5, reads), limit(5, writes))
        [limit(5, reads), limit(5, writes)]
    """
    return in_order([lift(generator) for generator in generators])


def synchronize(generator: Any) -> Generator:
    """Waits until all threads of the context are free, then is the generator.

    ::

        concat(writes, synchronize({"f": "read"}))   # reads when every write is complete
    """
    inner = lift(generator)
    return Synchronize(inner, inner.ignores_updates)


def phases(*generators: Any) -> Generator:
    """Like :func:`concat`, but each begins when everything of the one before is complete.

    ::

        phases(time_limit(60, clients(writes, faults)),
               nemesis({"f": "heal"}),
               sleep(10),
               clients(each_thread({"f": "read"})))
    """
    return in_order([synchronize(generator) for generator in generators])


def then(generator: Any, following: Any) -> Generator:
    """The generator, and when all of it is complete, the following one.

    ::

        then(limit(100, writes), {"f": "read"})
    """
    return concat(generator, synchronize(following))


class Synchronize(Combinator, frozen=True):
    """Pending until every thread of the context is free."""

    generator: Generator
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """From the generator itself, once all are free."""
        if context.free != context.threads:
            return PENDING, self
        return self.generator.op(context)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the generator, before it begins."""
        if self.ignores_updates:
            return self
        inner = self.generator.update(context, event)
        if inner is self.generator:
            return self
        return None if inner is None else Synchronize(inner, inner.ignores_updates)


def flip_flop(first: Any, second: Any) -> Generator:
    """An operation of the first, one of the second, and so on, until either is exhausted.

    ::

        flip_flop(repeat({"f": "kill"}), repeat({"f": "restart"}))
    """
    return FlipFlop(lift(first), lift(second))


class FlipFlop(Combinator, frozen=True):
    """Whose turn it is, and whose turn comes next."""

    turn: Generator
    other: Generator | None

    def op(self, context: Context) -> Answer:
        """From the one whose turn it is."""
        answer = self.turn.op(context)
        if answer is None:
            return None
        step, successor = answer
        if step is PENDING:
            return step, None if successor is None else FlipFlop(successor, self.other)
        return step, None if self.other is None else FlipFlop(self.other, successor)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to both."""
        turn = self.turn.update(context, event)
        other = None if self.other is None else self.other.update(context, event)
        if turn is self.turn and other is self.other:
            return self
        return None if turn is None else FlipFlop(turn, other)


def cycle(generator: Any, n: int | None = None) -> Generator:
    """The whole generator from its beginning, again and again: n times, or forever.

    ::

        cycle([{"f": "write", "value": 1}, {"f": "read"}])    # write, read, write, read, …
    """
    fresh = lift(generator)
    return Cycle(fresh, fresh, n, fresh.ignores_updates)


class Cycle(Combinator, frozen=True):
    """A generator, its fresh copy, and how often it is still to begin, this time included."""

    current: Generator
    fresh: Generator
    remaining: int | None
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """From the current one; from a fresh one where that is exhausted."""
        if self.remaining == 0:
            return None
        current, remaining = self.current, self.remaining
        answer = current.op(context)
        if answer is None:
            if remaining is not None:
                remaining -= 1
            # A generator that is exhausted from the start would cycle without end.
            if remaining == 0 or (answer := self.fresh.op(context)) is None:
                return None
        step, successor = answer
        if successor is self.current and remaining == self.remaining:
            return step, self
        return step, self._with(successor, remaining)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the current one."""
        if self.ignores_updates:
            return self
        current = self.current.update(context, event)
        return self if current is self.current else self._with(current, self.remaining)

    def _with(self, current: Generator | None, remaining: int | None) -> Generator | None:
        if current is None:
            if remaining is not None:
                remaining -= 1
                if remaining == 0:
                    return None
            current = self.fresh
        return Cycle(current, self.fresh, remaining, current.ignores_updates)


def repeat(generator: Any, n: int | None = None) -> Generator:
    """The *first* operation of the generator, again and again: n times, or forever.

    The generator stays at its beginning; compare :func:`cycle`::

        repeat({"f": "read"})                 # reads forever
        repeat([{"f": "a"}, {"f": "b"}], 3)   # a, a, a
    """
    inner = lift(generator)
    return Repeat(inner, n, inner.ignores_updates)


class Repeat(Combinator, frozen=True):
    """A generator that never moves on, and how often it is asked."""

    generator: Generator
    remaining: int | None
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """The first operation of the generator."""
        remaining = self.remaining
        if remaining is not None and remaining <= 0:
            return None
        answer = self.generator.op(context)
        if answer is None:
            return None
        step = answer[0]
        if step is PENDING or remaining is None:
            return step, self
        return step, Repeat(self.generator, remaining - 1, self.ignores_updates)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the generator."""
        if self.ignores_updates:
            return self
        inner = self.generator.update(context, event)
        if inner is self.generator:
            return self
        return None if inner is None else Repeat(inner, self.remaining, inner.ignores_updates)
