"""The majority registers under duress: how a node is started, and what clients ask it.

duress run suite.py:MajorityStore
duress run suite.py:MajorityStore --set write-back=false
"""

import asyncio
import itertools

from majority_register import MajorityRegister

import duress
from duress.fixtures.systems.node_client import NodeClient, expect
from duress.harness.cluster import Process
from duress.harness.cluster.connection import connect
from duress.harness.errors import Failed
from duress.harness.simulation.program import Program

PORT = 7000
PROGRAM = "majority-register"


def parse(words):
    """What the command line of a node says: its name, all nodes with addresses, its options."""
    name, peers, *options = words
    addresses = dict(peer.split("=") for peer in peers.split(","))
    return Program(
        protocol=MajorityRegister,
        node_id=name,
        peers={peer: (address, PORT) for peer, address in addresses.items()},
        listen=(addresses[name], PORT),
        data="data",
        options=dict(option.split("=") for option in options),
        seed="",
        latency_s=0.005,
    )


duress.register("programs", PROGRAM, parse)


class MajorityStore:
    """Registers that a majority of nodes remembers."""

    name = "majority-store"
    workloads = ("register",)
    nemeses = ("partition", "kill")
    clusters = ("sim",)
    nodes = 3
    image = "node"
    options = {"write-back": "true (default): reads let a majority know what they saw"}  # noqa: RUF012
    workload_defaults = {"register": {"cas-share": "0"}}  # noqa: RUF012 - it cannot compare and set

    def __init__(self, cluster, options):
        self.cluster = cluster
        self.settings = dict(options)
        self.numbers = itertools.count(1)

    async def install(self, node):
        """Nothing but the name of the program is needed: the simulation knows it."""
        await node.put(f"{node.directory}/{PROGRAM}", b"", 0o755)

    async def start(self, node):
        """Start it, or start it again with its data kept."""
        peers = ",".join(f"{name}={each.address}" for name, each in self.cluster.nodes.items())
        options = [f"{name}={value}" for name, value in self.settings.items()]
        argv = [f"{node.directory}/{PROGRAM}", node.name, peers, *options]
        await node.processes.start(Process("node", argv, log=self.logs(node)[0]))

    async def ready(self):
        """Every node answers a read."""
        for node in self.cluster.nodes:
            client = self.client("register")
            while True:
                try:
                    await client.open(node)
                    await client.get("ready")
                    break
                except (OSError, Failed):
                    await asyncio.sleep(0.05)
            await client.close()

    def logs(self, node):
        """What to keep of a node, for the report."""
        return [f"{node.directory}/node.log"]

    def client(self, workload):
        """A new client."""
        return Client(f"c{next(self.numbers)}", lambda node: connect(self.cluster, node, PORT))

    def describe(self):
        """Version and settings, for the report."""
        return {"version": "1", **self.settings}


class Client(NodeClient):
    """Asks one node."""

    async def invoke(self, operation):
        """Perform one operation; returns what was read."""
        if operation.f == "read":
            return await self.get(str(operation.key))
        body = {"type": "write", "key": str(operation.key), "value": operation.value}
        expect(await self.ask(body, effect=True), "write_ok", effect=True)
        return operation.value

    async def get(self, key):
        """The value of a register."""
        answer = await self.ask({"type": "read", "key": key}, effect=False)
        return expect(answer, "read_ok", effect=False)["value"]
