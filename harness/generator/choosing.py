"""Which of several generators is next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Any

from ..errors import UserError
from ..operation import Operation
from .context import Context
from .core import PENDING, Answer, Combinator, Generator, Pending
from .lifting import NOTHING, lift


def any_(*generators: Any) -> Generator:
    """Whichever generator's operation comes soonest, by chance where several come at once.

    ::

        any_(stagger(1, reads), delay(10, writes))    # each in its own rhythm
    """
    return _any_of(tuple(lift(generator) for generator in generators), False)


def shortest_any(*generators: Any) -> Generator:
    """Like :func:`any_`, but over as soon as one of the generators is exhausted.

    ::

        shortest_any(repeat(reads), limit(100, writes))    # reads while there are writes
    """
    return _any_of(tuple(lift(generator) for generator in generators), True)


def _any_of(generators: tuple[Generator, ...], shortest: bool) -> Generator:
    if not generators:
        return NOTHING
    return Race(generators, shortest, all(g.ignores_updates for g in generators))


class Race(Combinator, frozen=True):
    """Generators that race."""

    generators: tuple[Generator, ...]
    shortest: bool
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """The soonest. Asked in random order, and no further once one can begin now."""
        now = context.time
        generators = self.generators
        untried = list(range(len(generators)))
        best: tuple[Any, Generator | None] | None = None
        best_at = -1
        exhausted: list[int] = []
        while untried:
            at = untried.pop(int(context.random.random() * len(untried)))
            answer = generators[at].op(context)
            if answer is None:
                if self.shortest:
                    return None
                exhausted.append(at)
                continue
            step = answer[0]
            if isinstance(step, Pending):
                continue
            if best is None or step.time < best[0].time:
                best, best_at = answer, at
                if step.time <= now:
                    break
        if best is not None:
            step, successor = best
            if exhausted or successor is None:
                return step, self._with({best_at: successor}, exhausted)
            if successor is generators[best_at]:
                return step, self
            return step, self._replaced(best_at, successor)
        if len(exhausted) == len(generators):
            return None
        return PENDING, self._with({}, exhausted)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to all of them."""
        if self.ignores_updates:
            return self
        changed: dict[int, Generator | None] = {}
        for at, generator in enumerate(self.generators):
            if generator.ignores_updates:
                continue
            successor = generator.update(context, event)
            if successor is not generator:
                changed[at] = successor
        if len(changed) == 1:
            ((at, successor),) = changed.items()
            if successor is not None:
                return self._replaced(at, successor)
        return self._with(changed, []) if changed else self

    def _replaced(self, at: int, successor: Generator) -> Race:
        """The same race with one generator in another state: what nearly every step ends with."""
        generators = self.generators
        hears_not = self.ignores_updates
        if successor.ignores_updates is not generators[at].ignores_updates:
            rest = (g.ignores_updates for i, g in enumerate(generators) if i != at)
            hears_not = successor.ignores_updates and all(rest)
        return Race((*generators[:at], successor, *generators[at + 1 :]), self.shortest, hears_not)

    def _with(self, changed: dict[int, Generator | None], exhausted: list[int]) -> Generator | None:
        if not changed and not exhausted:
            return self
        if self.shortest and None in changed.values():
            return None
        generators: list[Generator] = []
        for at, generator in enumerate(self.generators):
            successor = changed.get(at, generator)
            if successor is not None and at not in exhausted:
                generators.append(successor)
        return _any_of(tuple(generators), self.shortest) if generators else None


def mix(generators: Sequence[Any], weights: Sequence[float] | None = None) -> Generator:
    """A random one of the generators for each operation; those that are exhausted drop out.

    Weights say how likely each is; all the same without them::

        mix([repeat(read), repeat(write), repeat(cas)])
        mix([reads, writes], weights=[9, 1])       # 90 % reads

    Which one is next is decided beforehand: one that is pending is waited for, so that quick
    generators do not crowd out slow ones.
    """
    lifted = tuple(lift(generator) for generator in generators)
    if weights is None:
        weights = (1.0,) * len(lifted)
    if len(weights) != len(lifted):
        raise UserError(f"mix: {len(lifted)} generators but {len(weights)} weights")
    if any(not w > 0 for w in weights):
        raise UserError(f"mix: weights must be positive, got {list(weights)!r}")
    if not lifted:
        return NOTHING
    return _mix_of(lifted, tuple(weights), None)


def _mix_of(
    generators: tuple[Generator, ...], weights: tuple[float, ...], chosen: int | None
) -> Mix:
    even = len(set(weights)) == 1
    return Mix(
        generators,
        weights,
        () if even else tuple(accumulate(weights)),
        chosen,
        all(g.ignores_updates for g in generators),
    )


class Mix(Combinator, frozen=True):
    """Generators, their weights (also summed up, if uneven) and which one is next."""

    generators: tuple[Generator, ...]
    weights: tuple[float, ...]
    sums: tuple[float, ...]
    chosen: int | None
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """From the chosen one; chooses the next."""
        chosen = self.chosen
        if chosen is None:
            chosen = self._choose(context.random)
        generators = self.generators
        answer = generators[chosen].op(context)
        if answer is None:
            rest = self._without(chosen)
            return None if rest is None else rest.op(context)
        step, successor = answer
        if step is not PENDING:
            following = self._choose(context.random)
        elif chosen == self.chosen and successor is generators[chosen]:
            return step, self
        else:
            following = chosen
        if successor is generators[chosen]:
            if following == self.chosen:
                return step, self
            return step, Mix(generators, self.weights, self.sums, following, self.ignores_updates)
        if successor is None:
            return step, self._without(chosen)
        changed = (*generators[:chosen], successor, *generators[chosen + 1 :])
        hears_not = all(g.ignores_updates for g in changed)
        return step, Mix(changed, self.weights, self.sums, following, hears_not)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to all of them."""
        if self.ignores_updates:
            return self
        mixed: Mix = self
        for at in range(len(self.generators) - 1, -1, -1):
            generator = self.generators[at]
            successor = generator.update(context, event)
            if successor is generator:
                continue
            if successor is None:
                rest = mixed._without(at)
                if rest is None:
                    return None
                mixed = rest
            else:
                generators = (*mixed.generators[:at], successor, *mixed.generators[at + 1 :])
                mixed = _mix_of(generators, mixed.weights, mixed.chosen)
        return mixed

    def _choose(self, random: Random) -> int:
        sums = self.sums
        if not sums:
            return int(random.random() * len(self.generators))
        at = random.random() * sums[-1]
        for index, end in enumerate(sums):
            if at < end:
                return index
        return len(sums) - 1

    def _without(self, at: int) -> Mix | None:
        generators = (*self.generators[:at], *self.generators[at + 1 :])
        if not generators:
            return None
        chosen = self.chosen
        if chosen is not None:
            chosen = None if chosen == at else chosen - (chosen > at)
        return _mix_of(generators, (*self.weights[:at], *self.weights[at + 1 :]), chosen)
