"""What a generator sees of the trial: time, chance, and who is free."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

from ..operation import NEMESIS

_CHUNK_BITS = 12
_CHUNK = (1 << _CHUNK_BITS) - 1
_threads_of_chunk: dict[int, tuple[int, ...]] = {}


def threads_in(mask: int) -> tuple[int, ...]:
    """The threads of a bitmask, ascending: ``threads_in(0b101) == (0, 2)``."""
    if mask > _CHUNK:
        return tuple(i for i in range(mask.bit_length()) if mask >> i & 1)
    known = _threads_of_chunk.get(mask)
    if known is None:
        known = tuple(i for i in range(_CHUNK_BITS) if mask >> i & 1)
        _threads_of_chunk[mask] = known
    return known


def random_thread(mask: int, random: Random) -> int:
    """One of the threads of a non-empty bitmask, each as likely as the others."""
    if mask <= _CHUNK:
        threads = _threads_of_chunk.get(mask) or threads_in(mask)
        return threads[int(random.random() * len(threads))]
    at = int(random.random() * mask.bit_count())
    below = 0
    while True:
        chunk = mask & _CHUNK
        here = chunk.bit_count()
        if at < here:
            return below + threads_in(chunk)[at]
        at -= here
        below += _CHUNK_BITS
        mask >>= _CHUNK_BITS


class Context(msgspec.Struct, frozen=True, gc=False):
    """A moment of a trial, as a generator sees it. Immutable; cheap to make.

    ``time``         nanoseconds since the trial began.
    ``random``       the trial's source of chance: the only one a generator may use.
    ``threads``      bitmask of the threads this generator may use. Client thread ``i`` is
                     bit ``i``; the nemesis is bit ``concurrency``.
    ``free``         bitmask of those of them that are free now.
    ``processes``    which process each thread runs; the last is ``"nemesis"``.
    ``concurrency``  how many client threads the trial has (not: this context).
    """

    time: int
    random: Random
    threads: int
    free: int
    processes: tuple[int | str, ...]
    concurrency: int

    @classmethod
    def start(cls, concurrency: int, random: Random, time: int = 0) -> Context:
        """The context at the beginning of a trial: all threads free, thread i runs process i."""
        threads = (1 << (concurrency + 1)) - 1
        return cls(time, random, threads, threads, (*range(concurrency), NEMESIS), concurrency)

    @property
    def client_mask(self) -> int:
        """The bits of all client threads of the trial."""
        return (1 << self.concurrency) - 1

    @property
    def nemesis_mask(self) -> int:
        """The bit of the nemesis thread."""
        return 1 << self.concurrency

    def restrict(self, mask: int) -> Context:
        """This context with only the threads of the bitmask."""
        threads = self.threads & mask
        if threads == self.threads:
            return self
        return Context(
            self.time, self.random, threads, self.free & mask, self.processes, self.concurrency
        )

    def with_time(self, time: int) -> Context:
        """This context at another time."""
        return Context(time, self.random, self.threads, self.free, self.processes, self.concurrency)

    def some_free_process(self) -> Any:
        """A free process by chance, or ``None``."""
        free = self.free
        if free & (free - 1):
            return self.processes[random_thread(free, self.random)]
        return self.processes[free.bit_length() - 1] if free else None

    def free_processes(self) -> tuple[int | str, ...]:
        """The processes that are free now, by thread."""
        return tuple(self.processes[thread] for thread in threads_in(self.free))

    def all_processes(self) -> tuple[int | str, ...]:
        """The processes of this context's threads, by thread."""
        return tuple(self.processes[thread] for thread in threads_in(self.threads))

    def thread_of(self, process: int | str) -> int:
        """The thread that runs, or ran, a process."""
        if process == NEMESIS:
            return self.concurrency
        return process % self.concurrency  # type: ignore[operator]
