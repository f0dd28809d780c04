"""Commands of the harness on a node are spared by what befalls the programs beside them."""

import asyncio
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from duress.harness.cluster import pids
from duress.harness.cluster.commands import Commands
from duress.harness.cluster.docker import DockerCluster
from duress.harness.cluster.local import LocalCluster

counter = itertools.count()
SLEEPS = ["sh", "-c", "sleep 60 & wait"]


def _all_of(*processes):
    everyone = [pids.look(int(at.name)) for at in Path("/proc").iterdir() if at.name.isdigit()]
    return pids.family([process.pid for process in processes], [s for s in everyone if s])


def _started(argv, environment=None):
    process = subprocess.Popen(argv, env=environment, start_new_session=True)
    while len(_all_of(process)) < 2 and argv == SLEEPS:
        pass
    return process


@pytest.fixture
def three():
    """A program, a command that bears a mark and one that does not, each with a child."""
    commands = Commands()
    with commands.one() as marked, commands.one() as known:
        program = _started(SLEEPS)
        with_mark = _started(SLEEPS, {**os.environ, **marked.environment})
        with_pid = _started(SLEEPS)
        known.pid = with_pid.pid
        try:
            yield commands, marked, program, with_mark, with_pid
        finally:
            for process in (program, with_mark, with_pid):
                os.killpg(process.pid, 9)
                process.wait()


def test_commands_are_known_by_mark_and_by_pid_and_so_are_their_children(three):
    commands, _, program, with_mark, with_pid = three
    found = _all_of(program, with_mark, with_pid)
    assert len(found) == 6
    assert commands.spare(found) == _all_of(program)


def test_a_command_that_has_ended_is_known_no_more(three):
    _, _, program, with_mark, _ = three
    found = _all_of(program, with_mark)
    assert Commands().spare(found) == found


def test_what_executes_just_now_is_spared_while_a_command_is_being_started(three):
    commands, marked, program, _, _ = three
    bare = _started(["env", "-i", "sleep", "60"])  # as a process looks in the midst of an exec
    try:
        while pids.look(bare.pid).command != "sleep":
            pass
        found = _all_of(program, bare)
        assert commands.spare(found) == _all_of(program)
        marked.pid = 1
        assert commands.spare(found) == found
    finally:
        bare.kill()
        bare.wait()


def test_what_a_first_process_has_forked_is_spared_until_it_executes(three):
    commands, marked, _, _, _ = three
    forks = "import os, time; os.fork() or time.sleep(60); time.sleep(60)"
    init = subprocess.Popen([sys.executable, "-S", "-c", forks], start_new_session=True)
    try:
        while len(_all_of(init)) < 2:
            pass
        found = _all_of(init)
        assert commands.spare(found, init.pid) == []
        marked.pid = 1
        assert commands.spare(found, init.pid) == found
    finally:
        os.killpg(init.pid, 9)
        init.wait()


async def _befallen(cluster):
    """Commands one after the other, while programs are paused and killed all the time."""
    await cluster.up()
    try:
        node = cluster.nodes["n1"]

        async def command(number):
            done = await node.run("sh", "-c", "true; exec echo $0", str(number), timeout_s=5)
            return done.stdout.strip()

        async def befall():
            for _ in itertools.cycle([0]):
                await node.processes.pause()
                await node.processes.resume()
                await node.processes.kill()
                await asyncio.sleep(0)

        befalling = asyncio.ensure_future(befall())
        said = [await command(number) for number in range(60)]
        befalling.cancel()
        await asyncio.wait([befalling])
        assert befalling.cancelled(), befalling.exception()
        return said
    finally:
        await cluster.down()


async def _befallen_local(folder):
    return await _befallen(LocalCluster("spared", ["n1"], Path(folder), {}))


@pytest.mark.local
def test_commands_on_local_nodes_are_spared(inside, tmp_path):
    assert inside(_befallen_local, str(tmp_path)) == [str(number) for number in range(60)]


@pytest.mark.docker
def test_commands_in_containers_are_spared(tmp_path):
    cluster = DockerCluster(
        f"spared-{os.getpid()}-{next(counter)}", ["n1"], tmp_path, {"image": "node"}
    )
    assert asyncio.run(_befallen(cluster)) == [str(number) for number in range(60)]
