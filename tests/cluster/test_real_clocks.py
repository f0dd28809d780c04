"""The nemesis of clocks on real processes: our own nodes and a foreign program on local nodes,
PostgreSQL and etcd in containers."""

import asyncio
import itertools
import os
import sys
from pathlib import Path
from random import Random

import pytest

from duress.fixtures.systems.etcd import EtcdSystem
from duress.fixtures.systems.multi_paxos import MultiPaxosSystem
from duress.fixtures.systems.postgresql import PostgresqlSystem
from duress.harness.cluster import Process, vdso
from duress.harness.cluster.docker import DockerCluster
from duress.harness.cluster.local import LocalCluster
from duress.harness.errors import InfrastructureError
from duress.harness.fault import Fault, Scene
from duress.nemeses.clock import ClockNemesis

from ..ability import needs

TELL = """
import time
while True:
    print(time.time(), flush=True)
    time.sleep(0.01)
"""
counter = itertools.count()


def fault(number, *lines):
    nodes = sorted(line["node"] for line in lines)
    return Fault(number, "clock", nodes, {"shape": "bump", "clocks": list(lines)})


async def _up(cluster, system):
    await cluster.up()
    nodes = list(cluster.nodes.values())
    await asyncio.gather(*(system.install(node) for node in nodes))
    await asyncio.gather(*(system.start(node) for node in nodes))
    await system.ready()
    return ClockNemesis(Scene(cluster, system, Random(1), {"interval_s": 1}))


async def _our_own_nodes(folder):
    cluster = LocalCluster("clocks", ["n1", "n2", "n3"], Path(folder), {})
    system = MultiPaxosSystem(cluster, {})
    try:
        nemesis = await _up(cluster, system)
        n1, n2 = cluster.nodes["n1"], cluster.nodes["n2"]
        told = []
        for number, what in enumerate(
            [{"step_s": -50.0}, {"skip_s": 3.0}, {"rate": 1.5}, {"strobe_s": 9.0, "period_s": 60.0}]
        ):
            one = fault(number, {"node": "n1", **what}, {"node": "n2", **what})
            told.append((await nemesis.inject(one))["clocks"])
            await asyncio.sleep(0.3)
            told.append((await nemesis.heal(one))["clocks"])
        # Stopped: it sees nothing; continued or restarted: it sees what it missed.
        one = fault(9, {"node": "n1", "step_s": 7.0}, {"node": "n2", "step_s": 7.0})
        await n1.processes.pause()
        await n2.processes.kill()
        told.append((await nemesis.inject(one))["clocks"])
        await n1.processes.resume()
        await system.start(n2)
        await system.ready()
        told.append({n: {p: r.wall_off_s for p, r in (await cluster.nodes[n].clocks.read()).items()}
                     for n in ("n1", "n2")})  # fmt: skip
        await nemesis.heal(one)
        assert await cluster.nodes["n3"].clocks.read() == {}
        return told
    finally:
        await system.close()
        await cluster.down()


@pytest.mark.local
def test_our_own_nodes_show_what_is_wrong_stopped_killed_and_healed(inside, tmp_path):
    told = inside(_our_own_nodes, str(tmp_path))
    both = {"n1": {"node": pytest.approx(0, abs=0.05)}, "n2": {"node": pytest.approx(0, abs=0.05)}}
    assert told[1:8:2] == [both] * 4
    for seen, off_s in zip(told[0:8:2], (-50, 3, 0, 9), strict=True):
        for node in ("n1", "n2"):
            assert seen[node]["node"] == pytest.approx(off_s, abs=0.2)
    assert told[8] == {"n1": {}, "n2": {}}
    for node in ("n1", "n2"):
        assert told[9][node]["node"] == pytest.approx(7, abs=0.05)


async def _a_foreign_program(folder):
    cluster = LocalCluster("foreign", ["n1", "n2"], Path(folder), {})
    try:
        await cluster.up()
        program = Process("tell", [sys.executable, "-S", "-E", "-c", TELL], "tell.log")
        for node in cluster.nodes.values():
            await node.processes.start(program)
        nemesis_nodes = cluster.nodes["n1"].clocks, cluster.nodes["n2"].clocks
        from duress.harness.cluster.clocks import Disturbance

        await nemesis_nodes[0].disturb(Disturbance(step_s=1e6))
        await cluster.nodes["n1"].processes.kill()
        await cluster.nodes["n1"].processes.start(program)
        last = {}
        await asyncio.sleep(0.3)
        for name, node in cluster.nodes.items():
            lines = (await node.get("tell.log")).decode().splitlines()
            last[name] = float(lines[-1])
        return last
    finally:
        await cluster.down()


@pytest.mark.local
@needs(vdso.reason_unavailable())
def test_a_foreign_program_has_its_nodes_clock_after_a_restart_too(inside, tmp_path):
    last = inside(_a_foreign_program, str(tmp_path))
    assert last["n1"] - last["n2"] == pytest.approx(1e6, abs=5)


async def _told(system, node):
    """What it says, once it answers within a second."""
    for _ in range(30):
        if (reading := await system.clock_reading(node)) is not None:
            return reading
    pytest.fail(f"{node.name} says nothing of the time")


async def _in_containers(folder, kind, names):
    trial = f"clocks-{os.getpid()}-{next(counter)}"
    cluster = DockerCluster(trial, names, folder, {"image": kind.image})
    system = kind(cluster, {})
    try:
        nemesis = await _up(cluster, system)
        node = cluster.nodes["n1"]
        one = fault(1, {"node": "n1", "step_s": -100.0})
        await nemesis.inject(one)
        told = [await _told(system, node)]
        await node.processes.kill()
        assert await system.clock_reading(node) is None
        await system.start(node)
        await system.ready()
        told.append(await _told(system, node))
        await nemesis.heal(one)
        told.append(await _told(system, node))
        # What nobody changed is found out.
        node.clocks._patched._find = list
        with pytest.raises(InfrastructureError, match=r"clock: n1: .* expected its wall clock off"):
            await nemesis.inject(fault(2, {"node": "n1", "step_s": 100.0}))
        return told
    finally:
        await cluster.down()


@pytest.mark.docker
@pytest.mark.parametrize(
    ("kind", "names", "exact_s"),
    [(PostgresqlSystem, ["n1"], 0.5), (EtcdSystem, ["n1", "n2", "n3"], 1.5)],
)
def test_databases_in_containers_tell_the_wrong_time(tmp_path, kind, names, exact_s):
    told = asyncio.run(_in_containers(tmp_path, kind, names))
    for reading, off_s in zip(told, (-100, -100, 0), strict=True):
        assert reading.wall_off_s == pytest.approx(off_s, abs=exact_s + reading.within_s)
