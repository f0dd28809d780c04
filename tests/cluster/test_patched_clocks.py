"""Clocks of processes that know nothing of it, changed by way of their vDSO."""

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from duress.harness.cluster import pids, vdso
from duress.harness.cluster.clocks import Disturbance
from duress.harness.cluster.patched_clocks import (
    AGAIN_S,
    STOP_TIMEOUT_S,
    PatchedClocks,
)
from duress.harness.cluster.programs import Programs
from duress.harness.errors import InfrastructureError

from ..ability import needs

needs_vdso = needs(vdso.reason_unavailable())

# Answers with its wall clock (two ways of asking), its monotonic one and its CPU time, over and
# over; "fork" does so in a child from then on, "exec" in the same program executed anew.
WATCH = """
import os, sys, time
def tell():
    t = [time.time(), time.clock_gettime(5), time.monotonic(), time.process_time()]
    print(*t, flush=True)
if sys.argv[2:]:
    tell()
for line in sys.stdin:
    word = line.strip()
    if word == "fork" and os.fork():
        os.wait()
        break
    if word == "exec":
        python = [sys.executable, "-S", "-E", "-c"]
        os.execv(sys.executable, [*python, sys.argv[1], sys.argv[1], "anew"])
    tell()
"""


class Watched:
    def __init__(self, process):
        self.process = process

    def find(self):
        everyone = [pids.look(int(at.name)) for at in Path("/proc").iterdir() if at.name.isdigit()]
        living = [seen for seen in everyone if seen is not None and not seen.dead]
        return pids.family([self.process.pid], living)

    def ask(self, word="now"):
        """By how much its wall clocks and its monotonic one are off, and its CPU time."""
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        before = time.time(), time.monotonic()
        wall_s, coarse_s, monotonic_s, cpu_s = map(float, self.process.stdout.readline().split())
        return wall_s - before[0], coarse_s - before[0], monotonic_s - before[1], cpu_s


def no_vdso(pid):
    raise ProcessLookupError(f"process {pid}: has no vDSO")


@contextmanager
def watched(argv=(sys.executable, "-S", "-E", "-c", WATCH, WATCH)):
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        watch = Watched(process)
        if argv[0] == sys.executable:
            watch.ask()
        try:
            yield watch
        finally:
            for seen in watch.find():
                pids.send(seen, signal.SIGKILL)


async def until_off(watch, off_s):
    # Asked in a thread: the loop lets go on what it has stopped for its clocks.
    for _ in range(1000):
        if (seen := (await asyncio.to_thread(watch.ask))[0]) == near(off_s):
            break
        await asyncio.sleep(0.01)
    assert seen == near(off_s)


def near(off_s):
    # The machine may be busy between its look at the clock and ours.
    return pytest.approx(off_s, abs=0.4)


@needs_vdso
@pytest.mark.parametrize(
    ("what", "wall_s", "monotonic_s"),
    [
        (Disturbance(step_s=50), 50, 0),
        (Disturbance(step_s=-5000.5), -5000.5, 0),
        (Disturbance(skip_s=30), 30, 30),
        (Disturbance(rate=41.0), 20, 20),
        (Disturbance(strobe_s=60, period_s=200), 60, 0),
    ],
)
def test_a_process_sees_what_is_wrong_and_is_healed(what, wall_s, monotonic_s):
    async def story(watch):
        clocks = PatchedClocks("n1", watch.find)
        await clocks.disturb(what)
        began_s = time.monotonic()
        if what.rate != 1:
            await asyncio.sleep(0.5)
            wall_s_now = monotonic_s_now = (what.rate - 1) * (time.monotonic() - began_s)
            seen = watch.ask()
            assert seen[0] == pytest.approx(wall_s_now, rel=0.5)
            assert seen[2] == pytest.approx(monotonic_s_now, rel=0.5)
        else:
            seen = watch.ask()
            assert seen[:3] == (near(wall_s), near(wall_s), near(monotonic_s))
        assert 0 <= seen[3] < 5
        await clocks.disturb(Disturbance())
        healed = watch.ask()
        assert healed[:2] == (near(0), near(0))
        assert healed[2] >= seen[2] - 0.4
        assert pids.look(watch.process.pid).state != "T"

    with watched() as watch:
        asyncio.run(story(watch))


@needs_vdso
def test_a_strobe_flips():
    async def story(watch):
        clocks = PatchedClocks("n1", watch.find)
        await clocks.disturb(Disturbance(strobe_s=1000, period_s=0.02))
        seen = set()
        for _ in range(200):
            seen.add(round(watch.ask()[0] / 1000))
            await asyncio.sleep(0.003)
        assert seen == {0, 1}

    with watched() as watch:
        asyncio.run(story(watch))


@needs_vdso
def test_children_inherit_and_what_they_execute_is_told_too():
    async def story(watch):
        clocks = PatchedClocks("n1", watch.find)
        async with clocks.starting():
            pass
        assert watch.ask()[0] == near(0)
        await clocks.disturb(Disturbance(step_s=77))
        assert watch.ask("fork")[0] == near(77)
        await clocks.disturb(Disturbance(step_s=-77))
        assert watch.ask()[0] == near(-77)
        await asyncio.to_thread(watch.ask, "exec")
        await until_off(watch, -77)
        await clocks.disturb(Disturbance())
        assert watch.ask("exec")[0] == near(0)
        await clocks.end()

    with watched() as watch:
        asyncio.run(story(watch))


