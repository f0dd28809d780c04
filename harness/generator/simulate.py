"""Runs generators against imaginary systems, in no time: for tests of generators.

::

    from duress.harness.generator import limit, simulate

    history = simulate.perfect(limit(3, lambda: {"f": "read"}))
    assert [op.f for op in simulate.invocations(history)] == ["read"] * 3

All return what a trial would record: invocations and completions by time, with their
index. Nothing is random but by the seed. Every answer is checked by
:func:`~duress.harness.generator.validate`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from itertools import cycle
from random import Random
from typing import Any

from ..errors import UserError
from ..operation import NEMESIS, Operation, Type
from .checking import GeneratorError, validate
from .context import Context
from .core import PENDING, Generator, Log, Sleep

MOST_OPERATIONS = 1_000_000
"""A simulation without ``stop_after`` that invokes more is taken for an endless one."""

Complete = Callable[[Context, Operation], tuple[Type, int]]
"""How an operation ends: the type of its completion, and after how many nanoseconds."""


def quick(generator: Any, **options: Any) -> list[Operation]:
    """Every operation is ``ok`` at once."""
    return simulate(generator, lambda context, operation: ("ok", 0), **options)


def perfect(generator: Any, latency_ns: int = 10, **options: Any) -> list[Operation]:
    """Every operation is ``ok`` after the same time."""
    return simulate(generator, lambda context, operation: ("ok", latency_ns), **options)


def perfect_info(generator: Any, latency_ns: int = 10, **options: Any) -> list[Operation]:
    """Every operation is ``info`` after the same time, so every process crashes."""
    return simulate(generator, lambda context, operation: ("info", latency_ns), **options)


def imperfect(generator: Any, latency_ns: int = 10, **options: Any) -> list[Operation]:
    """The operations of each thread end ``fail``, ``info``, ``ok`` and so on in turn."""
    ends: dict[int, Any] = {}

    def complete(context: Context, operation: Operation) -> tuple[Type, int]:
        thread = context.thread_of(operation.process)
        turn = ends.setdefault(thread, cycle(("fail", "info", "ok")))
        return next(turn), latency_ns

    return simulate(generator, complete, **options)


def invocations(history: Iterable[Operation]) -> list[Operation]:
    """Only the invocations."""
    return [operation for operation in history if operation.type == "invoke"]


def simulate(
    generator: Any,
    complete: Complete,
    *,
    concurrency: int = 2,
    seed: int = 0,
    stop_after: int | None = None,
    log: Callable[[str], Any] = lambda message: None,
) -> list[Operation]:
    """Runs a generator to its end, or until so many operations were invoked.

    ``complete`` says how each operation ends; the nemesis's end ``info`` whatever it says,
    as in a trial, and that does not crash it. ``log`` gets the generator's messages.
    Raises :class:`~duress.harness.generator.GeneratorError` where the generator breaks a
    rule, waits for nothing, or seems endless.
    """
    return _Simulation(complete, concurrency, seed, log).run(validate(generator), stop_after)


class _Simulation:
    def __init__(
        self, complete: Complete, concurrency: int, seed: int, log: Callable[[str], Any]
    ) -> None:
        if concurrency < 1:
            raise UserError(f"simulate: concurrency {concurrency}: expected at least 1")
        self._complete = complete
        self._log = log
        self._context = Context.start(concurrency, Random(seed))
        self._history: list[Operation] = []
        # (time, number, completion or the thread that is free again), a heap
        self._running: list[tuple[int, int, Operation | int]] = []
        self._started = 0

    def run(self, generator: Generator, stop_after: int | None) -> list[Operation]:
        plan: Generator | None = generator
        invoked = 0
        while plan is not None and invoked != stop_after:
            answer = plan.op(self._context)
            if answer is None:
                break
            step, successor = answer
            running = self._running
            if step is PENDING or (running and running[0][0] < step.time):
                if not running:
                    raise GeneratorError(
                        f"at {self._context.time} ns the generator is pending though no operation "
                        f"is running: it would wait for ever. It is {plan!r}"
                    )
                plan = self._finish(plan)
                continue
            plan = self._begin(step, successor)
            invoked += isinstance(step, Operation)
            if stop_after is None and invoked > MOST_OPERATIONS:
                raise GeneratorError(
                    f"the generator had not ended after {MOST_OPERATIONS} operations; "
                    "use stop_after for one without end"
                )
        while self._running:
            self._finish(None)
        return self._history

    def _begin(self, step: Any, successor: Generator | None) -> Generator | None:
        context = self._context
        thread = context.thread_of(step.process)
        context = self._become(step.time, context.free & ~(1 << thread), context.processes)
        end: Operation | int = thread
        if isinstance(step, Operation):
            event = self._record(step, step.type, step.time)
            if successor is not None:
                successor = successor.update(context, event)
            type_, latency_ns = self._complete(context, event)
            if step.process == NEMESIS:
                type_ = "info"
            end = Operation(
                -1, step.time + latency_ns, step.process, type_, step.f, step.value, step.key
            )
            at = end.time
        elif isinstance(step, Sleep):
            at = step.time + step.duration_ns
        else:
            assert isinstance(step, Log)
            self._log(step.message)
            at = step.time
        heapq.heappush(self._running, (at, self._started, end))
        self._started += 1
        return successor

    def _finish(self, plan: Generator | None) -> Generator | None:
        time, _, end = heapq.heappop(self._running)
        context = self._context
        time = max(time, context.time)
        if isinstance(end, int):
            self._become(time, context.free | 1 << end, context.processes)
            return plan
        thread = context.thread_of(end.process)
        processes = context.processes
        if end.type == "info" and isinstance(end.process, int):
            replacement = end.process + context.concurrency
            processes = (*processes[:thread], replacement, *processes[thread + 1 :])
        context = self._become(time, context.free | 1 << thread, processes)
        event = self._record(end, end.type, time)
        return None if plan is None else plan.update(context, event)

    def _become(self, time: int, free: int, processes: tuple[int | str, ...]) -> Context:
        old = self._context
        self._context = Context(time, old.random, old.threads, free, processes, old.concurrency)
        return self._context

    def _record(self, operation: Operation, type_: Type, time: int) -> Operation:
        event = Operation(
            len(self._history),
            time,
            operation.process,
            type_,
            operation.f,
            operation.value,
            operation.key,
        )
        self._history.append(event)
        return event
