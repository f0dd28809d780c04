"""Registers that only grow never go backwards."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.monotonic import Monotonic
from duress.harness.errors import UserError

from .register_transaction_histories import committed, history, interleaved, names, one_by_one


def check(found, order="realtime"):
    return Monotonic(order).check(found, {})


GROWING = [(0, [["w", 0, 1]]), (0, [["w", 0, 2]])]


@pytest.mark.parametrize(
    ("rows", "session", "realtime"),
    [
        ([(1, [["r", 0, 2]]), (1, [["r", 0, 1]])], {"monotonic-reads"}, {"monotonic-reads"}),
        ([(0, [["r", 0, 1]])], {"read-your-writes"}, {"read-your-writes"}),
        ([(1, [["r", 0, 1]])], set(), {"stale-read"}),
        ([(1, [["r", 0, None]])], "unknown", {"stale-read"}),
        ([(1, [["r", 0, 7]])], {"garbage-read"}, {"garbage-read"}),
        ([(1, [["r", 0, 2]])], set(), set()),
    ],
)
def test_each_anomaly_has_its_name(rows, session, realtime):
    for order, expected in (("session", session), ("realtime", realtime)):
        verdict = check(one_by_one(*GROWING, *rows), order)
        if expected == "unknown":
            assert verdict.valid == "unknown"
        else:
            assert names(verdict) == expected
            assert verdict.valid is (not expected)


def test_what_another_process_read_before():
    rows = history(
        (0, "invoke", [["w", 0, 1]]),
        (1, "invoke", [["r", 0, None]]),
        (1, "ok", [["r", 0, 1]]),
        (2, "invoke", [["r", 0, None]]),
        (2, "ok", [["r", 0, None]]),
        (0, "ok", [["w", 0, 1]]),
    )
    (anomaly,) = check(rows).anomalies
    assert (anomaly.name, anomaly.operations) == ("monotonic-reads-realtime", [1, 3])
    assert "process 2 (through n3) read nothing from key 0" in anomaly.explanation
    assert check(rows, "session").valid is True


def test_two_reads_that_cannot_be_put_in_order():
    rows = history(
        (0, "invoke", [["w", 0, 1]]),
        (1, "invoke", [["w", 1, 1]]),
        (2, "invoke", [["r", 0, None], ["r", 1, None]]),
        (3, "invoke", [["r", 0, None], ["r", 1, None]]),
        (2, "ok", [["r", 0, 1], ["r", 1, None]]),
        (3, "ok", [["r", 0, None], ["r", 1, 1]]),
    )
    assert names(check(rows)) == {"long-fork"}
    assert check(rows, "session").valid is True


def test_what_cannot_be_judged_is_unknown():
    two_writers = one_by_one((0, [["w", 0, 1]]), (1, [["w", 0, 2]]))
    assert "needs one writer" in check(two_writers).reason
    shrinks = one_by_one((0, [["w", 0, 2]]), (0, [["w", 0, 1]]))
    assert check(shrinks).valid == "unknown"
    assert "expected 1, 2, 3" in check(one_by_one((0, [["w", 0, "x"]]))).reason
    with pytest.raises(UserError, match="order"):
        Monotonic("any")


@st.composite
def small(draw):
    """Two writers of a register each, who read too, and two readers of both."""
    sessions = []
    for process in range(4):
        session, number = [], 0
        for _ in range(draw(st.integers(1, 3))):
            if process < 2 and draw(st.booleans()):
                number += 1
                outcome = draw(st.sampled_from(["ok", "ok", "fail", "info"]))
                session.append(([["w", process, number]], outcome))
            else:
                values = st.sampled_from([None, 1, 2])
                session.append(([["r", key, draw(values)] for key in (0, 1)], "ok"))
        sessions.append(session)
    return draw(interleaved(sessions))


def wrong(found, order):
    """By comparing every two transactions."""
    written = {
        (s[1], s[2])
        for invoked, done in found.pairs()
        if done is None or done.type != "fail"
        for s in invoked.value
        if s[0] == "w"
    }
    txns = [
        (invoked, done, process, [(f, k, v or 0) for f, k, v in steps])
        for invoked, done, process, steps in committed(found)
    ]
    for invoked, _, process, steps in txns:
        for f, key, value in steps:
            if f == "r" and value and (key, value) not in written:
                return True
            for _, done, other, others in txns:
                before = done < invoked and (order == "realtime" or other == process)
                if f == "r" and before and any(k == key and v > value for _, k, v in others):
                    return True
    reads = [{k: v for f, k, v in steps if f == "r"} for _, _, _, steps in txns]
    return order == "realtime" and any(
        a.keys() == b.keys() == {0, 1} and a[0] < b[0] and a[1] > b[1] for a in reads for b in reads
    )


@settings(max_examples=200, deadline=None)
@given(small(), st.sampled_from(["session", "realtime"]))
def test_it_agrees_with_comparing_every_two(found, order):
    assert (check(found, order).valid is False) == wrong(found, order)
