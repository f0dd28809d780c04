"""A directed link between two places: what is late on it, lost or doubled, by the trial's seed."""

from __future__ import annotations

from collections import defaultdict
from heapq import heappush
from random import Random
from typing import TYPE_CHECKING, Any

from ..cluster import CLIENTS
from ..cluster import Link as Ends
from ..cluster.packet_lane import PLAIN, Lane
from ..simulation.impaired import HEADERS
from ..simulation.latency import Latency

if TYPE_CHECKING:
    from .envelope import Envelope
    from .router import Router

Target = Any
"""``take(envelope, line)`` is the cause for which a message is lost there, or ``None``."""


class RoutedLink:
    """What carries messages from one place to another.

    Each link has a stream of chance of its own: the n-th message on it is as late, and as lost,
    whenever it is sent. ``target`` takes what arrives.
    """

    __slots__ = (
        "_count",
        "_duplicate",
        "_is_fifo",
        "_is_quick",
        "_lane",
        "_last_due",
        "_loss",
        "_random",
        "_router",
        "_table",
        "delivered",
        "is_cut",
        "lost",
        "place",
        "sent",
        "target",
    )

    def __init__(
        self, router: Router, place: Ends, latency: Latency, target: Target, is_sound: bool
    ) -> None:
        settings = router.settings
        self._router = router
        self.place = place
        self.target = target
        self._random = Random(f"{settings.seed}/link/{place[0]}>{place[1]}").random
        self._table = latency.table()
        self._count = len(self._table)
        self._loss = 0.0 if is_sound else settings.loss
        self._duplicate = 0.0 if is_sound else settings.duplicate
        self._is_fifo = settings.is_fifo
        self._last_due = 0.0
        self._lane: Lane | None = None
        self.is_cut = False
        self.sent: dict[str, int] = defaultdict(int)
        self.delivered: dict[str, int] = defaultdict(int)
        self.lost: dict[str, int] = defaultdict(int)
        self._is_quick = False
        self.be_impaired(None)

    def be_impaired(self, lane: Lane | None) -> None:
        """Let what is sent from now on pass like this."""
        self._lane = lane
        has_trace = self._router.trace is not None
        is_late = self._table != (0.0,)
        self._is_quick = not (lane or is_late or has_trace or self._loss or self._duplicate)

    def send(self, envelope: Envelope, line: bytes) -> None:
        """A message leaves its sender."""
        self.sent[envelope.body.type] += 1
        if self._is_quick:
            self.arrive(envelope, line, 0)
        else:
            self._send(envelope, line)

    def _send(self, envelope: Envelope, line: bytes) -> None:
        router = self._router
        number = router.traced(envelope, line)
        now = router.clock.now
        late_s = [0.0]
        if self._lane is not None:
            passages = self._lane.passages(now, len(line) + HEADERS)
            late_s = [each.due_s - now for each in passages if each.change == PLAIN]
            if not late_s:
                self.lose(envelope, number, "corrupt" if passages else "loss")
                return
            if CLIENTS in self.place:
                del late_s[1:]  # a client asks once, and takes an answer once
        if self._loss and self._random() < self._loss:
            self.lose(envelope, number, "loss")
            return
        if self._duplicate and self._random() < self._duplicate:
            late_s.append(late_s[0])
        for at, more_s in enumerate(late_s):
            if at:
                router.copied(number)
            due = now + more_s + self._table[int(self._random() * self._count)]
            if self._is_fifo:
                due = self._last_due = max(due, self._last_due)
            if due <= now:
                self.arrive(envelope, line, number)
            elif router.is_flooded(self.place[0]):
                self.lose(envelope, number, "flood")
            else:
                heappush(router.heap, (due, router.sequence(), self, envelope, line, number))

    def arrive(self, envelope: Envelope, line: bytes, number: int) -> None:
        """A message reaches the end of the link."""
        cause = "cut" if self.is_cut else self.target.take(envelope, line)
        if cause is not None:
            self.lose(envelope, number, cause)
            return
        self.delivered[envelope.body.type] += 1
        if self._router.trace is not None:
            self._router.was_delivered(number, envelope)

    def lose(self, envelope: Envelope, number: int, cause: str) -> None:
        """It never will."""
        self.lost[envelope.body.type] += 1
        self._router.lost(self.place, number, cause)
