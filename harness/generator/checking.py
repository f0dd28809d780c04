"""Generators that watch other generators: rules, errors, traces."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ..errors import UserError
from ..operation import Operation
from .context import Context
from .core import PENDING, Answer, Combinator, Generator, Log, Pending, Sleep
from .lifting import lift

_logger = logging.getLogger("duress.generator")


class GeneratorError(UserError):
    """A generator broke the rules, or raised. The message names it and what it did."""


def validate(generator: Any) -> Generator:
    """The generator; :class:`GeneratorError` when it answers what it must not.

    The simulators put this around everything they run; a trial may, too.
    """
    return Validate(lift(generator))


class Validate(Combinator, frozen=True):
    """A generator whose every answer is checked."""

    generator: Generator

    def op(self, context: Context) -> Answer:
        """The generator's answer, if there is nothing wrong with it."""
        answer: Any = self.generator.op(context)
        if answer is None:
            return None
        wrong = _wrong_with_answer(answer) or _wrong_with_step(answer[0], context)
        if wrong:
            raise GeneratorError(
                f"generator {_short(self.generator)} at {context.time} ns answered "
                f"{_short(answer)}: {wrong}"
            )
        step, successor = answer
        if successor is self.generator:
            return step, self
        return step, None if successor is None else Validate(successor)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """The generator after the event, if it is one."""
        inner: Any = self.generator.update(context, event)
        if inner is self.generator:
            return self
        if inner is None:
            return None
        if not isinstance(inner, Generator):
            raise GeneratorError(
                f"generator {_short(self.generator)} became {_short(inner)} on {event.type} "
                f"{event.f}: expected a Generator or None from update (lift makes one)"
            )
        return Validate(inner)


def _wrong_with_answer(answer: Any) -> str | None:
    if not isinstance(answer, tuple) or len(answer) != 2:
        return "expected None or a pair (step, successor)"
    step, successor = answer
    if successor is not None and not isinstance(successor, Generator):
        return f"the successor is {_short(successor)}, expected a Generator or None"
    if successor is None and step is PENDING:
        return "pending needs a successor; answer None if there is nothing left"
    if not isinstance(step, Operation | Sleep | Log | Pending):
        return "expected an Operation, Sleep, Log or PENDING"
    return None


def _wrong_with_step(step: Any, context: Context) -> str | None:
    if step is PENDING:
        return None
    if type(step.time) is not int or step.time < context.time:
        return f"time {step.time!r} should be nanoseconds, {context.time} or later"
    process = step.process
    if process not in context.all_processes():
        return f"process {process!r} is not one of the context's: {context.all_processes()}"
    if process not in context.free_processes():
        return f"process {process!r} is busy; free are {context.free_processes()}"
    if isinstance(step, Sleep) and (type(step.duration_ns) is not int or step.duration_ns < 0):
        return f"duration {step.duration_ns!r} should be nanoseconds, 0 or more"
    if isinstance(step, Log) and not isinstance(step.message, str):
        return f"message {step.message!r} should be a string"
    if not isinstance(step, Operation):
        return None
    if step.type != "invoke":
        return f"type {step.type!r} should be 'invoke'"
    if step.index != -1:
        return f"index {step.index!r} should be -1: the history gives the index"
    if not isinstance(step.f, str):
        return f"f {step.f!r} should be a string that says what to do"
    return None


def _short(thing: Any, most: int = 300) -> str:
    text = repr(thing)
    return text if len(text) <= most else text[: most - 1] + "…"


def friendly_exceptions(generator: Any) -> Generator:
    """The generator; what it raises becomes a :class:`GeneratorError` that says where.

    The original exception is its ``__cause__``.
    """
    inner = lift(generator)
    return Friendly(inner, inner.ignores_updates)


class Friendly(Combinator, frozen=True):
    """A generator whose exceptions name it."""

    generator: Generator
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """From the generator."""
        try:
            answer = self.generator.op(context)
        except GeneratorError:
            raise
        except Exception as error:
            raise GeneratorError(
                f"generator {_short(self.generator)} raised {type(error).__name__}: {error}, "
                f"asked for an operation at {context.time} ns, "
                f"free processes {context.free_processes()}"
            ) from error
        if answer is None:
            return None
        step, successor = answer
        if successor is self.generator:
            return step, self
        if successor is None:
            return step, None
        return step, Friendly(successor, successor.ignores_updates)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the generator."""
        if self.ignores_updates:
            return self
        try:
            inner = self.generator.update(context, event)
        except GeneratorError:
            raise
        except Exception as error:
            raise GeneratorError(
                f"generator {_short(self.generator)} raised {type(error).__name__}: {error}, "
                f"told at {context.time} ns of {event.type} {event.f} by process {event.process}"
            ) from error
        if inner is self.generator:
            return self
        return None if inner is None else Friendly(inner, inner.ignores_updates)


def trace(
    name: str,
    generator: Any,
    write: Callable[[str], Any] = _logger.info,
) -> Generator:
    """The generator; every question and answer, and every event, is written out.

    ::

        trace("reads", reads, write=print)
    """
    return Trace(name, lift(generator), write)


class Trace(Combinator, frozen=True):
    """A generator that is listened to."""

    name: str
    generator: Generator
    write: Callable[[str], Any]

    def op(self, context: Context) -> Answer:
        """From the generator, written out."""
        answer = self.generator.op(context)
        step = None if answer is None else answer[0]
        self.write(
            f"{self.name}: at {context.time} ns, free {context.free_processes()}: "
            + ("exhausted" if step is None else "pending" if step is PENDING else repr(step))
        )
        if answer is None:
            return None
        successor = answer[1]
        if successor is self.generator:
            return answer[0], self
        return answer[0], None if successor is None else self._with(successor)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Written out, and told to the generator."""
        self.write(f"{self.name}: told at {context.time} ns of {event!r}")
        inner = self.generator.update(context, event)
        if inner is self.generator:
            return self
        return None if inner is None else self._with(inner)

    def _with(self, generator: Generator) -> Generator:
        return Trace(self.name, generator, self.write)
