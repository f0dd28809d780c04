"""Who sees a write sees all that were over before it began."""

from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.causal_reverse import CausalReverse

from .register_transaction_histories import committed, interleaved, names, one_by_one


def check(found, order="realtime"):
    return CausalReverse(order).check(found, {})


def test_a_write_without_the_one_before():
    read = (2, [["r", 1, None], ["r", 2, 1]])
    verdict = check(one_by_one((0, [["w", 1, 1]]), (1, [["w", 2, 1]]), read))
    (anomaly,) = verdict.anomalies
    assert (anomaly.name, anomaly.key, anomaly.operations) == ("causal-reverse", 1, [0, 2, 4])
    assert "saw process 1 (through n2)'s write of key 2, but not process 0" in anomaly.explanation


def test_by_session_only_one_process_counts():
    read = (2, [["r", 1, None], ["r", 2, 1]])
    two = one_by_one((0, [["w", 1, 1]]), (1, [["w", 2, 1]]), read)
    assert check(two, "session").valid is True
    one = one_by_one((0, [["w", 1, 1]]), (0, [["w", 2, 1]]), read)
    assert names(check(one, "session")) == {"causal-reverse"}


def test_keys_that_are_written_twice_are_passed_over():
    read = (2, [["r", 1, None], ["r", 2, 1]])
    found = one_by_one((0, [["w", 1, 1]]), (0, [["w", 1, 2]]), (0, [["w", 2, 1]]), read)
    assert check(found).valid == "unknown"


@st.composite
def small(draw):
    keys = iter(range(4))
    sessions = []
    for _ in range(3):
        session = []
        for _ in range(draw(st.integers(1, 3))):
            key = next(keys, None) if draw(st.booleans()) else None
            if key is not None:
                outcome = draw(st.sampled_from(["ok", "ok", "ok", "fail", "info"]))
                session.append(([["w", key, 1]], outcome))
            else:
                value = st.sampled_from([None, 1])
                session.append(([["r", k, draw(value)] for k in range(4)], "ok"))
        sessions.append(session)
    return draw(interleaved(sessions))


def wrong(found, order):
    txns = committed(found)
    writes = {}
    for invoked, done in found.pairs():
        for f, key, _ in invoked.value:
            if f == "w" and (done is None or done.type != "fail"):
                writes[key] = invoked.index, done, invoked.process
    for _, _, _, steps in txns:
        saw = {k for f, k, v in steps if f == "r" and v and k in writes}
        missed = {k for f, k, v in steps if f == "r" and not v and k in writes}
        for one in missed:
            _, done, process = writes[one]
            for other in saw:
                began, _, writer = writes[other]
                acknowledged = done is not None and done.type == "ok" and done.index < began
                if acknowledged and (order == "realtime" or process == writer):
                    return True
    return False


@settings(max_examples=200, deadline=None)
@given(small(), st.sampled_from(["session", "realtime"]))
def test_it_agrees_with_comparing_all(found, order):
    assert (check(found, order).valid is False) == wrong(found, order)
