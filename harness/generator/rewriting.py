"""Other operations from those of a generator, and other ears for its events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..errors import UserError
from ..operation import Operation
from .context import Context
from .core import Answer, Combinator, Generator
from .lifting import lift

MOST_SKIPPED = 100_000
"""After so many operations that :func:`filter_` threw away in a row, something is wrong."""


def map_(function: Callable[[Operation], Operation], generator: Any) -> Generator:
    """Every operation as the function changes it. Steps that are none pass unchanged.

    ::

        map_(lambda op: msgspec.structs.replace(op, value=[op.value, "x"]), writes)
    """
    inner = lift(generator)
    return Map(function, inner, inner.ignores_updates)


def f_map(names: Mapping[str, str], generator: Any) -> Generator:
    """The operations with their ``f`` renamed; names that are not in the mapping stay.

    Two nemeses that both know ``start`` and ``stop``::

        f_map({"start": "start-partition", "stop": "stop-partition"}, partitions)
    """
    return map_(Rename(names), generator)


class Rename(msgspec.Struct, frozen=True):
    """A function that renames the ``f`` of an operation."""

    names: Mapping[str, str]

    def __call__(self, operation: Operation) -> Operation:
        """The operation with its new name."""
        new = self.names.get(operation.f)
        return operation if new is None else msgspec.structs.replace(operation, f=new)


class Map(Combinator, frozen=True):
    """A function over the operations of a generator."""

    function: Callable[[Operation], Operation]
    generator: Generator
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """The generator's operation, changed."""
        answer = self.generator.op(context)
        if answer is None:
            return None
        step, successor = answer
        if type(step) is Operation:
            step = self.function(step)
        if successor is self.generator:
            return step, self
        return step, None if successor is None else self._with(successor)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the generator, as it happened (changed)."""
        if self.ignores_updates:
            return self
        inner = self.generator.update(context, event)
        if inner is self.generator:
            return self
        return None if inner is None else self._with(inner)

    def _with(self, generator: Generator) -> Generator:
        return Map(self.function, generator, generator.ignores_updates)


def filter_(predicate: Callable[[Operation], bool], generator: Any) -> Generator:
    """Only the operations that the predicate holds for. Steps that are none pass.

    ::

        filter_(lambda op: op.f != "drop-table", everything)
    """
    inner = lift(generator)
    return Filter(predicate, inner, inner.ignores_updates)


class Filter(Combinator, frozen=True):
    """A predicate over the operations of a generator."""

    predicate: Callable[[Operation], bool]
    generator: Generator
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """The next operation that passes."""
        generator = self.generator
        for _ in range(MOST_SKIPPED):
            answer = generator.op(context)
            if answer is None:
                return None
            step, successor = answer
            if type(step) is not Operation or self.predicate(step):
                if successor is self.generator:
                    return step, self
                return step, None if successor is None else self._with(successor)
            if successor is None:
                return None
            generator = successor
        raise UserError(
            f"filter_({self.predicate!r}, …): {MOST_SKIPPED} operations in a row did not pass; "
            "the generator seems never to make one that does"
        )

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the generator."""
        if self.ignores_updates:
            return self
        inner = self.generator.update(context, event)
        if inner is self.generator:
            return self
        return None if inner is None else self._with(inner)

    def _with(self, generator: Generator) -> Generator:
        return Filter(self.predicate, generator, generator.ignores_updates)


def ignore_updates(generator: Any) -> Generator:
    """The generator, told of nothing: cheaper where it would not care.

    ::

        ignore_updates(mix([until_ok(a), b]))    # and a never ends
    """
    return Deaf(lift(generator))


class Deaf(Combinator, frozen=True):
    """A generator that is told of nothing."""

    ignores_updates = True

    generator: Generator

    def op(self, context: Context) -> Answer:
        """From the generator."""
        answer = self.generator.op(context)
        if answer is None:
            return None
        step, successor = answer
        if successor is self.generator:
            return step, self
        return step, None if successor is None else Deaf(successor)


def on_update(function: Callable[[OnUpdate, Context, Operation], Any], generator: Any) -> Generator:
    """The generator, until the function makes another one of it at an event.

    The function gets this generator, the context and the event, and returns a generator
    (or whatever :func:`lift` takes): this one, to go on. After the first write that failed,
    read::

        def read_after_failure(this, context, event):
            return [{"f": "read"}, this] if event.type == "fail" else this

        on_update(read_after_failure, writes)

    To pass an event on to the generator inside, return ``this.inform(context, event)``.
    """
    return OnUpdate(function, lift(generator))


class OnUpdate(Combinator, frozen=True):
    """A generator and what to make of it at an event."""

    function: Callable[[OnUpdate, Context, Operation], Any]
    generator: Generator

    def op(self, context: Context) -> Answer:
        """From the generator."""
        answer = self.generator.op(context)
        if answer is None:
            return None
        step, successor = answer
        if successor is self.generator:
            return step, self
        return step, None if successor is None else OnUpdate(self.function, successor)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """What the function returns."""
        made = self.function(self, context, event)
        return made if made is self or made is None else lift(made)

    def inform(self, context: Context, event: Operation) -> Generator | None:
        """This, after its own generator was told of the event."""
        inner = self.generator.update(context, event)
        if inner is self.generator:
            return self
        return None if inner is None else OnUpdate(self.function, inner)
