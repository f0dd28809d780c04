"""The nemesis of packets: what it plans, what it takes for an effect, and trials with it."""

import asyncio
import json
from random import Random
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.attempts import attempt
from duress.harness.cluster import CLIENTS
from duress.harness.cluster.impairment import USUAL, Impairment, Measured, checked
from duress.harness.errors import InfrastructureError, UserError
from duress.harness.fault import Fault, Scene
from duress.harness.planned_fault import PlannedFault
from duress.harness.spec import TrialSpec
from duress.nemeses import packet_effects, packet_shapes
from duress.nemeses.packets import PacketsNemesis, read

NODES = ["n1", "n2", "n3"]
MOST = packet_shapes.strengths({})


class Packets:
    """Links that do what they are told, unless they are ``deaf``; ``silent`` ones pass nothing."""

    backend = "told"

    def __init__(self, deaf=False, silent=()):
        self.rules, self.deaf, self.silent = {}, deaf, set(silent)
        self.was_reset = []
        self.ended: str | None = None

    async def impair(self, rules):
        if not self.deaf:
            self.rules = dict(rules)
        return {"packets": 7, "lost": 2}

    async def why_ended(self):
        return self.ended

    async def measure(self, links, how=USUAL):
        found, count = {}, how.datagrams
        for link in links:
            rule = self.rules.get(link, Impairment())
            rule = Impairment() if rule.ports and how.port not in rule.ports else rule
            gone = 1 - (1 - rule.loss) * (1 - rule.corrupt)
            lost = count if link in self.silent else round(count * gone)
            found[link] = Measured(
                sent=count,
                arrived=count - lost,
                duplicates=round(count * rule.duplicate),
                disordered=round(count * rule.reorder),
                garbled=round(count * rule.garble),
                median_ms=rule.delay_ms,
                rate_kbit=rule.rate_kbit or 1e5,
                checksum_errors=round(count * rule.corrupt),
            )
        return found

    async def reset(self, links):
        self.was_reset += links
        return len(links)


class System:
    name = "it"


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr("duress.nemeses.packets.PAUSE_S", 0)


def nemesis(packets: Any = None, **options: Any) -> PacketsNemesis:
    cluster: Any = SimpleNamespace(
        nodes=dict.fromkeys(NODES), network=SimpleNamespace(packets=packets or Packets())
    )
    system: Any = System()
    return PacketsNemesis(Scene(cluster, system, Random(3), {"interval_s": 3.0, **options}))


def fault(impairment, links=(("n1", "n2"),), kind="delay"):
    parameters = {
        "fault": kind,
        "links": [list(link) for link in links],
        "impairment": msgspec.to_builtins(impairment),
    }
    return Fault(1, "packets", ["n1", "n2"], parameters)


@pytest.mark.parametrize("what", sorted(packet_shapes.FAULTS))
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_what_is_drawn_makes_sense_and_is_within_bounds(what, seed):
    drawn = packet_shapes.draw(what, Random(seed), MOST)
    assert checked(drawn) == drawn
    assert drawn.is_nothing == (what == "reset")
    assert drawn.loss <= 0.3 or what == "cut"
    assert drawn.delay_ms <= 100
    assert max(drawn.reorder, drawn.duplicate, drawn.corrupt, drawn.garble) <= 0.3
    assert drawn.rate_kbit == 0 or 256 <= drawn.rate_kbit <= 16 * 256


@pytest.mark.parametrize("shape", sorted(packet_shapes.SHAPES))
@given(seed=st.integers(0, 1000), count=st.integers(2, 7))
def test_links_of_shapes(shape, seed, count):
    nodes = [f"n{number}" for number in range(count)]
    links = packet_shapes.SHAPES[shape](nodes, Random(seed))
    assert all(a != b and {a, b} <= {*nodes, CLIENTS} for a, b in links)
    assert links or (shape == "majorities-ring" and count < 4)
    if shape in ("nodes", "halves", "one-way", "majorities-ring"):
        assert not any(CLIENTS in link for link in links)


