"""At most one insertion of each key succeeds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.predicate_writes import PredicateWrites
from duress.harness.errors import UserError
from duress.harness.history import History
from duress.harness.operation import Operation


def insertions(*rows):
    """From ``(process, key, row, outcome)``, all invoked before any completes."""
    events = [(p, "invoke", [key, row]) for p, key, row, _ in rows]
    events += [(p, outcome, [key, row]) for p, key, row, outcome in rows]
    return History(Operation(i, i, p, t, "insert", v) for i, (p, t, v) in enumerate(events))


def check(*rows):
    return PredicateWrites().check(insertions(*rows), {})


def test_both_succeed():
    verdict = check((0, 7, [1, None], "ok"), (1, 7, [None, 2], "ok"))
    (anomaly,) = verdict.anomalies
    assert (anomaly.name, anomaly.key, anomaly.operations) == ("G2", 7, [0, 1])
    assert "process 0 inserted [1, null] for key 7" in anomaly.explanation


@pytest.mark.parametrize("other", ["fail", "info"])
def test_one_succeeds(other):
    verdict = check((0, 7, [1, None], "ok"), (1, 7, [None, 2], other))
    assert verdict.valid is True
    assert verdict.statistics["keys_with_a_row"] == 1


def test_none_succeeds_and_nonsense_are_unknown():
    assert check((0, 7, [1, None], "fail")).valid == "unknown"
    verdict = check((0, 7, [1, 2], "ok"))
    assert verdict.valid == "unknown"
    assert "operation 0" in verdict.reason


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.booleans(), st.sampled_from(["ok", "fail", "info"])),
        max_size=10,
    )
)
def test_it_agrees_with_counting(drawn):
    rows = [
        (number, key, [number, None] if left else [None, number], outcome)
        for number, (key, left, outcome) in enumerate(drawn)
    ]
    of_key = [[key for _, key, _, outcome in rows if outcome == "ok"].count(k) for k in range(5)]
    verdict = check(*rows)
    assert (verdict.valid is False) == any(count > 1 for count in of_key)
    twice = sum(count > 1 for count in of_key)
    assert verdict.statistics["anomaly_counts"] == ({"G2": twice} if twice else {})


def test_it_has_no_options():
    with pytest.raises(UserError, match="total"):
        PredicateWrites.for_model("adya-g2", {"total": 3})
    assert PredicateWrites.models().keys() == {"adya-g2"}
