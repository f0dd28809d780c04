"""The nemesis of clocks: what it plans, that it sees its effect, and trials with it."""

import asyncio
from random import Random
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.attempts import attempt
from duress.harness.cluster.clocks import ClockReading, Disturbance
from duress.harness.errors import InfrastructureError, UserError
from duress.harness.fault import Scene
from duress.harness.planned_fault import PlannedFault
from duress.harness.shrink_steps import gentler_faults
from duress.harness.simulation.clock import NodeClock
from duress.harness.spec import TrialSpec
from duress.nemeses.clock import ClockNemesis, disturbances
from duress.nemeses.clock_shapes import SHAPES, Limits, gentler, varied

WALL, MONOTONIC = ("bump", "back", "strobe"), ("drift", "skip")


class Clocks:
    """One node's; ``deaf`` ones do not change, ``steady`` ones do not drift."""

    def __init__(self, deaf=False, steady=False):
        self.clock, self.time = NodeClock(5.0, 1.0), 0.0
        self.deaf, self.steady = deaf, steady
        self.runs = True

    def reason_unavailable(self):
        return None

    async def disturb(self, what):
        if not self.deaf:
            rate = 1.0 if self.steady else what.rate
            self.clock.disturb(self.time, msgspec.structs.replace(what, rate=rate))

    async def read(self):
        return {"p": self.clock.against_truth(self.time)} if self.runs else {}


class System:
    name = "it"
    clocks = ("monotonic", "wall")

    async def primaries(self):
        return ["n2"]


def scene(system=None, deaf=False, steady=False, **options):
    nodes = {f"n{i}": SimpleNamespace(clocks=Clocks(deaf, steady)) for i in range(1, 6)}
    cluster = SimpleNamespace(nodes=nodes)
    return Scene(cluster, system or System(), Random(3), {"interval_s": 1, **options})


def pass_time(at, seconds):
    for node in at.cluster.nodes.values():
        node.clocks.time += seconds


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_seen_to_work_and_is_healed(shape):
    async def story():
        at = scene()
        nemesis = ClockNemesis(at)
        fault = await nemesis.plan({"kind": "clock", "targets": "minority", "shape": shape}, 1)
        assert len(fault.targets) == 2
        seen = await nemesis.inject(fault)
        assert sorted(seen["clocks"]) == fault.targets
        pass_time(at, 2.0)
        off = {n: (await x.clocks.read())["p"] for n, x in at.cluster.nodes.items()}
        assert {n for n, r in off.items() if r.wall_off_s or r.monotonic_off_s} <= set(
            fault.targets
        )
        await nemesis.heal(fault)
        await nemesis.heal(fault)
        for node in at.cluster.nodes.values():
            assert (await node.clocks.read())["p"].wall_off_s == 0

    asyncio.run(story())


@pytest.mark.parametrize(("shape", "what"), [("bump", "wall clock"), ("skip", "wall clock")])
def test_a_clock_that_does_not_change_is_an_infrastructure_error(shape, what):
    async def story():
        nemesis = ClockNemesis(scene(deaf=True))
        fault = await nemesis.plan({"kind": "clock", "targets": "all", "shape": shape}, 1)
        with pytest.raises(InfrastructureError, match=f"n1: p: expected its {what} off by"):
            await nemesis.inject(fault)

    asyncio.run(story())


def test_a_clock_that_does_not_drift_is_found_out_when_it_is_healed():
    async def story():
        at = scene(steady=True)
        nemesis = ClockNemesis(at)
        parameters = {"shape": "drift", "clocks": [{"node": "n1", "rate": 1.5}]}
        fault = msgspec.structs.replace(
            await nemesis.plan({"kind": "clock", "targets": "one", "shape": "drift"}, 1),
            targets=["n1"],
            parameters=parameters,
        )
        await nemesis.inject(fault)
        pass_time(at, 2.0)
        for _ in range(2):  # trying again does not hide it
            with pytest.raises(
                InfrastructureError, match=r"expected its wall clock off by 1\.0000"
            ):
                await nemesis.heal(fault)
        at.cluster.nodes["n1"].clocks.runs = False
        await ClockNemesis(at).heal(fault)  # who does not run shows nothing

    asyncio.run(story())


