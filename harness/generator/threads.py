"""Which threads a generator may use."""

from __future__ import annotations

from collections.abc import Callable, Collection
from random import Random
from typing import Any

from ..errors import UserError
from ..operation import NEMESIS, Operation
from .context import Context, random_thread, threads_in
from .core import PENDING, Answer, Combinator, Generator, Pending
from .lifting import lift

Split = Callable[[Context], tuple[int, ...]]
"""Bitmasks of threads, one for each of several generators; they must not overlap."""


def on_threads(
    which: int | Collection[int | str] | Callable[[int | str], bool], generator: Any
) -> Generator:
    """The generator on some of the threads only: a bitmask, a collection or a predicate.

    Threads are numbered from 0; the nemesis's is ``"nemesis"``::

        on_threads({0, 1}, reads)
        on_threads(lambda thread: thread != "nemesis" and thread % 2, writes)
    """
    inner = lift(generator)
    return OnThreads(_selected(which), inner, inner.ignores_updates)


def _selected(
    which: int | Collection[int | str] | Callable[[int | str], bool],
) -> int | Callable[[Context], int]:
    if isinstance(which, int):
        return which
    wanted = which if callable(which) else which.__contains__

    def mask(context: Context) -> int:
        mask = context.nemesis_mask if wanted(NEMESIS) else 0
        return mask | sum(1 << t for t in range(context.concurrency) if wanted(t))

    return mask


def _clients(context: Context) -> int:
    return (1 << context.concurrency) - 1


def _nemesis(context: Context) -> int:
    return 1 << context.concurrency


def clients(generator: Any, nemesis_generator: Any = None) -> Generator:
    """The generator on client threads; if there is another one, that on the nemesis's.

    ::

        clients(reads)
        clients(reads, cycle([sleep(5), {"f": "kill"}, sleep(5), {"f": "restart"}]))
    """
    if nemesis_generator is None:
        inner = lift(generator)
        return OnThreads(_clients, inner, inner.ignores_updates)
    return _routed(_clients_and_nemesis, (lift(generator), lift(nemesis_generator)))


def nemesis(generator: Any, client_generator: Any = None) -> Generator:
    """The generator on the nemesis's thread; if there is another one, that on the clients'.

    ::

        nemesis([sleep(5), {"f": "kill"}], client_generator=reads)
    """
    if client_generator is None:
        inner = lift(generator)
        return OnThreads(_nemesis, inner, inner.ignores_updates)
    return clients(client_generator, generator)


def _clients_and_nemesis(context: Context) -> tuple[int, ...]:
    return _clients(context), _nemesis(context)


