"""A cluster, a system and a nemesis in memory, for tests of the trial itself."""

import asyncio
from typing import ClassVar

from duress.harness import generator as gen
from duress.harness.errors import Failed, InfrastructureError
from duress.harness.fault import Fault


class FakeProcesses:
    def __init__(self):
        self.up = {}

    async def start(self, process):
        self.up[process.name] = "running"

    async def kill(self, *names, graceful_s=0):
        self.up.clear()

    async def pause(self):
        self.up = dict.fromkeys(self.up, "paused")

    async def resume(self):
        self.up = dict.fromkeys(self.up, "running")

    async def running(self):
        return dict(self.up)


class FakeNode:
    def __init__(self, name):
        self.name = name
        self.address = "127.0.0.1"
        self.directory = "/nowhere"
        self.files = {}
        self.processes = FakeProcesses()

    async def put(self, path, content, mode=0o644):
        self.files[path] = content

    async def get(self, path):
        try:
            return self.files[path]
        except KeyError:
            raise FileNotFoundError(path) from None


class FakeNetwork:
    def __init__(self):
        self.dead = frozenset()

    async def cut(self, links):
        self.dead = links

    async def probe(self):
        return self.dead


class FakeCluster:
    """Nodes in memory; ``cluster=…`` options make it fail."""

    kind = "fake"
    instances: ClassVar[list] = []

    def __init__(self, trial_id, node_names, folder, options):
        self.nodes = {name: FakeNode(name) for name in node_names}
        self.network = FakeNetwork()
        self.options = options
        self.downs = 0
        FakeCluster.instances.append(self)

    async def up(self):
        if self.options.get("fail") == "up":
            raise InfrastructureError("no cluster today")

    async def down(self):
        self.downs += 1
        if self.options.get("fail") == "down":
            raise InfrastructureError("something stayed")


class FakeSystem:
    """One register per key in memory."""

    name = "fake"
    workloads = ("register",)
    nemeses = ("kill",)
    clusters = ("fake",)
    nodes = 3
    image = "none"
    options: ClassVar[dict] = {"bug": "stale, dead or hang", "fail": "up, down, ready or recover"}

    def __init__(self, cluster, options):
        self.cluster = cluster
        self.settings = options
        self.values = {}
        self.readies = 0

    async def install(self, node):
        node.files["/log"] = b"hello from " + node.name.encode()

    async def start(self, node):
        node.processes.up["fake"] = "running"

    async def ready(self):
        self.readies += 1
        fail = self.settings.get("fail")
        if fail == "ready" or (fail == "recover" and self.readies > 1):
            raise InfrastructureError("it never serves")

    def logs(self, node):
        return ["/log", "/none"]

    def client(self, workload):
        return FakeClient(self)

    def describe(self):
        return {"version": "0"}


class FakeClient:
    def __init__(self, system):
        self.system = system

    async def open(self, node):
        self.node = self.system.cluster.nodes[node]

    async def setup(self):
        pass

    async def invoke(self, operation):
        bug = self.system.settings.get("bug")
        if bug == "dead":
            raise Failed("dead")
        if not self.node.processes.up:
            raise Failed("down")
        await asyncio.sleep(0.001)
        values = self.system.values.setdefault(operation.key, [None])
        match operation.f:
            case "read":
                return values[max(0, len(values) - 4)] if bug == "stale" else values[-1]
            case "write":
                values.append(operation.value)
            case "cas":
                old, new = operation.value
                if values[-1] != old:
                    raise Failed("precondition")
                values.append(new)

    async def close(self):
        pass


class LeakyNemesis:
    """Its faults never take effect, or never heal."""

    name = "leaky"
    clusters = ("fake",)
    options: ClassVar[dict] = {"leak": "inject or heal"}

    def __init__(self, scene):
        self.scene = scene

    def generator(self):
        return gen.cycle([{"f": "inject", "value": {"kind": NAME}}, gen.sleep(0.4)])

    async def plan(self, wish, fault_id):
        return Fault(fault_id, wish["kind"], ["n1"])

    async def inject(self, fault):
        if self.scene.options.get("leak") == "inject":
            raise InfrastructureError("a packet got through")
        return {}

    async def heal(self, fault):
        if self.scene.options.get("leak") == "heal":
            raise InfrastructureError("still cut")
        return {}


NAME = f"{__file__}:LeakyNemesis"
