"""The checker delivery: each anomaly, and all of them against a slow and simple oracle."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.delivery import PointToPoint
from duress.harness.errors import UserError
from duress.harness.history import History
from duress.harness.operation import Operation

from .delivery_histories import Record, names


def check(record):
    return PointToPoint().check(record.history, {})


def test_what_arrives_once_and_in_order_is_fine():
    record = Record()
    record.send("n1", "n2", 1)
    record.send("n1", "n2", 2)
    record.read("n2", [("n1", 1)])
    record.read("n2", [("n1", 1), ("n1", 2)], at_last=True)
    verdict = check(record)
    assert verdict.valid is True
    assert verdict.statistics["accepted"] == verdict.statistics["delivered"] == 2


def test_what_is_accepted_must_arrive():
    record = Record()
    record.send("n1", "n2", 1)
    record.send("n1", "n2", 2, "info")
    record.send("n1", "n2", 3, "fail")
    record.send("n2", "n2", 4)
    record.read("n2", [("n2", 4)], at_last=True)
    verdict = check(record)
    (anomaly,) = verdict.anomalies
    assert (verdict.valid, anomaly.name) == (False, "lost")
    assert "1 (sent by process 0 through n1" in anomaly.explanation
    assert "n2's log" in anomaly.explanation
    assert [record.history[at].f for at in anomaly.operations] == ["send", "all-delivered"]


def test_nothing_may_arrive_twice_or_out_of_nowhere():
    record = Record()
    record.send("n1", "n2", 1)
    record.send("n1", "n2", 2, "fail")
    record.read("n2", [("n1", 1), ("n1", 1), ("n1", 2), ("n1", 9)], at_last=True)
    assert names(check(record)) == {"duplicate", "phantom"}


def test_before_it_was_sent_it_is_a_phantom():
    record = Record()
    record.read("n2", [("n1", 1)])
    record.send("n1", "n2", 1)
    record.read("n2", [("n1", 1)], at_last=True)
    assert names(check(record)) == {"phantom"}


def test_order_is_that_of_acceptance():
    record = Record()
    record.send("n1", "n2", 1)
    record.send("n1", "n2", 2)
    record.read("n2", [("n1", 2), ("n1", 1)], at_last=True)
    (anomaly,) = check(record).anomalies
    assert anomaly.name == "reordered"
    assert "n2 delivered 2" in anomaly.explanation
    together = Record()
    first = together.begin("send", {"to": "n2", "message": 1})
    together.send("n1", "n2", 2)
    together.end(first, "send", {"to": "n2", "message": 1}, "n1")
    together.read("n2", [("n1", 2), ("n1", 1)], at_last=True)
    assert check(together).valid is True, "they overlapped in time"


def test_to_whom_it_was_sent_it_must_go():
    record = Record()
    record.send("n1", "n2", 1)
    record.read("n2", [("n1", 1)], at_last=True)
    record.read("n3", [("n1", 1)], at_last=True)
    assert names(check(record)) == {"misdelivery"}


@pytest.mark.parametrize("later", [[("n1", 2), ("n1", 1)], [("n1", 1)]])
def test_what_was_delivered_stays_delivered(later):
    record = Record()
    process = record.begin("send", {"to": "n2", "message": 1})
    record.send("n1", "n2", 2)
    record.end(process, "send", {"to": "n2", "message": 1}, "n1")
    record.read("n2", [("n1", 1), ("n1", 2)])
    record.read("n2", later)
    verdict = check(record)
    assert names(verdict) == {"forgotten-delivery"}


def test_without_a_last_reading_loss_is_not_known():
    record = Record()
    record.send("n1", "n2", 1)
    assert check(record).valid == "unknown"
    record.read("n2", [("n1", 1)])
    verdict = check(record)
    assert verdict.valid == "unknown"
    assert "read at last" in verdict.reason


@pytest.mark.parametrize(
    ("f", "value", "told"),
    [
        ("delivered", None, [1, 2]),
        ("delivered", None, {"from": 0, "length": 1, "messages": [3]}),
        ("delivered", None, {"from": 4, "length": 4, "messages": []}),
        ("send", 7, 7),
    ],
)
def test_strange_histories_are_unknown(f, value, told):
    record = Record()
    record.both(f, value, told, "n1")
    verdict = check(record)
    assert verdict.valid == "unknown"
    assert "operation" in verdict.reason


def test_a_message_that_is_sent_twice_cannot_be_judged():
    record = Record()
    record.send("n1", "n2", 1)
    record.send("n1", "n2", 1)
    assert "was sent before" in check(record).reason


def test_nothing_is_unknown():
    assert PointToPoint().check(History(), {}).valid == "unknown"
    lone = History([Operation(0, 0, 0, "invoke", "send", {"to": "n1", "message": 1})])
    assert PointToPoint().check(lone, {}).valid == "unknown"


def test_options():
    assert list(PointToPoint.models()) == ["delivery"]
    with pytest.raises(UserError, match="order"):
        PointToPoint.for_model("delivery", {"order": "fifo"})


# -- oracle ------------------------------------------------------------------------------

NODES = ("n1", "n2")


def oracle(sends, logs):
    """Anomalies by definition, for sends one by one and logs that are read once, at last."""
    found = set()
    for node, log in logs.items():
        texts = [message for _, message in log]
        if len(set(texts)) < len(texts):
            found.add("duplicate")
        for message in texts:
            sent = [s for s in sends if s[2] == message]
            if not sent or sent[0][3] == "fail":
                found.add("phantom")
            elif sent[0][3] == "ok" and sent[0][1] != node:
                found.add("misdelivery")
        for at, first in enumerate(sends):
            for second in sends[at + 1 :]:
                same = first[0] == second[0] and first[3] == "ok"
                both = first[2] in texts and second[2] in texts
                if same and both and texts.index(second[2]) < texts.index(first[2]):
                    found.add("reordered")
    for _, to, message, kind in sends:
        if kind == "ok" and message not in [m for _, m in logs[to]]:
            found.add("lost")
    return found


@st.composite
def cases(draw):
    sends = [
        (draw(st.sampled_from(NODES)), draw(st.sampled_from(NODES)), n, draw(KINDS))
        for n in range(draw(st.integers(1, 5)))
    ]
    logs = {}
    for node in NODES:
        mine = [(s[0], s[2]) for s in sends if s[1] == node and s[3] != "fail"]
        if draw(st.booleans()):
            mine = draw(st.permutations(mine))
        if draw(st.integers(0, 3)) == 0:
            extra = draw(st.lists(st.tuples(st.sampled_from(NODES), st.integers(0, 6)), max_size=2))
            mine = [*mine, *extra]
        if draw(st.integers(0, 3)) == 0:
            mine = mine[:-1]
        logs[node] = mine
    return sends, logs


KINDS = st.sampled_from(["ok", "ok", "ok", "info", "fail"])


@settings(max_examples=300, deadline=None)
@given(cases())
def test_it_agrees_with_an_oracle(case):
    sends, logs = case
    record = Record()
    for node, to, message, kind in sends:
        record.send(node, to, message, kind)
    for node, log in logs.items():
        record.read(node, log, at_last=True)
    verdict = check(record)
    assert names(verdict) == oracle(sends, logs)
    delivered = any(logs.values())
    expected = False if oracle(sends, logs) else (True if delivered else "unknown")
    assert verdict.valid == expected
