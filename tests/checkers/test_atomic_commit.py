"""AC1 to AC5 are judged as they are defined, and every violation has its name."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.atomic_commit import AtomicCommit
from duress.harness.cli import cli
from duress.harness.errors import UserError
from duress.harness.history import History
from duress.harness.operation import NEMESIS, Operation

from .commit_oracle import violations

SECOND = 10**9


def history(*rows):
    """From ``(seconds, process, type, f, value, node)``."""
    return History(
        Operation(i, int(row[0] * SECOND), *row[1:5], node=row[5] if len(row) > 5 else None)
        for i, row in enumerate(rows)
    )


def begin(at, txn, outcome, node="n1", refusals=0, took=0.02, process=0):
    value = {"txn": txn, "refusals": refusals}
    refusing = ["n2", "n3"][:refusals]
    answer = {**value, "refusing": refusing, "outcome": outcome}
    return [
        (at, process, "invoke", "begin", value),
        (at + took, process, "ok", "begin", answer, node),
    ]


def state(at, txn, told, node, process=1):
    return [
        (at, process, "invoke", "state", {"txn": txn}),
        (at + 0.001, process, "ok", "state", {"txn": txn, "state": told}, node),
    ]


def states(at, node, process=1, **told):
    return [
        (at, process, "invoke", "states", {"newest": 10}),
        (at + 0.001, process, "ok", "states", {"from": 1, **told}, node),
    ]


def kill(since, until, *targets, number=0):
    fault = {"id": number, "kind": "kill", "targets": list(targets)}
    return [
        (since, NEMESIS, "invoke", "inject", {"kind": "kill"}),
        (since, NEMESIS, "info", "inject", fault),
        (until, NEMESIS, "invoke", "heal", {"kind": "kill"}),
        (until, NEMESIS, "info", "heal", [fault]),
    ]


def check(*parts, **options):
    rows = sorted((row for part in parts for row in part), key=lambda row: row[0])
    return AtomicCommit(**options).check(history(*rows), {})


def names(verdict):
    return [anomaly.name for anomaly in verdict.anomalies]


def test_what_is_right_is_valid():
    verdict = check(
        begin(1, 1, "committed"),
        state(1.01, 1, "prepared", "n2"),
        state(1.1, 1, "committed", "n2"),
        begin(2, 2, "aborted", refusals=1),
        state(2.1, 2, "unknown", "n3"),
        states(9, "n1", committed=[1], aborted=[2]),
        states(9, "n2", process=2, committed=[1]),
    )
    assert verdict.valid is True
    assert "not judged at n3" in verdict.reason
    assert verdict.statistics["transactions"] == 2
    assert verdict.statistics["committed"] == verdict.statistics["refused"] == 1


def test_agreement():
    verdict = check(begin(1, 7, "committed"), state(2, 7, "aborted", "n3"))
    assert names(verdict) == ["AC1-agreement"]
    (anomaly,) = verdict.anomalies
    assert anomaly.key == 7
    assert anomaly.operations == [0, 1, 2, 3]
    assert anomaly.explanation == (
        "Transaction 7 (of process 0, coordinated by n1) was committed by one node and aborted by "
        "another: n1 answered its client 'committed' at 1.020 s, and n3 told process 1 'aborted' "
        "at 2.001 s."
    )


def test_stability():
    for later in ("aborted", "prepared", "unknown"):
        verdict = check(begin(1, 7, "committed"), state(2, 7, later, "n1"))
        assert names(verdict) == ["AC2-stability"], later
        assert "A decision is for good" in verdict.anomalies[0].explanation


def test_answers_to_questions_that_overlap_have_no_order():
    rows = [
        (1.0, 0, "invoke", "begin", {"txn": 7}),
        (1.1, 1, "invoke", "state", {"txn": 7}),
        (1.2, 2, "invoke", "state", {"txn": 7}),
        (1.3, 2, "ok", "state", {"txn": 7, "state": "committed"}, "n2"),
        (1.4, 1, "ok", "state", {"txn": 7, "state": "prepared"}, "n2"),
        (1.5, 0, "ok", "begin", {"txn": 7, "outcome": "committed"}, "n1"),
    ]
    assert check(rows).valid is True


def test_validity():
    verdict = check(begin(1, 7, "committed", refusals=2))
    assert names(verdict) == ["AC3-validity"]
    assert "although n2, n3 voted no" in verdict.anomalies[0].explanation
    verdict = check(state(1, 7, "committed", "n2"))
    assert names(verdict) == ["AC3-validity"]
    assert "nobody began" in verdict.anomalies[0].explanation


def test_non_triviality_needs_quiet_and_haste():
    fine = begin(0.1, 1, "committed")
    assert names(check(fine, begin(9, 7, "aborted"))) == ["AC4-non-triviality"]
    assert check(fine, begin(9, 7, "aborted", took=0.6)).valid is True
    assert check(fine, begin(9, 7, "aborted", refusals=1)).valid is True
    assert check(fine, kill(5, 7, "n3"), begin(9, 7, "aborted")).valid is True
    assert check(fine, kill(9.01, 9.02, "n3"), begin(9, 7, "aborted")).valid is True
    assert names(check(fine, kill(5, 7, "n3"), begin(9, 7, "aborted"), quiet_s=1)) == [
        "AC4-non-triviality"
    ]
    assert check(fine, begin(9, 7, "aborted", took=0.1), at_once_s=0.05).valid is True
    forever = kill(5, 7, "n3")[:2]
    assert check(fine, forever, begin(99, 7, "aborted")).valid is True


def test_termination():
    verdict = check(
        begin(1, 7, "committed"), states(8, "n2", prepared=[7]), states(9, "n3", process=2)
    )
    assert names(verdict) == ["AC5-termination"] * 2
    assert "still in doubt at n2 (prepared)" in verdict.anomalies[0].explanation
    assert "n3 has never heard of it" in verdict.anomalies[1].explanation
    # The last answer counts, and only for what it covers.
    verdict = check(
        begin(1, 7, "committed"),
        states(8, "n2", prepared=[7]),
        states(9, "n2", committed=[7]),
        [
            (9.5, 2, "invoke", "states", {"newest": 1}),
            (9.6, 2, "ok", "states", {"from": 8}, "n3"),
        ],
    )
    assert verdict.valid is True


def test_a_trial_without_a_commit_proves_nothing():
    assert check(begin(1, 7, "aborted", took=0.7)).valid == "unknown"
    assert check().valid == "unknown"
    assert check([(0, 0, "invoke", "begin", None)]).valid == "unknown"
    odd = [(0, 0, "invoke", "state", {"txn": 1}), (1, 0, "ok", "state", {"state": "odd"}, "n1")]
    verdict = check(odd)
    assert verdict.valid == "unknown"
    assert "operation 1" in verdict.reason


def test_how_long_a_participant_was_in_doubt_without_its_coordinator():
    asked = [state(at, 7, "prepared", "n2") for at in (1.1, 2.0, 8.0)]
    verdict = check(
        [(1.0, 0, "invoke", "begin", {"txn": 7}), (1.2, 0, "info", "begin", {"txn": 7}, "n1")],
        *asked,
        kill(1.2, 5.5, "n1"),
        kill(6.0, 7.0, "n2", number=1),
        state(9, 7, "aborted", "n2"),
        begin(10, 8, "committed", process=5),
    )
    found = verdict.statistics
    assert found["longest_doubt"] == {
        "txn": 7, "node": "n2", "seconds": 5.899, "coordinator": "n1",
        "coordinator_unreachable_s": 4.3,
    }  # fmt: skip
    assert (found["doubts_seen"], found["blocked"], found["blocked_at"]) == (1, 1, {"n2": 1})


# -- against the definitions -----------------------------------------------------------

NODES = ("n1", "n2", "n3")
TOLD = st.sampled_from(["unknown", "prepared", "precommitted", "committed", "committed", "aborted"])


@st.composite
def histories(draw):
    """A few transactions, any answers, questions that overlap, a few faults."""
    rows, clock, number = [], 0.0, 0
    open_: dict = {}
    begun = []
    for _ in range(draw(st.integers(1, 22))):
        clock += draw(st.sampled_from([0.01, 0.1, 0.45, 1.2]))
        process = draw(st.integers(0, 3))
        if process == 3:
            rows += kill(clock, clock + 0.3, "n1", number=number)
            clock, number = clock + 0.3, number + 1
        elif process in open_:
            f, value = open_.pop(process)
            node = draw(st.sampled_from(NODES))
            if f == "begin":
                told = {**value, "outcome": draw(st.sampled_from(["committed", "aborted"]))}
            elif f == "state":
                told = {**value, "state": draw(TOLD)}
            else:
                told = {"from": draw(st.integers(1, 3))}
                for txn in range(told["from"], 4):
                    each = draw(TOLD)
                    if each != "unknown":
                        told.setdefault(each, []).append(txn)
            kind = draw(st.sampled_from(["ok", "ok", "ok", "ok", "fail"]))
            rows.append((clock, process, kind, f, told if kind == "ok" else value, node))
        else:
            f = draw(st.sampled_from(["begin", "state", "state", "states"]))
            if f == "begin" and len(begun) == 3:
                f = "state"
            value: dict = {"txn": draw(st.integers(1, 3))}
            if f == "begin":
                begun.append(len(begun) + 1)
                value = {"txn": begun[-1], "refusals": draw(st.sampled_from([0, 0, 1]))}
            elif f == "states":
                value = {"newest": 3}
            open_[process] = f, value
            rows.append((clock, process, "invoke", f, value))
    return history(*rows)


@settings(max_examples=150, deadline=None)
@given(histories())
def test_against_the_definitions(history):
    verdict = AtomicCommit(quiet_s=1.0).check(history, {})
    expected = violations(history, SECOND)
    counts = verdict.statistics.get("anomaly_counts", {})
    assert set(counts) == {name for name, _ in expected}
    for name in ("AC1-agreement", "AC3-validity", "AC4-non-triviality"):
        assert counts.get(name, 0) == len({txn for each, txn in expected if each == name})
    for anomaly in verdict.anomalies:
        assert (anomaly.name, anomaly.key) in expected
        assert anomaly.operations
        assert max(anomaly.operations) < len(history)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_world_that_keeps_the_rules_is_never_accused(data):
    """Each node goes from unknown to prepared to the outcome; clients look in at any time."""
    rows = []
    for txn in range(1, data.draw(st.integers(1, 5)) + 1):
        refusals = data.draw(st.sampled_from([0, 0, 1]))
        outcome = "aborted" if refusals else "committed"
        start = 10.0 * txn
        took = data.draw(st.floats(0.01, 5))
        rows += begin(start, txn, outcome, refusals=refusals, took=took)
        for process, node in enumerate(NODES, 1):
            votes_at = start + data.draw(st.floats(0, 0.005))
            decides_at = start + 0.01 + data.draw(st.floats(0, 3))
            if node == "n1":  # the coordinator
                decides_at = min(decides_at, start + took)
            clock = start
            for _ in range(data.draw(st.integers(0, 6))):
                clock += data.draw(st.floats(0.01, 1.4))
                told = "unknown" if clock < votes_at else "prepared"
                if clock >= decides_at:
                    told = outcome
                elif refusals:
                    told = "unknown"
                rows += state(clock, txn, told, node, process)
    rows += begin(0.5, 99, "committed")
    verdict = check(rows)
    assert verdict.valid is True
    assert verdict.anomalies == []


def test_a_file_can_be_checked(tmp_path):
    rows = [*begin(1, 7, "committed"), *state(2, 7, "aborted", "n3")]
    lines = []
    for index, row in enumerate(rows):
        each = dict(zip(("process", "type", "f", "value"), row[1:5], strict=True))
        each |= {"index": index, "time": int(row[0] * SECOND)}
        if len(row) > 5:
            each["node"] = row[5]
        lines.append(json.dumps(each))
    file = tmp_path / "history.jsonl"
    file.write_text("\n".join(lines) + "\n")
    arguments = ["check", str(file), "--model", "atomic-commit", "--json"]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.return_value == 1
    assert json.loads(done.stdout)["valid"] is False


def test_options_of_the_command_line():
    assert AtomicCommit.for_model("atomic-commit", {"quiet_s": "7"}).quiet_s == 7.0
    with pytest.raises(UserError, match="quiet-s"):
        AtomicCommit.for_model("atomic-commit", {"quiet_s": "long"})
    with pytest.raises(UserError, match="level"):
        AtomicCommit.for_model("atomic-commit", {"level": "serializable"})