def test_a_reading_that_took_long_is_believed_only_so_far():
    async def story():
        at = scene()
        nemesis = ClockNemesis(at)
        off = {"n1": ClockReading(0.3, None, 0.0, within_s=0.2)}
        at.cluster.nodes["n1"].clocks.read = lambda: asyncio.sleep(0, {"p": off["n1"]})
        fault = await nemesis.plan({"kind": "clock", "targets": "all", "shape": "bump"}, 1)
        for step_s, is_believed in ((0.45, True), (0.15, True), (0.6, False)):
            line = {"node": "n1", "step_s": step_s}
            one = msgspec.structs.replace(
                fault, targets=["n1"], parameters={"shape": "bump", "clocks": [line]}
            )
            if is_believed:
                await nemesis.inject(one)
            else:
                with pytest.raises(InfrastructureError):
                    await nemesis.inject(one)

    asyncio.run(story())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(2, 1000), st.floats(1e-4, 5))
def test_what_is_drawn_keeps_within_the_limits(seed, max_s, max_drift):
    most = Limits(max_s=max_s, lease_s=1.0, max_drift=max_drift)
    for name, shape in SHAPES.items():
        what = shape.draw(Random(seed), most)
        largest = max(abs(what.step_s), what.skip_s, abs(what.strobe_s))
        assert largest <= max_s * 1.001
        assert 1 / (1 + max_drift) * 0.99999 <= what.rate <= (1 + max_drift) * 1.00001
        assert (what.rate != 1) == (name == "drift")
        assert what.skip_s >= 0
        if name == "back":
            assert what.step_s <= -most.lease_s * 0.999
        assert what != Disturbance()
        assert what == shape.draw(Random(seed), most)
        for less in gentler(what):
            assert abs(less.step_s) <= abs(what.step_s)
            assert less.skip_s <= what.skip_s
            assert abs(less.rate - 1) <= abs(what.rate - 1)
        other = varied(Random(seed), what)
        assert other.rate > 0
        assert other.skip_s >= 0


def test_it_fits_the_clocks_that_a_system_reads():
    class Timers(System):
        clocks = ("monotonic",)

    class Silent(System):
        clocks = ()

    class Unreachable(Silent):
        why_no_clocks = "asks a satellite"

    async def story():
        drawn = {ClockNemesis(scene(Timers()))._wish(Random(i))["shape"] for i in range(40)}
        assert drawn == set(MONOTONIC)
        drawn = {ClockNemesis(scene())._wish(Random(i))["shape"] for i in range(40)}
        assert drawn == {*WALL, *MONOTONIC}
        with pytest.raises(UserError, match="does not say, as `clocks`"):
            ClockNemesis(scene(Silent()))
        with pytest.raises(UserError, match="it: asks a satellite"):
            ClockNemesis(scene(Unreachable()))
        with pytest.raises(UserError, match=r"back disturbs the wall clock alone.*drift, skip"):
            ClockNemesis(scene(Timers(), **{"clock-shapes": "drift,back"}))

    asyncio.run(story())


