"""When faults come: by weight, not too many at once, in phases."""

from collections import Counter
from random import Random

import msgspec
import pytest

from duress.harness.composition import FaultPhase
from duress.harness.errors import UserError
from duress.harness.fault_rhythm import in_phases, together
from duress.harness.generator import PENDING, Context, cycle
from duress.harness.operation import NEMESIS, Operation
from duress.harness.spared import Bounds
from duress.nemeses.cadence import Cadence


class Nemesis:
    def __init__(self, kind, every_s, lasts_s, random=None):
        self.arguments = kind, every_s, lasts_s, random or Random(kind)

    def generator(self):
        kind, every_s, lasts_s, random = self.arguments
        return Cadence(kind, lambda _: {"kind": kind}, random, every_s=every_s, lasts_s=lasts_s)


def play(generator, until_s, took_s=0.01, begin=0, seed=1, skip=()):
    """Every operation of the nemesis process until then: ``(seconds, f, kind or value)``.

    Faults of the kinds in ``skip`` are never possible.
    """
    random = Random(seed)
    now, seen, number = begin, [], 0
    while now < until_s * 1e9:
        context = Context.start(0, random, time=now)
        answer = generator.op(context)
        if answer is None:
            break
        step, successor = answer
        if step is PENDING:
            now += 50_000_000  # an event of somebody else's
            continue
        assert isinstance(step, Operation)
        if step.time > now + 50_000_000:
            now += 50_000_000
            continue
        now = max(now, step.time)
        if now >= until_s * 1e9:
            break
        seen.append((now / 1e9, step.f, step.value.get("kind", step.value)))
        generator = successor.update(context.with_time(now), step)
        now += int(took_s * 1e9)
        number += 1
        value = step.value
        if step.f == "inject":
            left_out = value["kind"] in skip
            value = {"kind": value["kind"], **({"skipped": "no"} if left_out else {"id": number})}
        done = Operation(-1, now, NEMESIS, "info", step.f, value)
        generator = generator.update(context.with_time(now), done)
    return seen


def injections(seen):
    return Counter(kind for _, f, kind in seen if f == "inject")


def most_at_once(seen):
    active, most = set(), 0
    for _, f, kind in seen:
        if isinstance(kind, dict):  # a heal of all
            active = set()
            continue
        active = active | {kind} if f == "inject" else active - {kind}
        most = max(most, len(active))
    return most


NEMESES = {"partition": Nemesis("partition", 3, 3), "kill": Nemesis("kill", 3, 1)}
FREE = Bounds()


@pytest.mark.parametrize("weights", [{"partition": 3, "kill": 1}, {"kill": 5}, {"partition": 0.5}])
def test_faults_come_as_often_as_their_weights_say(weights):
    counts = injections(play(together(NEMESES, weights, FREE), 6000))
    wanted = weights.get("partition", 1) / weights.get("kill", 1)
    assert counts["partition"] / counts["kill"] == pytest.approx(wanted, rel=0.08)
    # Nobody comes more often than by himself: partitions every 6 s, kills every 4 s.
    assert counts["partition"] <= 1050
    assert counts["kill"] <= 1560
    assert counts["partition"] > 950 or counts["kill"] > 1440


def test_without_weights_each_keeps_its_rhythm():
    counts = injections(play(together(NEMESES, {}, FREE), 2400))
    assert counts["partition"] == pytest.approx(400, rel=0.08)
    assert counts["kill"] == pytest.approx(600, rel=0.08)


def test_faults_last_as_long_whatever_their_weight():
    seen = play(together(NEMESES, {"partition": 4}, FREE), 4000)
    began, lasted = 0.0, []
    for at, f, kind in seen:
        if kind == "kill":
            began, _ = (at, None) if f == "inject" else (began, lasted.append(at - began))
    assert sum(lasted) / len(lasted) == pytest.approx(1, rel=0.15)


def test_what_has_no_rhythm_has_no_weight():
    mine = type("Mine", (), {"generator": lambda self: cycle([{"f": "inject"}])})()
    assert together({"mine": mine}, {}, FREE) is not None
    with pytest.raises(UserError, match="mine: has no rhythm"):
        together({"mine": mine}, {"mine": 2.0}, FREE)


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_faults_at_once_than_allowed(most):
    nemeses = {**NEMESES, "pause": Nemesis("pause", 1, 2), "clock": Nemesis("clock", 1, 4)}
    free = play(together(nemeses, {}, FREE), 300)
    assert most_at_once(free) == 4
    seen = play(together(nemeses, {}, Bounds(most)), 300)
    assert most_at_once(seen) == most
    assert set(injections(seen)) == set(nemeses)
    assert min(injections(seen).values()) > 10


def test_faults_that_wait_are_chosen_by_weight():
    nemeses = {kind: Nemesis(kind, 0.01, 1) for kind in ("a", "b", "c")}
    counts = injections(play(together(nemeses, {"a": 1, "b": 1, "c": 1}, Bounds(1)), 900))
    assert min(counts.values()) > 0.8 * max(counts.values())


def test_a_fault_that_was_left_out_takes_nobody_s_place():
    seen = play(together(NEMESES, {}, Bounds(1)), 200, skip={"partition"})
    kills = injections(seen)["kill"]
    assert kills == pytest.approx(50, rel=0.25)


def test_phases_heal_all_in_between_and_begin_anew():
    phases = [FaultPhase(5.0), FaultPhase(20.0, ["kill"]), FaultPhase(5.0), FaultPhase(9, ["kill"])]
    begin = 2 * 10**9
    seen = play(in_phases(phases, NEMESES, FREE, begin), 41, begin=begin)
    heals = [(at, value) for at, f, value in seen if isinstance(value, dict)]
    assert [at for at, _ in heals] == pytest.approx([7, 27, 32], abs=0.06)
    assert [value["phase"] for _, value in heals] == [1, 2, 3]
    strikes = [at for at, f, kind in seen if f == "inject"]
    assert all(8.4 < at < 27.1 or 33.4 < at < 41.1 for at in strikes)
    assert any(at < 27 for at in strikes)
    assert any(at > 32 for at in strikes)
    assert len(strikes) >= 5


def test_a_phase_has_its_own_weights_and_the_bounds_of_all():
    heavy = FaultPhase(1000.0, ["partition", "kill"], {"partition": 3.0, "kill": 1.0})
    seen = play(in_phases([heavy, FaultPhase(1000.0, ["kill"])], NEMESES, Bounds(1), 0), 2000)
    first, second = (
        injections(s for s in seen if s[0] < 1000),
        injections(s for s in seen if s[0] > 1000),
    )
    assert first["partition"] > 1.9 * first["kill"] > 0
    assert list(second) == ["kill"]
    assert most_at_once(seen) == 1


def test_nemeses_that_a_trial_does_not_have_are_left_out_of_phases():
    phases = [FaultPhase(10.0, ["kill", "partition"])]
    seen = play(in_phases(phases, {"kill": NEMESES["kill"]}, FREE, 0), 10)
    assert set(injections(seen)) == {"kill"}


def test_answers_bind_nobody():
    """Asked twice, a generator gives the same faults, as every generator must."""
    generator = together(NEMESES, {"kill": 2.0}, Bounds(1))
    assert generator is not None
    context = Context.start(0, Random(0))
    one, two = generator.op(context), generator.op(context)
    assert one is not None and two is not None
    assert msgspec.to_builtins(one[0]) == msgspec.to_builtins(two[0])
