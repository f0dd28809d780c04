"""A copy of a generator for every thread, or for every process."""

from __future__ import annotations

from typing import Any

from ..operation import Operation
from .context import Context, random_thread, threads_in
from .core import PENDING, Answer, Combinator, Generator, Pending
from .lifting import lift

Copies = dict[int | str, Generator | None]
"""What became of the copies that were asked or told (``None``: exhausted); never changed."""


def each_thread(generator: Any) -> Generator:
    """Every thread of the context goes through its own copy of the generator.

    Every client reads once, the nemesis too if it is not kept out::

        clients(each_thread({"f": "read"}))
    """
    return Each(lift(generator), False, {})


def each_process(generator: Any) -> Generator:
    """Like :func:`each_thread`, but a process that replaces a crashed one starts afresh.

    Every process logs in before it reads::

        each_process([{"f": "login"}, repeat({"f": "read"})])
    """
    return Each(lift(generator), True, {})


class Each(Combinator, frozen=True):
    """A fresh generator and the copies of it that are under way, by thread or by process."""

    fresh: Generator
    by_process: bool
    copies: Copies

    def op(self, context: Context) -> Answer:
        """The soonest of the free threads' copies. Asked in random order, until one is now."""
        now, random, processes = context.time, context.random, context.processes
        free = context.free
        copies = self.copies
        best: Any = None
        owner: int | str = 0
        while free:
            thread = random_thread(free, random) if free & (free - 1) else free.bit_length() - 1
            bit = 1 << thread
            free &= ~bit
            name = processes[thread] if self.by_process else thread
            generator = copies.get(name, self.fresh)
            if generator is None:
                continue
            answer = generator.op(Context(now, random, bit, bit, processes, context.concurrency))
            if answer is None:
                copies = {**copies, name: None}
                continue
            step = answer[0]
            if not isinstance(step, Pending) and (best is None or step.time < best[0].time):
                best, owner = answer, name
                if step.time <= now:
                    break
        if best is None:
            if self._exhausted(context, copies):
                return None
            return PENDING, self if copies is self.copies else self._with(context, copies)
        step, successor = best
        if successor is not copies.get(owner, self.fresh):
            copies = {**copies, owner: successor}
            # A process that gets its last operation may crash and be replaced: not the end.
            if successor is None and not self.by_process and self._exhausted(context, copies):
                return step, None
        return step, self if copies is self.copies else self._with(context, copies)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """Told to the copy whose thread or process it is."""
        thread = context.thread_of(event.process)
        if not context.threads >> thread & 1:
            return self
        name = event.process if self.by_process else thread
        generator = self.copies.get(name, self.fresh)
        if generator is None or generator.ignores_updates:
            return self
        successor = generator.update(context.restrict(1 << thread), event)
        if successor is generator:
            return self
        return self._with(context, {**self.copies, name: successor})

    def _exhausted(self, context: Context, copies: Copies) -> bool:
        """No thread has anything left, and no process can be replaced by one that has."""
        if self.by_process and context.free != context.threads:
            return False
        names = context.all_processes() if self.by_process else threads_in(context.threads)
        return all(copies.get(name, self.fresh) is None for name in names)

    def _with(self, context: Context, copies: Copies) -> Generator:
        if self.by_process:
            alive = context.all_processes()
            copies = {name: copy for name, copy in copies.items() if name in alive}
        return Each(self.fresh, self.by_process, copies)
