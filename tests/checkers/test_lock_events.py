"""Events of the lock service: every anomaly by name, and against an oracle of few words."""

import itertools
from random import Random

import pytest

from duress.checkers.lock_events import LockEvents
from duress.checkers.lock_history import LockHistory
from duress.checkers.session_safety import SessionSafety
from duress.checkers.tally import Tally

from .lock_oracle import history, names


def did(process, f, key=None, asked=None, **told):
    return [
        (process, "invoke", f, key, asked),
        (process, "ok", f, key, {"session": f"s{process}", **(asked or {}), **told}),
    ]


def subscribe(process, key):
    return did(process, "subscribe", key)


def write(process, key, value):
    return did(process, "write", key, {"value": value})


def hear(process, *events):
    return did(process, "hear", None, None, events=[list(each) for each in events])


def read(process, key, value):
    return did(process, "read", key, None, value=value)


MODIFIED = ("modified", "f", 1)
FAILED_OVER = ("failed-over", None, None)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (subscribe(0, "f") + write(1, "f", 1) + hear(0, MODIFIED), set()),
        (subscribe(0, "f") + write(1, "f", 1) + hear(0), {"lost-event"}),
        # Told before is told; told later is too late.
        (subscribe(0, "f") + write(1, "f", 1) + hear(0, MODIFIED) + hear(0), set()),
        (subscribe(0, "f") + write(1, "f", 1) + hear(0) + hear(0, MODIFIED), {"lost-event"}),
        (subscribe(0, "f") + write(1, "f", 1) + hear(0, FAILED_OVER), set()),
        (subscribe(0, "f") + hear(0, FAILED_OVER) + write(1, "f", 1) + hear(0), {"lost-event"}),
        (write(1, "f", 1) + subscribe(0, "f") + hear(0), set()),
        (subscribe(0, "g") + write(1, "f", 1) + hear(0), set()),
        (subscribe(1, "f") + write(1, "f", 1) + hear(0), set()),
        # Of a write that may not have been done when it was asked, it need not be told.
        (subscribe(0, "f") + write(1, "f", 1)[:1] + hear(0) + write(1, "f", 1)[1:], set()),
        (subscribe(0, "f") + hear(0, MODIFIED), {"phantom-event"}),
        (subscribe(0, "f") + hear(0, MODIFIED) + write(1, "f", 1), {"phantom-event"}),
        (
            [*write(1, "f", 1)[:1], (1, "fail", "write", "f", None), *hear(0, MODIFIED)],
            {"phantom-event"},
        ),
        (
            did(1, "acquire", "l", {}, sequencer=3)
            + subscribe(0, "l")
            + did(1, "release", "l", {}, sequencer=3)
            + hear(0, ("freed", "l", 3)),
            set(),
        ),
        (
            subscribe(0, "l") + did(1, "acquire", "l", {}, sequencer=3) + hear(0),
            {"lost-event"},
        ),
        # Who was told finds it, also in a cache.
        (write(1, "f", 1)[:1] + hear(0, MODIFIED) + read(0, "f", 1), set()),
        (write(1, "f", 1)[:1] + hear(0, MODIFIED) + read(0, "f", None), {"premature-event"}),
        (write(1, "f", 1)[:1] + hear(0, MODIFIED) + read(2, "f", None), {"premature-event"}),
        (write(1, "f", 1)[:1] + read(0, "f", None)[:1] + hear(2, MODIFIED), set()),
        (write(1, "f", 1) + hear(0, MODIFIED) + read(0, "f", None), {"stale-read"}),
    ],
)
def test_each_anomaly_has_its_name(rows, expected):
    assert names(SessionSafety().check(history(*rows), {})) == expected


def test_the_explanations_tell_the_story():
    (lost,) = (
        SessionSafety()
        .check(history(*subscribe(0, "f"), *write(1, "f", 1), *hear(0)), {})
        .anomalies
    )
    assert "process 1's write of 1 was acknowledged" in lost.explanation
    assert "neither of that nor of a fail-over" in lost.explanation
    assert lost.operations == [0, 2, 4]
    rows = [*write(1, "f", 1)[:1], *hear(0, MODIFIED), *read(2, "f", None)]
    (early,) = SessionSafety().check(history(*rows), {}).anomalies
    assert "as process 0 was told" in early.explanation


def must_be_told(pairs):
    """Whether some change, subscription and question break the promise, by trying all of them."""
    ok = [(i, c) for i, c in pairs if c is not None and c.type == "ok"]
    subscriptions = [pair for pair in ok if pair[0].f == "subscribe"]
    changes = [pair for pair in ok if pair[0].f == "write"]
    hears = [pair for pair in ok if pair[0].f == "hear"]
    for (_, sub), (asked, done), (question, answer) in itertools.product(
        subscriptions, changes, hears
    ):
        session = sub.value["session"]
        if answer.value["session"] != session or sub.key != asked.key:
            continue
        if asked.index < sub.index or question.index < done.index:
            continue
        heard = [
            (event, each)
            for _, each in hears
            if each.value["session"] == session and each.index <= answer.index
            for event in each.value["events"]
        ]
        is_told = any(event == ["modified", asked.key, done.value["value"]] for event, _ in heard)
        is_excused = any(e[0] == "failed-over" and each.index > asked.index for e, each in heard)
        if not is_told and not is_excused:
            return True
    return False


@pytest.mark.parametrize("seed", range(300))
def test_it_agrees_with_the_oracle(seed):
    random = Random(seed)
    open_calls, rows, values = {}, [], itertools.count(1)
    for _ in range(random.randint(6, 24)):
        process = random.randrange(3)
        if process in open_calls:
            rows.append(open_calls.pop(process))
            continue
        f = random.choice(["subscribe", "write", "hear", "hear"])
        key = random.choice("fg")
        if f == "hear":
            known = [("modified", row[3], row[4]["value"]) for row in rows if row[2] == "write"]
            events = random.sample(known, random.randint(0, len(known)))
            events += [FAILED_OVER] * (random.random() < 0.15)
            asked, done = hear(process, *events)
        else:
            asked, done = (
                subscribe(process, key) if f == "subscribe" else write(process, key, next(values))
            )
        rows.append(asked)
        open_calls[process] = done
    seen = LockHistory(history(*rows))
    tally = Tally()
    LockEvents(seen.pairs).judge(tally)
    assert bool(tally.counts["lost-event"]) is must_be_told(seen.pairs)
