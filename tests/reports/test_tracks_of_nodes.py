"""Drawings of messages on their way, and of what replicas hold: what is in them."""

from duress.checkers.delivery import PointToPoint
from duress.harness.history import History
from duress.harness.verdict import Anomaly
from duress.reports import delivery_lanes, replica_states, statistics
from duress.reports.anomalies import groups
from duress.reports.run_folder import load

from . import kinds, traced

NODES = ["n1", "n2", "n3"]


def drawn(make, operations, anomaly):
    history = History(operations)
    figures = statistics.collect(history.columns(), [])
    return make(history, anomaly, figures, NODES)


def messages(name):
    operations = kinds.delivery_calls()
    found = PointToPoint().check(History(operations), {}).anomalies
    anomaly = next(each for each in found if each.name == name)
    return drawn(delivery_lanes.drawing, operations, anomaly)


def moments(drawing, row):
    return [(each.kind, each.label) for each in drawing.rows[row].moments]


def test_the_second_delivery_of_a_message_stands_out():
    drawing = messages("duplicate")
    assert drawing.title == "Where message 7 went"
    assert moments(drawing, 0) == [("sent", "sends 7 to n2")]
    assert moments(drawing, 1) == [
        ("delivered", "7 as its 1st"),
        ("delivered evidence", "7 as its 3rd"),
    ]
    assert [(link.row, link.to_row, link.kind) for link in drawing.links] == [
        (0, 1, ""),
        (0, 1, "evidence"),
    ]


def test_what_overtook_another_message_stands_out():
    drawing = messages("reordered")
    assert drawing.title == "Where messages 5 and 7 went"
    labels = [label for kind, label in moments(drawing, 1) if "evidence" in kind]
    assert labels == ["7 as its 1st"]
    times = [each.time for each in drawing.rows[1].moments]
    assert times == sorted(times) and len(set(times)) == len(times)


def test_a_lost_message_ends_in_a_cross():
    drawing = messages("lost")
    assert moments(drawing, 2) == [("missing evidence", "not in its log")]
    assert [link.kind for link in drawing.links] == ["missing"]
    assert drawing.legend == delivery_lanes.LEGEND


def test_nothing_is_drawn_of_something_else():
    lock = Anomaly("two-holders", "", [0, 2], key="lock-0")
    assert drawn(delivery_lanes.drawing, kinds.lock_calls(), lock) is None
    assert drawn(replica_states.drawing, kinds.lock_calls(), lock) is None


def test_equal_states_look_alike():
    anomaly = Anomaly("divergence", "", [4, 5], key="x")
    drawing = drawn(replica_states.drawing, kinds.replica_calls(), anomaly)
    states = [(s.kind, s.label) for row in drawing.rows for s in row.stretches]
    assert states == [("state-0", "2"), ("state-1", "1"), ("state-0", "2")]
    assert moments(drawing, 0) == [("asked", "write 1")]
    assert [name for _, name in drawing.legend] == ["what most hold in the end", "something else"]


def test_of_a_set_it_is_drawn_who_has_the_element():
    calls = kinds.Calls()
    calls.add(0, "add", 10, 12, {"element": 4, "tag": "n1:1"}, asked=4)
    calls.add(1, "remove", 20, 22, {"element": 4, "tags": ["n1:1"]}, asked=4, node="n2")
    calls.add(0, "final", 90, 91, [4, 9])
    calls.add(1, "final", 92, 93, [9], node="n2")
    anomaly = Anomaly("resurrected-element", "", [2, 4])
    drawing = drawn(replica_states.drawing, calls.operations(), anomaly)
    assert drawing.title == "Who holds 4 in the end"
    assert [s.label for row in drawing.rows for s in row.stretches] == ["has it", "has it not"]
    assert moments(drawing, 0) == [("asked", "add 4 (n1:1)")]
    assert moments(drawing, 1) == [("asked evidence", "remove 4 (n1:1)")]


def test_of_a_counter_it_is_drawn_what_each_counts():
    calls = kinds.Calls()
    calls.add(0, "final", 90, 91, 7)
    calls.add(1, "final", 92, 93, 9, node="n2")
    anomaly = Anomaly("divergence", "", [0, 2])
    drawing = drawn(replica_states.drawing, calls.operations(), anomaly)
    assert [s.label for row in drawing.rows for s in row.stretches] == ["counts 7", "counts 9"]


def test_hostile_values_stay_values(tmp_path):
    for make in (kinds.delivery, kinds.convergence):
        run = load(make(tmp_path / make.__name__, traced.HOSTILE))
        found = groups(run, statistics.collect(run.history.columns(), [], run.verdict))
        assert all(each["tracks"] for group in found for each in group["anomalies"])
