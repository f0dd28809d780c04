"""Clusters of programs that speak on standard input and output, with the network in the harness."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec

from ..errors import InfrastructureError, UserError
from ..simulation.settings import OPTIONS as SIMULATED
from ..simulation.settings import Settings
from ..simulation.trace import Trace
from ..stdio import leftovers
from ..stdio.clock import LoopClock
from ..stdio.endpoint import Endpoint
from ..stdio.network import RouterNetwork
from ..stdio.node import PipeNode
from ..stdio.router import PROBE, Router
from ..stdio.services import SERVICES, services
from ..verdict import Verdict
from . import Network, Node, pids

MOST_NODES = 100

OPTIONS = {
    **{name: SIMULATED[name] for name in ("link-latency", "loss", "duplicate", "order", "trace")},
    "latency": "between nodes, and nodes and services, in ms: constant:MS, uniform:LOW:HIGH or "
    "exponential:MEAN (constant:0)",
    "client-latency": "between clients and nodes (constant:0)",
}
"""By name, with one line of documentation each."""

_DEFAULTS = {"latency": "constant:0", "client-latency": "constant:0"}


class StdioCluster:
    """Child processes on pipes; what they write is routed by Maelstrom's protocol.

    Besides its nodes there are the services of :mod:`..stdio.services`. Writes ``messages.jsonl``
    and ``messages.json`` as the simulation does. The schedule of the network follows from the
    trial's seed: the n-th message on a link has the same fate whenever it is sent. What the
    programs do with it is up to them.
    """

    kind = "stdio"
    options: ClassVar[Mapping[str, str]] = OPTIONS
    services: ClassVar[Sequence[str]] = tuple(SERVICES)

    @staticmethod
    def prepare(image: str) -> None:
        """Nothing needs to be there."""

    @staticmethod
    def clean(all_: bool = False) -> list[str]:
        """Kill what programs of dead harnesses left running; a line for each."""
        return leftovers.clean(all_)

    @staticmethod
    def reason_unavailable() -> str | None:
        """``None``: it can be had on every Linux."""
        return None

    def __init__(
        self, trial_id: str, node_names: Sequence[str], folder: Path, options: Mapping[str, object]
    ) -> None:
        if not 1 <= len(node_names) <= MOST_NODES:
            raise UserError(
                f"stdio cluster: expected 1 to {MOST_NODES} nodes, got {len(node_names)}"
            )
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop)
        self.began_s = clock.began_s
        settings = Settings({**_DEFAULTS, **options})
        self._folder = folder.absolute()
        self._trace: Trace | None = None
        if settings.trace:
            self._trace = Trace(folder / "messages.jsonl", clock)  # type: ignore[arg-type]
        self.router = Router(
            loop, node_names, services(settings.seed), settings, self._trace, clock
        )
        self._network = RouterNetwork(self.router, (*node_names, *self.services))
        self.network: Network = self._network
        mark = f"{trial_id}-{secrets.token_hex(4)}"
        self._nodes = {
            name: PipeNode(
                name, self._folder / "nodes" / name / "data", self.router, f"{mark}-{name}"
            )
            for name in node_names
        }
        self.nodes: dict[str, Node] = dict(self._nodes)
        self._is_down = False

    async def up(self) -> None:
        """Make the nodes' folders, empty."""
        for node in self._nodes.values():
            shutil.rmtree(node.directory, ignore_errors=True)
            Path(node.directory).mkdir(parents=True)

    async def connect(self, node: str, port: int) -> Endpoint:
        """A client's end of the network, under a name that no other has."""
        return Endpoint(self.router, f"c{len(self.router.known_clients) + 1}")

    def probe(self) -> Endpoint:
        """The end under which the harness itself asks nodes; closed by whoever asked."""
        return Endpoint(self.router, PROBE)

    def complaints(self, origin_s: float | None = None) -> Verdict:
        """What nodes did that none may do."""
        return self.router.complaints.verdict(origin_s)

    async def down(self) -> None:
        """Kill every program and write the counts down. Idempotent."""
        if self._is_down:
            return
        self._is_down = True
        await asyncio.gather(*(node.processes.decided() for node in self._nodes.values()))
        self.router.close()
        for node in self._nodes.values():
            node.processes.end()
        try:
            await self._until_gone()
        finally:
            counts = msgspec.json.encode(self._network.counts())
            (self._folder / "messages.json").write_bytes(counts + b"\n")
            if self._trace is not None:
                self._trace.close()

    async def _until_gone(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 10
        for node in self._nodes.values():
            while left := node.processes.living():
                if loop.time() > deadline:
                    who = ", ".join(f"{seen.command} {seen.pid}" for seen in left[:5])
                    raise InfrastructureError(f"node {node.name}: does not end: {who}")
                node.processes.end()
                await asyncio.sleep(pids.POLL_S)
