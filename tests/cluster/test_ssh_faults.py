"""Clocks and resources of hosts reached by ssh: by their agents, and gone with them."""

import asyncio
import itertools
import json
import signal
import subprocess
from pathlib import Path
from random import Random

import pytest

from duress.fixtures.systems.etcd import EtcdSystem
from duress.fixtures.systems.raft import RaftSystem
from duress.harness.cluster import control_groups, vdso
from duress.harness.errors import InfrastructureError
from duress.harness.fault import Fault, Scene
from duress.nemeses.clock import ClockNemesis

from ..ability import needs
from ..command_line import DURESS, duress
from . import felt
from .ssh_hosts import running, with_cluster

pytestmark = pytest.mark.docker
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with running(3, tmp_path_factory.mktemp("ssh")) as found:
        yield found


def test_resources_run_short_and_are_given_back(hosts, tmp_path):
    found = with_cluster(hosts, tmp_path, felt.story, 1)
    # These containers may not write to control groups: what a host does that has none.
    felt.check(found, {"cpu": "SIGSTOP", "memory": "SIGKILL", "descriptors": "RLIMIT_NOFILE"})
    assert found["pids"] is None
    assert hosts.leftovers() == ""


@pytest.mark.soak
@needs(None if control_groups.parents() else "this machine has no control groups")
def test_resources_by_control_groups_of_a_host(tmp_path):
    with running(1, tmp_path, control_groups=True) as host:
        found = with_cluster(host, tmp_path, felt.story, 1)
        felt.check(found, dict.fromkeys(("cpu", "memory", "pids"), "cgroup v"))
        # Of the whole machine, those of this container.
        look = f"find /sys/fs/cgroup -path '*{host.containers[0].id}*' -name 'duress*'"
        assert host.on(0, look) == ""
        # An agent that is killed cannot remove its groups; clean does.
        with_cluster(host, tmp_path, _killed_agent, 1)
        assert "duress" in host.on(0, look)
        said = duress("clean", "--all", "--on", "ssh", *host.flags())
        assert "was left behind" in said.stdout, said.stdout + said.stderr
        assert host.on(0, look) == ""


async def _killed_agent(cluster):
    node = cluster.nodes["n1"]
    await node.resources.squeeze("pids", 0)
    with pytest.raises(InfrastructureError, match="the connection was lost during 'run'"):
        await node.run("sh", "-c", "kill -9 $PPID")


def fault(number, *lines):
    nodes = sorted(line["node"] for line in lines)
    return Fault(number, "clock", nodes, {"shape": "bump", "clocks": list(lines)})


async def _told(cluster, system_kind, story):
    system = system_kind(cluster, {})
    try:
        nodes = list(cluster.nodes.values())
        await asyncio.gather(*(system.install(node) for node in nodes))
        await asyncio.gather(*(system.start(node) for node in nodes))
        await system.ready()
        nemesis = ClockNemesis(Scene(cluster, system, Random(1), {"interval_s": 1}))
        return await story(system, nemesis)
    finally:
        if hasattr(system, "close"):
            await system.close()


def test_clocks_of_our_own_nodes_follow_a_file(hosts, tmp_path):
    async def story(cluster):
        async def disturbed(system, nemesis):
            one = fault(1, {"node": "n1", "skip_s": 5.0}, {"node": "n2", "rate": 1.5})
            seen = (await nemesis.inject(one))["clocks"]
            await cluster.nodes["n1"].processes.kill()
            await system.start(cluster.nodes["n1"])
            await system.ready()
            again = await cluster.nodes["n1"].clocks.read()
            healed = (await nemesis.heal(one))["clocks"]
            return seen, again["node"].wall_off_s, healed

        return await _told(cluster, RaftSystem, disturbed)

    seen, again, healed = with_cluster(hosts, tmp_path, story)
    assert seen["n1"]["node"] == pytest.approx(5, abs=0.05)
    assert again == pytest.approx(5, abs=0.05)
    assert healed["n1"]["node"] == pytest.approx(0, abs=0.05)
    assert healed["n2"]["node"] == pytest.approx(0, abs=0.05)
    assert hosts.leftovers() == ""


@pytest.mark.soak
@needs(vdso.reason_unavailable())
def test_clocks_of_etcd_are_wrong_and_true_again(hosts, tmp_path):
    async def story(cluster):
        async def disturbed(system, nemesis):
            one = fault(1, {"node": "n1", "step_s": -100.0})
            node = cluster.nodes["n1"]
            await nemesis.inject(one)
            told = [(await system.clock_reading(node)).wall_off_s]
            await node.processes.kill()
            await system.start(node)
            await system.ready()
            told.append((await system.clock_reading(node)).wall_off_s)
            await nemesis.heal(one)
            told.append((await system.clock_reading(node)).wall_off_s)
            return told

        return await _told(cluster, EtcdSystem, disturbed)

    told = with_cluster(hosts, tmp_path, story)
    assert told == pytest.approx([-100, -100, 0], abs=1.5)
    assert hosts.leftovers() == ""


@pytest.mark.soak
def test_raft_keeps_its_promise_under_all_of_them(hosts, tmp_path):
    done = duress(
        *("run", "raft", "--on", "ssh", "--nodes", "3", "--time", "12", "--interval", "2"),
        *("--nemesis", "clock,cpu,memory,descriptors,stop", "--seed", "4"),
        *("--store", str(tmp_path), *hosts.flags()),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = Path(tmp_path) / "latest"
    lines = [json.loads(line) for line in (folder / "faults.jsonl").read_text().splitlines()]
    injected = {line["fault"]["kind"] for line in lines if line["state"] == "injected"}
    assert injected == {"clock", "cpu", "memory", "descriptors", "stop"}
    assert hosts.leftovers() == ""


@pytest.mark.soak
def test_a_host_that_is_left_alone_relaxes_everything(hosts, tmp_path):
    arguments = ["run", "raft", "--on", "ssh", "--nodes", "3", "--time", "60", "--interval", "1"]
    arguments += ["--nemesis", "cpu,clock", "--set", "cpu-targets=all", "--set", "cpu-lasts=60"]
    harness = subprocess.Popen(
        [
            *DURESS,
            *arguments,
            "--store",
            str(tmp_path),
            *hosts.flags(**{"ssh-heal-after-s": "2"}),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert harness.stdout is not None
    for line in harness.stdout:
        if "injected" in line and "cpu" in line:
            break
    harness.send_signal(signal.SIGKILL)
    harness.stdout.close()
    harness.wait()
    assert hosts.leftovers(30) == ""
