"""Clusters in virtual time: everything on one event loop of this process, all from one seed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import ClassVar

import msgspec

from ..errors import InfrastructureError, UserError
from ..simulation import guard, stream
from ..simulation.loop import VirtualLoop
from ..simulation.network import SimNetwork
from ..simulation.node import SimNode
from ..simulation.settings import OPTIONS, Settings
from ..simulation.sightings import Sightings
from ..simulation.trace import Trace
from . import Network, Node
from .connection import Connection

MOST_NODES = 250


class SimCluster:
    """Simulated nodes. ``options["seed"]`` is the trial's; the rest is in :attr:`options`.

    Writes ``messages.jsonl`` into the run folder if the option ``trace`` is on, and always
    ``messages.json``, how many messages between nodes were sent, delivered and lost.
    """

    kind = "sim"
    options: ClassVar[Mapping[str, str]] = OPTIONS

    @staticmethod
    def prepare(image: str) -> None:
        """Nothing needs to be there."""

    @staticmethod
    def reason_unavailable() -> str | None:
        """``None``: it can be had everywhere."""
        return None

    @staticmethod
    def event_loop() -> asyncio.AbstractEventLoop:
        """A new loop on which a trial must run."""
        return VirtualLoop()

    def __init__(
        self, trial_id: str, node_names: Sequence[str], folder: Path, options: Mapping[str, object]
    ) -> None:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            raise InfrastructureError(
                "sim cluster: this trial runs in real time; run it on the loop that "
                "SimCluster.event_loop() makes"
            )
        if not 1 <= len(node_names) <= MOST_NODES:
            raise UserError(f"sim cluster: expected 1 to {MOST_NODES} nodes, got {len(node_names)}")
        settings = Settings(options)
        self._folder, self._loop = folder, loop
        self._trace = Trace(folder / "messages.jsonl", loop) if settings.trace else None
        self._network = SimNetwork(loop, node_names, settings, self._trace)
        if settings.coverage:
            self._network.coverage = Sightings(self._network)
        self._connections = itertools.count(1).__next__
        self._random = Random(f"{settings.seed}/clients")
        self._is_up = False
        self.nodes: dict[str, Node] = {
            name: SimNode(name, f"10.0.0.{i}", loop, self._network, settings, self._trace)
            for i, name in enumerate(node_names, 1)
        }
        self.network: Network = self._network

    async def up(self) -> None:
        """Watch from now on that no protocol asks the machine for time or chance."""
        guard.install(self._loop)
        self._is_up = True

    async def down(self) -> None:
        """End every process and close the trace. Idempotent."""
        if self._is_up:
            self._is_up = False
            guard.remove(self._loop)
            self._network.stop()
            counts = msgspec.json.encode(self._network.counts())
            (self._folder / "messages.json").write_bytes(counts + b"\n")
            if self._network.coverage is not None:
                self._network.coverage.write(self._folder)
        if self._trace is not None:
            self._trace.close()

    async def connect(self, node: str, port: int) -> Connection:
        """Connect from the clients' side; ``OSError`` as a socket would raise it."""
        return await stream.connect(self._network, node, port, self._connections(), self._random)
