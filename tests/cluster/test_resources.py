"""What programs live on runs short: felt by a program on real nodes, and gone when it is over."""

import asyncio
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from duress.harness.cluster import control_groups
from duress.harness.cluster.docker import DockerCluster
from duress.harness.cluster.local import LocalCluster
from duress.harness.errors import InfrastructureError

from ..ability import needs
from . import felt

needs_groups = needs(
    None
    if set(control_groups.parents()) == {"cpu", "memory", "pids"}
    else "there are no control groups for cpu, memory and pids here"
)
counter = itertools.count()


def groups_of_ours() -> list[str]:
    above = {group.folder for group in control_groups.parents().values()}
    return [str(found) for folder in above for found in folder.glob("duress-felt-*")]


async def _on_local(folder, with_groups):
    if not with_groups:
        control_groups.parents = dict  # as for a user who may not write to them
    cluster = LocalCluster("felt-local", ["n1", "n2"], Path(folder), {})
    try:
        await cluster.up()
        found = await felt.story(cluster)
        if with_groups:
            assert groups_of_ours()
        return found
    finally:
        await cluster.down()


@pytest.mark.local
@needs_groups
def test_with_control_groups_on_local_nodes(inside, tmp_path):
    found = inside(_on_local, str(tmp_path), True)
    felt.check(found, dict.fromkeys(("cpu", "memory", "pids"), "cgroup v"))
    assert found["cpu"]["seen"]["observed_share"] < 0.25
    assert groups_of_ours() == []


@pytest.mark.local
def test_without_control_groups_on_local_nodes(inside, tmp_path):
    found = inside(_on_local, str(tmp_path), False)
    felt.check(found, {"cpu": "SIGSTOP", "memory": "SIGKILL", "descriptors": "RLIMIT_NOFILE"})
    # Nobody can keep root from forking without a control group, and so it says.
    assert (found["pids"] is None) == (os.geteuid() == 0)


async def _paused_and_throttled(folder):
    control_groups.parents = dict
    cluster = LocalCluster("felt-paused", ["n1"], Path(folder), {})
    try:
        await cluster.up()
        node = cluster.nodes["n1"]
        await node.processes.start(felt.program(cluster))
        await felt.last(node, 1)
        told = []
        await node.resources.squeeze("cpu", 0.2)
        told.append(await node.processes.running())
        await node.processes.pause()
        told.append(await node.processes.running())
        lines = len((await node.get("tell.log")).splitlines())
        await asyncio.sleep(0.5)  # the throttle must not let it go on
        assert len((await node.get("tell.log")).splitlines()) == lines
        await node.resources.relax("cpu")
        told.append(await node.processes.running())
        await node.processes.resume()
        told.append(await node.processes.running())
        await felt.last(node, 1)
        return told
    finally:
        await cluster.down()


@pytest.mark.local
def test_a_throttle_by_signals_does_not_continue_what_was_paused(inside, tmp_path):
    states = [told["tell"] for told in inside(_paused_and_throttled, str(tmp_path))]
    assert states == ["running", "paused", "paused", "running"]


@pytest.mark.docker
def test_in_containers(tmp_path):
    async def whole():
        trial = f"felt-{os.getpid()}-{next(counter)}"
        cluster = DockerCluster(trial, ["n1"], tmp_path, {"image": "node"})
        try:
            await cluster.up()
            return await felt.story(cluster)
        finally:
            await cluster.down()

    found = asyncio.run(whole())
    felt.check(found, dict.fromkeys(("cpu", "memory", "pids"), "cgroup v"))
    assert found["cpu"]["seen"]["throttled"] > 0
    assert found["memory"]["seen"]["oom_kills"] >= 1


@pytest.mark.local
@needs_groups
def test_clean_removes_the_groups_of_a_harness_that_was_killed(tmp_path):
    duress = str(Path(sys.executable).with_name("duress"))
    options = ["--nemesis", "pids", "--set", "pids-targets=all", "--set", "pids-lasts=60"]
    run = ["run", "raft", "--on", "local", "--nodes", "3", "--time", "60", "--interval", "0.5"]
    with subprocess.Popen(
        [duress, *run, *options, "--store", str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as harness:
        for line in harness.stdout:
            if "injected" in line:
                break
        trial = (tmp_path / "latest").resolve().name
        mine = [path for path in _all_groups() if trial in path]
        assert len(mine) == 3
        harness.kill()
    said = subprocess.run([duress, "clean"], capture_output=True, text=True).stdout
    assert all(f"removed control group {path}" in said for path in mine), said
    assert not any(trial in path for path in _all_groups())


def _all_groups() -> list[str]:
    above = {group.folder for group in control_groups.parents().values()}
    return [str(found) for folder in above for found in folder.glob("duress-*")]


@pytest.mark.local
@needs_groups
def test_groups_of_a_dead_harness_are_removed_and_those_of_a_living_one_are_not():
    make = (
        "import sys, time; from duress.harness.cluster.control_groups import OwnGroups\n"
        "groups = OwnGroups(sys.argv[1]); print(groups.make(sys.argv[2]).folder, flush=True)\n"
        "time.sleep(1000)"
    )
    controller = sorted(control_groups.parents())[0]
    name = f"felt-dead-{os.getpid()}"
    with subprocess.Popen(
        [sys.executable, "-c", make, name, controller], stdout=subprocess.PIPE, text=True
    ) as owner:
        try:
            folder = Path(owner.stdout.readline().strip())
            assert folder.is_dir()
            assert folder not in control_groups.leftovers()
        finally:
            owner.kill()
    assert folder in control_groups.leftovers()
    assert f"control group {folder}" in control_groups.clean()
    assert not folder.exists()


@needs_groups
def test_a_group_with_processes_in_it_is_removed_and_they_live():
    controller = sorted(control_groups.parents())[0]
    groups = control_groups.OwnGroups(f"felt-full-{os.getpid()}")
    folder = groups.make(controller).folder
    sleeper = subprocess.Popen(["sleep", "1000"])
    try:
        groups.take_in(sleeper.pid)
        assert str(sleeper.pid) in (folder / "cgroup.procs").read_text().split()
        groups.remove()
        assert not folder.exists()
        assert sleeper.poll() is None
        groups.remove()
    finally:
        sleeper.kill()
        sleeper.wait()


def test_what_is_gone_is_not_taken_in():
    groups = control_groups.OwnGroups("felt-none")
    groups.take_in(2**22 - 1)
    groups.remove()
    with pytest.raises(InfrastructureError, match="none for no-such can be made here"):
        groups.make("no-such")
