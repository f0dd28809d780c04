"""Clusters of containers on an internal network, on this machine's Docker engine.

The engine makes and removes; faults do without it. Links are cut by one nftables
transaction on the network's bridge, signals go to the host's pids, commands enter by
``nsenter``: all of that needs root on the machine of the engine, and takes milliseconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ..errors import InfrastructureError, UserError
from . import CLIENTS, Link, Network, Node, images, netfilter, pids
from .disks import OPTION as DISK_OPTION
from .docker_engine import CALL_TIMEOUT_S, Engine, EngineThreads, NoFreeAddresses, Started
from .docker_leftovers import clean, labels, owner
from .docker_node import DockerNode
from .layered_disk import Layers
from .namespace_packets import NamespacePackets
from .netfilter import LinkFilter
from .probe import FIRST_TRIES, LinkProbe

__all__ = ["DockerCluster", "DockerNetwork", "clean", "reason_unavailable"]

SUBNETS = ipaddress.IPv4Network("10.211.0.0/16")
"""Each trial takes a /24 of it: outside of what engines hand out by themselves."""

FIRST_HOST = 11
MOST_NODES = 200

SLEEPER = ("sleep", "infinity")
"""The container's own command. Programs come and go beside it, and the network stays."""


class DockerNetwork:
    """The links of a cluster, the harness being the end ``clients`` of some."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = dict(addresses)
        self._filter: LinkFilter | None = None
        self._probe: LinkProbe | None = None
        self._packets: NamespacePackets | None = None
        self._cut: frozenset[Link] = frozenset()
        self._unseen: frozenset[Link] = frozenset()
        self._inits: dict[str, pids.Seen | None] = {}

    async def up(
        self,
        trial_id: str,
        bridge: str,
        gateway: str,
        netns_pids: Mapping[str, int],
        threads: EngineThreads,
    ) -> None:
        """Take control of the links and see that every one of them passes packets."""
        self._addresses[CLIENTS] = gateway
        self._filter = LinkFilter(trial_id, bridge, owner())
        await threads.call(self._filter.install)
        every_pid = {**netns_pids, CLIENTS: os.getpid()}
        self._probe = LinkProbe(self._addresses, every_pid)
        self._packets = NamespacePackets(trial_id, self._addresses, every_pid)
        self._inits = {name: pids.look(pid) for name, pid in netns_pids.items()}
        silent = await self._probe.probe(tries=FIRST_TRIES)
        # A firewall of the host may refuse new connections from nodes to it: no fault of ours.
        self._unseen = frozenset(link for link in silent if CLIENTS in link)
        if broken := silent - self._unseen:
            raise InfrastructureError(
                f"network of {trial_id}: nothing passes on {_links(broken)} before any fault; "
                "does a firewall of this machine drop packets on bridges?"
            )

    async def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these directed links drop every packet, in one nftables transaction."""
        if self._filter is None:
            raise InfrastructureError("network: is not up: cut links after Cluster.up()")
        unknown = {end for link in links for end in link} - set(self._addresses)
        if unknown:
            raise InfrastructureError(f"network: no nodes {sorted(unknown)} to cut links of")
        pairs = frozenset((self._addresses[a], self._addresses[b]) for a, b in links)
        self._filter.cut(pairs)
        self._cut = frozenset(links)
        self.packets.were_cut(self._cut)

    async def probe(self) -> frozenset[Link]:
        """The directed links on which a packet was sent and did not arrive.

        Links with ``clients`` that a firewall of the host closed from the beginning are left out.
        """
        if self._probe is None:
            raise InfrastructureError("network: is not up: probe links after Cluster.up()")
        silent = await self._probe.probe(self._cut) - self._unseen
        if silent - self._cut and (gone := [name for name in self._inits if self._is_gone(name)]):
            raise InfrastructureError(
                f"network: the containers of {', '.join(gone)} have ended; was the engine stopped?"
            )
        return silent

    def _is_gone(self, name: str) -> bool:
        was = self._inits[name]
        now = pids.look(was.pid) if was is not None else None
        return now is None or now.dead or (was is not None and now.started != was.started)

    @property
    def packets(self) -> NamespacePackets:
        """What else can be done to packets."""
        if self._packets is None:
            raise InfrastructureError("network: is not up: use packets after Cluster.up()")
        return self._packets

    def down(self) -> None:
        """Give the links back. Idempotent."""
        if self._packets is not None:
            self._packets.down()
            self._packets = None
        if self._probe is not None:
            self._probe.close()
            self._probe = None
        if self._filter is not None:
            self._filter.remove()
            self._filter = None
        self._cut = frozenset()


