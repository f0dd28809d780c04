"""What a Dask worker does with trials, without Dask: processes are used again, and end."""

import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from duress.harness.campaign import dask_room
from duress.harness.campaign.dask_room import leave, pack, run_there, unpack
from duress.harness.campaign.plan import Limits
from duress.harness.campaign.results import KILLED, VALID, Result
from duress.harness.campaign.workers import MODULE

from .made import short_spec

ENDLESS_S = 1e6


@pytest.fixture
def campaign(request):
    yield request.node.name
    leave(request.node.name)
    until(lambda: not processes())


def until(condition, limit_s=60):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def processes():
    """Pids of the processes of trials that are ours; any may end while it is looked at."""
    found = set()
    for children in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            for pid in children.read_text().split():
                with suppress(OSError):
                    if MODULE.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                        found.add(pid)
    return found


def trial(campaign, name, time_s=1.0, limits=None):
    spec = msgspec.json.encode(short_spec(time_s))
    result, archive = run_there(campaign, spec, name, msgspec.json.encode(limits or Limits()))
    return msgspec.json.decode(result, type=Result), archive


def test_a_process_runs_trial_after_trial_until_the_campaign_leaves(campaign, tmp_path):
    result, archive = trial(campaign, "first")
    assert (result.outcome, result.run) == (VALID, "first")
    unpack(archive, tmp_path / "back")
    assert (tmp_path / "back" / "verdict.json").is_file()
    (pid,) = processes()
    assert trial(campaign, "second")[0].outcome == VALID
    assert processes() == {pid}
    trial("somebody else", "third")
    assert len(processes()) == 2, "campaigns share no processes"
    leave("somebody else")
    until(lambda: processes() == {pid})


def test_one_that_is_killed_is_told_and_the_next_is_run(campaign):
    memory = Limits(memory_mb=1)
    killed, _ = trial(campaign, "first", ENDLESS_S, memory)
    assert killed.outcome == KILLED
    assert "more than 1" in killed.error
    assert not processes()
    assert trial(campaign, "second", ENDLESS_S, memory)[0].outcome == KILLED


def test_who_leaves_ends_what_is_under_way(campaign):
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(trial, campaign, "long", ENDLESS_S)
        until(processes)
        leave(campaign)
        with pytest.raises(CancelledError):
            running.result(60)
    until(lambda: not processes())


def test_a_room_nobody_comes_back_to_is_given_up(campaign, monkeypatch):
    monkeypatch.setattr(dask_room, "IDLE_S", 0.2)
    assert trial(campaign, "only")[0].outcome == VALID
    until(lambda: not processes())
    assert trial(campaign, "another")[0].outcome == VALID


def test_run_folders_travel_whole(tmp_path):
    (tmp_path / "a" / "nodes" / "n1").mkdir(parents=True)
    (tmp_path / "a" / "nodes" / "n1" / "log").write_bytes(bytes(range(256)))
    unpack(pack(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "b" / "nodes" / "n1" / "log").read_bytes() == bytes(range(256))
    unpack(pack(tmp_path / "none"), tmp_path / "c")
    assert not (tmp_path / "c").exists()
