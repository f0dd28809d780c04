"""Fencing: every anomaly by name, and against an oracle that tries every order."""

import pytest
from hypothesis import given, settings

from duress.checkers.fencing import Fencing

from .lock_oracle import NEVER, STEPS, can_happen, history, names, played, window


def check(*rows):
    return Fencing().check(history(*rows), {})


def told(process, f, sequencer):
    value = {"value": 5, "sequencer": sequencer}
    return [(process, "invoke", f, "k", None), (process, "ok", f, "k", value)]


def test_who_wrote_what_is_too_old_is_named():
    rows = told(0, "put", 1) + told(1, "put", 2) + told(2, "put", 1) + told(3, "get", 1)
    by_name = {tuple(anomaly.operations) for anomaly in check(*rows).anomalies}
    assert by_name == {(2, 4), (2, 4, 6)}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (told(0, "acquire", 1) + told(1, "acquire", 2) + told(0, "claim", 9), set()),
        (told(0, "acquire", 2) + told(1, "acquire", 1), {"sequencer-regression"}),
        (told(0, "acquire", 2) + told(1, "claim", 2), {"sequencer-regression"}),
        (told(0, "put", 1) + told(0, "put", 1) + told(1, "put", 2), set()),
        (told(0, "put", 2) + told(1, "put", 1), {"stale-sequencer-accepted"}),
        (told(0, "get", 2) + told(1, "put", 1), {"stale-sequencer-accepted"}),
        (told(0, "put", 2) + told(1, "get", 0), {"stale-sequencer-accepted"}),
        # A lock and its resource are judged apart: a holder may come late, but not too late.
        (told(0, "acquire", 2) + told(1, "put", 1), set()),
        (
            [
                (0, "invoke", "put", "k", None),
                *told(1, "put", 2),
                (0, "ok", "put", "k", {"sequencer": 1}),
            ],
            set(),
        ),
    ],
)
def test_each_anomaly_has_its_name(rows, expected):
    verdict = check(*rows)
    assert names(verdict) == expected
    assert verdict.valid is (not expected)


def test_one_number_is_never_given_twice_even_at_one_time():
    both = [(0, "invoke", "acquire", "k", None), (1, "invoke", "acquire", "k", None)]
    both += [(at, "ok", "acquire", "k", {"sequencer": 3}) for at in (0, 1)]
    assert names(check(*both)) == {"sequencer-regression"}


def test_the_explanation_names_both():
    (anomaly,) = check(*told(0, "put", 4), *told(1, "put", 3)).anomalies
    assert anomaly.explanation == (
        "What lock k protects accepted a write with sequencer 4 (0.001 s, operation 1, process 0), "
        "but later accepted one by process 1 with sequencer 3 (0.003 s, operation 3): "
        "an outdated holder was let through."
    )
    assert anomaly.operations == [0, 2]


def test_nothing_told_is_unknown():
    assert check((0, "invoke", "put", "k", None)).valid == "unknown"
    verdict = check((0, "invoke", "put", "k", None), (0, "ok", "put", "k", {"value": 5}))
    assert verdict.valid == "unknown"
    assert "operation 1" in verdict.reason


def explained(found):
    """Whether the numbers of grants can have grown, and those of the resource not have shrunk."""
    for fs, at_least in ((("acquire",), 1), (("put", "get"), 0)):
        events = []
        for invoked, completion in found.pairs():
            if invoked.f not in fs or completion is None or completion.type != "ok":
                continue
            number = completion.value["sequencer"]
            earliest, latest = window(invoked, completion)
            assert latest < NEVER

            def apply(newest, number=number, at_least=at_least):
                return (number,) if number >= newest + at_least else None

            events.append((earliest, latest, False, apply))
        if not can_happen(events, -1):
            return False
    return True


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_it_agrees_with_an_oracle(steps):
    def invoke(thread, choice):
        return ("acquire", "put", "get")[choice % 3], None

    def complete(thread, f, value, choice, at):
        return {"sequencer": at // 4 + choice // 2}

    found = played(steps, invoke, complete)
    verdict = Fencing().check(found, {})
    assert (verdict.valid is False) == (not explained(found)), verdict
