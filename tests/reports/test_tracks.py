"""States over time: what each node held of a transaction, and who held a lock."""

from random import Random

import pytest

from duress.checkers import commit_doubts, commit_sightings
from duress.checkers.mutual_exclusion import MutualExclusion
from duress.harness.fault_windows import FaultWindow
from duress.harness.history import History
from duress.harness.verdict import Anomaly
from duress.reports import commit_split, doubts, lock_timeline, statistics
from duress.reports.trace_window import TracedMessage

from .kinds import MS, Calls, lock_calls

NODES = ["n1", "n2", "n3"]


def commit_history():
    calls = Calls()
    asked = {"txn": 1, "refusals": 0}
    calls.add(0, "begin", 10, 40, {**asked, "outcome": "committed"}, asked=asked)
    calls.add(1, "state", 50, 55, {"txn": 1, "state": "prepared"}, asked={"txn": 1}, node="n2")
    calls.add(1, "state", 60, 65, {"txn": 2, "state": "aborted"}, asked={"txn": 2}, node="n2")
    calls.add(1, "states", 90, 95, {"from": 1, "aborted": [1], "committed": []}, node="n2")
    return History(calls.operations())


def message(source, dest, sent, end, **body):
    return TracedMessage(0, source, dest, sent * MS, {"txn": 1, **body}, end and end * MS)


def drawn(history, messages=(), faults=()):
    figures = statistics.collect(history.columns())
    figures.faults.extend(faults)
    anomaly = Anomaly("AC1-agreement", "", [0, 6], key=1)
    drawing = commit_split.drawing(history, anomaly, figures, NODES, messages, 0)
    assert drawing is not None
    return {row.name: row for row in drawing.rows}


def states(row):
    return [(stretch.kind, stretch.start // MS) for stretch in row.stretches]


def test_what_nodes_told_is_drawn_without_any_messages():
    rows = drawn(commit_history())
    assert states(rows["n1"]) == [("committed", 40)]
    assert states(rows["n2"]) == [("doubt", 55), ("aborted", 95)]
    assert states(rows["n3"]) == []
    assert [moment.label for moment in rows["n2"].moments] == ["says prepared", "says aborted"]


def test_votes_and_decisions_say_when_doubt_began_and_ended():
    messages = [
        message("n2", "n1", 20, 25, yes=True),
        message("n3", "n1", 22, 26, yes=False),
        message("n1", "n3", 41, 45, outcome="committed"),
        message("n1", "n2", 41, None, outcome="committed"),
    ]
    rows = drawn(commit_history(), messages)
    assert states(rows["n2"])[0] == ("doubt", 20)
    assert states(rows["n3"]) == [("committed", 45)]
    assert [m.label for m in rows["n3"].moments] == ["votes no", "hears committed"]


def test_hearing_of_a_decision_is_not_having_decided_so():
    """A node that had aborted by itself is told of the commit, and still says aborted."""
    rows = drawn(commit_history(), [message("n1", "n2", 60, 70, outcome="committed")])
    assert states(rows["n2"]) == [("doubt", 55), ("aborted", 95)]
    assert "hears committed" in [moment.label for moment in rows["n2"].moments]


def test_nodes_that_do_not_run_are_shown_so():
    kill = FaultWindow(1, "kill", ["n2"], {}, 30 * MS, 30 * MS, 60 * MS, 60 * MS, "healed")
    rows = drawn(commit_history(), faults=[kill])
    assert ("down", 30) in states(rows["n2"])


def test_of_other_anomalies_there_is_no_such_drawing():
    history = commit_history()
    figures = statistics.collect(history.columns())
    for anomaly in (Anomaly("x", "", [], key=1), Anomaly("x", "", [0], key="1")):
        assert commit_split.drawing(history, anomaly, figures, NODES, [], 0) is None
    assert lock_timeline.drawing(history, Anomaly("x", "", [0], key=1)) is None


def test_overlapping_holds_and_outdated_writes_are_drawn():
    history = History(lock_calls())
    (anomaly,) = MutualExclusion().check(history, {}).anomalies
    drawing = lock_timeline.drawing(history, anomaly)
    assert drawing is not None
    rows = {row.name: row for row in drawing.rows}
    held = [s for name in ("process 0", "process 1") for s in rows[name].stretches]
    assert [(s.label, s.start // MS) for s in held if s.kind == "held"] == [
        ("holds 4", 20),
        ("holds 5", 300),
    ]
    ((start, end, label),) = drawing.bands
    assert (start // MS, label) == (300, "0 and 1 at once")
    assert end <= 520 * MS


@pytest.mark.parametrize("seed", range(20))
def test_bands_are_where_the_checker_sees_two_holders(seed):
    """Against the checker, which has its own reading of leases, on random histories."""
    random = Random(seed)
    calls, time = Calls(), 0
    for sequencer in range(1, 12):
        process = random.randrange(3)
        time += random.randrange(5, 200)
        answer = {"sequencer": sequencer, "session": f"s{process}", "lease_ms": 150}
        calls.add(process, "acquire", time, time + 2, answer, key="l")
        if random.random() < 0.6:
            time += random.randrange(5, 100)
            calls.add(process, "release", time, time + 2, {}, key="l")
    history = History(calls.operations())
    found = [a for a in MutualExclusion().check(history, {}).anomalies if a.name == "two-holders"]
    for anomaly in found:
        drawing = lock_timeline.drawing(history, anomaly)
        assert drawing is not None and drawing.bands, anomaly.explanation


@pytest.mark.parametrize("seed", range(10))
def test_doubts_are_those_that_the_checker_counts(seed):
    random = Random(seed)
    calls = Calls()
    calls.add(0, "begin", 1, 2, {"txn": 0, "outcome": "aborted"}, asked={"txn": 0})
    for at in range(40):
        number, node = random.randrange(4), random.choice(NODES)
        state = random.choice(["prepared", "precommitted", "committed", "unknown"])
        start = 10 + 5 * at
        if random.random() < 0.8:
            answer = {"txn": number, "state": state}
            calls.add(1, "state", start, start + 3, answer, asked={"txn": number}, node=node)
        else:
            answer = {"from": 0, "prepared": [number, number + 1]}
            calls.add(1, "states", start, start + 3, answer, node=node)
    history = History(calls.operations())
    wanted = {
        (node, transaction.number, low // 1000, max(low, high) // 1000)
        for transaction in commit_sightings.read(history).transactions.values()
        for node, (low, high) in commit_doubts.doubts(transaction)
    }
    drawn = doubts.spans(history)
    assert drawn is not None
    columns = zip(drawn["node"], drawn["txn"], drawn["from"], drawn["to"], strict=True)
    assert {(drawn["nodes"][n], txn, low, high) for n, txn, low, high in columns} == wanted


def test_where_nobody_asks_for_states_there_are_no_doubts_to_draw():
    assert doubts.spans(History(lock_calls())) is None
    odd = Calls()
    odd.add(0, "begin", 1, 2, {"txn": 0}, asked={"txn": 0})
    odd.add(0, "state", 3, 4, "strange")
    odd.add(0, "states", 5, 6, {"prepared": [[], "x", True, None]})
    assert doubts.spans(History(odd.operations())) == {
        "nodes": [],
        "node": [],
        "from": [],
        "to": [],
        "txn": [],
    }
