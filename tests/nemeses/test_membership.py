"""Members leave and join; what was there at first is there in the end."""

import asyncio
from random import Random

import pytest

from duress.harness.errors import Failed, UserError
from duress.harness.fault import Scene
from duress.nemeses.membership import FEWEST, MembershipNemesis, steps

NODES = [f"n{i}" for i in range(1, 6)]


class System:
    """Does one change at a time; refuses all while ``is_stuck``."""

    name = "store"

    def __init__(self, members=NODES):
        self.now = list(members)
        self.is_stuck = False
        self.fewest = len(members)

    async def members(self):
        await self._answer()
        return list(self.now)

    async def add_member(self, node):
        await self._answer()
        if node not in self.now:
            self.now.append(node)

    async def remove_member(self, node):
        await self._answer()
        if node in self.now:
            self.now.remove(node)
        self.fewest = min(self.fewest, len(self.now))

    async def _answer(self):
        await asyncio.sleep(0.001)
        if self.is_stuck:
            raise Failed(["no leader"])


def nemesis(system, **options):
    cluster = type("Cluster", (), {"nodes": dict.fromkeys(NODES), "kind": "local"})()
    return MembershipNemesis(Scene(cluster, system, Random(1), {"interval_s": 1, **options}))


def test_every_change_is_made_and_undone():
    async def story():
        system = System()
        at = nemesis(system)
        for number in range(30):
            change = ("shrink", "grow", "replace")[number % 3]
            fault = await at.plan({"kind": "membership", "change": change}, number)
            assert fault is not None
            wanted = fault.parameters["members"]
            assert fault.targets
            assert len(wanted) >= FEWEST
            seen = await at.inject(fault)
            assert seen["reached"]
            assert sorted(system.now) == wanted
            if number % 4 == 3:
                for _ in range(2):
                    await at.heal(fault)
                assert sorted(system.now) == NODES
        assert system.fewest >= FEWEST

    asyncio.run(story())


def test_a_change_that_cannot_be_made_now_is_made_later():
    async def story():
        system = System()
        at = nemesis(system)
        fault = await at.plan({"kind": "membership", "change": "shrink"}, 1)
        assert fault is not None
        system.is_stuck = True
        assert not (await at.inject(fault))["reached"]
        system.is_stuck = False
        await asyncio.sleep(0.2)
        assert sorted(system.now) == fault.parameters["members"]
        system.is_stuck = True
        assert not (await at.heal(fault))["reached"]
        system.is_stuck = False
        assert (await at.heal(fault))["reached"]
        assert sorted(system.now) == NODES

    asyncio.run(story())


def test_what_was_there_at_first_is_restored_even_if_that_was_not_everybody():
    async def story():
        system = System(NODES[:3])
        at = nemesis(system)
        for number in range(4):
            fault = await at.plan({"kind": "membership", "change": "shrink"}, number)
            assert fault is not None
            await at.inject(fault)
            assert sorted(system.now) == fault.parameters["members"]
            await at.heal(fault)
        assert fault.parameters["change"] == "grow"  # of three nobody can leave
        assert sorted(system.now) == NODES[:3]

    asyncio.run(story())


def test_nobody_leaves_while_too_few_would_be_left():
    assert steps(["n1", "n2", "n3"], ["n1", "n2", "n4"]) == [("add", "n4")]
    assert steps(["n1", "n2", "n3", "n4"], ["n1", "n2", "n4"]) == [("remove", "n3")]
    both = steps(["n1", "n2", "n3", "n4"], ["n1", "n2", "n4", "n5"])
    assert both == [("add", "n5"), ("remove", "n3")]


def test_a_system_without_members_is_refused():
    assert MembershipNemesis.reason_unfit(System, {}) is None
    fixed = type("Fixed", (), {"name": "fixed"})
    assert "fixed membership" in str(MembershipNemesis.reason_unfit(fixed, {}))
    with pytest.raises(UserError, match="fixed membership"):
        nemesis(fixed())
    with pytest.raises(UserError, match="membership-changes"):
        nemesis(System(), **{"membership-changes": "explode"})
