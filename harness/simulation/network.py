"""The simulated network: which links there are, and where everybody can be reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..cluster import CLIENTS, Link
from ..cluster.link_rules import checked_links
from .impaired import SimPackets, torn
from .latency import exponential
from .life import Life, Struck
from .loop import VirtualLoop
from .settings import Settings
from .traffic import ClientTraffic, by_name, types
from .wire import Loopback, Wire

if TYPE_CHECKING:
    from ..cluster.watching import Watcher
    from .sightings import Sightings
    from .stream import Stream
    from .trace import Trace

Message = dict[str, Any]


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
        self.packets = SimPackets(self, self._places, settings.seed)
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
        self._cut = frozenset(checked_links(links, self._places, "cut"))
        self._set_wires()
        if self.trace is not None:
            self.trace.happened("cut", links=sorted(map(list, self._cut)))
        self._tell_streams()

    def _tell_streams(self) -> None:
        self._streams = [stream for stream in self._streams if not stream.is_over]
        for stream in self._streams:
            stream.links_changed()

    def packets_changed(self, rules: Sequence[Any]) -> None:
        """Other links are impaired than before."""
        for wire in self._wires.values():
            wire.be_impaired(self.packets.lane(wire.place, wire.ports))
        if self.trace is not None:
            self.trace.happened("impair", links=rules)
        self._tell_streams()

    def reset(self, links: frozenset[Link]) -> int:
        """Break connections on these links: how many of clients there were."""
        streams = [s for s in self._streams if s.is_open and (s.life.place, CLIENTS) in links]
        for stream in streams:
            stream.reset()
        wires = {id(w.arrive): w for w in self._wires.values() if w.place in links}
        for wire, what in torn(self.loop.heap, wires):
            number, message = (0, what) if self.trace is None else what
            wire.network.lost(number, message, "reset")
        if self.trace is not None:
            self.trace.happened("reset", links=sorted(map(list, links)))
        return len(streams)

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
            (a, b) for a in self._places for b in self._places if a != b and self.is_cut(a, b)
        )

    def is_cut(self, source: str, dest: str) -> bool:
        """Whether every message from one place to another would be dropped now."""
        if (source, dest) in self._cut:
            return True
        return self.settings.loss >= 1 and CLIENTS not in (source, dest)

    def blocks(self, source: str, dest: str, port: int) -> bool:
        """Whether nothing passes on a connection between clients and a port of a node."""
        return (source, dest) in self._cut or self.packets.is_cut((source, dest), port)

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
        wire.ports = (life.program.listen[1], life.program.peers[dest][1])
        wire.be_watched(self._watcher is not None)
        wire.be_impaired(self.packets.lane(place, wire.ports))
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
