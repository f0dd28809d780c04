"""The ``Network`` of programs on pipes: what nemeses cut and impair, and the counts of it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..cluster import CLIENTS, Link
from ..cluster.link_rules import checked_links
from ..simulation.impaired import SimPackets
from ..simulation.traffic import by_name, types
from .link import RoutedLink
from .router import PROBE, Router


class RouterPackets(SimPackets):
    """The same rules and lanes as in simulations; a packet is a message, with clients too."""

    backend = "router"


class RouterNetwork:
    """Cuts and impairments of a router's links, from inside of this process."""

    def __init__(self, router: Router, places: Sequence[str]) -> None:
        self.router = router
        self.loop = router.clock  # what packets take the time from
        self._places = (*places, CLIENTS)
        self._cut: frozenset[Link] = frozenset()
        self.packets = RouterPackets(self, self._places, router.settings.seed)  # type: ignore[arg-type]
        router.on_new_link = self._apply

    async def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these directed links drop every message, from this moment on."""
        self._cut = frozenset(checked_links(links, self._places, "cut"))
        for link in self.router.links.values():
            self._apply(link)
        self.router.happened("cut", links=sorted(map(list, self._cut)))

    async def probe(self) -> frozenset[Link]:
        """The directed links through which nothing passes, by what the router itself goes by."""
        return self._cut

    def is_cut(self, source: str, dest: str) -> bool:
        """Whether every message from one place to another is dropped now."""
        return (source, dest) in self._cut

    def _apply(self, link: RoutedLink) -> None:
        link.is_cut = link.place in self._cut
        link.be_impaired(self.packets.lane(link.place, ()))

    def packets_changed(self, rules: Sequence[Any]) -> None:
        """Other links are impaired than before."""
        for link in self.router.links.values():
            self._apply(link)
        self.router.happened("impair", links=rules)

    def reset(self, links: frozenset[Link]) -> int:
        """Lose what is on its way; there are no connections to be broken."""
        self.router.take_off(links)
        self.router.happened("reset", links=sorted(map(list, links)))
        return 0

    def counts(self) -> dict[str, Any]:
        """As :meth:`~..simulation.network.SimNetwork.counts`; services count as nodes."""
        groups: dict[str, tuple[Counter[Any], Counter[Any], Counter[Any]]] = {
            name: (Counter(), Counter(), Counter()) for name in ("servers", "clients", "probes")
        }
        requests: Counter[Any] = Counter()
        answers = 0
        for ends, link in self.router.links.items():
            group = "probes" if PROBE in ends else "clients" if CLIENTS in ends else "servers"
            for total, part in zip(
                groups[group], (link.sent, link.delivered, link.lost), strict=True
            ):
                total.update(part)
            if ends[0] in (CLIENTS, PROBE):
                requests.update(link.sent)
            elif group != "servers":
                answers += sum(link.sent.values())
        sent, delivered, _ = groups["servers"]
        return {
            "requests": by_name(requests),
            "answers": answers,
            "sent": sent.total(),
            "copies": self.router.copies,
            "delivered": delivered.total(),
            "lost": dict(sorted(self.router.losses.items())),
            "types": {name: types(*columns) for name, columns in groups.items()},
        }
