"""Partitions that are aimed: at whoever leads, at services."""

import asyncio
from random import Random
from types import SimpleNamespace

import pytest

from duress.harness.cluster.stdio import StdioCluster
from duress.harness.errors import UserError
from duress.harness.fault import Scene
from duress.harness.stdio.busiest import Busiest
from duress.nemeses.partition import PartitionNemesis

from .scenes import tell, with_cluster


def test_whom_the_others_hear_most_from_leads_until_it_is_cut_off(tmp_path):
    async def scene(cluster, programs):
        busiest = Busiest(cluster.router, list(cluster.nodes))
        tell(cluster, programs, "n2", "n2", *range(9))  # what it tells itself does not count
        assert await busiest.now() == []

        async def chatter():
            while True:
                for other in ("n0", "n2"):
                    tell(cluster, programs, "n1", other, 1)
                    tell(cluster, programs, other, "n1", 2)
                await asyncio.sleep(0.01)

        talking = asyncio.create_task(chatter())
        try:
            assert await until(busiest, ["n1"])
            await cluster.network.cut(frozenset({("n1", "n0"), ("n1", "n2"), ("n0", "n1")}))
            assert await until(busiest, ["n2"])
        finally:
            talking.cancel()

    with_cluster(tmp_path, scene)


async def until(busiest, wanted, limit_s=30.0):
    loop = asyncio.get_running_loop()
    end = loop.time() + limit_s
    while loop.time() < end:
        if await busiest.now() == wanted:
            return True
        await asyncio.sleep(0.05)
    return False


@pytest.mark.parametrize("shape", ["leader", "leader-pair", "new-leader", "leapfrog", "primary"])
def test_partitions_may_be_aimed_at_whoever_leads(tmp_path, shape):
    async def scene(cluster, programs):
        system = SimpleNamespace(primary_role="leader", roles=["leader"], primaries=leaders)
        scene = Scene(cluster, system, Random(3), {"partition-shapes": shape, "interval_s": 1.0})
        nemesis = PartitionNemesis(scene)
        fault = await nemesis.plan(nemesis._wish(Random(1)), 1)
        assert ["n1", "n0"] in fault.parameters["cut"] or ["n1", "n2"] in fault.parameters["cut"]
        await nemesis.inject(fault)
        assert cluster.network.is_cut("n1", "n0") or cluster.network.is_cut("n1", "n2")
        await nemesis.heal(fault)
        assert await cluster.network.probe() == frozenset()

    asked = iter([["n0"]] if shape == "new-leader" else [])

    async def leaders():
        return next(asked, ["n1"])

    with_cluster(tmp_path, scene)


def test_services_are_cut_off_only_where_there_are_any(tmp_path):
    async def scene(cluster, programs):
        options = {"partition-shapes": "services", "interval_s": 1.0}
        nemesis = PartitionNemesis(Scene(cluster, SimpleNamespace(), Random(1), options))
        fault = await nemesis.plan({"kind": "partition", "shape": "services"}, 1)
        assert {"lin-kv", "seq-kv", "lww-kv", "lin-tso"} & {a for a, _ in fault.parameters["cut"]}
        elsewhere = SimpleNamespace(kind="sim", nodes=cluster.nodes)
        with pytest.raises(UserError, match="services: there are none on sim"):
            PartitionNemesis(Scene(elsewhere, SimpleNamespace(), Random(1), options))

    with_cluster(tmp_path, scene)


def test_one_node_alone_has_nobody_to_be_cut_off_from(tmp_path):
    async def leaders():
        return ["n0"]

    async def story():
        cluster = StdioCluster("t", ["n0"], tmp_path, {"seed": 5})
        system = SimpleNamespace(primaries=leaders, partition_shapes=["primary-pair"])
        nemesis = PartitionNemesis(Scene(cluster, system, Random(1), {"interval_s": 1.0}))
        assert await nemesis.plan({"kind": "partition", "shape": "primary-pair"}, 1) is None
        await cluster.down()

    asyncio.run(story())
