"""Mutual exclusion: every anomaly by name, and against an oracle that tries every order."""

import pytest
from hypothesis import given, settings

from duress.checkers.mutual_exclusion import MutualExclusion
from duress.harness.errors import UserError

from .lock_oracle import MS, NEVER, STEPS, can_happen, history, names, played, window


def check(*rows, delay_s=0.0):
    return MutualExclusion(delay_s).check(history(*rows), {})


def acquire(process, sequencer=1, lease_ms=None, f="acquire", session="s", lock: object = "k"):
    told: dict[str, object] = {"sequencer": sequencer}
    if lease_ms is not None:
        told.update(session=f"{session}{process}", lease_ms=lease_ms)
    return [(process, "invoke", f, lock, None), (process, "ok", f, lock, told)]


def release(process, outcome="ok", error=None):
    return [
        (process, "invoke", "release", "k", None),
        (process, outcome, "release", "k", None, error),
    ]


def wait(operations):
    """Some milliseconds in which a process that has nothing to do with it is busy."""
    rows = []
    for _ in range(operations):
        rows += [(99, "invoke", "look", "x", None), (99, "ok", "look", "x", None)]
    return rows


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (acquire(0) + release(0) + acquire(1), set()),
        (acquire(0) + acquire(1), {"two-holders"}),
        (acquire(0) + acquire(1, lock="other"), set()),
        (acquire(0) + release(0, "info") + acquire(1), set()),
        (acquire(0) + release(0, "fail") + acquire(1), {"two-holders"}),
        (acquire(0) + release(0, "fail") + release(0) + acquire(1), set()),
        # The release has begun: it may be done before the other's grant.
        (acquire(0) + release(0)[:1] + acquire(1), set()),
        # An acquire that nobody knows of proves nothing.
        (
            [(0, "invoke", "acquire", "k", None), (0, "info", "acquire", "k", None), *acquire(1)],
            set(),
        ),
        (acquire(0, lease_ms=2.5) + acquire(1, 2, 2), {"two-holders"}),
        (acquire(0, lease_ms=2.5) + wait(1) + acquire(1, 2, 2), set()),
        (acquire(0, lease_ms=-1) + acquire(1, 2, 2), set()),
    ],
)
def test_two_holders(rows, expected):
    verdict = check(*rows)
    assert names(verdict) == expected
    assert verdict.valid is (not expected)


def test_a_lease_lasts_until_the_latest_end_that_the_client_knew():
    renewed = [
        (0, "invoke", "put", "k", {"value": 1}),
        (0, "ok", "put", "k", {"value": 1, "session": "s0", "lease_ms": 5}),
    ]
    assert check(*acquire(0, lease_ms=2), *renewed, *acquire(1, 2, 2)).valid is False
    assert check(*acquire(0, lease_ms=2), *renewed, *wait(3), *acquire(1, 2, 2)).valid is True


def test_who_leaves_or_is_told_that_its_session_ended_holds_nothing():
    left = [(0, "invoke", "leave", None, None), (0, "ok", "leave", None, None)]
    assert check(*acquire(0, lease_ms=50), *left, *acquire(1, 2, 2)).valid is True
    told = [
        (0, "invoke", "put", "k", {"value": 1}),
        (0, "fail", "put", "k", {"value": 1}, ["session-expired", "s0"]),
    ]
    assert check(*acquire(0, lease_ms=50), *told, *acquire(1, 2, 2)).valid is True
    other = [*told[:1], (0, "fail", "put", "k", {"value": 1}, ["session-expired", "s9"])]
    assert check(*acquire(0, lease_ms=50), *other, *acquire(1, 2, 2)).valid is False


def test_the_explanation_names_processes_sequencers_and_times():
    verdict = check(*acquire(0, 7, 9), *acquire(1, 8, 9))
    (anomaly,) = verdict.anomalies
    assert anomaly.explanation == (
        "Process 0 held lock k (sequencer 7) from its grant (0.001 s, operation 1) at least until "
        "its lease ended (0.010 s); but process 1 held lock k (sequencer 8) from its grant "
        "(0.003 s, operation 3) at least until its lease ended (0.012 s)."
    )
    assert (anomaly.operations, anomaly.key) == ([0, 2], "k")


