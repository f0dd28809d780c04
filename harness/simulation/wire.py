"""What carries messages between two simulated processes: a directed link, or none at all."""

from __future__ import annotations

from collections import defaultdict
from heapq import heappush
from random import Random
from typing import TYPE_CHECKING, Any

from ..cluster import Link
from .guard import enters_protocol
from .impaired import sender
from .latency import Latency
from .life import Life, Struck
from .loop import VirtualLoop

if TYPE_CHECKING:
    from ..cluster.packet_lane import Lane
    from .network import SimNetwork
    from .trace import Trace

Message = dict[str, Any]


class Wire:
    """A directed link between two processes. Messages may be lost, doubled and overtaken.

    ``target`` is the life that receives at its end, if there is one. A message is lost where
    the link is cut at the moment of its arrival, as a packet filter at the receiver does it.
    """

    __slots__ = (
        "_count",
        "_duplicate",
        "_heap",
        "_is_fifo",
        "_last_due",
        "_loop",
        "_loss",
        "_plain",
        "_quick",
        "_random",
        "_sequence",
        "_table",
        "_trace",
        "arrive",
        "delivered",
        "dest",
        "is_cut",
        "network",
        "place",
        "ports",
        "send",
        "sent",
        "source",
        "target",
    )

    def __init__(
        self, network: SimNetwork, source: str, dest: str, place: Link, latency: Latency
    ) -> None:
        settings = network.settings
        self.network = network
        self._loop = network.loop
        self._heap = network.loop.heap
        self._sequence = network.loop.sequence
        self._trace = network.trace
        self._random = Random(f"{settings.seed}/link/{source}>{dest}").random
        self._table = latency.table()
        self._count = len(self._table)
        self._loss, self._duplicate = settings.loss, settings.duplicate
        self._is_fifo = settings.is_fifo
        self._last_due = 0.0
        self.source, self.dest, self.place = source, dest, place
        self.target: Life | None = None
        self.is_cut = False
        self.ports: tuple[int, ...] = ()
        # By type of message.
        self.sent: dict[Any, int] = defaultdict(int)
        self.delivered: dict[Any, int] = defaultdict(int)
        is_plain = not (self._loss or self._duplicate or self._is_fifo or self._trace)
        self._plain = self._send_plain if is_plain else self._send
        self._quick = self.send = self._plain
        self.arrive = self._arrive_plain if self._trace is None else self._arrive_traced
        if network.coverage is not None:
            self.arrive = network.coverage.observed(place[1], self)

    def be_watched(self, is_watched: bool) -> None:
        """Tell the network's watcher of every message, or no longer."""
        self.send = self._send_watched if is_watched else self._quick

    def be_impaired(self, lane: Lane | None) -> None:
        """Let what is sent from now on pass like this."""
        self._quick = self._plain if lane is None else sender(self, lane)
        self.be_watched(self.send == self._send_watched)

    def _send_watched(self, message: Message) -> None:
        self._quick(message)
        self.network.was_sent(*self.place, message["body"])

    def _send_plain(self, message: Message) -> None:
        self.sent[message["body"].get("type")] += 1
        delay_s = self._table[int(self._random() * self._count)]
        heappush(self._heap, (self._loop.now + delay_s, self._sequence(), self.arrive, message))

    def _send(self, message: Message) -> None:
        self.count_sent(message)
        number, what = self.traced(message)
        if self.loses():
            self.network.lost(number, message, "loss")
            return
        self.transmit(what)
        if self.doubles():
            self.copy(number)
            self.transmit(what)

    def count_sent(self, message: Message) -> None:
        """A message leaves."""
        self.sent[message["body"].get("type")] += 1

    def traced(self, message: Message) -> tuple[int, Any]:
        """Its number, and what arrives."""
        if self._trace is None:
            return 0, message
        number = self._trace.sent(self.source, self.dest, message["body"])
        return number, (number, message)

    def loses(self) -> bool:
        """Whether the next message is lost, as the settings want it."""
        return bool(self._loss) and self._random() < self._loss

    def doubles(self) -> bool:
        """Whether it arrives twice, as the settings want it."""
        return bool(self._duplicate) and self._random() < self._duplicate

    def copy(self, number: int) -> None:
        """There is a copy of a message."""
        self.network.copies += 1
        if self._trace is not None:
            self._trace.copied(number)

    def transmit(self, what: Any, late_s: float = 0.0) -> None:
        """Let it arrive once its time has come, ``late_s`` later than it would."""
        due = self._loop.now + late_s + self._table[int(self._random() * self._count)]
        if self._is_fifo:
            due = self._last_due = max(due, self._last_due)
        heappush(self._heap, (due, self._sequence(), self.arrive, what))

    @enters_protocol
    def _arrive_plain(self, message: Message) -> None:
        target = self.target
        if target is None or self.is_cut or not target.is_running:
            self._arrive_late(0, message)
            return
        self.delivered[message["body"].get("type")] += 1
        try:
            target.on_message(message)
        except Struck:
            pass
        except Exception as error:
            target.crash(error, message)

    def _arrive_traced(self, what: tuple[int, Message]) -> None:
        target, (number, message) = self.target, what
        if target is None or self.is_cut or not target.is_running:
            self._arrive_late(number, message)
            return
        self.delivered[message["body"].get("type")] += 1
        target.handle(number, message)

    def _arrive_late(self, number: int, message: Message) -> None:
        if self.is_cut:
            self.network.lost(number, message, "cut")
        else:
            self._find((number, message))

    def _find(self, what: tuple[int, Message]) -> None:
        """The receiver takes a message out of its buffer, if it can."""
        target = self.target
        if target is None:
            self._lose(what)
        elif target.is_running:
            self.delivered[what[1]["body"].get("type")] += 1
            target.handle(*what)
        elif not target.wait(self._find, what, self._lose):
            self.network.lost(*what, "buffer-full")

    def _lose(self, what: tuple[int, Message]) -> None:
        self.network.lost(*what, "down")


class Loopback:
    """From a process to itself: at once, in order, and never lost while it lives."""

    __slots__ = ("_life", "_loop", "_trace")

    def __init__(self, life: Life, loop: VirtualLoop, trace: Trace | None) -> None:
        self._life = life
        self._loop = loop
        self._trace = trace

    def send(self, message: Message) -> None:
        """Deliver once the present handler has ended."""
        number = 0
        if self._trace is not None:
            number = self._trace.sent(message["src"], message["dest"], message["body"])
        self._loop.at(self._loop.now, self._find, (number, message))

    def _find(self, what: tuple[int, Message]) -> None:
        life = self._life
        if life.is_running:
            life.handle(*what)
        elif not life.is_alive or not life.wait(self._find, what, self._lose):
            self._lose(what)

    def _lose(self, what: tuple[int, Message]) -> None:
        if self._trace is not None:
            self._trace.dropped(what[0], "down")
