"""Logs of messages: what was acknowledged is kept, in order, and polled by everybody."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.kafka import Kafka

from .collection_histories import history

ALL, FROM_BEGINNING = {"keys": ["k"], "from": "committed"}, {"keys": ["k"], "from": "beginning"}


def rows_of(*calls):
    """One call after the other: ``(process, f, value, result)``; a result "fail" or "info"."""
    rows = []
    for process, f, value, result in calls:
        rows.append((process, "invoke", f, value))
        if result in ("fail", "info"):
            rows.append((process, result, f, value))
        else:
            rows.append((process, "ok", f, result))
    return rows


def send(process, message, offset):
    result = offset if isinstance(offset, str) else ["k", message, offset]
    return process, "send", ["k", message], result


def poll(process, *pairs):
    return process, "poll", ["k"], {"k": [list(pair) for pair in pairs]} if pairs else {}


def assign(process, value=ALL):
    return process, "assign", value, value


def check(*calls):
    return Kafka().check(history(*rows_of(*calls)), {})


def names(*calls):
    return set(check(*calls).statistics["anomaly_counts"])


GOOD = (
    *(assign(1), send(0, "a", 0), send(0, "b", 1), poll(1, (0, "a")), send(0, "c", 5)),
    *(poll(1, (1, "b"), (5, "c")), poll(1), assign(1, FROM_BEGINNING)),
    *(poll(1, (0, "a"), (1, "b"), (5, "c")), poll(1)),
)


def test_a_log_that_is_polled_in_order_is_fine_even_with_gaps():
    verdict = check(*GOOD)
    assert (verdict.valid, verdict.anomalies) == (True, [])
    assert verdict.statistics["highest-offsets"] == {"k": 5}
    assert verdict.statistics["acknowledged-count"] == 3


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("inconsistent-offset", [send(0, "a", 0), send(1, "b", 0)]),
        ("duplicate", [send(0, "a", 0), poll(1, (3, "a"))]),
        ("lost-write", [send(0, "a", 0), send(0, "b", 1), poll(1, (1, "b"))]),
        ("aborted-read", [send(0, "a", "fail"), poll(1, (0, "a"))]),
        ("unsent-message", [send(0, "a", 0), poll(1, (0, "a"), (1, "z"))]),
        ("nonmonotonic-send", [send(0, "a", 4), send(0, "b", 3)]),
        (
            "nonmonotonic-poll",
            [send(0, "a", 0), send(0, "b", 1), poll(1, (0, "a"), (1, "b")), poll(1, (1, "b"))],
        ),
        (
            "poll-skip",
            [*(send(0, m, at) for at, m in enumerate("abc")), poll(1, (0, "a")), poll(1, (2, "c"))],
        ),
        (
            "int-poll-skip",
            [*(send(0, m, at) for at, m in enumerate("abc")), poll(1, (0, "a"), (2, "c"))],
        ),
        ("int-nonmonotonic-poll", [send(0, "a", 0), send(0, "b", 1), poll(1, (1, "b"), (0, "a"))]),
        (
            "unobserved",
            [
                send(0, "a", 0),
                send(0, "b", 1),
                assign(1, FROM_BEGINNING),
                poll(1, (0, "a")),
                poll(1),
            ],
        ),
    ],
)
def test_each_anomaly_is_named_and_told(name, calls):
    verdict = check(*calls)
    assert verdict.valid is False
    mine = [anomaly for anomaly in verdict.anomalies if anomaly.name == name]
    assert mine, verdict.anomalies
    assert mine[0].operations
    assert mine[0].explanation.endswith(".")
    assert "key k" in mine[0].explanation or name == "unobserved"


def test_a_lost_write_names_who_was_told_and_what_is_behind_it():
    verdict = check(send(0, "a", 0), send(0, "b", 1), poll(1, (1, "b")))
    assert verdict.anomalies[0].explanation == (
        "Message a to key k was acknowledged to process 0 at 0.001 s with offset 0, but it is in "
        "no poll at all, although a poll of process 1 at 0.005 s saw what is at offset 1, "
        "behind it."
    )


def test_an_assignment_begins_anew():
    calls = [send(0, "a", 0), send(0, "b", 1), poll(1, (0, "a"), (1, "b"))]
    assert names(*calls, poll(1, (0, "a"))) == {"nonmonotonic-poll"}
    assert names(*calls, assign(1), poll(1, (0, "a"))) == set()


def test_what_nobody_knows_the_fate_of_may_or_may_not_be_there():
    assert names(send(0, "a", "info"), send(1, "b", 1), poll(1, (1, "b"))) == set()
    assert names(send(0, "a", "info"), send(1, "b", 1), poll(1, (0, "a"), (1, "b"))) == set()


def test_what_was_sent_after_the_last_reading_began_need_not_be_in_it():
    calls = [send(0, "a", 0), assign(1, FROM_BEGINNING), send(0, "b", 1), poll(1, (0, "a"))]
    assert names(*calls, poll(1)) == set()


def test_nothing_sent_or_polled_proves_nothing():
    assert check().valid == "unknown"
    assert check(send(0, "a", 0)).valid == "unknown"


@pytest.mark.parametrize(
    "value", [None, "k", ["k"], {"k": 3}, {"k": [[1]]}, {"k": [["1", "a"]]}, {"k": [[1.5, "a"]]}]
)
def test_a_strange_history_is_unknown_with_the_reason(value):
    verdict = Kafka().check(
        history((0, "invoke", "poll", ["k"]), (0, "ok", "poll", value or [])), {}
    )
    assert verdict.valid == "unknown"
    assert "operation 1" in verdict.reason


# -- against definitions written down as they are said, without any cleverness ---------------


def oracle(calls):
    """Names of anomalies, by trying all pairs."""
    found = set()
    sent = [(c[0], c[2][1], c[3]) for c in calls if c[1] == "send"]
    acknowledged = [(p, m, r[2]) for p, m, r in sent if isinstance(r, list)]
    polls = [(i, c[0], c[3].get("k", [])) for i, c in enumerate(calls) if c[1] == "poll"]
    polled = [tuple(pair) for _, _, pairs in polls for pair in pairs]
    places = {*polled, *((offset, message) for _, message, offset in acknowledged)}
    offsets = {offset for offset, _ in places}
    for one in places:
        for two in places:
            if one[0] == two[0] and one[1] != two[1]:
                found.add("inconsistent-offset")
            if one[0] != two[0] and one[1] == two[1]:
                found.add("duplicate")
    for _, message in polled:
        results = [r for _, m, r in sent if m == message]
        if not results:
            found.add("unsent-message")
        elif all(r == "fail" for r in results):
            found.add("aborted-read")
    for _, message, offset in acknowledged:
        if all(m != message for _, m in polled) and any(o > offset for o, _ in polled):
            found.add("lost-write")
    for at, (process, _, offset) in enumerate(acknowledged):
        later = [o for p, _, o in acknowledged[at + 1 :] if p == process]
        if later and later[0] <= offset:
            found.add("nonmonotonic-send")

    def step(one, two, prefix):
        if two <= one:
            found.add(f"{prefix}nonmonotonic-poll")
        elif any(one < o < two for o in offsets):
            found.add(f"{prefix}poll-skip")

    for at, process, pairs in polls:
        for one, two in pairwise(pairs):
            step(one[0], two[0], "int-")
        for later in range(at + 1, len(calls)):
            if calls[later][0] == process and calls[later][1] == "assign":
                break
            if calls[later][0] == process and calls[later][1] == "poll":
                after = calls[later][3].get("k", [])
                if pairs and after:
                    step(pairs[-1][0], after[0][0], "")
                    break
    for at, call in enumerate(calls):
        if call[1] == "assign" and call[2]["from"] == "beginning":
            mine = []
            for later in calls[at + 1 :]:
                if later[0] == call[0] and later[1] == "assign":
                    break
                if later[0] == call[0] and later[1] == "poll":
                    mine.append(later[3].get("k", []))
            if mine and not mine[-1]:
                saw = [m for pairs in mine for _, m in pairs]
                before = [c for c in calls[:at] if c[1] == "send" and isinstance(c[3], list)]
                if any(c[2][1] not in saw for c in before):
                    found.add("unobserved")
    return found


messages = st.integers(0, 4)
places = st.tuples(st.integers(0, 4), messages)
one_call = st.one_of(
    st.builds(send, st.integers(0, 1), messages, st.integers(0, 4) | st.sampled_from(["fail"])),
    st.builds(lambda p, pairs: poll(p, *pairs), st.integers(0, 1), st.lists(places, max_size=3)),
    st.builds(assign, st.integers(0, 1), st.sampled_from([ALL, FROM_BEGINNING])),
)


@given(st.lists(one_call, max_size=9))
@settings(max_examples=400, deadline=None)
def test_the_same_names_as_the_definitions_give(calls):
    seen, distinct = set(), []
    for call in calls:  # messages are sent once each
        if call[1] == "send":
            if call[2][1] in seen:
                continue
            seen.add(call[2][1])
        distinct.append(call)
    assert names(*distinct) == oracle(distinct)


@pytest.mark.parametrize("seed", range(20))
def test_a_right_log_is_never_blamed(seed):
    random = Random(seed)
    log, position, calls, number = [], {1: 0, 2: 0}, [assign(1), assign(2)], 0
    for _ in range(200):
        process = random.choice([1, 2])
        kind = random.random()
        if kind < 0.5:
            number += 1
            fate = random.choice(["ok", "ok", "info", "fail"])
            if fate != "fail" and (fate == "ok" or random.random() < 0.5):
                log.append(number)
            calls.append(send(100 + number, number, len(log) - 1 if fate == "ok" else fate))
        elif kind < 0.9:
            end = min(len(log), position[process] + random.randint(0, 4))
            calls.append(poll(process, *((at, log[at]) for at in range(position[process], end))))
            position[process] = end
        else:
            position[process] = random.randint(0, position[process])
            calls.append(assign(process))
    calls += [assign(1, FROM_BEGINNING), poll(1, *enumerate(log)), poll(1)]
    assert names(*calls) == set()
