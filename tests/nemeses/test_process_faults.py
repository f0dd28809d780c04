import asyncio
from random import Random

import pytest

from duress.harness.errors import InfrastructureError, UserError
from duress.harness.fault import Scene
from duress.nemeses.kill import KillNemesis
from duress.nemeses.pause import PauseNemesis
from duress.nemeses.targets import CHOICES, choose


class Programs:
    """One node's programs; ``stubborn`` ones ignore every signal."""

    def __init__(self, stubborn):
        self.state = {"p": "running"}
        self.stubborn = stubborn

    def become(self, state):
        if not self.stubborn:
            self.state = state

    async def kill(self, *names, graceful_s=0):
        self.become({})

    async def pause(self):
        self.become(dict.fromkeys(self.state, "paused"))

    async def resume(self):
        self.become(dict.fromkeys(self.state, "running"))

    async def running(self):
        return dict(self.state)


class System:
    def __init__(self, primaries=("n2",)):
        self.leading = list(primaries)

    async def start(self, node):
        node.processes.state = {"p": "running"}

    async def primaries(self):
        return self.leading


def scene(stubborn=False, **options):
    nodes = {
        f"n{i}": type("Node", (), {"name": f"n{i}", "processes": Programs(stubborn)})()
        for i in range(1, 6)
    }
    cluster = type("Cluster", (), {"nodes": nodes})()
    return Scene(cluster, System(), Random(3), {"interval_s": 1, **options})


def test_kill_stops_exactly_its_targets_and_heals_by_starting_them():
    async def story():
        at = scene()
        nemesis = KillNemesis(at)
        fault = await nemesis.plan({"kind": "kill", "targets": "minority"}, 1)
        await nemesis.inject(fault)
        dead = [name for name, node in at.cluster.nodes.items() if not node.processes.state]
        assert dead == fault.targets
        assert len(dead) == 2
        await nemesis.heal(fault)
        await nemesis.heal(fault)
        assert all(node.processes.state for node in at.cluster.nodes.values())

    asyncio.run(story())


def test_pause_stops_and_continues():
    async def story():
        at = scene()
        nemesis = PauseNemesis(at)
        fault = await nemesis.plan({"kind": "pause", "targets": "all"}, 1)
        seen = await nemesis.inject(fault)
        assert set(map(str, seen["states"]["n1"].values())) == {"paused"}
        await nemesis.heal(fault)
        assert at.cluster.nodes["n1"].processes.state == {"p": "running"}

    asyncio.run(story())


@pytest.mark.parametrize("kind", [KillNemesis, PauseNemesis])
def test_a_fault_without_effect_is_an_infrastructure_error(kind):
    async def story():
        nemesis = kind(scene(stubborn=True))
        fault = await nemesis.plan({"kind": kind.name, "targets": "one"}, 1)
        with pytest.raises(InfrastructureError, match="still running"):
            await nemesis.inject(fault)

    asyncio.run(story())


def test_choices_mean_what_they_say():
    async def story():
        at = scene()
        sizes = {name: len(await choose(at, name)) for name in CHOICES if name != "some"}
        assert sizes == {
            "one": 1, "minority": 2, "minority-third": 1, "majority": 3, "all": 5,
            "primaries": 1, "followers": 4,
        }  # fmt: skip
        assert await choose(at, "primaries") == ["n2"]
        assert "n2" not in await choose(at, "followers")
        at.system.leading.clear()
        assert await KillNemesis(at).plan({"kind": "kill", "targets": "primaries"}, 1) is None

    asyncio.run(story())


@pytest.mark.parametrize(
    "options", [{"kill-targets": "nobody"}, {"kill-lasts": "long"}, {"kill-targets": "one,x"}]
)
def test_bad_options_are_refused(options):
    with pytest.raises(UserError, match=r"kill-lasts|no choice named"):
        KillNemesis(scene(**options)).generator()
