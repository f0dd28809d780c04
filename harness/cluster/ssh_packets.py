"""The packets of hosts that are reached by ssh, through their agents."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InfrastructureError
from . import CLIENTS, Link
from .impairment import USUAL, Impairment, Measured, Probing
from .link_meter import summary
from .link_rules import checked_links, checked_rules, place_of, place_rules
from .meter_end import Arrival, MeterEnd, Round, exchange
from .queue_shaper import PlaceRules

if TYPE_CHECKING:
    from .ssh_node import SshNode

CLOCK_ASKED = 3
LATE_START_S = 0.1
"""Hosts begin to send one after the other, at most so much later."""


class SshPackets:
    """``Packets`` of hosts. ``clients``: this machine's address as each of them sees it."""

    def __init__(self, nodes: Mapping[str, SshNode], clients: Mapping[str, str]) -> None:
        self._nodes = dict(nodes)
        self._clients = dict(clients)
        self._ends = (*nodes, CLIENTS)
        self._rules: dict[Link, Impairment] = {}
        self._placed: set[str] = set()
        self._backend = "none"
        self._cut: frozenset[Link] = frozenset()
        self._cut_lately: frozenset[Link] = frozenset()
        self._round = 0
        self._meter: MeterEnd | None = None
        self._turn = asyncio.Lock()

    def were_cut(self, links: frozenset[Link]) -> None:
        """To be told whenever other links are cut than before."""
        self._cut = links
        self._cut_lately |= links

    async def reason_unavailable(self) -> str | None:
        """As in ``Packets``: the first host's."""
        for name in self._nodes:
            if why := await self._place(name):
                return f"{name}: {why}"
        return None

    @property
    def backend(self) -> str:
        """``netem`` or ``nfqueue``; ``none`` yet."""
        return self._backend

    async def impair(self, rules: Mapping[Link, Impairment]) -> dict[str, int]:
        """As in ``Packets``: every host that it concerns, at the same time."""
        wanted = checked_rules(rules, self._ends)
        changed = {
            place_of(link)
            for link in {*wanted, *self._rules}
            if wanted.get(link) != self._rules.get(link)
        }
        self._rules = wanted
        told = await asyncio.gather(*(self._apply(name) for name in sorted(changed)))
        names = sorted({name for done in told for name in done})
        return {name: sum(done.get(name, 0) for done in told) for name in names}

    async def why_ended(self) -> str | None:
        """As in ``Packets``: of the first host where it is so."""
        for name in sorted({place_of(link) for link in self._rules}):
            if why := await self._ask(name, "why-ended"):
                return f"{name}: {why}"
        return None

    async def restore(self, name: str) -> None:
        """Impair again what is impaired: the host forgot it."""
        if name in self._placed:
            self._placed.discard(name)
            await self._place(name)  # which removes what was left there
        if any(place_of(link) == name for link in self._rules):
            await self._apply(name)

    async def _apply(self, name: str) -> dict[str, int]:
        if why := await self._place(name):
            raise InfrastructureError(f"{name}: {why}")
        addresses = {end: self._address(end, name) for end in self._ends}
        rules: PlaceRules = place_rules(self._rules, [name], addresses)[0]
        self._backend, done = await self._ask(name, "impair", **rules._asdict())
        return done

    async def _place(self, name: str) -> str | None:
        if name in self._placed:
            return None
        why = await self._ask(
            name,
            "place",
            sources=[self._address(end, name) for end in self._ends if end != name],
            targets=[self._clients[name]],
            open_port=self._nodes[name].link.ssh_port,
        )
        if why is None:
            self._placed.add(name)
        return why

    async def _ask(self, name: str, what: str, **order: Any) -> Any:
        return await self._nodes[name].link.ask("packets", order={"what": what, **order})

    def _address(self, end: str, seen_from: str) -> str:
        return self._clients[seen_from] if end == CLIENTS else self._nodes[end].address

    async def measure(self, links: Iterable[Link], how: Probing = USUAL) -> dict[Link, Measured]:
        """As in ``Packets``. Clocks of hosts are compared first: times are exact to about a
        millisecond on a local network."""
        chosen = checked_links(links, self._ends)
        self._cut_lately = self._cut
        async with self._turn:
            self._round += 1
            patient = how._replace(patience_s=how.patience_s + LATE_START_S)
            what = Round(self._round, *patient)
            found = await self._measured(chosen, what)
        return {link: each for link, each in found.items() if link not in self._cut_lately}

    async def _measured(self, links: list[Link], what: Round) -> dict[Link, Measured]:
        names = sorted({end for link in links for end in link} - {CLIENTS})
        if self._meter is None:
            self._meter = MeterEnd()
        meter = self._meter
        told = await asyncio.gather(*(self._ask(name, "hear") for name in names))
        ports = {**dict(zip(names, told, strict=True)), CLIENTS: meter.port}
        ahead = await asyncio.gather(*(self._ahead_s(name) for name in names))
        ahead_s = {**dict(zip(names, ahead, strict=True)), CLIENTS: 0.0}

        def to(name: str) -> list[tuple[str, int]]:
            return [(self._address(b, name), ports[b]) for a, b in links if a == name]

        def expected(name: str) -> int:
            return what.datagrams * sum(b == name for _, b in links)

        async def on_host(name: str) -> Any:
            order = {"round": list(what), "to": to(name), "expected": expected(name)}
            heard, errors = await self._ask(name, "measure", **order)
            return [Arrival(*each) for each in heard], errors

        async def here() -> Any:
            meter.open(what.port)
            sends = [(meter, address) for address in to(CLIENTS)]
            its = {"": meter}
            return (await asyncio.to_thread(exchange, what, sends, its, expected(CLIENTS)))[""], 0

        ours, *theirs = await asyncio.gather(here(), *map(on_host, names))
        heard = {CLIENTS: ours, **dict(zip(names, theirs, strict=True))}
        found = {}
        for source, target in links:
            arrivals, errors = heard[target]
            address = self._address(source, target) if target != CLIENTS else None
            mine = [
                each._replace(
                    sent_s=each.sent_s - ahead_s[source if each.number >= 0 else target],
                    heard_s=each.heard_s - ahead_s[target],
                )
                for each in arrivals
                if each.source == (address or self._nodes[source].address)
            ]
            found[source, target] = summary(what.datagrams, mine, errors)
        return found

    async def _ahead_s(self, name: str) -> float:
        """By how much a host's clock is ahead of ours, by the quickest of some answers."""
        clock = asyncio.get_running_loop().time
        answers = []
        for _ in range(CLOCK_ASKED):
            before_s = clock()
            theirs_s = await self._ask(name, "clock")
            after_s = clock()
            answers.append((after_s - before_s, theirs_s - (before_s + after_s) / 2))
        return min(answers)[1]

    async def reset(self, links: Iterable[Link]) -> int:
        """As in ``Packets``: by the kernel of the host at the end of each link."""
        peers: dict[str, set[str]] = {}
        for source, target in checked_links(links, self._ends):
            node, other = (source, target) if target == CLIENTS else (target, source)
            peers.setdefault(node, set()).add(self._address(other, node))

        async def reset(name: str) -> int:
            port = self._nodes[name].link.ssh_port
            return await self._ask(name, "reset", peers=sorted(peers[name]), open_port=port)

        return sum(await asyncio.gather(*map(reset, sorted(peers))))

    def down(self) -> None:
        """Measure no more; the agents let packets pass when they end. Idempotent."""
        if self._meter is not None:
            self._meter.close()
            self._meter = None
