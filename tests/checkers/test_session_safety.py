"""Session safety: every anomaly by name, and against oracles that try every order."""

import pytest
from hypothesis import given, settings

from duress.checkers.session_safety import SessionSafety

from .lock_oracle import MS, NEVER, STEPS, can_happen, history, names, played, window


def check(*rows):
    return SessionSafety().check(history(*rows), {})


def done(process, f, value, **told):
    told = {"value": value, **told}
    asked = None if f in ("look", "read") else {"value": value}
    return [(process, "invoke", f, "k", asked), (process, "ok", f, "k", told)]


def announce(process, value, lease_ms):
    return done(process, "announce", value, session=f"s{process}", lease_ms=lease_ms)


LEAVE = [(0, "invoke", "leave", None, None), (0, "ok", "leave", None, None)]
EXPIRED = [
    (0, "invoke", "read", "x", None),
    (0, "fail", "read", "x", None, ["session-expired", "s0"]),
]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (announce(0, 1, 9) + done(1, "look", 1), set()),
        (announce(0, 1, 9) + done(1, "look", None), {"lost-ephemeral"}),
        (announce(0, 1, 9) + done(1, "look", 2), {"lost-ephemeral"}),
        (announce(0, 1, 9) + announce(1, 2, 9), {"lost-ephemeral"}),
        (announce(0, 1, 1.5) + done(1, "look", None), set()),
        (announce(0, 1, 1.5) + announce(1, 2, 9) + done(0, "look", 2), set()),
        # While it is being made it need not be there.
        (announce(0, 1, 9)[:1] + done(1, "look", None) + announce(0, 1, 9)[1:], set()),
        (announce(0, 1, 9) + LEAVE + done(1, "look", None), set()),
        (announce(0, 1, 9) + LEAVE + done(1, "look", 1), {"orphaned-ephemeral"}),
        (announce(0, 1, 9) + LEAVE[:1] + done(1, "look", 1), set()),
        (announce(0, 1, 1) + EXPIRED + done(1, "look", 1), {"orphaned-ephemeral"}),
        (announce(0, 1, 1) + EXPIRED[:1] + done(1, "look", 1) + EXPIRED[1:], set()),
        # Of a session without leases nobody knows when it ended.
        (done(0, "announce", 1) + done(1, "look", None), set()),
        (done(0, "write", 1) + done(1, "read", 1) + done(0, "read", 1, cached=True), set()),
        (done(0, "write", 1) + done(0, "write", 2) + done(1, "read", 1), {"stale-read"}),
        (done(0, "write", 1) + done(1, "read", None), {"stale-read"}),
        (done(0, "read", 7), {"garbage-read"}),
        (done(0, "read", 7) + done(1, "write", 7), {"garbage-read"}),
        (
            [
                (0, "invoke", "write", "k", {"value": 1}),
                (0, "info", "write", "k", {"value": 1}),
                *done(1, "read", None),
                *done(1, "read", 1),
            ],
            set(),
        ),
    ],
)
def test_each_anomaly_has_its_name(rows, expected):
    verdict = check(*rows)
    assert names(verdict) == expected
    if any(row[2] in ("look", "read") and row[1] == "ok" for row in rows):
        assert verdict.valid is (not expected)


def test_the_explanations_tell_the_story():
    (anomaly,) = check(*announce(0, 1, 9), *done(1, "look", None)).anomalies
    assert anomaly.explanation == (
        "Process 0 made the ephemeral file k with 1 in session s0 (0.001 s, operation 1), which "
        "lived until 0.010 s at least; but process 1 found nothing there (0.003 s, operation 3)."
    )
    (anomaly,) = check(*announce(0, 1, 9), *LEAVE, *done(1, "look", 1)).anomalies
    assert "had closed that session (0.003 s, operation 3)" in anomaly.explanation
    (anomaly,) = check(*done(0, "write", 1), *done(0, "write", 2), *done(1, "read", 1)).anomalies
    assert anomaly.operations == [0, 2, 4]
    assert "read 1 again" in anomaly.explanation