class OnThreads(Combinator, frozen=True):
    """A generator and a bitmask, or how to find it."""

    which: int | Callable[[Context], int]
    generator: Generator
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """From the generator, with a narrower context; pending while nobody is free."""
        which = self.which
        mask = which if isinstance(which, int) else which(context)
        threads = context.threads & mask
        free = context.free & mask
        if not free:
            return (PENDING, self) if threads else None
        generator = self.generator
        if threads != context.threads:
            context = Context(
                context.time,
                context.random,
                threads,
                free,
                context.processes,
                context.concurrency,
            )
        answer = generator.op(context)
        if answer is None:
            return None
        step, successor = answer
        if successor is generator and mask is which:
            return step, self
        if successor is None:
            return step, None
        return step, OnThreads(mask, successor, successor.ignores_updates)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told of what its threads do."""
        if self.ignores_updates:
            return self
        which = self.which
        mask = which if isinstance(which, int) else which(context)
        if not mask >> context.thread_of(event.process) & 1:
            return self
        inner = self.generator.update(context.restrict(mask), event)
        if inner is self.generator:
            return self
        return None if inner is None else OnThreads(self.which, inner, inner.ignores_updates)


def reserve(*counts_and_generators: Any) -> Generator:
    """Threads set apart: the first n for one generator, the next for another, the rest.

    Five threads write, ten compare-and-set, and whoever is left reads::

        reserve(5, writes, 10, cas, reads)

    The threads are the context's own, ascending, so it works inside
    :func:`~duress.harness.generator.independent.concurrent` too. Clients come first: without
    :func:`clients` around it, the rest includes the nemesis. Without a generator for the rest,
    the rest is idle. :class:`UserError` (when first asked) if the threads do not suffice.
    """
    counts = counts_and_generators[:-1:2] if len(counts_and_generators) % 2 else None
    if counts is None:
        counts = counts_and_generators[::2]
        counts_and_generators = (*counts_and_generators, None)
    for count in counts:
        if type(count) is not int or count < 1:
            raise UserError(
                f"reserve: {count!r} is not a number of threads; "
                "expected reserve(5, generator, 5, generator, …, generator for the rest)"
            )
    generators = (*counts_and_generators[1::2], counts_and_generators[-1])
    return _routed(Reserved(counts), tuple(lift(generator) for generator in generators))


class Reserved:
    """How many threads each generator of :func:`reserve` has, but for the last."""

    __slots__ = ("counts",)

    def __init__(self, counts: tuple[int, ...]) -> None:
        self.counts = counts

    def __call__(self, context: Context) -> tuple[int, ...]:
        """The bitmasks, the rest last."""
        threads = threads_in(context.threads)
        if sum(self.counts) > len(threads):
            raise UserError(
                f"reserve: {sum(self.counts)} threads are wanted ({self.counts}) but there are "
                f"only {len(threads)}; raise the concurrency or reserve fewer"
            )
        masks, at = [], 0
        for count in self.counts:
            masks.append(sum(1 << thread for thread in threads[at : at + count]))
            at += count
        return (*masks, sum(1 << thread for thread in threads[at:]))


def _pick(masks: tuple[int, ...], free: int, random: Random) -> int:
    """The mask that a random free thread belongs to; negative if none has a free thread."""
    bit = 1 << random_thread(free, random)
    for at, mask in enumerate(masks):
        if mask & bit:
            return at
    live = 0
    for mask in masks:
        live |= mask
    return _pick(masks, free & live, random) if free & live else -1


def _routed(split: Split, generators: tuple[Generator, ...]) -> Generator:
    return Routed(split, 0, (), generators, all(g.ignores_updates for g in generators))


class Routed(Combinator, frozen=True):
    """Several generators, each with threads of its own.

    ``masks`` are those of a context with ``threads``; found when first asked. A generator
    that is exhausted has an empty mask.
    """

    split: Split
    threads: int
    masks: tuple[int, ...]
    generators: tuple[Generator, ...]
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """The soonest; by chance where several come at once, by the threads that are free."""
        threads, masks = context.threads, self.masks
        if threads != self.threads:
            masks = self._masks(context)
        now, random = context.time, context.random
        free = context.free
        best: Any = None
        best_at = -1
        while free:
            at = _pick(masks, free, random)
            if at < 0:
                break
            mask = masks[at]
            answer = self.generators[at].op(
                Context(now, random, mask, free & mask, context.processes, context.concurrency)
            )
            free &= ~mask
            if answer is None:
                masks = (*masks[:at], 0, *masks[at + 1 :])
                continue
            step = answer[0]
            if not isinstance(step, Pending) and (best is None or step.time < best[0].time):
                best, best_at = answer, at
                if step.time <= now:
                    break
        if best is None:
            if not any(masks):
                return None
            return PENDING, self if masks is self.masks else self._with(threads, masks)
        step, successor = best
        generators = self.generators
        if successor is generators[best_at]:
            if masks is self.masks:
                return step, self
            return step, self._with(threads, masks)
        if successor is None:
            masks = (*masks[:best_at], 0, *masks[best_at + 1 :])
            return step, self._with(threads, masks) if any(masks) else None
        changed = (*generators[:best_at], successor, *generators[best_at + 1 :])
        hears_not = all(g.ignores_updates for g in changed)
        return step, Routed(self.split, threads, masks, changed, hears_not)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the one whose thread it is."""
        if self.ignores_updates:
            return self
        masks = self.masks if context.threads == self.threads else self._masks(context)
        bit = 1 << context.thread_of(event.process)
        for at, mask in enumerate(masks):
            if not mask & bit:
                continue
            generator = self.generators[at]
            successor = generator.update(context.restrict(mask), event)
            if successor is generator:
                return self
            if successor is None:
                masks = (*masks[:at], 0, *masks[at + 1 :])
                return self._with(context.threads, masks) if any(masks) else None
            changed = (*self.generators[:at], successor, *self.generators[at + 1 :])
            hears_not = all(g.ignores_updates for g in changed)
            return Routed(self.split, context.threads, masks, changed, hears_not)
        return self

    def _masks(self, context: Context) -> tuple[int, ...]:
        masks = tuple(mask & context.threads for mask in self.split(context))
        if not self.masks:
            return masks
        return tuple(new if old else 0 for new, old in zip(masks, self.masks, strict=True))

    def _with(self, threads: int, masks: tuple[int, ...]) -> Generator:
        return Routed(self.split, threads, masks, self.generators, self.ignores_updates)
