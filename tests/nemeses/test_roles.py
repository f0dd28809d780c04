"""Faults aimed at roles, in the words of the system."""

import asyncio
from random import Random

import pytest

from duress.harness import registry, schedule
from duress.harness.errors import UserError
from duress.harness.fault import Scene
from duress.harness.planned_fault import PlannedFault
from duress.nemeses.kill import KillNemesis
from duress.nemeses.partition import PartitionNemesis
from duress.nemeses.targets import choose, generally, wanted

NODES = [f"n{i}" for i in range(1, 6)]


class Chain:
    name = "chain"
    primary_role = "tail"
    roles = ("head", "middle", "tail")
    holds = {"head": ["n1"], "middle": ["n2", "n3"], "tail": ["n4"]}  # noqa: RUF012

    async def primaries(self):
        return self.holds["tail"]

    async def in_role(self, role):
        return self.holds[role]


class Commit(Chain):
    primary_role = "coordinator"
    roles = ("coordinator", "participant")


def scene(system, **options):
    cluster = type("Cluster", (), {"nodes": dict.fromkeys(NODES)})()
    return Scene(cluster, system, Random(2), {"interval_s": 1, **options})


@pytest.mark.parametrize(
    ("word", "system", "general"),
    [
        ("tail", Chain, "primaries"),
        ("role:tail", Chain, "primaries"),
        ("primary", Chain, "primaries"),
        ("primaries", Chain, "primaries"),
        ("coordinator", Commit, "primaries"),
        ("coordinators", Commit, "primaries"),
        ("participants", Commit, "role:participant"),
        ("head", Chain, "role:head"),
        ("role:head", Chain, "role:head"),
        ("one", Chain, "one"),
        ("coordinator", Chain, "coordinator"),
        ("followers", type("Raft", (Chain,), {"roles": ("leader", "follower")}), "followers"),
        ("follower", type("Raft", (Chain,), {"roles": ("leader", "follower")}), "role:follower"),
    ],
)
def test_roles_by_the_system_s_own_words(word, system, general):
    assert generally(word, system) == general


def test_an_unknown_role_is_named_with_those_there_are():
    with pytest.raises(UserError, match=r"no choice named 'king'; there are: one.*head, middle"):
        wanted("head,king", [], Chain())
    with pytest.raises(UserError, match="no shape named 'new-king'"):
        PartitionNemesis(scene(Chain(), **{"partition-shapes": "new-king"}))


def test_nodes_in_a_role_are_struck():
    async def story():
        at = scene(Chain(), **{"kill-targets": "middle"})
        nemesis = KillNemesis(at)
        fault = await nemesis.plan({"kind": "kill", "targets": "role:middle"}, 1)
        assert fault is not None
        assert fault.targets == ["n2", "n3"]
        assert await choose(at, "primaries") == ["n4"]
        # A system that knows no roles has nobody in them.
        assert await choose(scene(object()), "role:middle") == []

    asyncio.run(story())


def test_shapes_around_a_role():
    shapes = {"partition-shapes": "tail,new-tail,tail-pair,head"}
    nemesis = PartitionNemesis(scene(Chain(), **shapes))
    assert nemesis._shapes == ["primary", "new-primary", "primary-pair", "role:head"]

    async def story():
        fault = await nemesis.plan({"kind": "partition", "shape": "role:head"}, 1)
        assert fault is not None
        assert fault.parameters["shape"] == "role:head"
        assert {a for a, b in map(tuple, fault.parameters["cut"]) if b == "n1"} == set(NODES[1:])

    asyncio.run(story())


def test_a_schedule_follows_roles_again():
    faults = [
        PlannedFault("kill", 1.0, 2.0, ["n1"], {}, {"targets": "role:head"}),
        PlannedFault("partition", 3.0, 4.0, ["n1"], {"cut": [["n1", "n2"]]}, {"shape": "halves"}),
    ]
    again = schedule.by_role(faults)
    assert [fault.is_concrete for fault in again] == [False, True]
    schedule.check(again, NODES)


def test_every_protocol_s_primary_is_one_of_its_roles():
    found = 0
    for name in registry.names("systems"):
        system = registry.load("systems", name)
        if hasattr(system, "roles"):
            found += 1
            assert system.primary_role in system.roles, name
            for role in system.roles:
                assert generally(role, system) != role or role in ("followers",), (name, role)
    assert found >= 15
