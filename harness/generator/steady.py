"""Chance that does not depend on how often a generator was asked."""

from __future__ import annotations

from random import Random
from typing import Any

from ..operation import Operation
from .context import Context
from .core import Answer, Combinator, Generator
from .lifting import lift


def steady(seed: str, generator: Any) -> Generator:
    """The generator, whose n-th operation draws from a stream that only seed and n decide.

    A trial asks for the next operation anew whenever something happens, each time with draws.
    With one stream for all, a fault that comes a moment earlier would change every operation
    after it; so operations stay the same when faults are left out or moved.
    """
    inner = lift(generator)
    start = Random(seed).getrandbits(62)
    return Steady(inner, start, Random(), inner.ignores_updates)


class Steady(Combinator, frozen=True):
    """A generator and the number that seeds its next draws."""

    generator: Generator
    next_seed: int
    random: Random
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """The generator's operation, drawn from a stream of its own."""
        random = self.random
        random.seed(self.next_seed)
        answer = self.generator.op(
            Context(
                context.time,
                random,
                context.threads,
                context.free,
                context.processes,
                context.concurrency,
            )
        )
        if answer is None:
            return None
        step, successor = answer
        if successor is None:
            return step, None
        drawn = type(step) is Operation
        if successor is self.generator and not drawn:
            return step, self
        return step, self._with(successor, self.next_seed + drawn)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the generator."""
        if self.ignores_updates:
            return self
        inner = self.generator.update(context, event)
        if inner is self.generator:
            return self
        return None if inner is None else self._with(inner, self.next_seed)

    def _with(self, generator: Generator, next_seed: int) -> Generator:
        return Steady(generator, next_seed, self.random, generator.ignores_updates)
