"""Runs a generator against clients and the nemesis, by Jepsen's rules.

Each thread (client threads ``0 … concurrency-1``, then the nemesis) has at most one
operation open. A process whose operation ends ``info`` is gone: its thread goes on
as process + concurrency with a new client. The generator is asked whenever
something changed; an operation that lies in the future is waited for, and dropped
and asked for again if an event comes first.

There is no central loop: a completing worker asks the generator itself and hands
the next operations out. That, one timer for all deadlines and one line per event
are what makes it fast. All time is the event loop's, so that the same code runs in
virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

from .client import Client, Completed
from .errors import Failed, Indeterminate
from .generator import PENDING, Context, Generator, GeneratorError, Log, Sleep, lift
from .operation import NEMESIS, Operation

NEVER = float("inf")
DUE_NS = 1_000
"""An operation this close is due: times as floats lose a nanosecond or two."""
TURNS_BEFORE_YIELD = 16
"""How often a worker may go on without letting others run (clients that never wait)."""

Recorder = Callable[[Operation], Operation]
"""Gives an operation its index, keeps it and returns it."""


class _Worker:
    """One thread's task: takes operations and completes them, until it is dropped."""

    __slots__ = ("client", "deadline", "node", "operation", "process", "task", "thread", "waiter")

    def __init__(self, thread: int) -> None:
        self.thread = thread
        self.process: int | str = thread
        self.operation: Operation | Sleep | Log | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.deadline = NEVER
        self.client: Client | None = None
        self.node: str | None = None
        self.task: asyncio.Task[None] | None = None


