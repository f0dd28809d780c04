"""Generators from plain values: dicts, functions, sequences.

Every combinator takes whatever :func:`lift` takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..errors import UserError
from ..operation import Operation
from .context import Context
from .core import PENDING, Answer, Combinator, Generator

_FIELDS = ("f", "value", "key")


def lift(source: Any) -> Generator:
    """A generator from anything that can be understood as one.

    A dict is one operation; process and time are filled in::

        {"f": "write", "value": 3}            # and "key": …, if there are many objects

    A function is called for every operation, with the context if it takes an argument,
    until it returns ``None``. Use the context's random, nothing else, for chance::

        lambda: {"f": "read"}
        lambda context: {"f": "write", "value": context.random.randrange(5)}

    What it returns may be any source: all of its operations come before the next call.
    An iterable is one source after another, read lazily (it may be infinite)::

        [{"f": "write", "value": 1}, {"f": "read"}]
        ({"f": "write", "value": i} for i in itertools.count())

    ``None`` has no operations; a generator is itself. :class:`UserError` on anything else.
    """
    if isinstance(source, Generator):
        return source
    if source is None:
        return NOTHING
    if isinstance(source, Mapping):
        return _one_from_mapping(source)
    if isinstance(source, Operation):
        return One(source.f, source.value, source.key)
    if isinstance(source, list | tuple):
        # Lifted now, so that a mistake is found before the trial begins.
        return in_order([lift(item) for item in source])
    if isinstance(source, str | bytes | set | frozenset):
        raise UserError(f"a generator cannot be made from {source!r}: {_EXPECTED}")
    if callable(source):
        return FromFunction(source, _takes_context(source))
    if isinstance(source, Iterable):
        return in_order(source)
    raise UserError(f"a generator cannot be made from {source!r}: {_EXPECTED}")


_EXPECTED = (
    "expected a Generator, a dict with 'f', a function, a list or iterator of these, or None"
)


def _one_from_mapping(source: Mapping[str, Any]) -> Generator:
    unknown = [name for name in source if name not in _FIELDS]
    if unknown:
        raise UserError(f"operation {dict(source)!r}: unknown field {unknown[0]!r}, {_MAY_HAVE}")
    f = source.get("f")
    if not isinstance(f, str):
        raise UserError(f"operation {dict(source)!r}: 'f' must be a string that says what to do")
    return One(f, source.get("value"), source.get("key"))


_MAY_HAVE = "it may have 'f', 'value' and 'key'"


def _takes_context(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False  # a builtin that does not tell: called without arguments
    needed = [
        p
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if len(needed) > 1 or any(p.kind is p.KEYWORD_ONLY for p in needed):
        raise UserError(
            f"generator function {function!r} needs {len(needed)} arguments: "
            "it is called with the context or with nothing"
        )
    return len(needed) == 1


class Nothing(Combinator, frozen=True):
    """No operations at all."""

    ignores_updates = True

    def op(self, context: Context) -> Answer:
        """Exhausted."""
        return None


NOTHING = Nothing()


class One(Combinator, frozen=True):
    """One operation by any free process."""

    ignores_updates = True

    f: str
    value: Any = None
    key: Any = None

    def op(self, context: Context) -> Answer:
        """The operation, now."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        return (
            Operation(-1, context.time, process, "invoke", self.f, self.value, self.key),
            None,
        )


class FromFunction(Combinator, frozen=True):
    """Whatever a function returns, again and again until it returns ``None``."""

    ignores_updates = True

    function: Callable[..., Any]
    takes_context: bool

    def op(self, context: Context) -> Answer:
        """Calls the function, unless nobody is free."""
        if not context.free:
            return PENDING, self
        made = self.function(context) if self.takes_context else self.function()
        if type(made) is dict and "f" in made:
            value = made.get("value")
            key = made.get("key")
            if len(made) == 1 + ("value" in made) + ("key" in made):
                return (
                    Operation(
                        -1,
                        context.time,
                        context.some_free_process(),
                        "invoke",
                        made["f"],
                        value,
                        key,
                    ),
                    self,
                )
        if made is None:
            return None
        return _then(lift(made), self).op(context)


def _then(first: Generator, second: Generator) -> Generator:
    return Sequence(first, Cell(iter((second,))), first.ignores_updates)


class Cell:
    """A place in an iterator. What was read stays here, so that reading again gives the same.

    Cells that nobody holds any more are forgotten: an infinite iterator costs no memory.
    """

    __slots__ = ("_next", "_source", "_value")

    def __init__(self, source: Iterator[Any]) -> None:
        self._source: Iterator[Any] | None = source
        self._value: Any = None
        self._next: Cell | None = None

    def read(self) -> tuple[Any, Cell] | None:
        """The value here and the next place; ``None`` at the end."""
        if self._source is not None:
            source, self._source = self._source, None
            for value in source:
                self._value = value
                self._next = Cell(source)
                break
        return None if self._next is None else (self._value, self._next)


def in_order(generators: Iterable[Any]) -> Generator:
    """One source after another."""
    return Sequence(NOTHING, Cell(iter(generators)))


class Sequence(Combinator, frozen=True):
    """The current generator until it is exhausted, then those that remain."""

    current: Generator
    rest: Cell
    ignores_updates: bool = True

    def op(self, context: Context) -> Answer:
        """From the first generator that is not exhausted."""
        current, rest = self.current, self.rest
        while True:
            answer = current.op(context)
            if answer is not None:
                step, successor = answer
                if successor is current and rest is self.rest:
                    return step, self
                if successor is None:
                    successor = NOTHING
                return step, Sequence(successor, rest, successor.ignores_updates)
            following = rest.read()
            if following is None:
                return None
            source, rest = following
            current = lift(source)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the current generator only."""
        if self.ignores_updates:
            return self
        successor = self.current.update(context, event)
        if successor is self.current:
            return self
        if successor is None:
            successor = NOTHING
        return Sequence(successor, self.rest, successor.ignores_updates)
