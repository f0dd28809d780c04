"""Packets of nodes that are network namespaces of this machine: local ones and containers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from . import CLIENTS, Link, tcp_reset
from .impairment import USUAL, Measured, Probing
from .in_thread import Result, in_thread
from .link_meter import LinkMeter
from .link_rules import Rules, checked_links, checked_rules, place_rules
from .probe import run_in_netns
from .shaper import Place, Shaper


class NamespacePackets:
    """``Packets`` of nodes whose network namespaces this process may enter.

    ``addresses`` and ``netns_pids`` are those of all ends, ``clients`` included. Nothing is made
    before the first call that needs it.
    """

    def __init__(
        self, trial_id: str, addresses: Mapping[str, str], netns_pids: Mapping[str, int]
    ) -> None:
        self._addresses = dict(addresses)
        self._pids = dict(netns_pids)
        self._nodes = sorted(name for name in addresses if name != CLIENTS)
        places = [
            Place([a for n, a in sorted(addresses.items()) if n != name], [addresses[CLIENTS]])
            for name in self._nodes
        ]
        enters = [
            lambda function, pid=netns_pids[name]: run_in_netns(pid, function)
            for name in self._nodes
        ]
        self._shaper = Shaper(trial_id, places, enters)
        self._meter: LinkMeter | None = None
        self._cut: frozenset[Link] = frozenset()
        self._cut_lately: frozenset[Link] = frozenset()
        self._turn = asyncio.Lock()

    def were_cut(self, links: frozenset[Link]) -> None:
        """To be told whenever other links are cut than before."""
        self._cut = links
        self._cut_lately |= links

    async def reason_unavailable(self) -> str | None:
        """As in ``Packets``."""
        return await self._call(self._shaper.reason_unavailable)

    @property
    def backend(self) -> str:
        """``netem``, ``nfqueue``, or ``none`` yet."""
        return self._shaper.backend

    async def impair(self, rules: Rules) -> dict[str, int]:
        """As in ``Packets``: every node's rules within a millisecond by queues."""
        wanted = place_rules(checked_rules(rules, self._addresses), self._nodes, self._addresses)
        return await self._call(lambda: self._shaper.become(wanted))

    async def why_ended(self) -> str | None:
        """As in ``Packets``."""
        return self._shaper.why_ended()

    async def measure(self, links: Iterable[Link], how: Probing = USUAL) -> dict[Link, Measured]:
        """As in ``Packets``."""
        chosen = checked_links(links, self._addresses)
        self._cut_lately = self._cut

        def measure() -> dict[Link, Measured]:
            if self._meter is None:
                self._meter = LinkMeter(self._addresses, self._pids)
            return self._meter.measure(chosen, how)

        found = await self._call(measure)
        return {link: each for link, each in found.items() if link not in self._cut_lately}

    async def reset(self, links: Iterable[Link]) -> int:
        """As in ``Packets``: by the kernel of the node at the end of each link."""
        peers: dict[str, set[str]] = {}
        for source, target in checked_links(links, self._addresses):
            node, other = (source, target) if target == CLIENTS else (target, source)
            peers.setdefault(node, set()).add(self._addresses[other])

        def reset() -> int:
            return sum(
                run_in_netns(self._pids[node], lambda its=its: tcp_reset.reset(its))
                for node, its in sorted(peers.items())
            )

        return await self._call(reset)

    async def _call(self, function: Callable[[], Result]) -> Result:
        """In a thread, one after the other."""
        async with self._turn:
            return await in_thread(function)

    def down(self) -> None:
        """Give the packets back; rules go with the nodes. Blocks for milliseconds. Idempotent."""
        self._shaper.close(places_stay=False)
        if self._meter is not None:
            self._meter.close()
            self._meter = None
