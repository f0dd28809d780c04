"""Messages are sent to logs and polled from them: is any lost, left out, or out of order?

Source: Jepsen's workload ``kafka`` as Maelstrom has it. A consumer is a process: it begins where
was committed last, commits what it polls, and is assigned anew from time to time, which is what
happens to one that crashes. At the end every one reads all logs from their beginning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.kafka import Kafka
from ..harness.checker import Checker
from ..harness.errors import UserError
from ..harness.generator import PENDING, Context, Generator, each_thread, phases
from ..harness.operation import Operation
from ..harness.option_values import real, share, whole
from .drawn import Drawn

POLL_EVERY_NS = 100_000_000
EMPTY_TIMES = 5
"""A log is at its end when so many polls in a row got nothing."""

POLL_TIMES = 400


class UntilQuiet(Generator):
    """One process assigns itself all logs from the beginning and polls until nothing comes.

    ``due`` is when to go on (``None``: an answer is awaited); ``empty`` counts polls in a row that
    got nothing, ``left`` those that may still be made.
    """

    __slots__ = ("_due", "_empty", "_is_assigned", "_keys", "_left")

    def __init__(
        self,
        keys: Sequence[str],
        is_assigned: bool = False,
        due: int | None = 0,
        empty: int = 0,
        left: int = POLL_TIMES,
    ) -> None:
        self._keys = keys
        self._is_assigned = is_assigned
        self._due = due
        self._empty = empty
        self._left = left

    def op(self, context: Context) -> Any:
        """Assign, then poll."""
        if self._left == 0 or self._empty == EMPTY_TIMES:
            return None
        process = context.some_free_process()
        if process is None or self._due is None:
            return PENDING, self
        f, value = ("poll", list(self._keys)) if self._is_assigned else ("assign", self._all())
        time = max(context.time, self._due)
        waiting = UntilQuiet(self._keys, self._is_assigned, None, self._empty, self._left)
        return Operation(-1, time, process, "invoke", f, value), waiting

    def _all(self) -> dict[str, Any]:
        return {"keys": list(self._keys), "from": "beginning"}

    def update(self, context: Context, event: Operation) -> Generator:
        """Count polls that got nothing; begin anew where the process is another one."""
        if event.type == "invoke" or event.f not in ("assign", "poll"):
            return self
        left = self._left - 1
        if event.type != "ok":
            is_assigned = self._is_assigned and event.type == "fail"
            return UntilQuiet(self._keys, is_assigned, event.time + POLL_EVERY_NS, 0, left)
        if event.f == "assign":
            return UntilQuiet(self._keys, True, event.time, 0, left)
        if any((event.value or {}).values()):
            return UntilQuiet(self._keys, True, event.time, 0, left)
        due = event.time + POLL_EVERY_NS
        return UntilQuiet(self._keys, True, due, self._empty + 1, left)


class KafkaWorkload:
    """Logs with offsets: what is acknowledged is kept, and polled by everybody in one order."""

    name: ClassVar[str] = "kafka"
    options: ClassVar[Mapping[str, str]] = {
        "key-count": "how many logs (default 8)",
        "key-base": "how many times likelier each log is than the one before (default 1.5)",
        "poll-share": "share of operations that poll (default 0.45)",
        "assign-share": "share that begin again where was committed last (default 0.05)",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {"key-count": ("1", "2")}

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        count = whole(options, "key-count", 8, 1, 1000)
        base = real(options, "key-base", 1.5, 1.0, 100.0)
        self._polls = share(options, "poll-share", 0.45)
        self._assigns = share(options, "assign-share", 0.05)
        if self._polls + self._assigns >= 1:
            raise UserError("poll-share, assign-share: expected less than 1 together: nothing sent")
        self._keys = [str(key) for key in range(count)]
        self._weights = [base ** -(count - at) for at in range(count)]

    def _draw(self, random: Random, number: int) -> tuple[str, Any]:
        kind = random.random()
        if kind < self._assigns:
            return "assign", {"keys": list(self._keys), "from": "committed"}
        if kind < self._assigns + self._polls:
            return "poll", list(self._keys)
        return "send", [random.choices(self._keys, self._weights)[0], number]

    def generator(self) -> Generator:
        """Sends, polls and assignments by whoever is free."""
        return Drawn(self._draw)

    def final_generator(self) -> Generator | None:
        """Everyone reads everything from the beginning."""
        return phases(each_thread(UntilQuiet(tuple(self._keys))))

    def checkers(self) -> Mapping[str, Checker]:
        """What became of every message."""
        return {"kafka": Kafka()}
