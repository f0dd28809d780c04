"""The simulated network: directed links between nodes, and where everybody can be reached."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from heapq import heappush
from random import Random
from typing import TYPE_CHECKING, Any

from ..cluster import CLIENTS, Link
from ..errors import InfrastructureError
from .guard import enters_protocol
from .latency import Latency, exponential
from .life import Life, Struck
from .loop import VirtualLoop
from .settings import Settings
from .traffic import ClientTraffic, by_name, types

if TYPE_CHECKING:
    from ..cluster.watching import Watcher
    from .sightings import Sightings
    from .stream import Stream
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
        "_network",
        "_quick",
        "_random",
        "_sequence",
        "_table",
        "_trace",
        "arrive",
        "delivered",
        "dest",
        "is_cut",
        "place",
        "send",
        "sent",
        "source",
        "target",
    )

    def __init__(
        self, network: SimNetwork, source: str, dest: str, place: Link, latency: Latency
    ) -> None:
        settings = network.settings
        self._network = network
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
        # By type of message.
        self.sent: dict[Any, int] = defaultdict(int)
        self.delivered: dict[Any, int] = defaultdict(int)
        is_plain = not (self._loss or self._duplicate or self._is_fifo or self._trace)
        self._quick = self.send = self._send_plain if is_plain else self._send
        self.arrive = self._arrive_plain if self._trace is None else self._arrive_traced
        if network.coverage is not None:
            self.arrive = network.coverage.observed(place[1], self)

    def be_watched(self, is_watched: bool) -> None:
        """Tell the network's watcher of every message, or no longer."""
        self.send = self._send_watched if is_watched else self._quick

    def _send_watched(self, message: Message) -> None:
        self._quick(message)
        self._network.was_sent(*self.place, message["body"])

    def _send_plain(self, message: Message) -> None:
        self.sent[message["body"].get("type")] += 1
        delay_s = self._table[int(self._random() * self._count)]
        heappush(self._heap, (self._loop.now + delay_s, self._sequence(), self.arrive, message))

    def _send(self, message: Message) -> None:
        self.sent[message["body"].get("type")] += 1
        trace, what = self._trace, message
        number = 0
        if trace is not None:
            number = trace.sent(self.source, self.dest, message["body"])
            what = (number, message)
        if self._loss and self._random() < self._loss:
            self._network.lost(number, message, "loss")
            return
        self._transmit(what)
        if self._duplicate and self._random() < self._duplicate:
            self._network.copies += 1
            if trace is not None:
                trace.copied(number)
            self._transmit(what)

    def _transmit(self, what: Any) -> None:
        due = self._loop.now + self._table[int(self._random() * self._count)]
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
            self._network.lost(number, message, "cut")
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
            self._network.lost(*what, "buffer-full")

    def _lose(self, what: tuple[int, Message]) -> None:
        self._network.lost(*what, "down")


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


