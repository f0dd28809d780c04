"""A campaign of containers, all of whose processes are killed at once, as when the power fails."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from duress.harness.cluster import netfilter
from duress.harness.cluster.docker_engine import Engine

from ..command_line import DURESS, said_by
from .test_command import only_folder

PLAN = """
[limits]
parallel = 1
[[matrix]]
systems = ["raft"]
nemeses = ["partition,kill"]
clusters = ["docker"]
seeds = 2
flags = { time = 8, nodes = 3, rate = 30, interval = 2, settle = 1 }
"""


def descendants(pid):
    """Pids of a process and all below it; any may end while it is looked at."""
    children = []
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            children += map(int, each.read_text().split())
    return [pid, *(each for child in children for each in descendants(child))]


def of_owners(pids):
    """Containers, networks and tables of nftables of trials of these processes."""
    owners = {str(pid) for pid in pids}
    with Engine() as engine:
        found = [
            name
            for ask in (engine.containers, engine.networks)
            for name, told in ask({"label": "duress=1"})
            if told.get("duress.pid") in owners
        ]
    tables = netfilter.list_tables()
    return found + [
        name for name in tables if str(netfilter.owner_of(name)).split("_")[0] in owners
    ]


@pytest.mark.docker
@pytest.mark.soak
@pytest.mark.parametrize("everything", [True, False])
def test_nothing_is_left_of_a_trial_that_was_killed(tmp_path, everything):
    """``everything``: the trial's own process, too; it heals and removes nothing then."""
    path = tmp_path / "night.toml"
    path.write_text(PLAN)
    words = ["campaign", str(path), "--folder", str(tmp_path / "c")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    campaign = subprocess.Popen([*DURESS, *words], **quiet)
    deadline = time.monotonic() + 200
    family = []
    try:
        while len(of_owners(family)) < 5:  # three nodes, a network and its rules
            assert time.monotonic() < deadline
            assert campaign.poll() is None
            time.sleep(0.1)
            family = descendants(campaign.pid)
    finally:
        for pid in descendants(campaign.pid) if everything else [campaign.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        campaign.wait()
    if everything:
        assert len(of_owners(family)) == 5
    code, said, error = said_by(*words, "--json")
    assert code == 0, error
    assert said["outcomes"]["valid"] == 2
    assert said["sessions"] == 2
    assert of_owners(family) == []
    assert sorted(each.name for each in (only_folder(tmp_path) / "runs").iterdir()) == [
        "000000-raft-0-2",
        "000001-raft-0-2",
    ]
