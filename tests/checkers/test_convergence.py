"""Convergence of registers, sets and counters: by example, and against brute force."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.convergence import COUNTER, REGISTER, SET, Convergence
from duress.checkers.register_sessions import LAST_WRITE, SIBLINGS

from .register_session_histories import history, overlapping, recorded
from .test_regular import last_write_allows, siblings_allow


def names(found):
    return {anomaly.name for anomaly in found.anomalies}


def registers(*steps, conflicts=LAST_WRITE, real_time=True):
    return Convergence(REGISTER, conflicts, real_time).check(history(*steps), {})


TWO = ((0, "write", 1, [1]), (0, "write", 2, [2]))


def test_replicas_of_a_register_must_agree():
    found = registers(*TWO, ("final", "n1", [2]), ("final", "n2", [1]))
    assert "divergence" in names(found)
    text = found.anomalies[0].explanation
    assert "n1 and n2 still differ of key 0: n1 holds 2, n2 holds 1" in text
    assert registers(*TWO, ("final", "n1", [2]), ("final", "n2", [2])).valid is True
    late = registers(*TWO, ("final", "n1", [1]), ("final", "n1", [2]), ("final", "n2", [2]))
    assert late.valid is True, "a node's last answer counts"


@pytest.mark.parametrize("conflicts", [LAST_WRITE, SIBLINGS])
def test_an_acknowledged_write_must_not_be_lost(conflicts):
    for left in ([1], []):
        assert names(registers(*TWO, ("final", "n1", left), conflicts=conflicts)) == {"lost-write"}


def test_without_overlapping_quorums_only_what_a_write_knew_is_older():
    blind = (0, "write", 1, [1]), (1, "write", 2, [2]), ("final", "n1", [1])
    assert names(registers(*blind)) == {"lost-write"}
    assert registers(*blind, real_time=False).valid is True
    assert names(registers(*TWO, ("final", "n1", [1]), real_time=False)) == {"lost-write"}


@pytest.mark.parametrize("conflicts", [LAST_WRITE, SIBLINGS])
def test_what_was_deleted_must_not_come_back(conflicts):
    steps = (0, "write", 1, [1]), (0, "delete", None, [])
    found = registers(*steps, ("final", "n1", [1]), conflicts=conflicts)
    assert names(found) == {"resurrected-value"}
    assert registers(*steps, ("final", "n1", []), conflicts=conflicts).valid is True


def test_what_failed_must_not_be_there_and_what_is_unknown_may():
    assert names(registers((0, "write", 1, "fail"), ("final", "n1", [1]))) == {"unwritten-value"}
    for left in ([], [1]):
        assert registers((0, "write", 1, "info"), ("final", "n1", left)).valid is True


def test_nobody_asked_and_who_never_answered():
    assert registers(*TWO).valid == "unknown"
    silent = recorded(
        [
            (0, "invoke", "final", {}, None, None),
            (0, "ok", "final", {}, "n1", None),
            (1, "invoke", "final", {}, None, None),
            (1, "fail", "final", {}, "n2", None),
        ]
    )
    found = Convergence().check(silent, {})
    assert (found.valid, found.reason) == ("unknown", "never answered: n2")


@pytest.mark.parametrize("conflicts", [LAST_WRITE, SIBLINGS])
def test_registers_against_brute_force(conflicts):
    """What all nodes hold in the end is judged as a regular read after everything would be."""
    allows = last_write_allows if conflicts == LAST_WRITE else siblings_allow

    @settings(max_examples=150, deadline=None)
    @given(overlapping(conflicts == SIBLINGS), st.sets(st.integers(1, 4), max_size=2))
    def compare(drawn, left):
        left = sorted(left)[: 1 if conflicts == LAST_WRITE else 2]
        events = [(o.process, o.type, o.f, o.value, o.node, o.key) for o in drawn]
        if not any(event[2] != "read" for event in events):
            return
        ending = [
            (90, "invoke", "read", None, None, 0),
            (90, "ok", "read", left, "n1", 0),
            (91, "invoke", "final", {}, None, None),
            (91, "ok", "final", {"0": left}, "n1", None),
        ]
        whole = recorded(events + ending)
        read = whole[len(events)], whole[len(events) + 1]
        expected = allows(whole, *read)
        # Without the read, which nobody made: it would be part of what sessions saw.
        found = Convergence(REGISTER, conflicts).check(recorded(events + ending[2:]), {})
        assert (found.valid is True) == expected

    compare()


def final(process, value):
    return [
        (process, "invoke", "final", None, None, None),
        (process, "ok", "final", value, f"n{process}", None),
    ]


def updates(*steps):
    """``(f, value, outcome)``, each by a process of its own."""
    events = []
    for process, (f, value, outcome) in enumerate(steps, 20):
        events.append((process, "invoke", f, value, None, None))
        if outcome in ("fail", "info"):
            events.append((process, outcome, f, value, "n1", None))
        else:
            done = value if outcome is None else outcome
            events.append((process, "ok", f, done, "n1", None))
    return events


def sets(*steps, left, right=None):
    right = left if right is None else right
    events = updates(*steps) + final(1, left) + final(2, right)
    return Convergence(SET).check(recorded(events), {})


ADD = ("add", "x", {"element": "x", "tag": "n1:1"})
AGAIN = ("add", "x", {"element": "x", "tag": "n2:1"})
REMOVE = ("remove", "x", {"element": "x", "tags": ["n1:1"]})


def test_an_add_that_no_remove_saw_must_stay():
    assert sets(ADD, left=["x"]).valid is True
    assert names(sets(ADD, left=[])) == {"lost-element"}
    assert sets(ADD, AGAIN, REMOVE, left=["x"]).valid is True
    assert names(sets(ADD, AGAIN, REMOVE, left=[])) == {"lost-element"}
    assert names(sets(ADD, left=["x"], right=[])) == {"divergence", "lost-element"}


def test_a_divergence_is_told_with_what_was_done_to_the_element():
    found = sets(ADD, ("add", "y", None), AGAIN, REMOVE, left=["y", "x"], right=["y"])
    divergence = next(each for each in found.anomalies if each.name == "divergence")
    assert divergence.explanation.endswith("n1 and n2 still differ: n1 has x, which n2 has not.")
    assert divergence.operations == [0, 4, 6, 9, 11]
    both = sets(("add", "x", None), ("add", "y", None), left=["x"], right=["y"])
    said = next(each for each in both.anomalies if each.name == "divergence").explanation
    assert said.endswith("n1 has x, which n2 has not; n2 has y, which n1 has not.")


def test_an_element_of_which_every_add_was_removed_must_go():
    assert sets(ADD, REMOVE, left=[]).valid is True
    assert names(sets(ADD, REMOVE, left=["x"])) == {"resurrected-element"}
    unsure = ("add", "x", "info")
    for left in ([], ["x"]):
        assert sets(ADD, REMOVE, unsure, left=left).valid is True
        assert sets(ADD, ("remove", "x", "info"), left=left).valid is True


def test_without_tags_a_remove_may_concern_what_had_begun():
    plain = ("add", "x", None)
    for left in ([], ["x"]):
        assert sets(plain, ("remove", "x", None), left=left).valid is True
    assert names(sets(("remove", "x", None), plain, left=[])) == {"lost-element"}
    assert names(sets(plain, left=["y", "x"])) == {"unadded-element"}
    assert names(sets(("add", "x", "fail"), left=["x"])) == {"unadded-element"}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 3), st.sampled_from(["ok", "info", "fail"])), max_size=7),
    st.integers(-8, 8),
)
def test_counters_against_brute_force(adds, count):
    steps = [("add", delta, None if fate == "ok" else fate) for delta, fate in adds]
    events = updates(*steps) + final(1, count) + final(2, count)
    unsure = [delta for delta, fate in adds if fate == "info"]
    sure = sum(delta for delta, fate in adds if fate == "ok")
    choices = product((0, 1), repeat=len(unsure))
    possible = {sure + sum(d for d, c in zip(unsure, each, strict=True) if c) for each in choices}
    found = Convergence(COUNTER).check(recorded(events), {})
    assert (found.valid is True) == (count in possible)
    assert names(found) <= {"wrong-count"}


def test_a_count_that_nothing_can_lead_to_is_wrong_at_any_time():
    events = [
        *updates(("add", 5, None)),
        (3, "invoke", "read", None, None, None),
        (3, "ok", "read", 10, "n2", None),
        *final(1, 5),
    ]
    found = Convergence(COUNTER).check(recorded(events), {})
    assert names(found) == {"wrong-count"}
    assert "process 3 (through n2)" in found.anomalies[0].explanation.lower()


def test_what_cannot_be_judged_is_unknown():
    odd = Convergence(COUNTER).check(recorded(final(1, "many")), {})
    assert (odd.valid, "whole number" in odd.reason) == ("unknown", True)
    assert Convergence(SET).check(recorded(final(1, 7)), {}).valid == "unknown"


def test_models():
    siblings = Convergence.for_model("converging-siblings", {})
    assert (siblings.kind, siblings.conflicts) == (REGISTER, SIBLINGS)
    assert {Convergence.for_model(model, {}).kind for model in Convergence.models()} == {
        REGISTER,
        SET,
        COUNTER,
    }
