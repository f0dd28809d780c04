"""Control groups of both versions, as far as files in a folder can play them."""

import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest

from duress.harness.cluster import control_groups, pids, process_limits
from duress.harness.cluster.control_groups import Group, Hierarchy
from duress.harness.cluster.group_limits import GroupCpu, GroupMemory, GroupPids
from duress.harness.errors import InfrastructureError

V1 = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


def test_hierarchies_of_version_1_have_a_controller_each():
    found = control_groups.hierarchies(V1)
    assert {name: (h.version, str(h.mount), h.root) for name, h in found.items()} == {
        "cpu": (1, "/sys/fs/cgroup/cpu,cpuacct", "/"),
        "memory": (1, "/sys/fs/cgroup/memory", "/docker/abc"),
    }


def test_the_hierarchy_of_version_2_has_those_that_it_names(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    found = control_groups.hierarchies(
        f"30 23 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw,nsdelegate"
    )
    assert found == dict.fromkeys(("cpu", "memory", "pids"), Hierarchy(2, tmp_path, "/"))


def test_a_group_is_found_where_the_mount_shows_it(tmp_path):
    whole = Hierarchy(1, tmp_path, "/")
    part = Hierarchy(1, tmp_path, "/docker/abc")
    assert whole.folder("/docker/abc") == tmp_path / "docker/abc"
    assert part.folder("/docker/abc") == tmp_path
    assert part.folder("/docker/abc/x") == tmp_path / "x"
    assert part.folder("/docker/other") is None
    assert part.folder("/") == tmp_path


def test_paths_of_both_versions():
    one, two = Hierarchy(1, None, "/"), Hierarchy(2, None, "/")
    text = "8:pids:/a\n4:cpu,cpuacct:/b\n0::/c\n"
    assert control_groups._paths(text, {"pids": one, "cpu": one}) == {"pids": "/a", "cpu": "/b"}
    assert control_groups._paths(text, {"memory": two}) == {"memory": "/c"}


def group(folder, **files):
    (folder / "cgroup.procs").write_text("")
    for name, content in files.items():
        (folder / name.replace("_", ".", 1)).write_text(content)
    return Group(2, folder)


def run(story):
    return asyncio.run(story)


def test_a_quota_that_does_nothing_is_found_out(tmp_path):
    cpu = GroupCpu(group(tmp_path, cpu_stat="nr_throttled 3\n", cpu_max="max 100000"), set())
    with pytest.raises(InfrastructureError, match=r"expected a share of at most 0\.\d+, observed"):
        run(cpu.squeeze(0.01))
    assert (tmp_path / "cpu.max").read_text() == "1000 100000"
    assert run(cpu.relax()) == {"throttled": 0}
    assert (tmp_path / "cpu.max").read_text() == "max 100000"


def test_a_limit_of_processes_that_does_nothing_is_found_out(tmp_path):
    limit = GroupPids(group(tmp_path, pids_current="7", pids_max="max"), set())
    with pytest.raises(InfrastructureError, match=r"with pids\.max 1, expected a fork to be refus"):
        run(limit.squeeze(0))
    run(limit.starting())
    assert (tmp_path / "pids.max").read_text() == "max"
    run(limit.started())
    assert (tmp_path / "pids.max").read_text() == "1"
    run(limit.relax())
    run(limit.started())
    assert (tmp_path / "pids.max").read_text() == "max"


def test_memory_is_limited_above_what_there_is_and_given_back(tmp_path):
    files = {"memory_stat": "anon 3145728\nfile 99\nshmem 1048576\n", "memory_max": "max"}
    made = group(tmp_path, **files, memory_events="oom_kill 0")
    (tmp_path / "memory.swap.max").write_text("5000")
    memory = GroupMemory("n1", made, list, set())
    assert run(memory.squeeze(40)) == {"limit_mib": 44.0, "killed": []}
    assert (tmp_path / "memory.max").read_text() == str(44 << 20)
    assert (tmp_path / "memory.swap.max").read_text() == "0"
    run(memory.relax())
    assert (tmp_path / "memory.max").read_text() == "max"
    assert (tmp_path / "memory.swap.max").read_text() == "5000"


def test_a_lack_of_memory_that_kills_nobody_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr("duress.harness.cluster.group_limits.OOM_TIMEOUT_S", 0.3)
    made = group(tmp_path, memory_stat="anon 0\n", memory_max="max", memory_events="oom_kill 0\n")
    sleeper = subprocess.Popen(["sleep", "1000"])
    try:
        memory = GroupMemory("n1", made, lambda: [pids.look(sleeper.pid)], set())
        with pytest.raises(
            InfrastructureError, match="expected the kernel to kill a program within"
        ):
            run(memory.squeeze(1))
        score = Path(f"/proc/{sleeper.pid}/oom_score_adj")
        assert score.read_text() == Path("/proc/self/oom_score_adj").read_text()
    finally:
        sleeper.kill()
        sleeper.wait()


def test_it_says_whom_the_kernel_killed_between_two_looks(tmp_path):
    """Of a shell and a command of it that is ending, the kernel takes the shell."""
    made = group(tmp_path, memory_stat="anon 0\n", memory_max="max", memory_events="oom_kill 0\n")
    programs = [subprocess.Popen(["sleep", "1000"]) for _ in range(2)]
    looks = iter([2, 2])  # the first is at what they have

    def find():
        if next(looks, None) is not None:
            return [pids.look(program.pid) for program in programs]
        (tmp_path / "memory.events").write_text("oom_kill 1\n")
        return []

    def end_them():
        for program in programs:
            program.kill()
            program.wait()

    async def story():
        asyncio.get_running_loop().call_later(0.05, end_them)
        return await GroupMemory("n1", made, find, set()).squeeze(1)

    assert run(story())["killed"] == [f"sleep {program.pid}" for program in programs]


def wait_for_sleep(pid):
    """Until it sleeps it opens libraries."""
    for _ in range(500):
        waits = Path(f"/proc/{pid}/wchan").read_text()
        if "nanosleep" in waits:
            return
        time.sleep(0.01)
    raise AssertionError(f"{pid} does not sleep: {waits}")


def test_descriptors_are_given_back_as_they_were():
    sleeper = subprocess.Popen(["sleep", "1000"])
    try:
        wait_for_sleep(sleeper.pid)
        before = process_limits.resource.prlimit(sleeper.pid, process_limits.resource.RLIMIT_NOFILE)

        async def story():
            limits = process_limits.DescriptorLimits(lambda: [pids.look(sleeper.pid)])
            seen = await limits.squeeze(2)
            lowest = process_limits.lowest_free(sleeper.pid)
            assert seen == {
                "processes": {f"sleep {sleeper.pid}": {"limit": lowest + 2, "lowest_free": lowest}}
            }
            kind = process_limits.resource.RLIMIT_NOFILE
            assert process_limits.resource.prlimit(sleeper.pid, kind) == (lowest + 2, before[1])
            # What raises its own limit, as programs of Go do, is limited again.
            process_limits.resource.prlimit(sleeper.pid, kind, before)
            await asyncio.sleep(3 * process_limits.AGAIN_S)
            assert process_limits.resource.prlimit(sleeper.pid, kind)[0] == lowest + 2
            assert await limits.relax() == {"restored": 1}
            assert process_limits.resource.prlimit(sleeper.pid, kind) == before
            assert await limits.relax() == {"restored": 0}

        run(story())
    finally:
        sleeper.kill()
        sleeper.wait()


def test_the_lowest_free_descriptor():
    assert process_limits.lowest_free(2**22 - 1) is None
    first = os.dup(0)
    assert process_limits.lowest_free(os.getpid()) > first
    os.close(first)
    # The listing itself is open while it is made, so the number may be the one above.
    assert process_limits.lowest_free(os.getpid()) >= first


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may become somebody else")
def test_limits_of_another_users_process_can_be_changed():
    kind = process_limits.resource.RLIMIT_NOFILE
    sleeper = subprocess.Popen(["sleep", "1000"], user=65534, group=65534)
    try:
        hard = process_limits._prlimit(sleeper.pid, kind)[1]
        process_limits._prlimit(sleeper.pid, kind, (5, hard))
        assert process_limits._prlimit(sleeper.pid, kind) == (5, hard)
        assert os.getresuid() == (0, 0, 0)
        assert os.getresgid() == (0, 0, 0)
    finally:
        sleeper.kill()
        sleeper.wait()
    with pytest.raises(ProcessLookupError):
        process_limits._prlimit(sleeper.pid, kind)
