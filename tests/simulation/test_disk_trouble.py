"""Troubles of simulated disks: what a process makes of them, and that they are bit-exact."""

import asyncio
import errno
import math
from random import Random

import pytest
from small_world import Silent, simulate

from duress.harness.cluster.disks import DiskTrouble
from duress.harness.simulation.disk import Disk
from duress.harness.simulation.disk_gate import RECORD_BYTES, DiskGate


class Stuck:
    def __init__(self):
        self.waits_s = []

    def __call__(self, wait_s):
        self.waits_s.append(wait_s)


@pytest.fixture
def stuck():
    return Stuck()


@pytest.fixture
def gate(stuck):
    return DiskGate(Random(1), stuck)


@pytest.fixture
def disk(gate):
    disk = Disk()
    disk.gate = disk.files.gate = gate
    return disk


def test_without_trouble_nothing_happens(disk, stuck):
    disk.append("log", 1)
    disk.sync()
    disk.files.write("a", 0, b"content")
    disk.files.sync("a")
    assert stuck.waits_s == []


def test_a_full_disk_takes_what_fits(disk, gate):
    gate.change(DiskTrouble(free_bytes=2 * RECORD_BYTES))
    disk.append("log", 1)
    disk.append("log", 2)
    disk.sync()
    disk.append("log", 3)
    with pytest.raises(OSError, match="No space left") as refused:
        disk.sync()
    assert refused.value.errno == errno.ENOSPC
    disk.crash("lost", Random(1))
    assert disk.read("log") == [1, 2]
    assert gate.change(DiskTrouble()) == {"ENOSPC": 1}
    disk.append("log", 3)
    disk.sync()


def test_files_may_be_overwritten_on_a_full_disk(disk, gate):
    disk.files.write("a", 0, b"0123")
    gate.change(DiskTrouble(free_bytes=0))
    disk.files.write("a", 1, b"xx")
    with pytest.raises(OSError, match="No space left"):
        disk.files.write("a", 4, b"4")
    assert disk.files.read("a") == b"0xx3"


@pytest.mark.parametrize("kind", ["write", "sync"])
def test_errors_are_of_the_kinds_that_were_asked_for(disk, gate, kind):
    gate.change(DiskTrouble(error_share=1.0, error_on=[kind]))
    if kind == "sync":
        disk.files.write("a", 0, b"content")
        with pytest.raises(OSError, match="Input/output"):
            disk.files.sync("a")
    else:
        with pytest.raises(OSError, match="Input/output"):
            disk.files.write("a", 0, b"content")
        disk.files.sync("a")


def test_each_write_and_sync_of_a_slow_disk_waits(disk, gate, stuck):
    gate.change(DiskTrouble(delay_s=0.1))
    disk.append("log", 1)
    disk.sync()
    assert len(stuck.waits_s) == 2
    assert all(0.05 <= wait_s <= 0.15 for wait_s in stuck.waits_s)
    gate.change(DiskTrouble(stalled=True))
    disk.files.sync("a")
    assert stuck.waits_s[-1] == math.inf


class Echo(Silent):
    """Answers a ping, after it has made its number durable."""

    def on_start(self):
        self.answers = []

    def on_message(self, message):
        body = message["body"]
        if body["type"] == "pong":
            self.answers.append((round(self.context._loop.now, 3), body["number"]))
            return
        self.context.storage.append("pings", body["number"])
        self.context.storage.sync()
        self.context.send(message["src"], {"type": "pong", "number": body["number"]})


QUICK = {"latency": "constant:1"}


def ping(world, *numbers):
    for number in numbers:
        world.of("n1").context.send("n2", {"type": "ping", "number": number})