def test_a_plan_is_data_that_can_be_replayed():
    made = nemesis()
    wish = {"kind": "packets", "fault": "mixed", "links": "one"}
    planned = asyncio.run(made.plan(wish, 7))
    assert planned is not None
    again = json.loads(msgspec.json.encode(planned.parameters))
    links, impairment = read(again)
    assert {CLIENTS, *planned.targets} == {end for link in links for end in link}
    assert impairment.loss and impairment.jitter_ms and impairment.duplicate
    assert asyncio.run(made.inject(planned))["observed_links"] == len(links)
    healed = asyncio.run(made.heal(planned))
    assert healed["observed_links"] == len(links)
    assert healed["passed"] == {"packets": 7, "lost": 2}


@pytest.mark.parametrize(
    ("impairment", "said"),
    [
        (Impairment(delay_ms=50), "late by 0 ms, expected 50"),
        (Impairment(loss=0.3), "none of 59 was lost, expected 30.0%"),
        (Impairment(duplicate=0.3), "none of 59 was duplicated, expected 30.0%"),
        (Impairment(garble=0.3), "none of 59 was garbled"),
        (Impairment(loss=0.9), "0.0% lost, expected 90.0%"),
        (Impairment(corrupt=0.3), "none of 59 was lost, expected 30.0%"),
        (Impairment(rate_kbit=100), "100000 kbit/s, expected 100"),
        (Impairment(loss=1), "20 of 20 arrived although it is cut"),
    ],
)
def test_what_has_no_effect_is_a_failure(impairment, said):
    made = nemesis(Packets(deaf=True))
    with pytest.raises(InfrastructureError, match=said):
        asyncio.run(made.inject(fault(impairment)))
    asyncio.run(nemesis().inject(fault(impairment)))  # and what has one is none


def test_what_stays_is_a_failure_to_heal():
    packets = Packets()
    made = nemesis(packets)
    asyncio.run(made.inject(fault(Impairment(delay_ms=50))))
    packets.deaf = True
    with pytest.raises(InfrastructureError, match="late by 50 ms, seen 6 times"):
        asyncio.run(made.heal(fault(Impairment(delay_ms=50))))


def test_a_fault_that_ended_too_early_is_a_failure_although_it_is_healed():
    packets = Packets()
    made = nemesis(packets)
    it = fault(Impairment(delay_ms=50))
    asyncio.run(made.inject(it))
    packets.ended = "it died"
    with pytest.raises(InfrastructureError, match="before it was healed: it died"):
        asyncio.run(made.heal(it))
    packets.ended = None  # as nothing is impaired any more
    assert packets.rules == {}
    with pytest.raises(InfrastructureError, match="before it was healed: it died"):
        asyncio.run(made.heal(it))


def test_a_link_on_which_nothing_ever_passed_tells_nothing():
    links = [("n1", "n2"), ("n1", CLIENTS)]
    made = nemesis(Packets(silent=[("n1", CLIENTS)]))
    it = fault(Impairment(delay_ms=50), links)
    assert asyncio.run(made.inject(it))["observed_links"] == 1
    assert asyncio.run(made.heal(it))["observed_links"] == 1


def test_other_ports_must_pass():
    made = nemesis()
    it = fault(Impairment(loss=1, ports=(2380,)), kind="cut")
    assert asyncio.run(made.inject(it))["lost"] == 20


def test_a_reset_happens_once_and_has_nothing_to_heal():
    packets = Packets()
    made = nemesis(packets)
    it = fault(Impairment(), kind="reset")
    assert asyncio.run(made.inject(it)) == {"broken": 1}
    asyncio.run(made.heal(it))
    assert packets.was_reset == [("n1", "n2")]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"packets-faults": "los"}, "packets-faults: there is no 'los'"),
        ({"packets-links": "ring"}, "packets-links: there is no 'ring'"),
        ({"packets-max-loss": "2"}, "packets-max-loss: expected a number from 0 to 1"),
        ({"packets-ports": "http"}, "packets-ports: expected ports"),
        ({"packets-corrupt": "all"}, "packets-corrupt: expected one of checksum, payload"),
    ],
)
def test_options_are_checked(options, said):
    with pytest.raises(UserError, match=said):
        nemesis(**options)