@pytest.mark.parametrize(
    "options",
    [
        {"clock-shapes": "sundial"},
        {"clock-max-s": "long"},
        {"clock-max-s": "-1"},
        {"clock-max-drift": "0"},
        {"clock-lease-s": "20"},
        {"clock-targets": "nobody"},
        {"clock-lasts": "long"},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(UserError, match=r"clock-|no choice named"):
        ClockNemesis(scene(**options)).generator()


@pytest.mark.parametrize(
    "clocks",
    [
        [{"node": "n1", "rate": 0}],
        [{"node": "n1", "skip_s": -1}],
        [{"node": "n1", "speed": 2}],
        [{"step_s": 1}],
        ["n1"],
        7,
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(clocks):
    with pytest.raises(UserError, match="clock: "):
        disturbances({"clocks": clocks})


def test_a_schedule_needs_clocks_for_its_targets_and_an_aim_needs_a_shape():
    async def story():
        nemesis = ClockNemesis(scene())
        fault = await nemesis.plan({"kind": "clock", "targets": "one", "shape": "bump"}, 1)
        with pytest.raises(UserError, match="needs `clocks` in its parameters for"):
            await nemesis.inject(msgspec.structs.replace(fault, parameters={}))

    asyncio.run(story())
    ClockNemesis.check_aim({"targets": "primaries", "shape": "skip"})
    for aim in ({"targets": "primaries"}, {"shape": "skip"}, {"targets": "one", "shape": "x"}):
        with pytest.raises(UserError, match="expected an aim"):
            ClockNemesis.check_aim(aim)


def test_a_planned_fault_can_be_lessened_and_varied():
    lines = [{"node": "n1", "step_s": 8.0}, {"node": "n2", "rate": 1.5}]
    fault = PlannedFault("clock", 1.0, 2.0, ["n1", "n2"], {"shape": "bump", "clocks": lines})
    lessened = [disturbances(each.parameters) for each in ClockNemesis.gentler(fault)]
    assert [each["n1"].step_s for each in lessened] == [0.8, 4.0, 6.0, 8.0, 8.0, 8.0]
    assert [each["n2"].rate for each in lessened] == [1.5, 1.5, 1.5, 1.05, 1.25, 1.375]
    changed = [ClockNemesis.vary(fault, Random(seed), []) for seed in range(10)]
    assert all(each.targets == fault.targets for each in changed)
    assert len({msgspec.json.encode(each) for each in changed}) > 3


# -- trials in virtual time ------------------------------------------------------------

SPEC = TrialSpec(
    system="multi-paxos",
    workload="register",
    nemeses=["clock"],
    cluster="sim",
    nodes=["n1", "n2", "n3"],
    seed=11,
    concurrency=6,
    rate=100.0,
    time_limit_s=12.0,
    settle_s=0.5,
    interval_s=1.5,
)


def test_a_trial_replays_from_its_schedule():
    first = attempt(SPEC)
    assert (first.outcome, first.error) == ("valid", None)
    assert {fault.kind for fault in first.faults} == {"clock"}
    assert len(first.faults) >= 3
    again = attempt(msgspec.structs.replace(SPEC, schedule=first.faults))
    assert (again.outcome, again.error) == ("valid", None)
    assert [(f.targets, f.parameters) for f in again.faults] == [
        (f.targets, f.parameters) for f in first.faults
    ]
    # The faults are the same to the moment; so clients, whom nothing else disturbs, see the same.
    assert again.operations == first.operations


def test_trials_with_every_other_fault_at_once_are_valid():
    for seed in range(3):
        nemeses = ["clock", "partition", "kill", "pause"]
        result = attempt(
            msgspec.structs.replace(SPEC, seed=seed, nemeses=nemeses, time_limit_s=20.0)
        )
        assert (result.outcome, result.error) == ("valid", None)


def test_the_shrinker_lessens_clock_faults_and_leaves_others_alone():
    clocks = {"shape": "bump", "clocks": [{"node": "n1", "step_s": 8.0}]}
    schedule = [
        PlannedFault("kill", 0.5, 0.8, ["n2"]),
        PlannedFault("clock", 1.0, 2.0, ["n1"], clocks),
    ]
    at: Any = SimpleNamespace(spec=msgspec.structs.replace(SPEC, schedule=schedule))
    found = [spec.schedule or [] for spec in gentler_faults(at)]
    assert [faults[0] for faults in found] == [schedule[0]] * 3
    steps = [disturbances(faults[1].parameters)["n1"].step_s for faults in found]
    assert steps == [0.8, 4.0, 6.0]