def test_a_lock_delay_follows_a_lease_that_ended_but_not_a_release():
    expired = acquire(0, lease_ms=1.5)
    assert names(check(*expired, *wait(1), *acquire(1, 2, 2), delay_s=0.01)) == {
        "lock-delay-cut-short"
    }
    assert check(*expired, *wait(6), *acquire(1, 2, 2), delay_s=0.01).valid is True
    assert (
        check(*acquire(0, lease_ms=9), *release(0), *acquire(1, 2, 2), delay_s=0.01).valid is True
    )
    assert check(*expired, *wait(1), *acquire(1, 2, 2)).valid is True


def test_a_lock_is_lost_if_its_holder_is_denied_within_its_lease():
    denied = release(0, "fail", ["not-the-holder", "no"])
    assert names(check(*acquire(0, lease_ms=9), *denied)) == {"lost-lock"}
    assert check(*acquire(0, lease_ms=1.5), *denied).valid is True
    assert check(*acquire(0, lease_ms=9), *release(0), *denied).valid is True


def test_a_claim_must_be_granted_to_somebody():
    refused = [(0, "invoke", "claim", "k", None), (0, "fail", "claim", "k", None, ["held"])]
    verdict = check(*refused, *refused)
    assert names(verdict) == {"stuck-lock"}
    assert "claimed 2 times" in verdict.anomalies[0].explanation
    assert check(*refused, *acquire(1, f="claim")).valid is True


def test_no_grant_is_unknown():
    assert check((0, "invoke", "acquire", "k", None)).valid == "unknown"


def test_options_from_the_command_line():
    assert MutualExclusion.for_model("mutual-exclusion", {}).lock_delay_s == 0
    with pytest.raises(UserError, match="initial"):
        MutualExclusion.for_model("mutual-exclusion", {"initial": 3})


def explained(found):
    """Whether a mutex with leases can have behaved so. States: the holding grant, or nothing."""
    events, grants = [], {}
    held = {}
    for invoked, completion in found.pairs():
        earliest, latest = window(invoked, completion)
        if completion is not None and completion.type == "fail":
            continue
        optional = latest == NEVER
        if invoked.f == "acquire":
            grant = invoked.index
            events.append(
                (earliest, latest, optional, lambda s, grant=grant: (grant,) if s == 0 else None)
            )
            if completion is not None and completion.type == "ok":
                held[invoked.process] = grant
                end = completion.time / MS + completion.value["lease_ms"]
                grants[grant] = end
        else:
            grant = held.get(invoked.process)
            events.append(
                (earliest, latest, optional, lambda s, grant=grant: (0 if s == grant else s,))
            )
    for grant, end in grants.items():
        # It may run out any time after the end that the client knew.
        events.append((end, NEVER, True, lambda s, grant=grant: (0,) if s == grant else None))
    return can_happen(events, 0)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_it_agrees_with_an_oracle(steps):
    holding = {}

    def invoke(thread, choice):
        return ("release", None) if holding.pop(thread, False) else ("acquire", None)

    def complete(thread, f, value, choice, at):
        if f == "release":
            return None
        holding[thread] = True
        lease_ms = choice * 2 + 0.5
        return {"sequencer": at, "session": f"{thread}/{at}", "lease_ms": lease_ms}

    # Grants are numbered from 1, for 0 is nobody.
    found = played([(2, "fail", 0), (2, "fail", 0), *steps], invoke, complete)
    verdict = MutualExclusion().check(found, {})
    assert (verdict.valid is False) == (not explained(found)), verdict


def test_strange_histories_are_judged_all_the_same():
    rows = acquire(0, lock=["a", 1]) + acquire(1, lock=["a", 1])
    assert names(check(*rows)) == {"two-holders"}
    odd = [(0, "invoke", "acquire", "k", None), (0, "ok", "acquire", "k", 7)]
    assert check(*odd, *release(0), *acquire(1)).valid is True
    lone = [(0, "fail", "look", None, None, "session-expired")]
    assert check((0, "invoke", "look", None, None), *lone, *acquire(1)).valid is True