class Interpreter:
    """Drives one trial. :meth:`run` may be called several times, once a phase.

    ``record`` is called for every invocation and completion, in order; ``log`` for
    generators' messages and for what clients did that they must not.
    ``invoke_nemesis`` performs the nemesis's operations and returns the completed
    value; what it raises becomes the completion's error.
    """

    def __init__(
        self,
        *,
        nodes: Sequence[str],
        concurrency: int,
        client: Callable[[], Client],
        invoke_nemesis: Callable[[Operation], Awaitable[Any]],
        record: Recorder,
        log: Callable[[str], None],
        random: Random,
        timeout_s: float,
        nemesis_timeout_s: float = 120.0,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._origin = self._loop.time()
        self._nodes = nodes
        self._concurrency = concurrency
        self._make_client = client
        self._invoke_nemesis = invoke_nemesis
        self._record = record
        self._log = log
        self._random = random
        self._timeout_s = timeout_s
        self._nemesis_timeout_s = nemesis_timeout_s
        self._threads = (1 << (concurrency + 1)) - 1
        self._free = self._threads
        self._processes: tuple[int | str, ...] = (*range(concurrency), NEMESIS)
        self._workers = [_Worker(thread) for thread in range(concurrency + 1)]
        self._generator: Generator | None = None
        self._done: asyncio.Future[None] | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._reaper: asyncio.TimerHandle | None = None
        self._reap_at = NEVER
        self._pumping = False
        self._closing: set[asyncio.Task[None]] = set()
        for worker in self._workers:
            self._start(worker)

    def now(self) -> int:
        """Nanoseconds since the trial began."""
        return int((self._loop.time() - self._origin) * 1e9)

    async def run(self, generator: Any) -> None:
        """Interpret a generator until it is exhausted and every operation is complete."""
        self._generator = lift(generator)
        self._done = self._loop.create_future()
        self._pump()
        try:
            await self._done
        finally:
            self._generator = None
            self._cancel_wake()

    async def close(self, grace_s: float = 2.0) -> None:
        """Stop every worker and close every client; waits a bounded time."""
        self._generator = None
        self._cancel_wake()
        self._reap_at_latest(NEVER)
        tasks = [worker.task for worker in self._workers if worker.task is not None]
        for task in tasks:
            task.cancel()
        for worker in self._workers:
            self._drop_client(worker)
        waiting = [*tasks, *self._closing]
        if waiting:
            await asyncio.wait(waiting, timeout=grace_s)

    # -- asking the generator --------------------------------------------------

    def _context(self, time: int) -> Context:
        return Context(
            time=time,
            random=self._random,
            threads=self._threads,
            free=self._free,
            processes=self._processes,
            concurrency=self._concurrency,
        )

    def _pump(self, awaited: tuple[Any, Generator | None] | None = None) -> None:
        """Hand out operations until the generator has none that can begin now.

        ``awaited`` is the generator's answer whose time has come with no event before it.
        """
        if self._pumping or self._done is None or self._done.done():
            return
        self._pumping = True
        try:
            self._cancel_wake()
            while self._generator is not None:
                now = self.now()
                answer = awaited or self._generator.op(self._context(now))
                awaited = None
                if answer is None:
                    self._generator = None
                    break
                operation, successor = answer
                if operation is PENDING:
                    self._generator = successor
                    if self._free == self._threads:
                        raise GeneratorError(
                            "the generator is pending although every process is free: "
                            "nothing would ever wake it"
                        )
                    break
                if operation.time > now + DUE_NS:
                    self._wake = self._loop.call_at(
                        self._origin + operation.time / 1e9, self._on_wake, answer
                    )
                    return
                self._generator = successor
                self._hand_out(operation, now)
            if self._generator is None and self._free == self._threads:
                self._done.set_result(None)
        except Exception as error:
            self._abort(error)
        finally:
            self._pumping = False

    def _abort(self, error: Exception) -> None:
        """A generator that raises, or a history that cannot be written, ends the phase."""
        self._generator = None
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)

    def _on_wake(self, answer: tuple[Any, Generator | None]) -> None:
        self._wake = None
        self._pump(answer)

    def _cancel_wake(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None

    def _hand_out(self, operation: Any, now: int) -> None:
        process = operation.process
        thread = self._concurrency if process == NEMESIS else process % self._concurrency
        worker = self._workers[thread]
        self._free &= ~(1 << thread)
        if type(operation) is Operation:
            operation = self._record(
                Operation(-1, now, process, "invoke", operation.f, operation.value, operation.key)
            )
            limit_s = self._nemesis_timeout_s if process == NEMESIS else self._timeout_s
            worker.deadline = self._loop.time() + limit_s
            if worker.deadline < self._reap_at:
                self._reap_at_latest(worker.deadline)
            if self._generator is not None and not self._generator.ignores_updates:
                self._generator = self._generator.update(self._context(now), operation)
        worker.process = process
        worker.operation = operation
        if worker.waiter is not None:
            worker.waiter.set_result(None)
            worker.waiter = None

    # -- workers ---------------------------------------------------------------

    def _start(self, worker: _Worker) -> None:
        worker.task = self._loop.create_task(self._work(worker))

    async def _work(self, worker: _Worker) -> None:
        turns = 0
        while True:
            if worker.operation is None:
                turns = 0
                worker.waiter = self._loop.create_future()
                await worker.waiter
            elif (turns := turns + 1) > TURNS_BEFORE_YIELD:
                turns = 0
                await asyncio.sleep(0)
            operation = worker.operation
            assert operation is not None
            if type(operation) is Operation:
                completion = await self._perform(worker, operation)
                if self._workers[worker.thread] is not worker:
                    return  # timed out meanwhile; another worker has taken the thread over
                self._complete(worker, operation, *completion)
            else:
                if isinstance(operation, Sleep):
                    await asyncio.sleep(operation.duration_ns / 1e9)
                elif isinstance(operation, Log):
                    self._log(operation.message)
                self._release(worker)
                self._pump()

    async def _perform(
        self, worker: _Worker, operation: Operation
    ) -> tuple[str, Any, str | None, Any]:
        """Invoke; returns the completion's type, value, node and error."""
        value = operation.value
        try:
            if operation.process == NEMESIS:
                return "info", await self._invoke_nemesis(operation), None, None
            if worker.client is None:
                try:
                    await self._open(worker, operation.process)  # type: ignore[arg-type]
                except Exception as error:
                    return "fail", value, worker.node, ["no-client", _said(error)]
            assert worker.client is not None
            result = await worker.client.invoke(operation)
        except Failed as error:
            return "fail", value, worker.node, error.error
        except Indeterminate as error:
            return "info", value, worker.node, error.error
        except Exception as error:
            if operation.process != NEMESIS:
                self._log(f"the client raised {_said(error)} on {operation.f}: counted as info")
            return "info", value, worker.node, _said(error)
        node = worker.node
        if type(result) is Completed:
            node = result.node or node
            result = result.value
        return "ok", value if result is None else result, node, None

    async def _open(self, worker: _Worker, process: int) -> None:
        worker.node = self._nodes[process % len(self._nodes)]
        client = self._make_client()
        try:
            await client.open(worker.node)
        except BaseException:
            self._close_later(client)
            raise
        worker.client = client

    def _complete(
        self,
        worker: _Worker,
        operation: Operation,
        type_: Any,
        value: Any,
        node: str | None,
        error: Any,
    ) -> None:
        now = self.now()
        try:
            completion = self._record(
                Operation(
                    -1,
                    now,
                    operation.process,
                    type_,
                    operation.f,
                    value,
                    operation.key,
                    node,
                    error,
                )
            )
        except Exception as problem:
            self._abort(problem)
            return
        if type_ == "info" and operation.process != NEMESIS:
            self._drop_client(worker)
            self._replace_process(worker.thread)
        self._release(worker)
        if self._generator is not None and not self._generator.ignores_updates:
            try:
                self._generator = self._generator.update(self._context(now), completion)
            except Exception as problem:
                self._abort(problem)
        self._pump()

    def _release(self, worker: _Worker) -> None:
        worker.operation = None
        worker.deadline = NEVER
        self._free |= 1 << worker.thread

    def _replace_process(self, thread: int) -> None:
        processes = list(self._processes)
        processes[thread] = processes[thread] + self._concurrency  # type: ignore[operator]
        self._processes = tuple(processes)

    def _drop_client(self, worker: _Worker) -> None:
        client, worker.client = worker.client, None
        if client is not None:
            self._close_later(client)

    def _close_later(self, client: Client) -> None:
        task = self._loop.create_task(self._close_client(client))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close_client(self, client: Client) -> None:
        try:
            await client.close()
        except Exception as error:
            self._log(f"the client raised {_said(error)} on close")

    # -- deadlines -------------------------------------------------------------

    def _reap(self) -> None:
        """Complete what is overdue as ``info``; the worker is dropped, hung client and all."""
        now = self._loop.time()
        for worker in list(self._workers):
            operation = worker.operation
            if worker.deadline > now or not isinstance(operation, Operation):
                continue
            successor = _Worker(worker.thread)
            self._workers[worker.thread] = successor
            self._start(successor)
            if worker.task is not None:
                worker.task.cancel()
            client, worker.client = worker.client, None
            if client is not None:
                self._close_later(client)
            # Recorded on the successor, so that its thread is the one set free.
            self._complete(successor, operation, "info", operation.value, worker.node, "timeout")
        self._reap_at_latest(min(worker.deadline for worker in self._workers))

    def _reap_at_latest(self, moment: float) -> None:
        if self._reaper is not None:
            self._reaper.cancel()
        self._reap_at = moment
        self._reaper = self._loop.call_at(moment, self._reap) if moment < NEVER else None


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
