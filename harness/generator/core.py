"""What a generator is: two pure methods, and what they may answer."""

from __future__ import annotations

import abc
import enum
from typing import Any, Final

import msgspec

from ..operation import Operation
from .context import Context


class Pending(enum.Enum):
    """The type of :data:`PENDING`."""

    PENDING = "pending"


PENDING: Final = Pending.PENDING
"""Nothing to do until the next event. Whoever waits for a *time* answers with an operation
in the future instead: nobody wakes a pending generator when time passes."""


class Sleep(msgspec.Struct, frozen=True, gc=False):
    """Keep a process busy for a while; not part of the history."""

    process: int | str
    time: int
    duration_ns: int


class Log(msgspec.Struct, frozen=True, gc=False):
    """Write a message to the trial's log; not part of the history."""

    process: int | str
    time: int
    message: str


Step = Operation | Sleep | Log
"""What a process can be asked to do."""


class Generator(abc.ABC):
    """A plan of operations: immutable, and pure but for the context's ``random``.

    ::

        answer = generator.op(context)
        if answer is None:
            ...  # exhausted
        step, successor = answer

    ``step`` is :data:`PENDING` or something for a free process of the context to do, now or
    at a time in the future. ``successor`` is the generator to ask next (``None``: nothing
    left). An answer binds nobody: if an event comes before an operation's time, it is
    dropped and the original generator is told of the event and asked again. So an
    operation that was answered need not happen; what did happen comes by :meth:`update`.

    A generator of your own is a class with :meth:`op`, and :meth:`update` where it reacts::

        class Countdown(Generator):
            ignores_updates = True

            def __init__(self, n):
                self.n = n

            def op(self, context):
                process = context.some_free_process()
                if process is None:
                    return PENDING, self
                operation = Operation(-1, context.time, process, "invoke", "write", self.n)
                return operation, Countdown(self.n - 1) if self.n > 1 else None
    """

    __slots__ = ()

    ignores_updates: bool = False
    """Whether :meth:`update` does nothing, so that others need not call it."""

    @abc.abstractmethod
    def op(self, context: Context) -> Answer:
        """The next step and what follows it; ``None`` if there is none."""
        ...

    def update(self, context: Context, event: Operation) -> Generator | None:
        """The generator after an invocation or a completion; itself if nothing changed."""
        return self


Answer = tuple[Step | Pending, Generator | None] | None


class _AbstractStruct(type(msgspec.Struct), abc.ABCMeta):
    """What makes structs that may have abstract methods."""


class Combinator(msgspec.Struct, Generator, metaclass=_AbstractStruct, frozen=True):
    """A generator made of fields, with structural equality and a readable ``repr``."""


def moved(step: Any, time: int) -> Any:
    """The same step at another time."""
    kind = type(step)
    if kind is Operation:
        return Operation(
            step.index, time, step.process, step.type, step.f, step.value, step.key, step.node
        )
    if kind is Sleep:
        return Sleep(step.process, time, step.duration_ns)
    return Log(step.process, time, step.message)


def to_ns(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(seconds * 1e9)
