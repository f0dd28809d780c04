"""The checker broadcast: each anomaly, and all of them against a slow and simple oracle."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.broadcast import Broadcast
from duress.harness.errors import UserError

from .delivery_histories import Record, names

NODES = ("n1", "n2", "n3")


def check(record, order="causal"):
    return Broadcast(order).check(record.history, {})


def question_and_answer(logs):
    """n1 asks (1); somebody reads that at n2 and answers there (2)."""
    record = Record()
    record.broadcast("n1", 1)
    record.read("n2", [("n1", 1)])
    record.broadcast("n2", 2)
    for node, log in zip(NODES, logs, strict=True):
        record.read(node, [("n1" if m == 1 else "n2", m) for m in log], at_last=True)
    return record


def test_causes_first_is_fine():
    verdict = check(question_and_answer([[1, 2]] * 3))
    assert verdict.valid is True
    assert verdict.statistics["causes_known"] == 1


def test_an_answer_before_its_question():
    record = question_and_answer([[1, 2], [1, 2], [2, 1]])
    verdict = check(record)
    (anomaly,) = verdict.anomalies
    assert anomaly.name == "causal-order"
    assert anomaly.explanation.startswith("n3 delivered 2 (sent by process 2 through n2")
    assert "before 1. But n2 had delivered 1 as its 1st" in anomaly.explanation
    assert check(record, "fifo").valid is True, "they are of different senders"


def test_an_answer_without_its_question():
    record = Record()
    record.broadcast("n1", 1)
    record.read("n2", [("n1", 1)])
    record.broadcast("n2", 2)
    record.read("n3", [("n2", 2)])
    record.read("n3", [("n2", 2), ("n1", 1)], at_last=True)
    assert names(check(record)) == {"causal-order"}


def test_what_was_read_too_late_is_no_cause():
    record = Record()
    record.broadcast("n1", 1)
    process = record.begin("delivered", None)
    record.broadcast("n2", 2)
    told = {"from": 0, "messages": [["n1", 1]], "length": 1}
    record.end(process, "delivered", told, "n2")
    record.read("n3", [("n2", 2), ("n1", 1)], at_last=True)
    for node in ("n1", "n2"):
        record.read(node, [("n1", 1), ("n2", 2)], at_last=True)
    verdict = check(record)
    assert verdict.valid == "unknown"
    assert "seen before" in verdict.reason


def test_own_messages_in_order():
    record = Record()
    record.broadcast("n1", 1)
    record.broadcast("n1", 2)
    for node in NODES:
        record.read(node, [("n1", 2), ("n1", 1)], at_last=True)
    assert names(check(record, "fifo")) == {"fifo-order"}
    assert check(record, "none").valid is True


def test_agreement_and_validity():
    record = Record()
    record.broadcast("n1", 1)
    record.broadcast("n1", 2, "info")
    record.broadcast("n2", 3)
    record.read("n1", [("n1", 2)], at_last=True)
    record.read("n2", [("n2", 3), ("n1", 1)], at_last=True)
    verdict = check(record, "none")
    assert names(verdict) == {"validity", "agreement"}
    said = " ".join(a.explanation for a in verdict.anomalies)
    assert "was never delivered by n1 itself" in said
    assert "but n1 never did" in said


def test_without_a_last_reading_nothing_is_known():
    record = Record()
    record.broadcast("n1", 1)
    record.read("n1", [("n1", 1)])
    assert check(record, "fifo").valid == "unknown"
    record.read("n2", [("n1", 1)], at_last=True)
    verdict = check(record, "fifo")
    assert verdict.valid is True
    assert "n1" in verdict.reason


def test_options():
    with pytest.raises(UserError, match="order"):
        Broadcast("total")
    assert Broadcast.for_model("broadcast", {"order": "causal"}).order == "causal"
    assert Broadcast.for_model("broadcast", {}).order == "fifo"


# -- oracle ------------------------------------------------------------------------------


@st.composite
def stories(draw):
    """Steps of broadcasts and reads at nodes whose logs grow; then everybody's final log."""
    steps, count = [], 0
    finals = {}
    length = draw(st.integers(2, 5))
    of = [draw(st.sampled_from(NODES)) for _ in range(length)]
    for node in NODES:
        log = (
            list(draw(st.permutations(range(length)))) if draw(st.booleans()) else [*range(length)]
        )
        if draw(st.integers(0, 5)) == 0:
            log = log[:-1]
        finals[node] = log
    shown = dict.fromkeys(NODES, 0)
    while count < length:
        node = draw(st.sampled_from(NODES))
        may = finals[node][shown[node]] if shown[node] < len(finals[node]) else length
        if draw(st.booleans()) and may < count:
            shown[node] += 1
            steps.append(("read", node, finals[node][: shown[node]]))
        else:
            steps.append(("broadcast", of[count], count))
            count += 1
    return of, steps, finals


def oracle(of, steps, finals):
    found = set()
    before = [(a, b) for b in range(len(of)) for a in range(b) if of[a] == of[b]]
    causes, known = [], {node: [] for node in NODES}
    for kind, node, what in steps:
        if kind == "read":
            known[node] = what
        else:
            causes += [(cause, what) for cause in known[node]]
    for log in finals.values():
        for first, second in before:
            if first in log and second in log and log.index(second) < log.index(first):
                found.add("fifo-order")
        for cause, effect in causes:
            if effect in log and (cause not in log or log.index(effect) < log.index(cause)):
                found.add("causal-order")
    for message, node in enumerate(of):
        if message not in finals[node]:
            found.add("validity")
        if len({message in log for log in finals.values()}) == 2:
            found.add("agreement")
    return found


@settings(max_examples=300, deadline=None)
@given(stories())
def test_it_agrees_with_an_oracle(story):
    of, steps, finals = story
    record = Record()
    for kind, node, what in steps:
        if kind == "read":
            record.read(node, [(of[m], m) for m in what])
        else:
            record.broadcast(node, what)
    for node, log in finals.items():
        record.read(node, [(of[m], m) for m in log], at_last=True)
    assert names(check(record)) == oracle(of, steps, finals)