@needs_vdso
def test_a_wrapper_is_patched_and_what_it_executes_as_well():
    wrapper = f'sleep 0.3; exec {shlex.quote(sys.executable)} -S -E -c "$0" "$0"'

    async def story():
        with watched(["sh", "-c", wrapper, WATCH]) as watch:
            clocks = PatchedClocks("n1", watch.find)
            await clocks.disturb(Disturbance(step_s=-100))
            async with clocks.starting():
                pass
            await until_off(watch, -100)
            await clocks.end()

    asyncio.run(story())


@needs_vdso
def test_what_goes_wrong_with_a_newcomer_is_told_at_the_next_change(monkeypatch):
    async def story(watch):
        clocks = PatchedClocks("n1", watch.find)
        await clocks.disturb(Disturbance(step_s=1))
        monkeypatch.setattr(vdso, "_mapping", no_vdso)
        await asyncio.sleep(AGAIN_S * 2 + 0.2)
        with pytest.raises(InfrastructureError, match="its clocks cannot be changed"):
            await clocks.end()
        await clocks.end()

    monkeypatch.setattr("duress.harness.cluster.patched_clocks.STOP_TIMEOUT_S", 0.1)
    with watched() as watch:
        asyncio.run(story(watch))


@needs_vdso
def test_who_is_stopped_stays_so_and_who_is_gone_does_not_matter():
    async def story(watch):
        clocks = PatchedClocks("n1", watch.find)
        process = watch.process
        await pids.pause("n1", watch.find)
        await clocks.disturb(Disturbance(step_s=9))
        assert pids.look(process.pid).state == "T"
        os.kill(process.pid, signal.SIGCONT)
        assert watch.ask()[0] == near(9)
        found = watch.find()
        process.kill()
        process.wait()
        await PatchedClocks("n1", lambda: found).disturb(Disturbance(step_s=1))

    with watched() as watch:
        asyncio.run(story(watch))


# Processes that execute something else, and end, as fast as a shell can start them.
RESTLESS = "while :; do sh -c 'exec true' & true; sh -c true; done"


@contextmanager
def restless():
    process = subprocess.Popen(["sh", "-c", RESTLESS], start_new_session=True)

    def find():
        everyone = [pids.look(int(at.name)) for at in Path("/proc").iterdir() if at.name.isdigit()]
        return [s for s in everyone if s and not s.dead and s.session == process.pid]

    try:
        yield find
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@needs_vdso
def test_who_executes_or_ends_in_the_midst_is_no_error():
    async def story(find):
        clocks = PatchedClocks("n1", find)
        for step_s in range(1, 11):
            await clocks.disturb(Disturbance(step_s=step_s))
        await clocks.end()

    with restless() as find:
        asyncio.run(story(find))


@needs_vdso
def test_a_pause_and_the_clocks_of_newcomers_do_not_meet():
    async def story(find):
        programs = Programs("n1", find)
        clocks = PatchedClocks("n1", find, programs.duty)
        await clocks.disturb(Disturbance(step_s=1))
        for _ in range(10):
            async with clocks.starting():
                pass  # from here on it looks sooner
            await programs.pause()
            assert find()
            assert all(pids.stands(seen) for seen in find())
            await programs.resume()
        await clocks.end()

    with restless() as find:
        asyncio.run(story(find))


def test_while_a_node_is_paused_or_resumed_nobody_else_stops_its_processes(monkeypatch):
    programs_lock = []

    async def story():
        programs = Programs("n1", list)

        async def look(*_):
            programs_lock.append(programs.duty.lock.locked())

        monkeypatch.setattr(pids, "pause", look)
        monkeypatch.setattr(pids, "resume", look)
        await programs.pause()
        await programs.resume()
        async with programs.duty.lock:  # one of them may be stopped for a moment
            running = asyncio.ensure_future(programs.running())
            await asyncio.sleep(0.01)
            assert not running.done()
        assert await running == {}

    asyncio.run(story())
    assert programs_lock == [True, True]


@needs_vdso
def test_a_zombie_is_not_waited_for():
    process = subprocess.Popen(["sleep", "60"])
    alive = pids.look(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    began_s = time.monotonic()
    asyncio.run(PatchedClocks("n1", lambda: [alive]).disturb(Disturbance(step_s=1)))
    assert time.monotonic() - began_s < STOP_TIMEOUT_S
    process.wait()


@needs_vdso
def test_a_process_whose_vdso_never_comes_is_named(monkeypatch):
    monkeypatch.setattr(vdso, "_mapping", no_vdso)
    monkeypatch.setattr("duress.harness.cluster.patched_clocks.STOP_TIMEOUT_S", 0.1)
    with (
        watched() as watch,
        pytest.raises(
            InfrastructureError, match=r"n1: python.*: its clocks cannot be changed: .* has no vDSO"
        ),
    ):
        asyncio.run(PatchedClocks("n1", watch.find).disturb(Disturbance(step_s=1)))


@needs_vdso
@needs(None if shutil.which("as") else "no assembler here")
def test_the_code_is_the_assembled_source(tmp_path):
    source = Path(vdso.__file__).with_name("vdso_clock.s")
    assembled = tmp_path / "clock.o"
    subprocess.run(["as", "--64", "-o", assembled, source], check=True)
    subprocess.run(
        ["objcopy", "-O", "binary", "-j", ".text", assembled, tmp_path / "clock"], check=True
    )
    assert (tmp_path / "clock").read_bytes()[vdso.DATA_BYTES :] == vdso.CODE


@pytest.mark.parametrize("content", [b"", b"\x7fELF\x01" + bytes(4096), b"MZ" * 4096])
def test_what_is_no_image_is_refused(content):
    with pytest.raises(InfrastructureError, match="expected an ELF image of 64 bits"):
        vdso.image(content)


def test_other_machines_are_told_why(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert "needs Linux on x86-64; this is" in (vdso.reason_unavailable() or "")
