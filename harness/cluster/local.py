"""Clusters of rootless namespaces on this machine: five nodes in a tenth of a second.

Works inside the namespaces that :func:`.namespaces.enter` made, where this process may
build networks without being root outside, and from where no packet can leave. A node is a
network, mount, pid, UTS and IPC namespace of its own, joined by a cable to one bridge, on
which the harness has an address too.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from ..errors import InfrastructureError, UserError
from . import CLIENTS, Link, Network, Node, control_groups, local_links, namespaces, netfilter, pids
from .disks import OPTION as DISK_OPTION
from .in_thread import in_thread
from .layered_disk import Layers
from .link_rules import checked_links
from .local_control import launch
from .local_node import LocalNode
from .namespace_packets import NamespacePackets
from .netfilter import LinkFilter
from .probe import FIRST_TRIES, LinkProbe

_DOWN_TIMEOUT_S = 10


class LocalNetwork:
    """The links of a cluster, the harness being the end ``clients`` of some."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = {**addresses, CLIENTS: local_links.HARNESS_ADDRESS}
        self._filter: LinkFilter | None = None
        self._probe: LinkProbe | None = None
        self._packets: NamespacePackets | None = None
        self._cut: frozenset[Link] = frozenset()

    @property
    def backend(self) -> str:
        """What cuts links, for the record: ``libnftables`` or ``nft``."""
        return self._filter.backend if self._filter is not None else "none"

    async def up(self, trial_id: str, netns_pids: Mapping[str, int]) -> None:
        """Take control of the links and see that every one of them passes packets."""
        # The network namespace is the whole process's, so any thread may make the filter.
        self._filter = LinkFilter(trial_id, local_links.BRIDGE)
        await in_thread(self._filter.install)
        every_pid = {**netns_pids, CLIENTS: os.getpid()}
        self._probe = await in_thread(LinkProbe, self._addresses, every_pid)
        self._packets = NamespacePackets(trial_id, self._addresses, every_pid)
        if silent := await self._probe.probe(tries=FIRST_TRIES):
            raise InfrastructureError(f"network of {trial_id}: nothing passes on {sorted(silent)}")

    async def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these directed links drop every packet, in one nftables transaction."""
        if self._filter is None:
            raise InfrastructureError("network: is not up; cut links between up() and down()")
        chosen = checked_links(links, self._addresses, "cut")
        pairs = frozenset((self._addresses[a], self._addresses[b]) for a, b in chosen)
        await in_thread(self._filter.cut, pairs)
        self._cut = frozenset(links)
        self.packets.were_cut(self._cut)

    async def probe(self) -> frozenset[Link]:
        """The directed links, those with ``clients`` included, on which nothing arrives."""
        if self._probe is None:
            raise InfrastructureError("network: is not up; probe links between up() and down()")
        return await self._probe.probe(self._cut)

    @property
    def packets(self) -> NamespacePackets:
        """What else can be done to packets."""
        if self._packets is None:
            raise InfrastructureError("network: is not up; use packets between up() and down()")
        return self._packets

    def down(self) -> None:
        """Give the links back. Idempotent."""
        if self._packets is not None:
            self._packets.down()
            self._packets = None
        if self._probe is not None:
            self._probe.close()
        if self._filter is not None:
            self._filter.remove()
        self._probe = self._filter = None
        self._cut = frozenset()


class LocalCluster:
    """Nodes in namespaces. One cluster a process at a time."""

    kind = "local"
    options: ClassVar[Mapping[str, str]] = DISK_OPTION
    takes_process = True
    """:meth:`prepare` makes a process over for good, so a program has one for such trials."""

    @staticmethod
    def prepare(image: str) -> None:
        """Move this process into namespaces of its own; before anything else was started."""
        if not namespaces.inside():
            namespaces.enter()

    @staticmethod
    def clean(all_: bool = False) -> list[str]:
        """Remove control groups of trials whose harness is dead; a line for each."""
        return control_groups.clean()

    @staticmethod
    def reason_unavailable() -> str | None:
        """Why local clusters cannot be had here, and what to do; ``None`` if they can."""
        return reason_unavailable()

    def __init__(
        self, trial_id: str, node_names: Sequence[str], folder: Path, options: Mapping[str, object]
    ) -> None:
        if not 1 <= len(node_names) <= local_links.MOST_NODES:
            raise UserError(
                f"local cluster: {len(node_names)} nodes; there may be 1 to "
                f"{local_links.MOST_NODES}"
            )
        self.trial_id = trial_id
        addresses = local_links.addresses(list(node_names))
        self._folder = folder.absolute()
        if self._folder.is_relative_to("/run"):
            raise UserError(
                f"local cluster: run folder {self._folder} is below /run, of which each node has "
                "its own; put it elsewhere"
            )
        self._nodes = {
            name: LocalNode(name, address, self._folder / "nodes" / name / "data", trial_id)
            for name, address in addresses.items()
        }
        self._network = LocalNetwork(addresses)
        self.nodes: dict[str, Node] = dict(self._nodes)
        self.network: Network = self._network
        self._connected = False
        self._layers = Layers(options)

    async def up(self) -> None:
        """Bring nodes and network up, all links open, directories empty."""
        if not namespaces.inside():
            raise InfrastructureError(
                "local cluster: this process is not in namespaces of its own; "
                "call namespaces.enter() before the trial begins"
            )
        hosts = await in_thread(self._prepare_folders)
        for name, control in (await launch(hosts)).items():
            self._nodes[name].attach(control)
        await asyncio.gather(*(node.ready() for node in self._nodes.values()))
        await self._layers.mount((node, node.init_pid) for node in self._nodes.values())
        ends = {node.name: (node.address, node.init_pid) for node in self._nodes.values()}
        self._connected = True
        await in_thread(local_links.connect, ends)
        await self._network.up(self.trial_id, {name: pid for name, (_, pid) in ends.items()})

    def _prepare_folders(self) -> dict[str, Path]:
        """Empty data directories, and for each node the file that will be its /etc/hosts."""
        names = "".join(f"{node.address}\t{node.name}\n" for node in self._nodes.values())
        files: dict[str, Path] = {}
        for node in self._nodes.values():
            data = Path(node.directory)
            shutil.rmtree(data, ignore_errors=True)
            data.mkdir(parents=True)
            files[node.name] = data.with_name("hosts")
            files[node.name].write_text(f"127.0.0.1\tlocalhost\n{names}")
        return files

    async def down(self) -> None:
        """Kill every node with all that runs on it, and remove the network. Idempotent.

        Tries all of it, whatever fails, and then raises ``InfrastructureError``.
        """
        failures: list[str] = []
        up = [node for node in self._nodes.values() if node.init_pid]
        faults = [end for node in up for end in (node.clocks.end, node.resources.end)]
        for step in (*faults, self._end_nodes, self._disconnect):
            try:
                await step()
            except (InfrastructureError, OSError) as error:
                failures.append(str(error))
        if failures:
            raise InfrastructureError(
                f"trial {self.trial_id}: not everything was taken down: {'; '.join(failures)}"
            )

    async def _end_nodes(self) -> None:
        inits = [node.init_pid for node in self._nodes.values() if node.init_pid]
        for node in self._nodes.values():
            node.detach()
        for pid in inits:  # each takes all the processes of its pid namespace with it
            seen = pids.look(pid)
            if seen is not None:
                pids.send(seen, signal.SIGKILL)
        self._layers.let_go()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _DOWN_TIMEOUT_S
        while left := [pid for pid in inits if pids.look(pid) is not None]:
            if loop.time() > deadline:
                raise InfrastructureError(f"nodes with pids {left} do not end")
            await asyncio.sleep(pids.POLL_S)
        self._layers.end()
        for node in self._nodes.values():
            node.init_pid = 0

    async def _disconnect(self) -> None:
        try:
            await in_thread(self._network.down)
        finally:
            if self._connected:
                await in_thread(local_links.disconnect, len(self._nodes))
                self._connected = False


def reason_unavailable() -> str | None:
    """Why there can be no local cluster on this machine, or ``None``."""
    return namespaces.reason_unavailable() or netfilter.reason_unavailable()