@pytest.mark.parametrize("parameters", [{}, {"links": 3}, {"links": [["a", "b"]], "impairment": 3}])
def test_a_planned_one_needs_its_links(parameters):
    with pytest.raises(UserError, match="needs `links`"):
        read(parameters)


def test_aims_are_checked():
    PacketsNemesis.check_aim({"fault": "loss", "links": "primary"})
    with pytest.raises(UserError, match="one of the links"):
        PacketsNemesis.check_aim({"fault": "loss", "links": "x"})


def test_gentler_ones_do_less():
    wrong = Impairment(loss=0.2, delay_ms=40, jitter_ms=10)
    it = fault(wrong, [("n1", "n2"), ("n2", "n1")])
    planned = PlannedFault("packets", 1.0, 2.0, it.targets, it.parameters)
    found = [read(each.parameters) for each in PacketsNemesis.gentler(planned)]
    assert [len(links) for links, _ in found] == [1, 1, 2, 2, 2, 2]
    assert [each for _, each in found[2:]] == [
        Impairment(delay_ms=40, jitter_ms=10),
        Impairment(loss=0.2),
        Impairment(loss=0.2, delay_ms=40),
        Impairment(loss=0.2, delay_ms=20, jitter_ms=5),
    ]
    assert not list(PacketsNemesis.gentler(PlannedFault("packets", 1.0)))


def test_enough_datagrams_to_see_it():
    assert packet_effects.probing(Impairment(loss=0.3)).datagrams == 59
    assert packet_effects.probing(Impairment(loss=0.001)).datagrams == packet_effects.MOST_PROBES
    assert packet_effects.probing(Impairment(loss=1, ports=(9,))).port == 9
    rate = packet_effects.probing(Impairment(rate_kbit=256))
    assert rate.datagrams * 1228 * 8 / 256_000 < 0.5


SPEC = TrialSpec(
    system="raft",
    workload="register",
    nemeses=["packets"],
    cluster="sim",
    nodes=["n1", "n2", "n3", "n4", "n5"],
    seed=11,
    concurrency=10,
    rate=100.0,
    time_limit_s=12.0,
    settle_s=0.5,
    interval_s=1.0,
)


def test_a_trial_replays_from_its_schedule():
    first = attempt(SPEC)
    assert (first.outcome, first.error) == ("valid", None)
    assert {fault.kind for fault in first.faults} == {"packets"}
    assert len({fault.parameters["fault"] for fault in first.faults}) > 2
    again = attempt(msgspec.structs.replace(SPEC, schedule=first.faults))
    assert [each.parameters for each in again.faults] == [e.parameters for e in first.faults]
    assert (again.outcome, again.operations) == ("valid", first.operations)


def test_together_with_partitions_and_kills():
    nemeses = ["packets", "partition", "kill"]
    result = attempt(msgspec.structs.replace(SPEC, nemeses=nemeses, seed=12))
    assert (result.outcome, result.error) == ("valid", None)
    assert {fault.kind for fault in result.faults} == set(nemeses)


class Coordinated(System):
    primary_role = "coordinator"
    roles = ("coordinator", "participant")

    async def primaries(self):
        return ["n2"]

    async def in_role(self, role):
        return ["n3"] if role == "participant" else ["n2"]


@pytest.mark.parametrize(
    ("word", "node"), [("coordinator", "n2"), ("primary", "n2"), ("participant", "n3")]
)
def test_links_of_roles_as_the_system_calls_them(word, node):
    cluster: Any = SimpleNamespace(nodes=dict.fromkeys(NODES))
    system: Any = Coordinated()
    options = {"interval_s": 3.0, "packets-links": word}
    made = PacketsNemesis(Scene(cluster, system, Random(3), options))
    wish = made._wish(Random(1))
    PacketsNemesis.check_aim({name: wish[name] for name in ("fault", "links")})
    planned = asyncio.run(made.plan(wish, 1))
    assert planned is not None
    links, _ = read(planned.parameters)
    assert len(links) == 6
    assert all(node in link for link in links)
