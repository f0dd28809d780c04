import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duress.harness.errors import InfrastructureError, UserError
from duress.harness.fault import Scene
from duress.nemeses import partition
from duress.nemeses.partition import PartitionNemesis, cut_of

NODES = st.integers(3, 9).map(lambda n: [f"n{i + 1}" for i in range(n)])


def heard_by(cut, nodes):
    """Whom each node still hears, itself included."""
    return {b: {a for a in nodes if a == b or (a, b) not in cut} for b in nodes}


@given(NODES, st.integers())
def test_halves_are_two_groups_that_cannot_see_each_other(nodes, seed):
    cut = partition.halves(nodes, Random(seed))
    groups = {frozenset(heard) for heard in heard_by(cut, nodes).values()}
    assert len(groups) == 2
    a, b = groups
    assert not a & b
    assert abs(len(a) - len(b)) <= 1


@given(NODES, st.integers())
def test_every_node_of_a_majorities_ring_sees_a_different_majority(nodes, seed):
    cut = partition.majorities_ring(nodes, Random(seed))
    seen = heard_by(cut, nodes)
    assert all(len(heard) > len(nodes) / 2 for heard in seen.values())
    if len(nodes) >= 5:
        assert len({frozenset(heard) for heard in seen.values()}) == len(nodes)


@given(NODES, st.integers())
def test_one_node_bridges_two_sides(nodes, seed):
    seen = heard_by(partition.bridge(nodes, Random(seed)), nodes)
    bridges = [node for node, heard in seen.items() if heard == set(nodes)]
    assert len(bridges) == 1
    others = {
        frozenset(heard - set(bridges)) for node, heard in seen.items() if node not in bridges
    }
    assert len(others) == 2


@given(NODES, st.integers())
def test_one_way_cuts_one_direction(nodes, seed):
    cut = partition.half_deaf(nodes, Random(seed))
    assert cut
    assert not any((b, a) in cut for a, b in cut)


@given(NODES, st.integers())
def test_a_minority_third_stays_below_a_third(nodes, seed):
    seen = heard_by(partition.minority_third(nodes, Random(seed)), nodes)
    smaller = min((heard for heard in seen.values()), key=len)
    assert len(smaller) <= max(1, len(nodes) // 3)


class Links:
    """A network that obeys, but for links that leak."""

    def __init__(self, leaks=()):
        self.dead = frozenset()
        self.leaks = frozenset(leaks)
        self.cuts = []

    async def cut(self, links):
        self.cuts.append(links)
        self.dead = links - self.leaks

    async def probe(self):
        return self.dead


class Led:
    def __init__(self, answers):
        self.answers = answers

    async def primaries(self):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def nemesis(network, system=None, **options):
    cluster = type("C", (), {"nodes": dict.fromkeys(["n1", "n2", "n3"]), "network": network})()
    return PartitionNemesis(Scene(cluster, system, Random(1), {"interval_s": 1, **options}))


def test_injects_exactly_the_planned_cut_and_heals_it():
    network = Links()
    partitions = nemesis(network)

    async def story():
        fault = await partitions.plan({"kind": "partition", "shape": "halves"}, 4)
        assert fault.id == 4
        await partitions.inject(fault)
        assert network.dead == cut_of(fault)
        await partitions.heal(fault)
        await partitions.heal(fault)
        assert network.dead == frozenset()

    asyncio.run(story())


def test_a_partition_that_lets_a_packet_through_is_an_infrastructure_error():
    async def story():
        network = Links()
        partitions = nemesis(network)
        fault = await partitions.plan({"kind": "partition", "shape": "one"}, 1)
        network.leaks = frozenset([sorted(cut_of(fault))[0]])
        with pytest.raises(InfrastructureError, match="open although cut: n"):
            await partitions.inject(fault)

    asyncio.run(story())


def test_flapping_cuts_and_heals_until_it_is_healed():
    async def story():
        network = Links()
        partitions = nemesis(network, **{"flap-period": 0.01})
        fault = await partitions.plan({"kind": "partition", "shape": "flapping"}, 1)
        await partitions.inject(fault)
        await asyncio.sleep(0.1)
        await partitions.heal(fault)
        count = len(network.cuts)
        assert count > 4
        await asyncio.sleep(0.03)
        assert len(network.cuts) == count
        assert network.dead == frozenset()

    asyncio.run(story())


def test_the_aimed_shape_strikes_the_next_primary():
    async def story():
        partitions = nemesis(Links(), Led([["n1"], ["n1"], [], ["n2"]]))
        fault = await partitions.plan({"kind": "partition", "shape": "new-primary"}, 1)
        assert {a for a, _ in cut_of(fault)} == {"n1", "n2", "n3"}
        assert all("n2" in link for link in cut_of(fault))

    asyncio.run(story())


def test_nothing_is_cut_where_no_primary_is_known():
    async def story():
        partitions = nemesis(Links(), Led([[]]))
        assert await partitions.plan({"kind": "partition", "shape": "primary"}, 1) is None

    asyncio.run(story())


def test_an_unknown_shape_is_refused():
    with pytest.raises(UserError, match="no shape named 'quarters'"):
        nemesis(Links(), **{"partition-shapes": "quarters"})
