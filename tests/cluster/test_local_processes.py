"""Programs of local nodes: start, kill, pause, resume, whatever they fork."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from duress.harness.cluster import Process, pids
from duress.harness.cluster.local import LocalCluster
from duress.harness.errors import InfrastructureError

DAEMON = """
import os, sys, time
if os.fork():
    sys.exit(0)
os.setsid()
if os.fork():
    os._exit(0)
print("away", flush=True)
time.sleep(600)
"""
SLEEP = Process("sleep", ["sleep", "600"], "sleep.log")
FAMILY = Process("family", ["sh", "-c", "sleep 601 & sh -c 'sleep 602 & wait' & wait"], "f.log")
AWAY = Process("away", [sys.executable, "-I", "-S", "-c", DAEMON], "away.log")


async def _cluster(folder: str) -> tuple[LocalCluster, Any]:
    cluster = LocalCluster("t", ["n1", "n2"], Path(folder), {})
    await cluster.up()
    return cluster, cluster._nodes["n1"]


def _states(node: Any) -> list[str]:
    """The state letters of all that lives or rots on the node beside its first process."""
    space = pids.namespace(node.init_pid)
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    states = []
    for number in numbers:
        try:
            same = pids.namespace(number) == space
        except InfrastructureError:
            same = False  # zombies have no namespace to look at any more
        seen = pids.look(number)
        if seen is not None and number > 2 and (same or seen.dead) and number != node.init_pid:
            states.append(seen.state)
    return sorted(states)


async def _until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 - other processes have no event for us
            await asyncio.sleep(0.005)


async def _at_rest(node: Any) -> list[str]:
    """The same once who is dead was reaped; S for whoever else is not stopped, and may run."""

    async def all_reaped() -> bool:
        return "Z" not in _states(node)

    await _until(all_reaped)
    return sorted("S" if state in "RD" else state for state in _states(node))


async def _everything(folder: str) -> list[Any]:
    cluster, node = await _cluster(folder)
    programs = node.processes

    async def settled() -> bool:
        away = (await node.get("away.log")) == b"away\n"
        return away and _states(node) == ["S"] * 6  # sleep; sh, sleep, sh, sleep; the daemon

    for program in (SLEEP, FAMILY, AWAY):
        await programs.start(program)
        await programs.start(program)
    await cluster.nodes["n2"].processes.start(SLEEP)
    await _until(settled)
    log: list[Any] = [await programs.running()]
    for _ in range(2):
        await programs.pause()
    log += [await programs.running(), _states(node), await cluster.nodes["n2"].processes.running()]
    command = await node.run("echo", "commands work meanwhile")
    log.append(command.stdout)
    for _ in range(2):
        await programs.resume()
    log += [await programs.running(), await _at_rest(node)]
    await programs.kill("away")
    log += [await programs.running(), await _at_rest(node)]
    await programs.kill("family", "never-started")
    log += [await programs.running(), await _at_rest(node)]
    await programs.start(FAMILY)
    await programs.pause()
    for _ in range(2):
        await programs.kill()
    n2 = cluster.nodes["n2"].processes
    log += [await programs.running(), await _at_rest(node), await n2.running()]
    await programs.start(SLEEP)
    log.append(await programs.running())
    await cluster.down()
    return log


@pytest.mark.local
def test_kill_pause_resume_start(inside: Any, tmp_path: Path) -> None:
    everything = {"sleep": "running", "family": "running", "away": "running"}
    assert inside(_everything, str(tmp_path)) == [
        everything,
        *[dict.fromkeys(everything, "paused"), ["T"] * 6, {"sleep": "running"}],
        "commands work meanwhile\n",
        *[everything, ["S"] * 6],
        *[{"sleep": "running", "family": "running"}, ["S"] * 5],
        *[{"sleep": "running"}, ["S"]],
        *[{}, [], {"sleep": "running"}],
        {"sleep": "running"},
    ]


async def _output(folder: str) -> list[Any]:
    cluster, node = await _cluster(folder)
    script = 'echo "$GREETING"; pwd; echo err >&2; cat; ps -o sid= -p $$ | tr -d " "; echo $$'
    speaker = Process("s", ["sh", "-c", script], "deep/log", {"GREETING": "hi"}, "/usr")

    async def ended() -> bool:
        return not await node.processes.running()

    for _ in range(2):
        await node.processes.start(speaker)
        await _until(ended)
    lines = (await node.get("deep/log")).decode().splitlines()
    await cluster.down()
    return lines


@pytest.mark.local
def test_output_goes_to_the_end_of_the_log(inside: Any, tmp_path: Path) -> None:
    lines = inside(_output, str(tmp_path))
    assert len(lines) == 10
    for turn in (lines[:5], lines[5:]):
        assert turn[:3] == ["hi", "/usr", "err"]
        assert turn[3] == turn[4]  # it leads a session of its own


async def _refusals(folder: str) -> list[Any]:
    cluster, node = await _cluster(folder)
    await node.put("plain", b"no program", mode=0o644)
    complaints: list[Any] = []
    for process in (
        Process("a", ["/no/such/program"], "log"),
        Process("b", [f"{node.directory}/plain"], "log"),
        Process("c", ["true"], "log", cwd="/no/such/folder"),
    ):
        try:
            await node.processes.start(process)
        except InfrastructureError as error:
            complaints.append(str(error))
    complaints.append(await node.processes.running())
    await cluster.down()
    return complaints


@pytest.mark.local
def test_what_cannot_be_executed_is_told(inside: Any, tmp_path: Path) -> None:
    first, second, third, running = inside(_refusals, str(tmp_path))
    assert "cannot start a (/no/such/program)" in first and "No such file" in first
    assert "Permission denied" in second
    assert "/no/such/folder" in third
    assert running == {}


async def _graceful(folder: str) -> list[Any]:
    cluster, node = await _cluster(folder)
    polite = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    deaf = "trap '' TERM; echo up; while :; do sleep 0.01; done"
    await node.processes.start(Process("polite", ["sh", "-c", polite], "polite.log"))
    await node.processes.start(Process("deaf", ["sh", "-c", deaf], "deaf.log"))

    async def both_up() -> bool:
        return await node.get("polite.log") == await node.get("deaf.log") == b"up\n"

    await _until(both_up)
    await node.processes.kill(graceful_s=2.0)  # a busy machine lets the polite one wait, too
    said = (await node.get("polite.log")).decode().splitlines()
    answer = [said[-1], await node.processes.running(), await _at_rest(node)]
    await cluster.down()
    return answer


@pytest.mark.local
def test_sigterm_first(inside: Any, tmp_path: Path) -> None:
    assert inside(_graceful, str(tmp_path)) == ["bye", {}, []]


async def _fork_storm(folder: str) -> list[Any]:
    """A program that forks all the time is stopped and killed whole."""
    cluster, node = await _cluster(folder)
    storm = "while :; do sleep 0.001 & done"
    await node.processes.start(Process("storm", ["sh", "-c", storm], "log"))
    await asyncio.sleep(0.05)
    await node.processes.pause()
    states = set(_states(node))
    await node.processes.resume()
    await node.processes.kill("storm")
    # One that is in the kernel (D) when it is told to stop does nothing more of its own.
    answer = [sorted(states - {"Z", "D"}), await _at_rest(node)]
    await cluster.down()
    return answer


@pytest.mark.local
def test_a_storm_of_forks(inside: Any, tmp_path: Path) -> None:
    assert inside(_fork_storm, str(tmp_path)) == [["T"], []]
