"""Disks of hosts reached by ssh, troubled by the layer that their agents mount."""

import asyncio
import os
import signal
import subprocess

import pytest

from duress.harness.cluster.disks import DiskTrouble
from duress.harness.cluster.ssh import SshCluster

from ..command_line import DURESS, duress
from .ssh_hosts import running

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with running(3, tmp_path_factory.mktemp("ssh-disk"), mount=True) as found:
        yield found


@pytest.fixture(scope="module")
def weak_hosts(tmp_path_factory):
    with running(1, tmp_path_factory.mktemp("ssh-no-disk")) as found:
        yield found


@pytest.mark.parametrize("user", [pytest.param("root", marks=pytest.mark.soak), "alice"])
def test_a_correct_store_survives_power_cuts(hosts, tmp_path, user):
    done = duress(
        *("run", "wal-store", "--on", "ssh", "--nodes", "3", "--time", "10", "--interval", "1"),
        *("--nemesis", "disk", "--set", "disk-faults=power-cut", "--seed", "5"),
        *("--store", str(tmp_path)),
        *hosts.flags(**{"ssh-user": user}),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "disk power-cut" in done.stdout
    assert hosts.leftovers() == ""


@pytest.mark.soak
def test_a_store_that_does_not_sync_is_found(hosts, tmp_path):
    done = duress(
        *("run", "wal-store", "--mutant", "no-fsync", "--on", "ssh", "--nodes", "3"),
        *("--nemesis", "disk", "--set", "disk-faults=power-cut", "--interval", "0.6"),
        *("--time", "8", "--trials", "3", "--store", str(tmp_path), *hosts.flags()),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "lost-write" in done.stdout


def test_nothing_is_mounted_when_the_harness_was_killed(hosts, tmp_path):
    arguments = ["run", "wal-store", "--on", "ssh", "--nodes", "3", "--time", "60"]
    arguments += ["--nemesis", "disk", "--set", "disk-faults=stall", "--interval", "0.5"]
    harness = subprocess.Popen(
        [*DURESS, *arguments, "--store", str(tmp_path), *hosts.flags(**_HEAL_SOON)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert harness.stdout is not None
    for line in harness.stdout:
        if "injected" in line and "stall" in line:
            break
    os.kill(harness.pid, signal.SIGKILL)
    harness.stdout.close()
    harness.wait()
    assert hosts.leftovers(30) == ""
    seen = hosts.on(0, "cat /proc/*/mounts | grep -c duress-disk; ps ax -o args | grep disk_layer")
    assert seen.split("\n")[0] == "0"
    assert "disk_layer.server" not in seen.replace("grep disk_layer", "")


_HEAL_SOON = {"ssh-heal-after-s": "2"}


def test_a_host_without_the_device_is_refused(weak_hosts, tmp_path):
    done = duress(
        *("run", "wal-store", "--on", "ssh", "--nodes", "1", "--time", "3"),
        *("--nemesis", "disk", "--store", str(tmp_path), *weak_hosts.flags()),
    )
    assert done.returncode == 3
    assert "/dev/fuse" in done.stdout + done.stderr


def test_programs_of_the_host_do_not_see_the_mount(hosts, tmp_path):
    async def story():
        options = {**hosts.options, "disk": "layer"}
        cluster = SshCluster("trial-disk", ["n1", "n2", "n3"], tmp_path, options)
        try:
            await cluster.up()
            node = cluster.nodes["n1"]
            assert hosts.on(0, "grep -c duress-disk /proc/self/mounts").strip() == "0"
            assert "duress-disk" in (await node.run("cat", "/proc/self/mounts")).stdout
            full = DiskTrouble(free_bytes=0)
            await node.disk.trouble(full)
            assert (await node.disk.probe(full)).error == "ENOSPC"
            await node.disk.trouble(DiskTrouble())
            assert (await node.disk.probe(DiskTrouble())).error == ""
        finally:
            await cluster.down()

    asyncio.run(story())
    assert hosts.leftovers() == ""


@pytest.mark.soak
def test_what_is_stored_is_damaged_and_copies_are_brought_back(hosts, tmp_path):
    async def story():
        options = {**hosts.options, "disk": "layer"}
        cluster = SshCluster("trial-damage", ["n1", "n2", "n3"], tmp_path, options)
        try:
            await cluster.up()
            node = cluster.nodes["n2"]
            await node.run("sh", "-c", "mkdir data && printf 0123456789 >data/file")
            await node.disk.copy("one")
            [flipped] = await node.disk.damage("bit-flip", 1, "1")
            assert flipped["path"] == "data/file"
            [cut] = await node.disk.damage("truncate", 1, "1")
            assert len(await node.get("data/file")) == cut["left"] < 10
            await node.disk.restore("one")
            assert await node.get("data/file") == b"0123456789"
            await node.run("sh", "-c", "printf more >>data/file")
            await node.disk.cut_power("lost", 512, "1")
            assert await node.get("data/file") == b"0123456789"
        finally:
            await cluster.down()

    asyncio.run(story())
    assert hosts.leftovers() == ""
