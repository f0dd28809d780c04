"""Clusters of hosts that are there already, reached by ssh.

Each host runs an agent (:mod:`.host_agent`) for the length of a trial, over one connection: so a
fault takes milliseconds, is carried out by the code that serves the other kinds of cluster, and
is healed by the host itself when the harness is gone for good.
"""

from __future__ import annotations

import asyncio
import ipaddress
import shlex
import socket
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ..errors import InfrastructureError, UserError
from . import CLIENTS, Link, Network, Node
from .disks import OPTION as DISK_OPTION
from .host_link import HostLink
from .host_probe import HostProbe
from .layered_disk import is_layered
from .ssh_host import SshHost
from .ssh_login import OPTIONS, Login, logins
from .ssh_node import SshNode
from .ssh_packets import SshPackets

PROBE_S = 0.06
PROBE_TRIES = 5


class SshNetwork:
    """The links between the hosts, each cut where its packets arrive; see :mod:`.host_filter`."""

    def __init__(self, nodes: Mapping[str, SshNode]) -> None:
        self._nodes = dict(nodes)
        self._clients: dict[str, str] = {}
        self._cut: frozenset[Link] = frozenset()
        self._unseen: frozenset[Link] = frozenset()
        self._round = 0
        self._probe: HostProbe | None = None
        self._packets = SshPackets({}, {})
        self._turn = asyncio.Lock()

    async def up(self) -> None:
        """Take control of the links and see that packets pass on every one of them."""
        self._clients = {name: _towards(node.address) for name, node in self._nodes.items()}
        self._probe = HostProbe()
        self._packets = SshPackets(self._nodes, self._clients)
        await asyncio.gather(*(self._apply(name) for name in self._nodes))
        silent = await self.probe()
        # A firewall before the harness may refuse what comes from hosts: no fault of ours.
        self._unseen = frozenset(link for link in silent if CLIENTS in link)
        if broken := sorted(silent - self._unseen):
            raise InfrastructureError(
                f"ssh cluster: no datagram passes on {', '.join(f'{a}→{b}' for a, b in broken)} "
                "before any fault; may the hosts reach each other on all ports?"
            )

    async def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these links drop every packet: one transaction on each host it concerns."""
        unknown = {end for link in links for end in link} - {*self._nodes, CLIENTS}
        if unknown:
            raise InfrastructureError(f"network: no nodes {sorted(unknown)} to cut links of")
        changed = self._cut ^ links
        self._cut = frozenset(links)
        concerned = [
            name for name in self._nodes if any(_ruled_by(link) == name for link in changed)
        ]
        await asyncio.gather(*(self._apply(name) for name in concerned))
        self._packets.were_cut(self._cut)

    @property
    def packets(self) -> SshPackets:
        """What else can be done to packets."""
        return self._packets

    async def restore(self, name: str) -> None:
        """Cut again what is cut: the host forgot it."""
        if self._clients:
            await self._apply(name)
            await self._packets.restore(name)

    async def _apply(self, name: str) -> None:
        node = self._nodes[name]
        mine = [link for link in self._cut if _ruled_by(link) == name]
        sources = {self._address(a, name) for a, b in mine if b == name}
        targets = [self._clients[name]] if (name, CLIENTS) in mine else []
        await node.link.ask(
            "cut", ssh_port=node.link.ssh_port, sources=sorted(sources), targets=targets
        )

    def _address(self, end: str, seen_from: str) -> str:
        return self._clients[seen_from] if end == CLIENTS else self._nodes[end].address

    async def probe(self) -> frozenset[Link]:
        """The directed links on which datagrams were sent and none arrived."""
        if self._probe is None:
            raise InfrastructureError("network: is not up: probe links after Cluster.up()")
        async with self._turn:
            silent: frozenset[Link] = frozenset()
            for attempt in range(PROBE_TRIES):
                found = await self._probed(PROBE_S * 2**attempt)
                silent = found if attempt == 0 else silent & found
                if silent <= self._cut | self._unseen:
                    break
            return silent - self._unseen

    async def _probed(self, wait_s: float) -> frozenset[Link]:
        assert self._probe is not None
        self._round += 1
        names = list(self._nodes)
        ports = dict(
            zip(
                names,
                await asyncio.gather(*(n.link.ask("probe_port") for n in self._nodes.values())),
                strict=True,
            )
        )
        theirs = {name: (self._nodes[name].address, ports[name]) for name in names}

        async def heard_by(name: str) -> list[str]:
            to = [theirs[other] for other in names if other != name]
            assert self._probe is not None
            to.append((self._clients[name], self._probe.port))
            return await self._nodes[name].link.ask(
                "probe", round=self._round, to=to, wait_s=wait_s
            )

        ours = self._probe.round(self._round, list(theirs.values()), wait_s)
        *heard, at_clients = await asyncio.gather(*map(heard_by, names), ours)
        passed: set[Link] = {
            (name, CLIENTS) for name in names if self._nodes[name].address in at_clients
        }
        for name, addresses in zip(names, heard, strict=True):
            passed |= {(o, name) for o in names if self._nodes[o].address in addresses}
            if self._clients[name] in addresses:
                passed.add((CLIENTS, name))
        ends = [*names, CLIENTS]
        every = {(a, b) for a in ends for b in ends if a != b}
        return frozenset(every - passed)

    def down(self) -> None:
        """Probe no more. Idempotent."""
        self._packets.down()
        if self._probe is not None:
            self._probe.close()
            self._probe = None


def _ruled_by(link: Link) -> str:
    """The host at which a link is cut."""
    return link[0] if link[1] == CLIENTS else link[1]


class SshCluster:
    """Hosts that are there already; the option ``hosts`` names them."""

    kind = "ssh"
    options: ClassVar[Mapping[str, str]] = {**OPTIONS, **DISK_OPTION}

    @staticmethod
    def reason_unavailable() -> str | None:
        """Nothing but hosts is needed, and those are named with each trial."""
        return None

    @staticmethod
    def sweep(options: Mapping[str, Any]) -> list[str]:
        """End whatever trials there are on the hosts that ``hosts`` names; a line for each."""
        if "hosts" not in options:
            return []
        found = []
        for login in logins(options, None):
            host = SshHost(login)
            try:
                agent = shlex.join([*host.sudo, "python3", host.put_agent(), "sweep"])
                found += [f"{login.given}: trial {line}" for line in _lines(host.command(agent))]
            finally:
                host.close()
        return found

    def __init__(
        self, trial_id: str, node_names: Sequence[str], folder: Path, options: Mapping[str, object]
    ) -> None:
        self.trial_id = trial_id
        self._logins = dict(zip(node_names, logins(options, len(node_names)), strict=True))
        self._is_layered = is_layered(options)
        self.nodes: dict[str, Node] = {}
        self._hosts: dict[str, SshNode] = {}
        self.network: Network = SshNetwork({})
        self._links = SshNetwork({})

    async def up(self) -> None:
        """Log in everywhere, start the agents, and see that every link is open."""
        addresses = {name: await _address(login) for name, login in self._logins.items()}
        shared = {a for a in addresses.values() if list(addresses.values()).count(a) > 1}
        if shared:
            raise UserError(f"ssh cluster: two of the hosts have the address {sorted(shared)[0]}")
        for name, login in self._logins.items():
            link = HostLink(login, self.trial_id, lambda name=name: self._links.restore(name))
            self._hosts[name] = SshNode(name, addresses[name], link)
        self.nodes.update(self._hosts)
        await _all(node.attach() for node in self._hosts.values())
        if self._is_layered:
            await _all(node.mount_layer() for node in self._hosts.values())
        self.network = self._links = SshNetwork(self._hosts)
        await self._links.up()

    async def down(self) -> None:
        """Have every agent kill, heal and remove what it made, and end. Idempotent."""
        self._links.down()
        hosts, self._hosts = self._hosts, {}

        async def end(node: SshNode) -> None:
            try:
                if node.link.is_known:
                    await node.link.ask("end", timeout_s=60)
            finally:
                await node.link.close()

        results = await asyncio.gather(*map(end, hosts.values()), return_exceptions=True)
        failures = [str(result) for result in results if isinstance(result, InfrastructureError)]
        if failures:
            raise InfrastructureError(
                f"not everything was taken down: {'; '.join(failures)}; a host that is cut off "
                "heals itself after half a minute"
            )


def _lines(printed: bytes) -> list[str]:
    return printed.decode(errors="replace").splitlines()


async def _address(login: Login) -> str:
    name = login.address or login.host
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except OSError as error:
        raise InfrastructureError(
            f"host {login.given}: {name} has no IPv4 address here ({error.strerror}); "
            "say which it has: HOST=ADDRESS"
        ) from None
    return str(ipaddress.IPv4Address(found[0][4][0]))


def _towards(address: str) -> str:
    """This machine's address on the way to another; sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect((address, 9))
        return str(asked.getsockname()[0])


async def _all(works: Iterable[Awaitable[Any]]) -> None:
    """Run together; the first error is raised after all have ended."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
