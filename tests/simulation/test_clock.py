"""The clocks of simulated nodes: what disturbs them, and that they are healed."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import Silent, simulate

from duress.harness.cluster.clocks import Disturbance
from duress.harness.simulation.clock import EPOCH_S, NodeClock

SECONDS = st.floats(-1e4, 1e4).map(lambda s: round(s, 3))
LATER = st.floats(0, 1e4).map(lambda s: round(s, 3))
DISTURBANCES = st.builds(
    Disturbance,
    step_s=SECONDS,
    skip_s=LATER,
    rate=st.floats(0.01, 10),
    strobe_s=SECONDS,
    period_s=st.sampled_from([0.0, 0.02, 1.0]),
)


@settings(max_examples=100, deadline=None)
@given(
    st.floats(0, 1e4),
    st.floats(0.5, 1.5),
    st.lists(st.tuples(LATER, DISTURBANCES), max_size=6),
    LATER,
)
def test_a_healed_clock_agrees_with_the_true_one_and_the_monotonic_one_never_went_back(
    offset_s, own_rate, story, quiet_s
):
    clock, now, last = NodeClock(offset_s, own_rate), 0.0, float("-inf")
    for wait_s, what in story:
        now += wait_s
        clock.disturb(now, what)
        for _ in range(3):
            now += 0.007
            assert clock.read(now) >= last
            last = clock.read(now)
            expected = EPOCH_S + now + what.wall_off_s(clock.against_truth(now).elapsed_s)
            assert clock.wall(now) == expected
    clock.disturb(now, Disturbance())
    before = clock.read(now)
    assert clock.wall(now + quiet_s) == pytest.approx(EPOCH_S + now + quiet_s, abs=1e-5)
    assert clock.read(now + quiet_s) - before == pytest.approx(own_rate * quiet_s, abs=1e-5)
    assert clock.against_truth(now + quiet_s).wall_off_s == 0


class Watcher(Silent):
    """Sets a timer of a second and writes down when it ran out, in true seconds."""

    def on_start(self):
        self.rang = []
        self.context.set_timer("a", 1.0)

    def on_timer(self, name):
        self.rang.append(self.context._loop.now)


@pytest.mark.parametrize(
    ("what", "true_s"),
    [
        (Disturbance(rate=2.0), 0.6),
        (Disturbance(rate=0.5), 1.8),
        (Disturbance(skip_s=0.5), 0.5),
        (Disturbance(skip_s=30), 0.2),
        (Disturbance(step_s=-100), 1.0),
        (Disturbance(step_s=100), 1.0),
        (Disturbance(strobe_s=5, period_s=0.02), 1.0),
    ],
)
def test_timers_follow_the_monotonic_clock_alone(tmp_path, what, true_s):
    async def story(world):
        await world.start("n1")  # it booted 10 ms before this returns
        began = world.loop.now - 0.01
        await asyncio.sleep(0.19)
        await world.cluster.nodes["n1"].clocks.disturb(what)
        await asyncio.sleep(5)
        assert world.of("n1").rang == [pytest.approx(began + true_s, abs=0.001)]

    simulate(story, tmp_path, Watcher, **{"clock-drift": 0})


def test_only_running_programs_are_read_and_a_new_life_has_the_same_clock(tmp_path):
    async def story(world):
        await world.start()
        node = world.cluster.nodes["n2"]
        await node.clocks.disturb(Disturbance(step_s=7))
        assert {n: r.wall_off_s for n, r in (await node.clocks.read()).items()} == {"it": 7}
        assert node.clocks.reason_unavailable() is None
        await node.processes.pause()
        assert await node.clocks.read() == {}
        await node.processes.kill()
        await world.start("n2")
        assert world.of("n2").context.wall_time() == EPOCH_S + world.loop.now + 7
        assert world.of("n1").context.wall_time() == EPOCH_S + world.loop.now

    simulate(story, tmp_path)
