"""How many operations, by how many processes, until what happens."""

from __future__ import annotations

from typing import Any

from ..errors import UserError
from ..operation import Operation
from .context import Context
from .core import PENDING, Answer, Combinator, Generator
from .lifting import lift


def limit(n: int, generator: Any) -> Generator:
    """The first n operations of the generator.

    ::

        limit(100, reads)
    """
    if type(n) is not int or n < 0:
        raise UserError(f"limit({n!r}, …): expected a number of operations, zero or more")
    inner = lift(generator)
    return Limit(n, inner, inner.ignores_updates)


def once(generator: Any) -> Generator:
    """Only the first operation of the generator: ``limit(1, generator)``."""
    return limit(1, generator)


class Limit(Combinator, frozen=True):
    """A generator and how many of its operations remain."""

    remaining: int
    generator: Generator
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """From the generator, while any remain."""
        remaining = self.remaining
        if remaining <= 0:
            return None
        answer = self.generator.op(context)
        if answer is None:
            return None
        step, successor = answer
        if step is not PENDING:
            remaining -= 1
            if remaining == 0:
                return step, None
        elif successor is self.generator:
            return step, self
        if successor is None:
            return step, None
        return step, Limit(remaining, successor, successor.ignores_updates)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the generator."""
        if self.ignores_updates:
            return self
        inner = self.generator.update(context, event)
        if inner is self.generator:
            return self
        return None if inner is None else Limit(self.remaining, inner, inner.ignores_updates)


def process_limit(n: int, generator: Any) -> Generator:
    """The generator, until more than n client processes could have taken part.

    For state that grows with every process that crashes. All client processes of the
    context count, whether they did something or not, so that the end is sudden, not a
    trickle of ever fewer threads::

        clients(process_limit(10, writes))
    """
    if type(n) is not int or n < 1:
        raise UserError(f"process_limit({n!r}, …): expected a number of processes, one or more")
    return ProcessLimit(n, frozenset(), lift(generator))


class ProcessLimit(Combinator, frozen=True):
    """A generator and the processes that it could have used so far."""

    most: int
    seen: frozenset[int]
    generator: Generator

    def op(self, context: Context) -> Answer:
        """From the generator, if no new process makes it too many."""
        answer = self.generator.op(context)
        if answer is None:
            return None
        step, successor = answer
        seen = self.seen.union(p for p in context.all_processes() if type(p) is int)
        if len(seen) > self.most:
            return None
        if successor is None:
            return step, None
        if successor is self.generator and len(seen) == len(self.seen):
            return step, self
        return step, ProcessLimit(self.most, seen, successor)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the generator."""
        inner = self.generator.update(context, event)
        if inner is self.generator:
            return self
        return None if inner is None else ProcessLimit(self.most, self.seen, inner)


def concurrency_limit(n: int, generator: Any) -> Generator:
    """The generator, with at most n of its operations running at a time.

    ::

        concurrency_limit(1, {"f": "drain"})
    """
    if type(n) is not int or n < 1:
        raise UserError(f"concurrency_limit({n!r}, …): expected a number, one or more")
    return ConcurrencyLimit(n, frozenset(), lift(generator))


class ConcurrencyLimit(Combinator, frozen=True):
    """A generator and the threads that run its operations."""

    most: int
    running: frozenset[int]
    generator: Generator

    def op(self, context: Context) -> Answer:
        """From the generator, unless enough are running."""
        running = self.running
        if running:
            # What is no operation (sleep, log) ends without an event: look who is free.
            free = context.free
            if any(free >> thread & 1 for thread in running):
                running = frozenset(t for t in running if not free >> t & 1)
        if len(running) >= self.most:
            return PENDING, self
        answer = self.generator.op(context)
        if answer is None:
            return None
        step, successor = answer
        if step is not PENDING:
            running |= {context.thread_of(step.process)}
        elif successor is self.generator and running is self.running:
            return step, self
        if successor is None:
            return step, None
        return step, ConcurrencyLimit(self.most, running, successor)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Counts what completes, and tells the generator."""
        running = self.running
        if event.type != "invoke" and context.thread_of(event.process) in running:
            running = running - {context.thread_of(event.process)}
        inner = self.generator.update(context, event)
        if inner is self.generator and running is self.running:
            return self
        return None if inner is None else ConcurrencyLimit(self.most, running, inner)


def until_ok(generator: Any) -> Generator:
    """The generator, until one of its operations completes ``ok``.

    Several threads may try at once; :func:`concurrency_limit` keeps it to one::

        until_ok(repeat({"f": "create-table"}))
    """
    return UntilOk(lift(generator), frozenset())


class UntilOk(Combinator, frozen=True):
    """A generator and the processes that run its operations."""

    generator: Generator
    active: frozenset[int | str]

    def op(self, context: Context) -> Answer:
        """From the generator; remembers who performs it."""
        answer = self.generator.op(context)
        if answer is None:
            return None
        step, successor = answer
        active = self.active
        if type(step) is Operation:
            active = active | {step.process}
        if successor is None:
            # Whatever becomes of its last operation, there is nothing left.
            return step, None
        if successor is self.generator and active is self.active:
            return step, self
        return step, UntilOk(successor, active)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Exhausted by an ``ok`` of one of its own."""
        active = self.active
        if event.type != "invoke" and event.process in active:
            if event.type == "ok":
                return None
            active = active - {event.process}
        inner = self.generator.update(context, event)
        if inner is self.generator and active is self.active:
            return self
        return None if inner is None else UntilOk(inner, active)
