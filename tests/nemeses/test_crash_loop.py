"""The nemesis that crashes nodes over and over."""

import asyncio
from random import Random
from types import SimpleNamespace

import msgspec
import pytest

from duress.harness.attempts import attempt
from duress.harness.errors import InfrastructureError, UserError
from duress.harness.fault import Fault, Scene
from duress.harness.spec import TrialSpec
from duress.nemeses.crash_loop import CrashLoopNemesis

SPEC = TrialSpec(
    system="multi-paxos",
    workload="register",
    nemeses=["crash-loop"],
    cluster="sim",
    nodes=["n1", "n2", "n3"],
    seed=4,
    concurrency=6,
    rate=100.0,
    time_limit_s=12.0,
    settle_s=0.5,
    interval_s=1.5,
)


class Programs:
    """One node's programs; once ``stubborn``, they ignore every signal."""

    def __init__(self):
        self.state, self.stubborn = {"p": "running"}, False

    async def kill(self):
        if not self.stubborn:
            self.state = {}

    async def running(self):
        return dict(self.state)


class System:
    async def start(self, node):
        node.processes.state = {"p": "running"}


def scene(**options):
    nodes = {"n1": SimpleNamespace(processes=Programs()), "n2": SimpleNamespace()}
    return Scene(SimpleNamespace(nodes=nodes), System(), Random(3), {"interval_s": 1, **options})


def test_it_crashes_again_and_again_until_it_is_healed():
    async def story():
        at = scene()
        nemesis = CrashLoopNemesis(at)
        times = {"choice": "one", "up_s": 0.005, "down_s": 0.005}
        fault = Fault(1, "crash-loop", ["n1"], times)
        await nemesis.inject(fault)
        states = set()
        while states != {"up", "down"} or nemesis._crashes[1] < 3:
            states.add("up" if at.cluster.nodes["n1"].processes.state else "down")
            await asyncio.sleep(0.001)
        seen = await nemesis.heal(fault)
        assert seen["crashes"] >= 3
        assert at.cluster.nodes["n1"].processes.state
        await nemesis.heal(fault)
        await asyncio.sleep(0.03)
        assert at.cluster.nodes["n1"].processes.state

    asyncio.run(story())


def test_a_crash_that_fails_is_told_when_it_is_healed():
    async def story():
        at = scene()
        nemesis = CrashLoopNemesis(at)
        fault = Fault(1, "crash-loop", ["n1"], {"up_s": 0.005, "down_s": 0.005})
        await nemesis.inject(fault)
        at.cluster.nodes["n1"].processes.stubborn = True
        await asyncio.wait([nemesis._loops[1]])
        with pytest.raises(InfrastructureError, match="crash-loop: kill: still running"):
            await nemesis.heal(fault)
        await nemesis.heal(fault)

    asyncio.run(story())


def test_what_it_is_told_must_make_sense():
    with pytest.raises(UserError, match="crash-loop-period: expected"):
        CrashLoopNemesis(scene(**{"crash-loop-period": "0"}))
    with pytest.raises(UserError, match="needs up_s and down_s"):
        asyncio.run(CrashLoopNemesis(scene()).inject(Fault(1, "crash-loop", ["n1"], {})))


def test_a_trial_in_virtual_time_replays():
    first = attempt(SPEC)
    assert (first.outcome, first.error) == ("valid", None)
    assert {fault.kind for fault in first.faults} == {"crash-loop"}
    again = attempt(msgspec.structs.replace(SPEC, schedule=first.faults))
    assert (again.outcome, again.operations) == ("valid", first.operations)
