"""The checker of placement: each anomaly by hand, and bounds against counting by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.placement import Placement
from duress.fixtures.protocols.hash_ring import HashRing, ModuloRing
from duress.harness.history import History
from duress.harness.operation import Operation

KEYS = 200


class Script:
    """Writes histories: each step at its own moment."""

    def __init__(self):
        self.operations = []

    def add(self, kind, f, value, key=None, process=0, node="n1"):
        time = len(self.operations) * 1_000_000
        self.operations.append(Operation(-1, time, process, kind, f, value, key=key, node=node))
        return self

    def put(self, value, outcome="ok", process=0):
        self.add("invoke", "put", value, 0, process)
        return self.add(outcome, "put", value, 0, process) if outcome else self

    def get(self, value, f="get", process=1):
        return self.add("invoke", f, None, 0, process).add("ok", f, value, 0, process)

    def ring(self, epoch, members, owners=None, node="n1", f="ring", kind=HashRing):
        if owners is None:
            ring = kind(members, 64, 2)
            owners = [ring.owners(f"key {at}") for at in range(KEYS)]
        told = {"epoch": epoch, "members": list(members), "owners": owners}
        self.add("invoke", f, KEYS, None, 2, node)
        return self.add("ok", f, told, None, 2, node)

    def verdict(self, **bounds):
        return Placement(**bounds).check(History(self.operations), {})

    def names(self, **bounds):
        return sorted({anomaly.name for anomaly in self.verdict(**bounds).anomalies})


ABC = ["n1", "n2", "n3"]
ABCD = [*ABC, "n4"]


def plain():
    return Script().ring(1, ABC).put(1)


def test_a_right_history():
    script = plain().get(1).put(2, None, 3).get(1).get(2, process=4).get(1, process=5)
    script.ring(2, ABCD).ring(3, ["n1", "n2", "n4"], node="n2").get(2, "last-get", 6)
    verdict = script.verdict()
    assert verdict.valid is True
    assert verdict.statistics["changes_judged"] == 2
    assert 0.7 < verdict.statistics["worst_movement"] < 1.4


def test_changes_of_the_ring_before_a_stale_read_are_part_of_its_story():
    script = plain()
    for outcome in ("ok", "fail", "info"):
        script.add("invoke", "change", ["join", "n4"]).add(outcome, "change", ["join", "n4"])
    (anomaly,) = script.get(None).verdict().anomalies
    assert anomaly.explanation.endswith("In between, clients asked for 2 changes of the ring.")
    assert anomaly.operations == [2, 4, 8, 10]


@pytest.mark.parametrize(
    ("script", "names"),
    [
        (plain().get(None), ["stale-read"]),
        (plain().put(2).get(1), ["stale-read"]),
        (plain().put(2).get(1, "last-get"), ["lost-key", "stale-read"]),
        (plain().get(7), ["garbage-read"]),
        (plain().put(2, "fail").get(2), ["garbage-read"]),
        (plain().get(2).put(2), ["garbage-read"]),
        (plain().get(1).ring(2, ABCD, [["n1"]] * KEYS), ["under-replicated"]),
        (plain().get(1).ring(2, ABCD, [["n1", "n1"]] * KEYS), ["under-replicated"]),
        (plain().get(1).ring(3, ABC, [["n1", "n9"]] * KEYS), ["foreign-owner"]),
        (plain().get(1).ring(1, ABC, [["n1", "n2"]] * KEYS, "n2"), ["ownership-disagreement"]),
        (plain().get(1).ring(5, ABCD, [["n1", "n2"]] * KEYS), ["imbalance"]),
        (
            plain().get(1).ring(2, ABCD, f="last-ring").ring(3, ABCD, f="last-ring", node="n3"),
            ["unsettled"],
        ),
    ],
)
def test_each_anomaly(script, names):
    assert [name for name in names if name in script.names(movement=0)] == names
    if "under-replicated" not in names and "foreign-owner" not in names:
        assert script.names(movement=0) == names


def test_modulo_moves_too_much_and_a_ring_does_not():
    for kind, names in ((ModuloRing, ["excess-movement"]), (HashRing, [])):
        script = Script().put(1).get(1).ring(1, ABCD, kind=kind).ring(2, [*ABCD, "n5"], kind=kind)
        assert script.names() == names
        assert script.names(movement=0) == []


def test_nothing_read_is_unknown():
    assert plain().verdict().valid == "unknown"
    assert Script().put(1).get(1).verdict().reason == "no node ever told its ring"


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "lost", "get"]), st.integers(0, 6)),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=150, deadline=None)
def test_reads_against_counting_by_hand(steps):
    script, number, acknowledged, begun, wrong = Script().ring(1, ABC), 0, 0, set(), set()
    for process, (what, value) in enumerate(steps):
        if what == "get":
            script.get(value or None, process=process)
            if value and value not in begun:
                wrong.add("garbage-read")
            elif value < acknowledged:
                wrong.add("stale-read")
            continue
        number += 1
        begun.add(number)
        script.put(number, "ok" if what == "put" else "info", process)
        if what == "put":
            acknowledged = number
    assert set(script.names()) == wrong
