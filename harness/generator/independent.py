"""Many independent objects in one trial: the same generator for every key.

Checks of one object (linearizability above all) need short histories; a trial of many
keys is long and yet falls into short ones, one a key. Operations carry their key in
``Operation.key``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ..errors import UserError
from ..operation import Operation
from .context import Context, random_thread, threads_in
from .core import PENDING, Answer, Combinator, Generator, Pending
from .lifting import Cell, in_order, lift

ForKey = Callable[[Any], Any]
"""Makes the generator of a key. Must be pure: it may be called twice for one key."""


def keyed(key: Any, generator: Any) -> Generator:
    """The generator, its operations carrying the key; it hears of that key's events only."""
    inner = lift(generator)
    return Keyed(key, inner, inner.ignores_updates)


class Keyed(Combinator, frozen=True):
    """A key and the generator of its operations."""

    key: Any
    generator: Generator
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """The generator's operation, with the key."""
        answer = self.generator.op(context)
        if answer is None:
            return None
        step, successor = answer
        if type(step) is Operation:
            if step.key is not None and step.key != self.key:
                raise UserError(
                    f"operation {step.f!r} of independent key {self.key!r} has a key of its own, "
                    f"{step.key!r}; leave it out of the generator"
                )
            step = Operation(
                step.index, step.time, step.process, step.type, step.f, step.value, self.key
            )
        if successor is self.generator:
            return step, self
        if successor is None:
            return step, None
        return step, Keyed(self.key, successor, successor.ignores_updates)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the generator, if the event has the key."""
        # A process may still complete an operation on the key that was here before.
        if self.ignores_updates or event.key != self.key:
            return self
        inner = self.generator.update(context, event)
        if inner is self.generator:
            return self
        return None if inner is None else Keyed(self.key, inner, inner.ignores_updates)


def sequential(keys: Iterable[Any], gen_for_key: ForKey) -> Generator:
    """One key after another, each until its generator is exhausted.

    ::

        sequential(range(10), lambda key: limit(100, reads_and_writes))
    """
    return in_order(keyed(key, gen_for_key(key)) for key in keys)


def concurrent(n_threads_per_key: int, keys: Iterable[Any], gen_for_key: ForKey) -> Generator:
    """Groups of n threads, each at its own key; whoever has finished takes the next key.

    Ten clients on two keys at a time, one thread of each five reserved for writes::

        clients(concurrent(5, itertools.count(), lambda key: limit(100, reserve(1, w, r))))

    Clients only: the nemesis is left out. Inside, the context has the group's threads only,
    so :func:`~duress.harness.generator.reserve` or ``synchronize`` are about the group.
    :class:`UserError` (when first asked) if the client threads do not make whole groups.
    """
    if type(n_threads_per_key) is not int or n_threads_per_key < 1:
        raise UserError(
            f"independent.concurrent({n_threads_per_key!r}, …): expected threads per key, "
            "one or more"
        )
    return Concurrent(n_threads_per_key, gen_for_key, Cell(iter(keys)), 0, (), (), True)


class Concurrent(Combinator, frozen=True):
    """The remaining keys, and the groups: bitmask (0: no more keys) and generator of each."""

    group_size: int
    gen_for_key: ForKey
    keys: Cell
    threads: int
    masks: tuple[int, ...]
    groups: tuple[Keyed | None, ...]
    ignores_updates: bool

    def op(self, context: Context) -> Answer:
        """The soonest of the groups with a free thread, in random order until one is now."""
        plan = self if context.threads == self.threads else self._begin(context)
        now, random = context.time, context.random
        free = context.free
        best: Any = None
        best_at = -1
        live = 0
        for mask in plan.masks:
            live |= mask
        free &= live
        while free:
            at = _group_of(plan.masks, 1 << random_thread(free, random))
            mask = plan.masks[at]
            answer, plan = plan._ask(
                at,
                Context(
                    now, random, mask, context.free & mask, context.processes, context.concurrency
                ),
            )
            free &= ~mask
            if answer is None:
                continue
            step = answer[0]
            if not isinstance(step, Pending) and (best is None or step.time < best[0].time):
                best, best_at = answer, at
                if step.time <= now:
                    break
        if best is None:
            return (PENDING, plan) if any(plan.masks) else None
        step, successor = best
        if successor is plan.groups[best_at]:
            return step, plan
        return step, plan._with(best_at, successor)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the group whose thread it is, if it is still at that key."""
        if self.ignores_updates:
            return self
        bit = 1 << context.thread_of(event.process)
        for at, mask in enumerate(self.masks):
            if mask & bit:
                group = self.groups[at]
                if group is None or group.ignores_updates:
                    return self
                successor = group.update(context.restrict(mask), event)
                return self if successor is group else self._with(at, successor)
        return self

    def _begin(self, context: Context) -> Concurrent:
        threads = threads_in(context.threads & context.client_mask)
        size = self.group_size
        if not threads or len(threads) % size:
            lower, upper = len(threads) // size * size, (len(threads) // size + 1) * size
            raise UserError(
                f"independent.concurrent: {len(threads)} client threads do not make whole groups "
                f"of {size}; set the concurrency to {f'{lower} or ' if lower else ''}{upper}"
            )
        masks = tuple(
            sum(1 << thread for thread in threads[at : at + size])
            for at in range(0, len(threads), size)
        )
        return msgspec.structs.replace(
            self, threads=context.threads, masks=masks, groups=(None,) * len(masks)
        )

    def _ask(self, at: int, context: Context) -> tuple[Answer, Concurrent]:
        """One group's answer, from its key or from the next one that has any operation."""
        plan = self
        while True:
            group = plan.groups[at]
            if group is not None:
                answer = group.op(context)
                if answer is not None:
                    if answer[0] is PENDING and answer[1] is not group:
                        plan = plan._with(at, answer[1])
                    return answer, plan
            following = plan.keys.read()
            if following is None:
                masks = (*plan.masks[:at], 0, *plan.masks[at + 1 :])
                return None, msgspec.structs.replace(plan, masks=masks)
            key, rest = following
            group = keyed(key, plan.gen_for_key(key))
            plan = msgspec.structs.replace(plan._with(at, group), keys=rest)

    def _with(self, at: int, group: Any) -> Concurrent:
        groups = (*self.groups[:at], group, *self.groups[at + 1 :])
        hears_not = all(group is None or group.ignores_updates for group in groups)
        return Concurrent(
            self.group_size,
            self.gen_for_key,
            self.keys,
            self.threads,
            self.masks,
            groups,
            hears_not,
        )


def _group_of(masks: tuple[int, ...], bit: int) -> int:
    for at, mask in enumerate(masks):
        if mask & bit:
            return at
    raise AssertionError("a live thread belongs to a group")
