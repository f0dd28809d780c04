"""When operations happen."""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import UserError
from ..operation import Operation
from .context import Context
from .core import PENDING, Answer, Combinator, Generator, Log, Pending, Sleep, moved, to_ns
from .lifting import lift


def time_limit(seconds: float, generator: Any) -> Generator:
    """The operations of the generator that begin within a time of the first one.

    ::

        time_limit(60, clients(reads))
    """
    inner = lift(generator)
    return TimeLimit(inner, _positive("time_limit", seconds), None, inner.ignores_updates)


def _positive(name: str, seconds: float) -> int:
    if not isinstance(seconds, int | float) or not seconds >= 0:
        raise UserError(f"{name}({seconds!r}, …): expected a number of seconds, zero or more")
    return to_ns(seconds)


class TimeLimit(Combinator, frozen=True):
    """A generator and the time from which on it is exhausted, known from its first operation."""

    generator: Generator
    limit_ns: int
    until: int | None
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """From the generator, if it begins in time."""
        until = self.until
        if until is not None and context.time >= until:
            return None
        answer = self.generator.op(context)
        if answer is None:
            return None
        step, successor = answer
        if not isinstance(step, Pending):
            if until is None:
                until = step.time + self.limit_ns
            if step.time >= until:
                return None
        if successor is None:
            return step, None
        if successor is self.generator and until == self.until:
            return step, self
        return step, TimeLimit(successor, self.limit_ns, until, successor.ignores_updates)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the generator."""
        if self.ignores_updates:
            return self
        inner = self.generator.update(context, event)
        if inner is self.generator:
            return self
        if inner is None:
            return None
        return TimeLimit(inner, self.limit_ns, self.until, inner.ignores_updates)


def stagger(seconds: float, generator: Any) -> Generator:
    """Spreads operations out at random: a mean time apart, over all threads together.

    The gaps are uniform between zero and twice the mean, so that ``stagger(1 / rate, …)``
    is about ``rate`` operations a second, if there are threads enough to perform them::

        stagger(0.01, reads)     # about 100 reads a second
    """
    inner = lift(generator)
    return Spaced(inner, 2 * _positive("stagger", seconds), True, None, inner.ignores_updates)


def delay(seconds: float, generator: Any) -> Generator:
    """Operations a fixed time apart, over all threads together; later if nobody is free.

    ::

        delay(5, flip_flop(repeat({"f": "kill"}), repeat({"f": "restart"})))
    """
    inner = lift(generator)
    return Spaced(inner, _positive("delay", seconds), False, None, inner.ignores_updates)


class Spaced(Combinator, frozen=True):
    """A generator whose next operation begins at ``next_time`` or later."""

    generator: Generator
    gap_ns: int
    random_gap: bool
    next_time: int | None
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """The generator's operation, moved to the next time if it is too early."""
        answer = self.generator.op(context)
        if answer is None:
            return None
        step, successor = answer
        next_time = self.next_time
        if isinstance(step, Pending):
            if successor is self.generator and next_time is not None:
                return step, self
            if next_time is None:
                next_time = context.time
        else:
            time = step.time
            if next_time is not None and next_time > time:
                step = moved(step, next_time)
                time = next_time
            gap = self.gap_ns
            next_time = time + (int(context.random.random() * gap) if self.random_gap else gap)
        if successor is None:
            return step, None
        return step, Spaced(
            successor, self.gap_ns, self.random_gap, next_time, successor.ignores_updates
        )

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the generator."""
        if self.ignores_updates:
            return self
        inner = self.generator.update(context, event)
        if inner is self.generator:
            return self
        return (
            None
            if inner is None
            else msgspec.structs.replace(
                self, generator=inner, ignores_updates=inner.ignores_updates
            )
        )


def sleep(seconds: float) -> Generator:
    """One process does nothing for a while.

    It is busy meanwhile, so that what is synchronized with it waits::

        [{"f": "partition"}, sleep(10), {"f": "heal"}]       # the nemesis's
    """
    return Aside("sleep", _positive("sleep", seconds), "")


def log(message: str) -> Generator:
    """Writes one line to the trial's log.

    ::

        phases(writes, log("healing"), nemesis({"f": "heal"}))
    """
    return Aside("log", 0, message)


class Aside(Combinator, frozen=True):
    """One step that is not an operation."""

    ignores_updates = True

    kind: str
    duration_ns: int
    message: str

    def op(self, context: Context) -> Answer:
        """The step, by any free process."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        if self.kind == "log":
            return Log(process, context.time, self.message), None
        return Sleep(process, context.time, self.duration_ns), None


def cycle_times(*seconds_and_generators: Any) -> Generator:
    """Each generator for its time, again and again; each goes on where it was.

    Takes seconds and generators in turn; exhausted when one of them is. Nothing begins
    outside of its generator's time, but operations may last longer::

        cycle_times(5, writes, 10, stagger(1, reads))
    """
    if not seconds_and_generators or len(seconds_and_generators) % 2:
        raise UserError("cycle_times: expected seconds, generator, seconds, generator, …")
    generators = tuple(lift(generator) for generator in seconds_and_generators[1::2])
    ends, end = [], 0
    for seconds in seconds_and_generators[::2]:
        end += _positive("cycle_times", seconds)
        ends.append(end)
    if not end:
        raise UserError("cycle_times: the times of a cycle must not all be zero")
    return CycleTimes(None, tuple(ends), generators)


class CycleTimes(Combinator, frozen=True):
    """When the first cycle began, and where in a cycle each generator's time ends."""

    start: int | None
    ends: tuple[int, ...]
    generators: tuple[Generator, ...]

    def op(self, context: Context) -> Answer:
        """From the generator whose time it is, or else from the one whose time comes first."""
        now, ends = context.time, self.ends
        start = now if self.start is None else self.start
        in_cycle = (now - start) % ends[-1]
        cycle_start = now - in_cycle
        at = next(i for i, end in enumerate(ends) if in_cycle < end)
        seen: list[int] = []
        while True:
            answer = self.generators[at].op(context)
            if answer is None:
                return None
            step, successor = answer
            if isinstance(step, Pending) or step.time < cycle_start + ends[at]:
                return step, None if successor is None else self._with(start, at, successor)
            # Too late for its own time: the next one may have something in its.
            seen.append(step.time)
            time = cycle_start + ends[at]
            at += 1
            if at == len(ends):
                at, cycle_start = 0, time
                if len(seen) >= len(ends):
                    # Everyone was asked: cycles before the earliest that anyone has are empty.
                    ahead = max(0, min(seen[-len(ends) :]) - time)
                    cycle_start = time = time + ahead // ends[-1] * ends[-1]
            context = context.with_time(time)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to all of them."""
        generators: list[Generator] = []
        for generator in self.generators:
            successor = generator.update(context, event)
            if successor is None:
                return None
            generators.append(successor)
        if all(a is b for a, b in zip(generators, self.generators, strict=True)):
            return self
        return CycleTimes(self.start, self.ends, tuple(generators))

    def _with(self, start: int, at: int, successor: Generator) -> Generator:
        if start == self.start and successor is self.generators[at]:
            return self
        generators = (*self.generators[:at], successor, *self.generators[at + 1 :])
        return CycleTimes(start, self.ends, generators)
