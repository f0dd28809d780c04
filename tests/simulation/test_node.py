"""Processes, timers, clocks and files of simulated nodes."""

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import Silent, simulate

from duress.harness.cluster import Process
from duress.harness.cluster.sim import SimCluster
from duress.harness.errors import InfrastructureError, UserError


class Ticker(Silent):
    """Writes down its clock at every tick; counts its lives on disk."""

    def on_start(self):
        self.ticks, self.recovered = [], False
        self.context.storage.append("lives", 1)
        self.context.storage.sync()
        self.context.storage.append("unsynced", 1)
        self.context.set_timer("tick", 0.1)

    def on_crash_recovery(self):
        self.on_start()
        self.recovered = True

    def on_timer(self, name):
        self.ticks.append((self.context._loop.now, self.context.now()))
        self.context.set_timer("tick", 0.1)


class Clumsy(Silent):
    def on_message(self, message):
        raise RuntimeError("did not expect that")


def test_a_crash_keeps_what_was_synced(tmp_path):
    async def story(world):
        await world.start()
        processes = world.cluster.nodes["n1"].processes
        await world.start("n1")  # runs already: no effect
        assert sum(one.context.node_id == "n1" for one in world.made) == 1
        await asyncio.sleep(1)
        await processes.kill("it")
        await processes.kill("it")
        ticks = len(world.of("n1").ticks)
        await asyncio.sleep(1)
        assert len(world.of("n1").ticks) == ticks >= 9
        await world.start("n1")
        again = world.of("n1")
        assert again.recovered
        assert list(again.context.storage.read("lives")) == [1, 1]
        assert list(again.context.storage.read("unsynced")) == [1]
        await world.cluster.nodes["n1"].run("rm", "-rf", "data")
        await processes.kill()
        await world.start("n1")
        assert not world.of("n1").recovered
        log = await world.log("n1")
        assert [line.split()[-1] for line in log.splitlines()] == [
            "started",
            "recovered",
            "started",
        ]

    simulate(story, tmp_path, Ticker, unsynced="lost")


def test_a_stopped_node_is_silent_and_its_timers_come_late_once(tmp_path):
    async def story(world):
        await world.start()
        processes = world.cluster.nodes["n1"].processes
        await asyncio.sleep(0.5)
        before = len(world.of("n1").ticks)
        await processes.pause()
        await processes.pause()
        await asyncio.sleep(10)
        assert len(world.of("n1").ticks) == before
        await processes.resume()
        await processes.resume()
        await asyncio.sleep(0.05)
        assert len(world.of("n1").ticks) == before + 1
        await asyncio.sleep(0.5)
        assert len(world.of("n1").ticks) == pytest.approx(before + 6, abs=1)
        await processes.pause()
        await processes.kill()
        await asyncio.sleep(1)
        assert await processes.running() == {}

    simulate(story, tmp_path, Ticker)


def test_a_node_that_is_stopped_or_killed_while_it_boots(tmp_path):
    async def story(world):
        for name in world.cluster.nodes:
            await world.cluster.nodes[name].put("program", b"")
        n1, n2 = (world.cluster.nodes[name] for name in ("n1", "n2"))
        for node in (n1, n2):
            argv = [f"{node.directory}/program", node.name]
            await node.processes.start(Process(name="it", argv=argv, log="log"))
        await n1.processes.pause()
        await n2.processes.kill()
        await asyncio.sleep(5)
        assert world.made == []
        await n1.processes.resume()
        await asyncio.sleep(0.01)
        assert [one.context.node_id for one in world.made] == ["n1"]

    simulate(story, tmp_path, Ticker)


def test_an_exception_in_a_protocol_is_a_crash_with_a_traceback_in_the_log(tmp_path):
    async def story(world):
        await world.start()
        world.of("n1").context.send("n2", {"type": "x"})
        await asyncio.sleep(1)
        assert await world.cluster.nodes["n2"].processes.running() == {}
        assert await world.cluster.nodes["n3"].processes.running() == {"it": "running"}
        assert "RuntimeError: did not expect that" in await world.log("n2")

    simulate(story, tmp_path, Clumsy)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    changes=st.lists(
        st.tuples(st.sampled_from(["jump", "drift"]), st.floats(0, 3), st.floats(0.01, 0.7)),
        max_size=6,
    ),
)
def test_clocks_never_go_back_and_timers_keep_to_them(tmp_path_factory, seed, changes):
    async def story(world):
        await world.start()
        for kind, size, pause_s in changes:
            clock = world.cluster.nodes["n1"].clock
            if kind == "jump":
                clock.jump(world.loop.now, size)
            else:
                clock.drift(world.loop.now, 0.5 + size)
            await asyncio.sleep(pause_s)
        return [one.ticks for one in world.made]

    options = {"seed": seed, "clock-drift": 100_000}
    for ticks in simulate(story, tmp_path_factory.mktemp("run"), Ticker, **options):
        times = [local for _, local in ticks]
        assert times == sorted(times)
        gaps = [b - a for a, b in itertools.pairwise(times)]
        jumps = sum(kind == "jump" for kind, *_ in changes)
        assert all(gap >= 0.1 - 1e-6 for gap in gaps)
        assert sum(gap > 0.1 + 1e-6 for gap in gaps) <= jumps


def test_clocks_differ_as_the_options_say(tmp_path):
    async def story(world):
        await asyncio.sleep(100)
        clocks = [node.clock for node in world.cluster.nodes.values()]
        with pytest.raises(UserError, match="cannot jump back"):
            clocks[0].jump(world.loop.now, -1)
        with pytest.raises(UserError, match="expected a rate"):
            clocks[0].drift(world.loop.now, 0)
        return [(clock.read(0), clock.rate) for clock in clocks]

    readings = simulate(story, tmp_path, nodes=20, **{"clock-offset": 5, "clock-drift": 1000})
    assert len(set(readings)) == 20
    assert all(0 <= offset <= 5 and abs(rate - 1) <= 0.001 for offset, rate in readings)
    exact = simulate(story, tmp_path, **{"clock-offset": 0, "clock-drift": 0})
    assert set(exact) == {(0, 1)}


def test_files_and_commands(tmp_path):
    async def story(world):
        node = world.cluster.nodes["n1"]
        await node.put("a/b", b"1")
        await node.put(f"{node.directory}/a/c", b"2")
        assert await node.get(f"{node.directory}/a/b") == b"1"
        await node.run("rm", "-rf", "a")
        with pytest.raises(FileNotFoundError, match="n1:/duress/n1/a/c"):
            await node.get("a/c")
        with pytest.raises(InfrastructureError, match="`iptables -F` cannot be simulated"):
            await node.run("iptables", "-F")
        with pytest.raises(InfrastructureError, match=r"no such file on the node"):
            await node.processes.start(Process(name="x", argv=["program"], log="log"))
        with pytest.raises(InfrastructureError, match="cannot be simulated; expected one of"):
            await node.processes.start(Process(name="x", argv=["etcd", "--x"], log="log"))

    simulate(story, tmp_path)


def test_it_needs_its_own_loop(tmp_path):
    async def story():
        SimCluster("x", ["n1"], tmp_path, {})

    with pytest.raises(InfrastructureError, match="runs in real time"):
        asyncio.run(story())
    assert SimCluster.reason_unavailable() is None
