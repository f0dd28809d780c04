"""One lock, taken and given back: is it ever held twice?

Whoever has the lock holds it for a while, then gives it back. Its clients have nothing but their
own belief: no leases, no sequencers (for those see ``lock``). Jepsen judged a queue with one
message so, which was used as a mutex.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.linearizability import Linearizable
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator
from ..harness.operation import Operation
from ..harness.option_values import real

LOCK = "mutex"
"""What reports call it."""


class MutexOperations(Generator):
    """Everyone acquires; who has acquired releases, when ``hold_ns`` are over.

    ``holding``  until when, by thread, those hold the lock who believe to have it.
    """

    __slots__ = ("_hold_ns", "_holding")

    def __init__(self, hold_ns: int, holding: Mapping[int, int] | None = None) -> None:
        self._hold_ns = hold_ns
        self._holding = holding or {}

    def op(self, context: Context) -> Any:
        """One more operation by a free process that has something to do; else the next release."""
        due = {p: self._holding.get(context.thread_of(p)) for p in context.free_processes()}
        if not due:
            return PENDING, self
        ready = [process for process, until in due.items() if (until or 0) <= context.time]
        if ready:
            process = ready[int(context.random.random() * len(ready))]
        else:
            process = min(due, key=lambda each: due[each] or 0)
        until = due[process]
        f, when = ("acquire", 0) if until is None else ("release", until)
        return Operation(-1, max(context.time, when), process, "invoke", f, key=LOCK), self

    def update(self, context: Context, event: Operation) -> Generator:
        """Remember who believes to hold it."""
        thread = context.thread_of(event.process)
        holding = dict(self._holding)
        if event.f == "acquire" and event.type == "ok":
            holding[thread] = context.time + self._hold_ns
        elif event.f == "release" and event.type != "invoke":
            holding.pop(thread, None)
        return MutexOperations(self._hold_ns, holding) if holding != self._holding else self


class MutexWorkload:
    """A lock without leases and fencing: nobody acquires what another has not released."""

    name: ClassVar[str] = "mutex"
    options: ClassVar[Mapping[str, str]] = {
        "hold": "seconds for which a client holds the lock at least (default 0.1)",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {}

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._hold_ns = round(real(options, "hold", 0.1) * 1e9)

    def generator(self) -> Generator:
        """Acquires and releases by whoever is free."""
        return MutexOperations(self._hold_ns)

    def final_generator(self) -> Generator | None:
        """None: everything was said in the main phase."""
        return None

    def checkers(self) -> Mapping[str, Checker]:
        """One holder at a time."""
        return {"linearizable": Linearizable(model="mutex")}