def test_what_a_process_sends_after_a_slow_sync_leaves_late_and_in_order(tmp_path):
    async def story(world):
        await world.start()
        disk = world.cluster.nodes["n2"].disk
        await disk.trouble(DiskTrouble(delay_s=0.1))
        began = world.loop.now
        ping(world, 1, 2, 3)
        await asyncio.sleep(2)
        answers = world.of("n1").answers
        assert [number for _, number in answers] == [1, 2, 3]
        gaps_s = [when - began for when, _ in answers]
        for count, gap_s in enumerate(gaps_s, 1):  # a write and a sync each time
            assert 0.1 * count <= gap_s - 0.002 <= 0.3 * count
        await disk.trouble(DiskTrouble())
        began = world.loop.now
        ping(world, 4)
        await asyncio.sleep(1)
        assert world.of("n1").answers[-1] == (round(began + 0.002, 3), 4)

    simulate(story, tmp_path, Echo, **QUICK)


def test_a_stalled_disk_holds_everything_up_until_it_is_healed(tmp_path):
    async def story(world):
        await world.start()
        node = world.cluster.nodes["n2"]
        stalled = DiskTrouble(stalled=True)
        await node.disk.trouble(stalled)
        assert (await node.disk.probe(stalled)).took_s is None
        ping(world, 1, 2)
        await asyncio.sleep(5)
        assert world.of("n1").answers == []
        await node.processes.pause()
        await node.disk.trouble(DiskTrouble())
        await asyncio.sleep(1)
        assert [number for _, number in world.of("n1").answers] == [1]  # it was on its way
        await node.processes.resume()
        await asyncio.sleep(1)
        assert [number for _, number in world.of("n1").answers] == [1, 2]

    simulate(story, tmp_path, Echo, **QUICK)


def test_a_process_that_was_killed_while_it_waited_says_nothing_afterwards(tmp_path):
    async def story(world):
        await world.start()
        node = world.cluster.nodes["n2"]
        await node.disk.trouble(DiskTrouble(stalled=True))
        ping(world, 1)
        await asyncio.sleep(1)
        await node.processes.kill()
        await node.disk.trouble(DiskTrouble())
        await world.start("n2")
        ping(world, 2)
        await asyncio.sleep(1)
        assert [number for _, number in world.of("n1").answers] == [2]

    simulate(story, tmp_path, Echo, **QUICK)


def test_a_process_dies_of_an_error_of_its_disk(tmp_path):
    async def story(world):
        await world.start()
        node = world.cluster.nodes["n2"]
        broken = DiskTrouble(error_share=1.0, error_on=["sync"])
        await node.disk.trouble(broken)
        assert (await node.disk.probe(broken)).error == "EIO"
        ping(world, 1)
        await asyncio.sleep(1)
        assert await node.processes.running() == {}
        assert "Input/output error" in await world.log("n2")

    simulate(story, tmp_path, Echo, **QUICK)


def test_a_power_cut_says_what_is_left_and_a_copy_brings_back_what_was(tmp_path):
    class Writer(Silent):
        def on_start(self):
            storage = self.context.storage
            storage.append("log", "synced")
            storage.files.write("file", 0, b"synced")
            storage.sync()
            storage.files.sync("file")
            storage.append("log", "not")
            storage.files.write("file", 6, b" not")

    async def story(world):
        await world.start("n1")
        node = world.cluster.nodes["n1"]
        await node.disk.copy("before")
        lost = await node.disk.cut_power("lost", 512, "1")
        assert lost == {"writes_kept": 0, "writes_lost": 2}
        storage = node.storage("data")
        assert (storage.read("log"), storage.files.read("file")) == (["synced"], b"synced")
        [flipped] = await node.disk.damage("bit-flip", 1, "1")
        assert storage.files.read("file") != b"synced"
        assert flipped["path"].endswith("data/file")
        await node.disk.damage("truncate", 1, "1")
        assert len(storage.files.read("file")) < 6
        await node.disk.restore("before")
        storage = node.storage("data")
        assert storage.read("log") == ["synced", "not"]
        assert storage.files.read("file") == b"synced not"
        storage.crash("lost", Random(1))
        assert storage.files.read("file") == b"synced not"

    simulate(story, tmp_path, Writer)