def test_cached_reads_are_counted_and_nonsense_is_unknown():
    verdict = check(*done(0, "write", 1), *done(1, "read", 1, cached=True))
    assert (verdict.statistics["reads"], verdict.statistics["cached_reads"]) == (1, 1)
    assert check(*done(0, "write", 1)).valid == "unknown"
    twice = check(*done(0, "write", 1), *done(1, "write", 1), *done(1, "read", 1))
    assert (twice.valid, "operations 0 and 2" in twice.reason) == ("unknown", True)
    null = [(0, "invoke", "write", "k", {"value": None}), (0, "ok", "write", "k", None)]
    assert "not null" in check(*null, *done(1, "read", None)).reason


def is_register(found):
    """Whether the file can have been a register that holds nothing at first."""
    events = []
    for invoked, completion in found.pairs():
        if completion is not None and completion.type == "fail":
            continue
        earliest, latest = window(invoked, completion)
        if invoked.f == "write":
            value = invoked.value["value"]
            events.append((earliest, latest, latest == NEVER, lambda _, value=value: (value,)))
        elif completion is not None and latest < NEVER:
            value = completion.value["value"]
            events.append(
                (earliest, latest, False, lambda s, value=value: (s,) if s == value else None)
            )
    return can_happen(events, None)


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_files_are_judged_as_registers_exactly(steps):
    written = []

    def invoke(thread, choice):
        if choice % 2:
            return "read", None
        written.append(len(written) + 1)
        return "write", {"value": written[-1]}

    def complete(thread, f, value, choice, at):
        if f == "write":
            return value
        return {"value": written[-1 - choice // 2] if choice // 2 < len(written) else None}

    found = played(steps, invoke, complete)
    verdict = SessionSafety().check(found, {})
    assert (verdict.valid is False) == (not is_register(found)), verdict


def is_ephemeral(found):
    """Whether the file can have lived exactly as long as the sessions that made it."""
    events, lives = [], {}
    for invoked, completion in found.pairs():
        earliest, latest = window(invoked, completion)
        if completion is not None and completion.type == "fail":
            continue
        if invoked.f == "announce":
            value = invoked.value["value"]
            make = lambda s, value=value: (value,) if s == 0 else None  # noqa: E731
            events.append((earliest, latest, latest == NEVER, make))
            if completion is not None and completion.type == "ok":
                lives[invoked.process] = value
                end = completion.time / MS + completion.value["lease_ms"]
                gone = lambda s, value=value: (0,) if s == value else None  # noqa: E731
                events.append((end, NEVER, True, gone))
        elif invoked.f == "leave":
            value = lives.get(invoked.process)
            end = lambda s, value=value: (0 if s == value else s,)  # noqa: E731
            events.append((earliest, latest, latest == NEVER, end))
        elif completion is not None and latest < NEVER:
            value = completion.value["value"] or 0
            look = lambda s, value=value: (s,) if s == value else None  # noqa: E731
            events.append((earliest, latest, False, look))
    return can_happen(events, 0)


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_what_is_said_of_ephemerals_is_true(steps):
    made, mine = [], {}

    def invoke(thread, choice):
        if choice % 2:
            return "look", None
        if thread in mine:
            return "leave", None
        made.append(len(made) + 1)
        mine[thread] = made[-1]
        return "announce", {"value": made[-1]}

    def complete(thread, f, value, choice, at):
        if f == "look":
            return {"value": made[-1 - choice // 2] if choice // 2 < len(made) else None}
        if f == "leave":
            return None
        return {**value, "session": f"{thread}", "lease_ms": choice * 2 + 0.5}

    found = played(steps, invoke, complete)
    verdict = SessionSafety().check(found, {})
    if verdict.valid is False:
        assert not is_ephemeral(found), verdict