class SimNetwork:
    """All links of a cluster (the ``Network`` of :mod:`duress.harness.cluster`), and its counts.

    What was sent or copied is delivered, lost for a cause in ``losses``, waiting for a
    stopped process, or on its way.
    """

    def __init__(
        self, loop: VirtualLoop, places: Sequence[str], settings: Settings, trace: Trace | None
    ) -> None:
        self.loop = loop
        self.settings = settings
        self.trace = trace
        self.losses: Counter[str] = Counter()
        self.is_over = False
        self.copies = 0
        self.lost_types: Counter[Any] = Counter()
        self.clients = ClientTraffic()
        self.probes = ClientTraffic()
        self._places = (*places, CLIENTS)
        self._cut: frozenset[Link] = frozenset()
        self._cut_apart: frozenset[Link] = frozenset()
        self._watcher: Watcher | None = None
        self.coverage: Sightings | None = None
        self._wires: dict[Link, Wire] = {}
        self._lives: dict[str, Life] = {}
        self._known: dict[str, str] = {}
        self._streams: list[Stream] = []

    # -- faults ----------------------------------------------------------------------

    async def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these directed links drop every message, from this moment on."""
        if unknown := {end for link in links for end in link} - set(self._places):
            raise InfrastructureError(
                f"network: cannot cut links of {sorted(unknown)}; there are "
                f"{', '.join(self._places)}"
            )
        self._cut = frozenset((a, b) for a, b in links if a != b)
        self._set_wires()
        if self.trace is not None:
            self.trace.happened("cut", links=sorted(map(list, self._cut)))
        self._streams = [stream for stream in self._streams if not stream.is_over]
        for stream in self._streams:
            stream.links_changed()

    def cut_apart(self, links: frozenset[Link]) -> None:
        """Links between nodes that are dead besides those of :meth:`cut`; no probe shows them."""
        self._cut_apart = links
        self._set_wires()
        if self.trace is not None:
            self.trace.happened("cut-apart", links=sorted(map(list, links)))

    def _set_wires(self) -> None:
        for wire in self._wires.values():
            wire.is_cut = wire.place in self._cut or wire.place in self._cut_apart

    def watch(self, watcher: Watcher | None) -> None:
        """Tell somebody of every message that a node sends, from inside of its handler.

        ``watcher(sender, receiver, body)`` names the nodes that die at this very moment. If the
        sender is among them its handler goes no further: this message was its last deed.
        """
        self._watcher = watcher
        for wire in self._wires.values():
            wire.be_watched(watcher is not None)

    def was_sent(self, sender: str, receiver: str, body: dict[str, Any]) -> None:
        """A message left a node; raises :class:`Struck` where that is the end of its sender."""
        if self._watcher is None:
            return
        doomed = self._watcher(sender, receiver, body)
        for life in [life for life in self._lives.values() if life.place in doomed]:
            if self.trace is not None:
                self.trace.happened("kill", at=life.place)
            life.kill()
        if sender in doomed:
            raise Struck

    async def probe(self) -> frozenset[Link]:
        """The directed links, those with ``clients`` included, through which nothing passes."""
        return frozenset(
            (a, b) for a in self._places for b in self._places if a != b and self.blocks(a, b)
        )

    def blocks(self, source: str, dest: str) -> bool:
        """Whether a message from one place to another would be dropped now."""
        if (source, dest) in self._cut:
            return True
        return self.settings.loss >= 1 and CLIENTS not in (source, dest)

    # -- who is where ----------------------------------------------------------------

    def listen(self, life: Life) -> None:
        """A process can be reached from now on."""
        self._lives[life.node_id] = life
        self._known[life.node_id] = life.place
        for wire in self._wires.values():
            if wire.dest == life.node_id:
                wire.target = life

    def hang_up(self, life: Life) -> None:
        """A process is gone: its connections break, and what comes for it is lost."""
        if self._lives.get(life.node_id) is life:
            del self._lives[life.node_id]
        for wire in self._wires.values():
            if wire.target is life:
                wire.target = None
        for stream in [s for s in self._streams if s.life is life]:
            stream.peer_died()

    def stop(self) -> None:
        """Kill every process, and let none begin: the trial has failed and is only taken down."""
        self.is_over = True
        for life in list(self._lives.values()):
            life.kill()

    def find(self, place: str, port: int) -> Life | None:
        """The process that listens on a port of a node."""
        for life in self._lives.values():
            if life.place == place and life.program.listen[1] == port:
                return life
        return None

    def route(self, life: Life, dest: str) -> Any:
        """What carries messages of a process to another; ``None`` if nobody has that name."""
        if dest == life.node_id:
            route: Any = Loopback(life, self.loop, self.trace)
        elif dest in life.program.peers:
            route = self._wires.get((life.node_id, dest)) or self._new_wire(life, dest)
        else:
            self.losses["no-such-client"] += 1
            return None
        life.routes[dest] = route
        return route

    def _new_wire(self, life: Life, dest: str) -> Wire:
        place = (life.place, self._known.get(dest, dest))
        latency = self.settings.link_latency.get(place) or self.settings.latency
        if latency is None:
            latency = exponential(life.program.latency_s)
        wire = Wire(self, life.node_id, dest, place, latency)
        wire.is_cut = place in self._cut or place in self._cut_apart
        wire.be_watched(self._watcher is not None)
        wire.target = self._lives.get(dest)
        self._wires[life.node_id, dest] = wire
        return wire

    def observe(self) -> list[Any]:
        """What every node tells of its state, in their order; ``None`` for those that are down."""
        told = {life.place: life.observe() for life in self._lives.values()}
        return [told.get(place) for place in self._places if place != CLIENTS]

    def join(self, stream: Stream) -> None:
        """A client's connection begins."""
        if len(self._streams) > 1000:
            self._streams = [stream for stream in self._streams if not stream.is_over]
        self._streams.append(stream)

    # -- counting --------------------------------------------------------------------

    def lost(self, number: int, message: Message, cause: str) -> None:
        """A message between nodes will not arrive."""
        self.losses[cause] += 1
        self.lost_types[message["body"].get("type")] += 1
        if self.trace is not None:
            self.trace.dropped(number, cause)

    def counts(self) -> dict[str, Any]:
        """Messages between nodes (``sent``, ``copies``, ``delivered``, ``lost`` by cause), what
        clients asked, by type, and how many answers were sent; ``types``: ``servers`` (between
        nodes), ``clients`` (both ways) and ``probes`` (what the harness itself asks), each
        ``{type: {"sent", "received", "dropped"}}``.
        """
        sent: Counter[Any] = Counter()
        delivered: Counter[Any] = Counter()
        for wire in self._wires.values():
            sent.update(wire.sent)
            delivered.update(wire.delivered)
        clients, probes = self.clients, self.probes
        return {
            "requests": by_name(clients.requests + probes.requests),
            "answers": clients.answers.total() + probes.answers.total(),
            "sent": sent.total(),
            "copies": self.copies,
            "delivered": delivered.total(),
            "lost": dict(sorted(self.losses.items())),
            "types": {
                "servers": types(sent, delivered, self.lost_types),
                "clients": clients.by_type(),
                "probes": probes.by_type(),
            },
        }
