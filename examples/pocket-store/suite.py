"""pocket-store, a store in C, under duress: see docs/tutorial.md.

duress run suite.py:PocketStore
duress run suite.py:PocketStore --set log=false --nemesis kill
duress run suite.py:PocketStore --set reads=local --nemesis partition
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

from duress.harness.cluster import Process
from duress.harness.errors import Failed, Indeterminate, InfrastructureError, UserError
from duress.harness.option_values import flag, one_of

HERE = Path(__file__).resolve().parent
PORT = 7000
CONNECT_TIMEOUT_S = 0.5
READY_TIMEOUT_S = 20.0


class PocketStore:
    """Registers in C on one node that the others pass everything on to; linearizable."""

    name = "pocket-store"
    workloads = ("register",)
    nemeses = ("partition", "kill")
    clusters = ("local", "docker")
    nodes = 3
    image = "node"
    clocks = ("wall",)
    options: ClassVar = {
        "log": "true (default): writes are synced to a file before they are answered",
        "reads": "first (default): the first node answers all; local: each node what it has",
    }

    def __init__(self, cluster, options):
        self.cluster = cluster
        self._log = flag(options, "log", True)
        self._reads = one_of(options, "reads", "first", ("first", "local"))
        self._program = b""

    async def install(self, node):
        """Put the program on the node. The data directory must be empty afterwards."""
        if not self._program:
            self._program = await asyncio.to_thread(_compiled)
        await node.put(f"{node.directory}/store", self._program, 0o755)
        await node.run("rm", "-f", f"{node.directory}/data")

    async def start(self, node):
        """Start it, or start it again with its data kept; it need not serve yet."""
        peers = [f"{name}={each.address}" for name, each in self.cluster.nodes.items()]
        argv = [f"{node.directory}/store", str(PORT), node.name, *peers, "--reads", self._reads]
        if self._log:
            argv += ["--log", f"{node.directory}/data"]
        await node.processes.start(
            Process("pocket-store", argv, log=self.logs(node)[0], cwd=node.directory)
        )

    async def ready(self):
        """Return once every node serves."""
        deadline = asyncio.get_running_loop().time() + READY_TIMEOUT_S
        for name, node in self.cluster.nodes.items():
            while True:
                try:
                    _, writer = await _connect(node.address)
                    writer.close()
                    break
                except OSError:
                    if asyncio.get_running_loop().time() > deadline:
                        raise InfrastructureError(
                            f"pocket-store: {name} does not listen after {READY_TIMEOUT_S:g} s"
                        ) from None
                    await asyncio.sleep(0.05)

    async def primaries(self):
        """The nodes that believe to lead, for faults that are aimed at them."""
        return ["n1"]

    def logs(self, node):
        """What to keep of a node, for the report."""
        return [f"{node.directory}/pocket-store.log"]

    def client(self, workload):
        """A new client; ``workload`` says for whom."""
        return Client({name: node.address for name, node in self.cluster.nodes.items()})

    def describe(self):
        """Version and settings, for the report."""
        return {"log": self._log, "reads": self._reads}


class Client:
    """Registers: read, write, cas.

    The one rule that matters: ``Failed`` only if the operation certainly did not happen and never
    will; ``Indeterminate`` if nobody knows. Never retry what may have happened.
    """

    def __init__(self, addresses):
        self._addresses = addresses
        self._writer = None

    async def open(self, node):
        """Connect to one node."""
        self._node = node
        self._reader, self._writer = await _connect(self._addresses[node])

    async def setup(self):
        """Whatever must be there before the first operation: nothing."""

    async def invoke(self, operation):
        """Perform one operation; returns what was read."""
        key, value = operation.key, operation.value
        match operation.f:
            case "read":
                answer = await self._ask(f"GET {key}", has_effect=False)
                return None if answer == "NONE" else int(answer.removeprefix("OK "))
            case "write":
                await self._ask(f"PUT {key} {value}")
                return value
            case "cas":
                await self._ask(f"CAS {key} {value[0]} {value[1]}")
                return value

    async def _ask(self, line, has_effect=True):
        try:
            if self._writer.is_closing():  # broken before
                await self.open(self._node)
        except OSError as error:
            raise Failed(["no-connection", str(error)]) from None
        try:
            self._writer.write(line.encode() + b"\n")
            answer = (await self._reader.readline()).decode()
        except OSError as error:
            answer = str(error)
        if not answer.endswith("\n"):  # cut off: who knows what the node did before
            self._writer.close()
            raise (Indeterminate if has_effect else Failed)(["connection-lost", answer])
        answer = answer.strip()
        if answer.startswith("NO "):  # a definite refusal
            raise Failed(["refused", answer.removeprefix("NO ")])
        if answer.startswith("ERR "):
            raise (Indeterminate if has_effect else Failed)(answer.removeprefix("ERR "))
        return answer

    async def close(self):
        """Hang up."""
        if self._writer is not None:
            self._writer.close()


async def _connect(address):
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        return await asyncio.open_connection(address, PORT)


def _compiled():
    with tempfile.TemporaryDirectory() as folder:
        command = ["cc", "-O2", "-static", "-pthread", "-o", f"{folder}/store", HERE / "store.c"]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise UserError("pocket-store: no C compiler here: install gcc") from None
        except subprocess.CalledProcessError as error:
            raise UserError(f"pocket-store: {error.stderr.strip().splitlines()[-1]}") from None
        return Path(folder, "store").read_bytes()
