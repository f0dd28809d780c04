"""Impaired packets of a simulated network: the same lanes as on real links, in virtual time.

Between nodes a message is a packet: what is lost or corrupted never arrives. Between clients and
nodes there are connections: what is lost is sent again, what overtakes is put in order, and what
comes twice is taken once, so that of all faults only delay is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from heapq import heapify
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from ..cluster import Link
from ..cluster.impairment import USUAL, Impairment, Measured, Probing
from ..cluster.link_meter import summary
from ..cluster.link_rules import checked_links, checked_rules, plain
from ..cluster.meter_end import Arrival
from ..cluster.packet_lane import GARBLE, PLAIN, Lane
from ..errors import InfrastructureError

if TYPE_CHECKING:
    from .network import SimNetwork
    from .wire import Wire

HEADERS = 66
"""Bytes of Ethernet, IP and TCP around a message."""

DATAGRAM_HEADERS = 28
"""Bytes of IP and UDP before the content of a datagram."""

RESEND_S = 0.2
MOST_RESENDS = 8


class SimPackets:
    """``Packets`` of a simulated network."""

    backend = "simulation"

    def __init__(self, network: SimNetwork, places: Iterable[str], seed: str) -> None:
        self._network = network
        self._places = tuple(places)
        self._seed = seed
        self._changes = 0
        self._measurements = 0
        self._lanes: dict[Link, Lane] = {}

    async def reason_unavailable(self) -> str | None:
        """``None``: it can be had everywhere."""
        return None

    async def impair(self, rules: Mapping[Link, Impairment]) -> dict[str, int]:
        """As in ``Packets``; content cannot be garbled here (``InfrastructureError``)."""
        wanted = checked_rules(rules, self._places)
        if any(rule.garble for rule in wanted.values()):
            raise InfrastructureError(
                "packets: simulated messages have no bits to flip unnoticed: leave "
                "packets-corrupt=payload out, or run on local or docker"
            )
        self._changes += 1
        counts = [lane.counts for lane in self._lanes.values()]
        done = {name: sum(each[name] for each in counts) for name in (counts[0] if counts else ())}
        self._lanes = {
            link: Lane(plain(rule), self._chance(f"{self._changes}/{link[0]}>{link[1]}"))
            for link, rule in wanted.items()
        }
        self._network.packets_changed(
            [[*link, plain(rule)] for link, rule in sorted(wanted.items())]
        )
        return done

    async def why_ended(self) -> str | None:
        """``None``: nothing ends here by itself."""
        return None

    def _chance(self, name: str) -> Callable[[], float]:
        return Random(f"{self._seed}/packets/{name}").random

    def lane(self, link: Link, ports: Iterable[int]) -> Lane | None:
        """What becomes of packets on a link between these ports."""
        lane = self._lanes.get(link)
        if lane is None:
            return None
        concerned = lane.rule.get("ports")
        return lane if not concerned or set(concerned) & set(ports) else None

    def is_cut(self, link: Link, port: int) -> bool:
        """Whether nothing passes."""
        lane = self.lane(link, [port])
        return lane is not None and lane.is_cut

    def late_s(self, link: Link, port: int, body: Any) -> float:
        """By how much later a connection delivers."""
        if not self._lanes:
            return 0.0
        lane = self.lane(link, [port])
        if lane is None or lane.is_cut:
            return 0.0
        now, late_s, size = self._network.loop.now, 0.0, size_of(body, lane)
        for attempt in range(MOST_RESENDS):
            whole = [p.due_s for p in lane.passages(now + late_s, size) if p.change == PLAIN]
            if whole:
                return min(whole) - now
            late_s += RESEND_S * 2**attempt
        return late_s

    async def measure(self, links: Iterable[Link], how: Probing = USUAL) -> dict[Link, Measured]:
        """As in ``Packets``: what the rules that are in force do to datagrams, in no time."""
        self._measurements += 1
        found = {}
        for link in checked_links(links, self._places):
            if not self._network.is_cut(*link):
                chance = self._chance(f"probe {self._measurements}/{link[0]}>{link[1]}")
                found[link] = self._measured(link, chance, how)
        return found

    def _measured(self, link: Link, chance: Callable[[], float], how: Probing) -> Measured:
        force = self.lane(link, [how.port])
        lane = Lane(force.rule if force else {}, chance)
        arrivals, dropped = [], 0
        for number in range(how.datagrams):
            sent_s = number * how.gap_s
            for passage in lane.passages(sent_s, how.size + DATAGRAM_HEADERS):
                if passage.change == PLAIN:
                    arrivals.append(Arrival("", number, sent_s, passage.due_s, how.size))
                else:
                    dropped += passage.change != GARBLE
        arrivals.sort(key=lambda arrival: arrival.heard_s)
        return summary(how.datagrams, arrivals, dropped)

    async def reset(self, links: Iterable[Link]) -> int:
        """As in ``Packets``; between nodes, what is on its way is lost, and nobody is told."""
        both = {pair for a, b in checked_links(links, self._places) for pair in ((a, b), (b, a))}
        return self._network.reset(frozenset(both))


def size_of(body: Any, lane: Lane) -> int:
    """Bytes of a message on the wire, where that matters."""
    return len(msgspec.json.encode(body)) + HEADERS if lane.is_slow else HEADERS


def sender(wire: Wire, lane: Lane) -> Callable[[dict[str, Any]], None]:
    """What sends messages on an impaired wire."""
    network, loop = wire.network, wire.network.loop

    def send(message: dict[str, Any]) -> None:
        now = loop.now
        wire.count_sent(message)
        number, what = wire.traced(message)
        passages = lane.passages(now, size_of(message["body"], lane))
        whole = [passage for passage in passages if passage.change == PLAIN]
        if not whole or wire.loses():
            network.lost(number, message, "corrupt" if passages and not whole else "loss")
            return
        wire.transmit(what, whole[0].due_s - now)
        for passage in whole[1:]:
            wire.copy(number)
            wire.transmit(what, passage.due_s - now)
        if wire.doubles():
            wire.copy(number)
            wire.transmit(what, whole[0].due_s - now)

    return send


def torn(heap: list[Any], wires: Mapping[Any, Wire]) -> list[tuple[Wire, Any]]:
    """Take everything that is on its way on these wires (by their ``arrive``) out of the heap."""
    taken, kept = [], []
    for entry in heap:
        wire = wires.get(id(entry[2]))
        if wire is None:
            kept.append(entry)
        else:
            taken.append((wire, entry))
    heap[:] = kept
    heapify(heap)
    return [(wire, entry[3]) for wire, entry in sorted(taken, key=lambda pair: pair[1][:2])]
