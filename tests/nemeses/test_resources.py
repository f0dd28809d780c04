"""The nemeses of resources and of stopping: what they plan, ask of nodes, and tell."""

import asyncio
from random import Random

import pytest

from duress.harness.errors import InfrastructureError, UserError
from duress.harness.fault import Fault, Scene
from duress.harness.planned_fault import PlannedFault
from duress.nemeses.resources import (
    CpuNemesis,
    DescriptorsNemesis,
    MemoryNemesis,
    PidsNemesis,
)
from duress.nemeses.stop import StopNemesis

EVERY = [CpuNemesis, MemoryNemesis, DescriptorsNemesis, PidsNemesis]


class Resources:
    """One node's; ``fails`` makes it fail when it is squeezed."""

    def __init__(self, node):
        self.node = node
        self.squeezed = {}
        self.why = None
        self.fails = False

    def reason_unavailable(self, kind):
        return self.why

    async def squeeze(self, kind, amount):
        self.squeezed[kind] = amount
        if self.fails:
            raise InfrastructureError("no effect")
        if kind == "memory":
            self.node.processes.state = {}
        return {"backend": "pretended", "seen": kind}

    async def relax(self, kind):
        self.squeezed.pop(kind, None)
        return {}


class Programs:
    """``slow_s``: how long it takes to end by SIGTERM; it ignores it if that is more than asked."""

    def __init__(self):
        self.state = {"p": "running"}
        self.slow_s = 0.0

    async def running(self):
        return dict(self.state)

    async def kill(self, *names, graceful_s=0):
        await asyncio.sleep(min(self.slow_s, graceful_s))
        self.state = {}


class Node:
    def __init__(self, name):
        self.name = name
        self.processes = Programs()
        self.resources = Resources(self)


class System:
    async def start(self, node):
        node.processes.state = {"p": "running"}

    async def primaries(self):
        return ["n2"]


def scene(**options):
    nodes = {f"n{i}": Node(f"n{i}") for i in range(1, 4)}
    cluster = type("Cluster", (), {"nodes": nodes})()
    return Scene(cluster, System(), Random(5), {"interval_s": 1, **options})


@pytest.mark.parametrize("kind", EVERY)
def test_exactly_the_targets_are_squeezed_and_relaxed(kind):
    async def story():
        at = scene()
        nemesis = kind(at)
        fault = await nemesis.plan({"kind": kind.name, "targets": "primaries"}, 1)
        assert fault.targets == ["n2"]
        seen = await nemesis.inject(fault)
        assert seen == {"backend": "pretended", "nodes": {"n2": {"seen": kind.name}}}
        squeezed = {name: node.resources.squeezed for name, node in at.cluster.nodes.items()}
        assert list(squeezed["n2"]) == [kind.name]
        assert squeezed["n1"] == squeezed["n3"] == {}
        healed = await nemesis.heal(fault)
        assert healed.get("started", []) == (["n2"] if kind is MemoryNemesis else [])
        await nemesis.heal(fault)
        assert at.cluster.nodes["n2"].resources.squeezed == {}
        assert at.cluster.nodes["n2"].processes.state == {"p": "running"}

    asyncio.run(story())


def test_how_little_is_left_is_in_the_fault_and_goes_to_the_nodes():
    async def story():
        at = scene(**{"cpu-share": "0.1", "memory-spare-mib": "3", "descriptors-spare": "4"})
        wish = {"targets": "one"}
        shares = [(await CpuNemesis(at).plan(wish, i)).parameters["share"] for i in range(100)]
        assert 0.02 <= min(shares) < 0.03 < 0.08 < max(shares) <= 0.1
        assert (await MemoryNemesis(at).plan(wish, 1)).parameters["spare_mib"] == 3
        assert (await DescriptorsNemesis(at).plan(wish, 1)).parameters["spare"] == 4
        assert set((await PidsNemesis(at).plan(wish, 1)).parameters) == {"choice"}
        await CpuNemesis(at).inject(Fault(1, "cpu", ["n1"], {"share": 0.07}))
        assert at.cluster.nodes["n1"].resources.squeezed == {"cpu": 0.07}

    asyncio.run(story())


@pytest.mark.parametrize("share", ["much", -1, float("nan"), None])
def test_a_planned_fault_without_sense_is_refused(share):
    nemesis = CpuNemesis(scene())
    with pytest.raises(UserError, match="cpu: expected share of at least 0 in the parameters"):
        asyncio.run(nemesis.inject(Fault(1, "cpu", ["n1"], {"share": share})))


@pytest.mark.parametrize("kind", EVERY)
def test_what_cannot_be_had_is_refused_before_the_trial(kind):
    at = scene()
    at.cluster.nodes["n3"].resources.why = "there is none"
    with pytest.raises(UserError, match=f"{kind.name}: n3: there is none"):
        kind(at)


def test_a_half_injected_one_is_healed():
    async def story():
        at = scene()
        at.cluster.nodes["n2"].resources.fails = True
        nemesis = MemoryNemesis(at)
        fault = Fault(1, "memory", ["n1", "n2"], {"spare_mib": 8})
        with pytest.raises(InfrastructureError, match="no effect"):
            await nemesis.inject(fault)
        await nemesis.heal(fault)
        for node in at.cluster.nodes.values():
            assert node.resources.squeezed == {}
            assert node.processes.state == {"p": "running"}

    asyncio.run(story())


def test_gentler_leaves_more_of_the_processor():
    fault = PlannedFault("cpu", 1.0, 2.0, ["n1"], {"share": 0.05})
    [gentler] = CpuNemesis.gentler(fault)
    assert gentler.parameters == {"share": 0.1}
    assert list(CpuNemesis.gentler(PlannedFault("cpu", 1.0, 2.0, ["n1"], {"share": 0.5}))) == []


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        (CpuNemesis, "cpu-share", "0.001"),
        (MemoryNemesis, "memory-spare-mib", "none"),
        (DescriptorsNemesis, "descriptors-spare", "-1"),
        (StopNemesis, "stop-grace", "0"),
    ],
)
def test_an_option_without_sense_is_refused(kind, option, value):
    with pytest.raises(UserError, match=option):
        kind(scene(**{option: value}))


def test_stop_tells_who_ended_in_time_and_who_had_to_be_killed():
    async def story():
        at = scene(**{"stop-grace": "0.05"})
        at.cluster.nodes["n1"].processes.slow_s = 60
        nemesis = StopNemesis(at)
        fault = await nemesis.plan({"kind": "stop", "targets": "all"}, 1)
        assert fault.parameters["grace_s"] == 0.05
        stopped = (await nemesis.inject(fault))["stopped"]
        assert stopped.pop("n1") == "killed"
        assert sorted(stopped) == ["n2", "n3"]
        assert all(told.startswith("ended after 0.0") for told in stopped.values())
        assert all(not node.processes.state for node in at.cluster.nodes.values())
        await nemesis.heal(fault)
        assert all(node.processes.state for node in at.cluster.nodes.values())

    asyncio.run(story())
