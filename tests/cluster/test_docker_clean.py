"""What a killed harness leaves behind is removed, and nothing else."""

import os
import signal
import subprocess
import sys

import pytest

from duress.harness.cluster import pids
from duress.harness.cluster.docker import DockerCluster, clean
from duress.harness.cluster.docker_engine import Engine
from duress.harness.cluster.docker_leftovers import harness_lives, labels, owner, owner_lives
from duress.harness.cluster.netfilter import LinkFilter, list_tables, owner_of, table_name
from duress.harness.errors import InfrastructureError

HARNESS = """
import asyncio, sys, time
from pathlib import Path
from duress.harness.cluster import Process
from duress.harness.cluster.docker import DockerCluster

async def main():
    cluster = DockerCluster(sys.argv[1], ["n1", "n2"], Path(), {"image": "node"})
    await cluster.up()
    await cluster.nodes["n1"].processes.start(Process("p", ["sleep", "1000"], "/p.log"))
    await cluster.network.cut(frozenset({("n1", "n2")}))
    print("up", flush=True)
    time.sleep(1000)

asyncio.run(main())
"""


def test_the_command_line_finds_it_at_the_cluster_s_kind():
    assert DockerCluster.clean is clean


def test_labels_name_this_process():
    mine = labels("t")
    assert mine["duress.pid"] == str(os.getpid())
    assert harness_lives(mine)


@pytest.mark.parametrize(
    "change",
    [
        {"duress.boot": "00000000-0000-0000-0000-000000000000"},
        {"duress.start": "1"},
        {"duress.pid": "999999999"},
        {"duress.pid": ""},
    ],
)
def test_another_boot_start_or_pid_is_another_process(change):
    assert not harness_lives({**labels("t"), **change})


def test_a_harness_that_ended_is_dead_even_unreaped():
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    seen = pids.look(child.pid)
    assert seen is not None
    found = {**labels("t"), "duress.pid": str(child.pid), "duress.start": str(seen.started)}
    assert not harness_lives(found)
    child.wait()


@pytest.mark.docker
def test_clean_spares_the_living_and_removes_what_the_dead_left():
    trial = f"clean-{os.getpid()}"
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, trial], stdout=subprocess.PIPE, text=True
    )
    try:
        assert harness.stdout is not None
        assert harness.stdout.readline() == "up\n"
        assert [line for line in clean() if trial in line] == []
        assert table_name(trial) in list_tables()
    finally:
        harness.send_signal(signal.SIGKILL)
        harness.wait()
        assert harness.stdout is not None
        harness.stdout.close()
        removed = [line for line in clean() if trial in line]
    assert sorted(removed) == [
        f"container duress-{trial}-n1",
        f"container duress-{trial}-n2",
        f"network duress-{trial}",
        f"nftables table {table_name(trial)}",
    ]
    assert clean() == [] or all(trial not in line for line in clean())
    with Engine() as engine:
        ours = {"label": f"duress.trial={trial}"}
        assert engine.containers(ours) == [] == engine.networks(ours)
    assert table_name(trial) not in list_tables()


@pytest.mark.docker
def test_a_table_tells_whose_it_is(monkeypatch):
    """So that neither a trial that begins just now nor one on another engine loses its table."""
    trial = f"owner-{os.getpid()}"
    mine = LinkFilter(trial, "dr-none", owner())
    mine.install()
    try:
        assert owner_lives(owner_of(table_name(trial)) or "")
        assert [line for line in clean() if trial in line] == []
        pid, start, boot = owner().split("_")
        dead = [f"{pid}_1_{boot}", f"999999999_{start}_{boot}", f"{pid}_{start}_0", "nonsense"]
        assert not any(map(owner_lives, dead))
        LinkFilter(trial, "dr-none", f"{pid}_1_{boot}").install()
        monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        with pytest.raises(InfrastructureError, match="no engine answers at unix:///nowhere"):
            clean()
        assert table_name(trial) not in list_tables()
    finally:
        mine.remove()
