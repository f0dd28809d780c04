"""An asyncio event loop whose time is virtual: it jumps to the next event instead of waiting.

Everything that runs on asyncio and asks no one but its loop for the time runs on it
unchanged, and repeatably: what is due at the same moment runs in the order in which it was
scheduled. Threads, sockets and subprocesses, whose pace is not the loop's, are refused.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import signal
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, NoReturn

from ..errors import InfrastructureError
from . import guard

NEVER = float("inf")
MAX_TURNS_AT_ONE_MOMENT = 1_000_000
"""So many rounds of callbacks without time passing are an endless loop."""

COLLECT_EVERY = 50_000
"""Allocations between two runs of the garbage collector; the default of 700 costs a tenth."""

_copy_context = contextvars.copy_context

Entry = tuple[float, int, Callable[[Any], object], Any]
"""When, sequence number, callback, its argument: compared in C, never beyond the number."""


class Deadlock(InfrastructureError):
    """Tasks wait, and nothing is left that could ever wake them."""


class Livelock(InfrastructureError):
    """Callbacks keep each other busy at one moment, so that time cannot pass."""


class Call:
    """A callback with its arguments, as asyncio's handles are."""

    __slots__ = ("_arguments", "_callback", "_context", "_is_cancelled", "_when")

    def __init__(
        self,
        callback: Callable[..., object],
        arguments: tuple[Any, ...],
        context: contextvars.Context | None,
        when: float = 0.0,
    ) -> None:
        self._callback: Callable[..., object] | None = callback
        self._arguments = arguments
        self._context = _copy_context() if context is None else context
        self._is_cancelled = False
        self._when = when

    def cancel(self) -> None:
        """Do not call. Idempotent."""
        self._is_cancelled = True
        self._callback, self._arguments = None, ()

    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._is_cancelled

    def when(self) -> float:
        """The moment it was scheduled for, as the loop's time."""
        return self._when


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop. ``now`` is its time in seconds, from 0.0 on.

    ``at(when, callback, argument)`` is the short way in for the simulator itself; ``heap`` and
    ``sequence`` are open to its innermost loops, which push entries themselves.

    Raises :class:`Deadlock` and :class:`Livelock` out of ``run_until_complete``, and whatever a
    callback given to :meth:`at` raises.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.heap: list[Entry] = []
        self.sequence = itertools.count().__next__
        self.turns: deque[Call] = deque()
        self._signals: dict[int, Any] = {}

    # -- time ----------------------------------------------------------------------

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.now

    def at(self, when: float, callback: Callable[[Any], object], argument: Any = None) -> None:
        """Call back with one argument at a moment; cannot be cancelled."""
        heappush(self.heap, (when, self.sequence(), callback, argument))

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Call:
        """As asyncio's."""
        call = Call(callback, args, context, when)
        heappush(self.heap, (when, self.sequence(), self._call_if_wanted, call))
        return call

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Call:
        """As asyncio's."""
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_soon(  # type: ignore[override]
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Call:
        """As asyncio's."""
        call = Call(callback, args, context)
        self.turns.append(call)
        return call

    # -- running -------------------------------------------------------------------

    def run_forever(self) -> None:
        """As asyncio's, with a lazier garbage collector meanwhile."""
        thresholds = gc.get_threshold()
        gc.set_threshold(COLLECT_EVERY, *thresholds[1:])
        try:
            super().run_forever()
        finally:
            gc.set_threshold(*thresholds)

    def _run_once(self) -> None:
        """Run until stopped: everything due now, then on to the next moment."""
        heap, turns = self.heap, self.turns
        while not self._stopping:  # type: ignore[attr-defined]
            if turns:
                self._take_turns()
                continue
            if not heap or heap[0][0] == NEVER:
                raise Deadlock(self._who_waits())
            when, _, callback, argument = heappop(heap)
            if when > self.now:
                self.now = when
            callback(argument)

    def _take_turns(self) -> None:
        """Run what is ready and what becomes ready by it; time stands still."""
        turns = self.turns
        budget = MAX_TURNS_AT_ONE_MOMENT
        while turns and not self._stopping:  # type: ignore[attr-defined]
            call = turns.popleft()
            try:
                if call._callback is not None:
                    call._context.run(call._callback, *call._arguments)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self._report(call, error)
            budget -= 1
            if not budget:
                raise Livelock(
                    f"simulation: {MAX_TURNS_AT_ONE_MOMENT} callbacks at {self.now:.6f} s without "
                    "time passing; expected each loop to wait for something (a client that "
                    "answers at once needs --rate, a poll needs a sleep of more than 0)"
                )

    def _call_if_wanted(self, call: Call) -> None:
        try:
            if call._callback is not None:
                call._context.run(call._callback, *call._arguments)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._report(call, error)

    def _report(self, call: Call, error: BaseException) -> None:
        message = f"Exception in callback {call._callback!r}"
        self.call_exception_handler({"message": message, "exception": error})

    def _who_waits(self) -> str:
        tasks = sorted(asyncio.all_tasks(self), key=lambda task: task.get_name())
        waiting = ", ".join(_where(task) for task in tasks[:8]) or "nothing"
        return (
            f"simulation: deadlock at {self.now:.6f} s: no event is left and these wait: {waiting};"
            " expected something to wake them (was a future never completed?)"
        )

    # -- signals -------------------------------------------------------------------

    def add_signal_handler(self, sig: int, callback: Callable[..., Any], *args: Any) -> None:
        """As asyncio's; the loop never blocks, so the callback is simply made ready."""
        previous = signal.signal(sig, lambda _number, _frame: self.call_soon(callback, *args))
        self._signals.setdefault(sig, previous)

    def remove_signal_handler(self, sig: int) -> bool:
        """As asyncio's."""
        if sig not in self._signals:
            return False
        signal.signal(sig, self._signals.pop(sig))
        return True

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        """Refused, but to the signal handlers of this very thread."""
        import threading

        if threading.get_ident() != self._thread_id:  # type: ignore[attr-defined]
            _refuse("a callback from another thread")
        return self.call_soon(callback, *args, context=context)

    def close(self) -> None:
        """Give signals back, take the guard down if a trial could not, and close. Idempotent."""
        guard.remove(self)
        for number in list(self._signals):
            self.remove_signal_handler(number)
        self.heap.clear()
        self.turns.clear()
        super().close()

    def _process_events(self, event_list: Any) -> None:
        """There is no selector."""

    # -- what has a pace of its own --------------------------------------------------

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """Refused."""
        _refuse(f"a thread for {getattr(func, '__qualname__', func)}")


def _refuse(what: str) -> NoReturn:
    raise InfrastructureError(
        f"simulation: {what} was asked for; expected nothing but virtual time, for the rest is not "
        "repeatable: use asyncio.sleep, and the cluster's connect() in place of sockets"
    )


def _refusal(name: str) -> Any:
    def refused(self: VirtualLoop, *args: Any, **kwargs: Any) -> NoReturn:
        _refuse(f"{name}()")

    refused.__name__ = name
    refused.__doc__ = "Refused."
    return refused


REFUSED = """
create_connection create_server create_unix_connection create_unix_server
create_datagram_endpoint connect_accepted_socket connect_read_pipe connect_write_pipe
subprocess_exec subprocess_shell add_reader remove_reader add_writer remove_writer
sock_recv sock_recv_into sock_sendall sock_connect sock_accept sock_sendfile
getaddrinfo getnameinfo start_tls sendfile
"""
"""Methods of event loops that reach out of this process."""

for _name in REFUSED.split():
    setattr(VirtualLoop, _name, _refusal(_name))


def _where(task: asyncio.Task[Any]) -> str:
    """``name (function, file:line)`` of the place where a task waits."""
    stack = task.get_stack()
    awaited: Any = task.get_coro()
    frame = stack[-1] if stack else None
    while awaited is not None:
        inner = getattr(awaited, "cr_frame", None)
        frame = inner or frame
        awaited = getattr(awaited, "cr_await", None)
    if frame is None:
        return task.get_name()
    file = frame.f_code.co_filename.rpartition("/")[2]
    return f"{task.get_name()} ({frame.f_code.co_qualname}, {file}:{frame.f_lineno})"