def reason_unavailable() -> str | None:
    """Why there can be no docker cluster on this machine and what to do, or ``None``."""
    if not sys.platform.startswith("linux"):
        return f"needs Linux, this is {sys.platform}: run duress in a Linux virtual machine"
    try:
        with Engine() as engine:
            said = engine.describe()
    except InfrastructureError as error:
        return str(error)
    if said.get("KernelVersion") != os.uname().release:
        return (
            f"the engine runs on another kernel ({said.get('KernelVersion')}, "
            f"{said.get('OperatingSystem')}) than duress ({os.uname().release}): "
            "faults need both on one; run duress on the engine's machine"
        )
    if os.geteuid() != 0:
        return (
            "entering containers (nsenter), signalling their processes and cutting links "
            "(nftables) need root on the host: run as root, or use --on local, which needs none"
        )
    return netfilter.reason_unavailable()


class DockerCluster:
    """Containers ``duress-<trial>-<node>`` of one image; the option ``image`` names it."""

    kind = "docker"
    options: ClassVar[Mapping[str, str]] = DISK_OPTION
    clean = staticmethod(clean)
    reason_unavailable = staticmethod(reason_unavailable)

    @staticmethod
    def prepare(image: str) -> None:
        """Build the image now, so that it does not count as the cluster's start."""
        if reason := reason_unavailable():
            raise InfrastructureError(reason)
        images.ensure(image, lambda line: print(f"duress: {line}", file=sys.stderr))

    call_timeout_s = CALL_TIMEOUT_S
    """How long the engine may take for one call before it counts as dead."""

    def __init__(
        self, trial_id: str, node_names: Sequence[str], folder: Path, options: Mapping[str, object]
    ) -> None:
        image = options.get("image")
        if not isinstance(image, str) or not image:
            raise UserError("docker cluster: option image is missing: name one of fixtures/images/")
        if not 1 <= len(node_names) <= MOST_NODES:
            raise UserError(
                f"docker cluster: {len(node_names)} nodes; there may be 1 to {MOST_NODES}"
            )
        self.trial_id = trial_id
        self.image = image
        self.nodes: dict[str, Node] = {}
        self.network: Network = DockerNetwork({})
        self._names = tuple(node_names)
        self._containers: list[DockerNode] = []
        self._links: DockerNetwork | None = None
        self._name = f"duress-{trial_id}"
        self._bridge = "dr-" + hashlib.sha256(trial_id.encode()).hexdigest()[:10]
        self._labels = labels(trial_id)
        self._engine: Engine | None = None
        self._threads: EngineThreads | None = None
        self._layers = Layers(options)

    async def up(self) -> None:
        """Build the image if need be, then bring network and containers up, all links open."""
        if reason := await asyncio.to_thread(reason_unavailable):
            raise InfrastructureError(f"docker cluster: {reason}")
        self._threads = threads = EngineThreads(workers=max(8, len(self._names)))
        self._engine = engine = await threads.call(Engine, self.call_timeout_s)
        given_up = threading.Event()
        try:
            tag = await threads.call(images.ensure, self.image, given_up=given_up.is_set)
        finally:
            given_up.set()
        subnet = await threads.call(self._create_network, engine)
        gateway = str(subnet[1])
        addresses = {name: str(subnet[FIRST_HOST + at]) for at, name in enumerate(self._names)}
        self._containers = [
            DockerNode(name, address, f"{self._name}-{name}", engine, threads)
            for name, address in addresses.items()
        ]
        self.nodes.update({node.name: node for node in self._containers})

        async def bring_up(node: DockerNode) -> None:
            started: Started = await threads.call(
                engine.run,
                node.container,
                tag,
                SLEEPER,
                hostname=node.name,
                network=self._name,
                address=node.address,
                hosts=addresses,
                labels=self._labels,
            )
            await node.attach(started)

        await _all([bring_up(node) for node in self._containers])
        await self._layers.mount((node, node.init_pid) for node in self._containers)
        self.network = self._links = DockerNetwork(addresses)
        netns_pids = {node.name: node.init_pid for node in self._containers}
        await self._links.up(self.trial_id, self._bridge, gateway, netns_pids, threads)

    def _create_network(self, engine: Engine) -> ipaddress.IPv4Network:
        """Make the network on the first free subnet, beginning at one that the trial's id picks."""
        used = _routes()
        last = "all overlap routes of this machine"
        for subnet in _candidates(self.trial_id):
            if any(subnet.overlaps(other) for other in used):
                continue
            try:
                engine.create_network(
                    self._name, str(subnet), str(subnet[1]), self._bridge, self._labels
                )
            except NoFreeAddresses as error:
                last = str(error)
                continue
            return subnet
        raise InfrastructureError(f"network {self._name}: no free /24 in {SUBNETS}: {last}")

    async def down(self) -> None:
        """Remove everything; tries all of it and reports what could not be removed."""
        engine, threads = self._engine, self._threads
        if threads is None:
            return
        failures: list[str] = []
        try:
            # What was under way when up() was given up may still make something.
            await threads.settle(self.call_timeout_s)
            if self._links is not None:
                try:
                    self._links.down()
                except InfrastructureError as error:
                    failures.append(str(error))
            await asyncio.gather(
                *(node.resources.end() for node in self._containers),
                *(node.clocks.end() for node in self._containers),
                return_exceptions=True,
            )  # what watches them; the limits and the clocks go with the containers
            self._layers.let_go()
            if engine is not None:
                await self._remove(engine, threads, failures)
                engine.close()
        finally:
            self._layers.end()
            threads.close()
            self._engine = self._threads = None
        if failures:
            raise InfrastructureError(
                f"trial {self.trial_id}: not everything was removed, run `duress clean`: "
                + "; ".join(dict.fromkeys(failures))
            )

    async def _remove(self, engine: Engine, threads: EngineThreads, failures: list[str]) -> None:
        ours = {"label": f"duress.trial={self.trial_id}"}

        async def listed(ask: Callable[[Any], list[tuple[str, dict[str, str]]]]) -> list[str]:
            try:
                return [name for name, _ in await threads.call(ask, ours)]
            except InfrastructureError as error:
                failures.append(str(error))
                return []

        async def remove(function: Callable[[str], None], name: str) -> None:
            try:
                await threads.call(function, name)
            except InfrastructureError as error:
                failures.append(str(error))

        containers = await listed(engine.containers)
        await asyncio.gather(*(remove(engine.remove_container, name) for name in containers))
        for name in await listed(engine.networks):
            await remove(engine.remove_network, name)
        if failures:
            # Without an engine, the programs at least can be ended: PID 1 takes all with it.
            await asyncio.gather(
                *(pids.kill(node.name, node.init) for node in self._containers),
                return_exceptions=True,  # what could not be removed is reported as such
            )


def _candidates(trial_id: str) -> Iterator[ipaddress.IPv4Network]:
    every = list(SUBNETS.subnets(new_prefix=24))
    first = int.from_bytes(hashlib.sha256(trial_id.encode()).digest()[:4]) % len(every)
    yield from every[first:]
    yield from every[:first]


def _routes() -> list[ipaddress.IPv4Network]:
    """Networks that this machine has routes to, but the default."""
    found = []
    for line in Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        destination, mask = (bytes.fromhex(fields[at])[::-1] for at in (1, 7))
        if any(mask):
            address, netmask = ipaddress.IPv4Address(destination), ipaddress.IPv4Address(mask)
            found.append(ipaddress.IPv4Network(f"{address}/{netmask}", strict=False))
    return found


def _links(links: frozenset[Link]) -> str:
    return ", ".join(f"{a}→{b}" for a, b in sorted(links))


async def _all(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run together; the first error is raised after the others were cancelled and have ended."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except* InfrastructureError as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        error = first
    else:
        return
    raise error
