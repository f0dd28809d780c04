"""Consensus: every anomaly by name, and against an oracle that tries every decision."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.consensus import Consensus
from duress.harness.errors import UserError
from duress.harness.history import History
from duress.harness.operation import Operation


def history(*rows):
    """Rows are (process, type, f, value) or, with the node, five; all of instance 7."""
    operations = []
    for at, (process, kind, f, value, *node) in enumerate(rows):
        operations.append(
            Operation(
                at, at * 1_000_000, process, kind, f, value, key=7, node=node[0] if node else None
            )
        )
    return History(operations)


def check(*rows):
    return Consensus().check(history(*rows), {})


def names(verdict):
    return {anomaly.name for anomaly in verdict.anomalies}


def propose(process, value, decided, node, f="propose"):
    return [(process, "invoke", f, value), (process, "ok", f, decided, node)]


def decided(process, value, node):
    return [(process, "invoke", "decided", None), (process, "ok", "decided", value, node)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (propose(0, 1, 1, "n1") + propose(1, 2, 1, "n2") + decided(0, 1, "n1"), set()),
        (decided(1, None, "n2") + propose(0, 1, 1, "n1") + decided(1, None, "n2"), set()),
        (propose(0, 1, 1, "n1") + propose(1, 2, 2, "n2"), {"disagreement"}),
        (propose(0, 1, 3, "n1"), {"unproposed-value"}),
        (
            propose(0, 1, 1, "n1") + propose(1, 2, 2, "n1"),
            {"disagreement", "changed-decision"},
        ),
        (propose(0, 1, 1, "n1") + decided(1, None, "n1"), {"changed-decision"}),
        ([(0, "invoke", "propose", 1), (0, "info", "propose", 1), *decided(1, 1, "n2")], set()),
        (
            [(0, "invoke", "propose", 1), (0, "fail", "propose", 1), *decided(1, 1, "n2")],
            {"unproposed-value"},
        ),
        (propose(0, 1, 1, "n1") + propose(1, 2, 1, "n2", "conclude"), set()),
    ],
)
def test_each_anomaly_has_its_name(rows, expected):
    verdict = check(*rows)
    assert names(verdict) == expected
    assert verdict.valid is (not expected)


def test_a_value_that_is_proposed_only_later_was_not_proposed():
    verdict = check(*decided(0, 5, "n1"), *propose(1, 5, 5, "n2"))
    assert names(verdict) == {"unproposed-value"}
    assert verdict.anomalies[0].operations == [0, 2]
    assert "proposed only later" in verdict.anomalies[0].explanation


def test_the_explanation_names_nodes_values_and_times():
    verdict = check(*propose(0, 1, 1, "n1"), *propose(1, 2, 2, "n4"))
    (anomaly,) = verdict.anomalies
    assert anomaly.explanation == (
        "Instance 7 was decided twice: n1 answered 1 (0.001 s, operation 1), "
        "but n4 answered 2 (0.003 s, operation 3)."
    )
    assert (anomaly.operations, anomaly.key) == ([0, 2], 7)


def test_a_node_that_never_answers_at_the_end_has_not_decided():
    silent = [(0, "invoke", "conclude", 1), (0, "info", "conclude", 1, "n1")]
    again = [(2, "invoke", "conclude", 2), (2, "info", "conclude", 2, "n1")]
    other = propose(1, 3, 3, "n2", "conclude")
    verdict = check(*silent, *again, *other)
    assert names(verdict) == {"undecided"}
    assert "n1 was asked 2 times" in verdict.anomalies[0].explanation
    assert check(*silent, *propose(2, 2, 1, "n1", "conclude"), *other[:0]).valid is True


def test_answers_that_overlap_do_not_tell_that_a_node_forgot():
    rows = [(0, "invoke", "decided", None), *propose(1, 1, 1, "n1")]
    assert check(*rows, (0, "ok", "decided", None, "n1")).valid is True


def test_no_decision_is_unknown_and_so_is_nonsense():
    assert check(*decided(0, None, "n1")).valid == "unknown"
    verdict = check((0, "invoke", "propose", None), (0, "ok", "propose", 1, "n1"))
    assert verdict.valid == "unknown"
    assert "operation 0" in verdict.reason


def test_instances_are_judged_apart():
    operations = []
    for at, (key, value) in enumerate([(1, 5), (2, 6), ("1", 7)]):
        operations += [
            Operation(-1, at, 0, "invoke", "propose", value, key=key),
            Operation(-1, at, 0, "ok", "propose", value, key=key, node="n1"),
        ]
    verdict = Consensus().check(History(operations), {})
    assert verdict.valid is True
    assert (verdict.statistics["instances"], verdict.statistics["decided"]) == (3, 3)


OPERATIONS = st.tuples(
    st.sampled_from(["propose", "decided"]),
    st.sampled_from(["n1", "n2"]),
    st.sampled_from(["ok", "ok", "ok", "info", "fail"]),
    st.sampled_from([None, "own", 1, 2, 3]),
    st.integers(0, 3),
)
"""What is asked, by which node, how it ends, with what answer, how many events it stays open."""


@settings(max_examples=400, deadline=None)
@given(st.lists(OPERATIONS, max_size=7))
def test_it_agrees_with_an_oracle(plan):
    rows, open_ones = [], []
    for process, (f, node, kind, answer, lasts) in enumerate(plan):
        asked = process + 1 if f == "propose" else None
        rows.append((process, "invoke", f, asked))
        if answer == "own" or (answer is None and f == "propose"):
            answer = process + 1
        open_ones.append([lasts, (process, kind, f, answer if kind == "ok" else asked, node)])
        for each in list(open_ones):
            each[0] -= 1
            if each[0] < 0:
                rows.append(each[1])
                open_ones.remove(each)
    rows += [row for _, row in open_ones]
    verdict = check(*rows)
    if not any(row[1] == "ok" and row[3] is not None for row in rows):
        assert verdict.valid == "unknown"
    else:
        assert verdict.valid is right(rows)


def right(rows):
    """Whether some decision, and some moment at which each node learns it, explain all answers."""
    ends = {row[0]: (at, row) for at, row in enumerate(rows) if row[1] != "invoke"}
    begins = {row[0]: (at, row) for at, row in enumerate(rows) if row[1] == "invoke"}
    nodes = {row[4] for _, row in ends.values()}
    return any(
        all(
            any(explains(value, learned, node, begins, ends) for learned in range(len(rows) + 1))
            for node in nodes
        )
        for value in range(1, 9)
    )


def explains(value, learned, node, begins, ends):
    """Whether a node's answers are right if it learns a value at a position in the history.

    The value must have been proposed by then. An answer with the value must come after that, one
    without it must have begun before.
    """
    proposed = [
        at
        for process, (at, row) in begins.items()
        if row[2] == "propose" and row[3] == value and ends[process][1][1] != "fail"
    ]
    for process, (at, row) in ends.items():
        if row[1] != "ok" or row[4] != node:
            continue
        if row[3] is None and begins[process][0] >= learned:
            return False
        if row[3] is not None and (
            row[3] != value or at < learned or learned <= min(proposed, default=99)
        ):
            return False
    return True


def test_it_takes_no_options():
    assert "agreement" in Consensus.models()["consensus"]
    assert isinstance(Consensus.for_model("consensus", {}), Consensus)
    with pytest.raises(UserError, match="level"):
        Consensus.for_model("consensus", {"level": "strict"})
