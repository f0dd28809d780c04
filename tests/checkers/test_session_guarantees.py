"""Session guarantees: each by a small history, and what is flagged against the definitions."""

import pytest
from hypothesis import given, settings

from duress.checkers.register_sessions import LAST_WRITE, SIBLINGS
from duress.checkers.sessions import MEANING, Sessions

from .register_session_histories import history, overlapping


def check(recorded, conflicts=LAST_WRITE):
    return Sessions(conflicts).check(recorded, {})


def names(recorded, conflicts=LAST_WRITE):
    return {anomaly.name for anomaly in check(recorded, conflicts).anomalies}


WROTE_TWO = ((0, "write", 1, [1]), (0, "write", 2, [2]))


@pytest.mark.parametrize("conflicts", [LAST_WRITE, SIBLINGS])
def test_a_session_must_see_its_own_writes(conflicts):
    for shown in ([], [1]):
        recorded = history(*WROTE_TWO, (0, "read", None, shown))
        assert names(recorded, conflicts) == {"read-your-writes"}
    text = check(history(*WROTE_TWO, (0, "read", None, [1]))).anomalies[0].explanation
    assert "process 0 (through n1) read 1" in text
    assert "the same session had written 2" in text
    assert names(history(*WROTE_TWO, (1, "read", None, [1])), conflicts) == set()


@pytest.mark.parametrize("conflicts", [LAST_WRITE, SIBLINGS])
def test_a_session_must_go_on_seeing_what_it_saw(conflicts):
    steps = (*WROTE_TWO, (1, "read", None, [2]))
    assert names(history(*steps, (1, "read", None, [1])), conflicts) == {"monotonic-reads"}
    assert names(history(*steps, (1, "read", None, [])), conflicts) == {"monotonic-reads"}
    assert names(history(*steps, (2, "read", None, [1])), conflicts) == set()


def test_a_newer_value_may_take_the_place_of_what_was_seen():
    steps = (0, "write", 1, [1]), (0, "read", None, [1]), (1, "write", 2, [2])
    assert names(history(*steps, (0, "read", None, [2]))) == set()
    back = history(*steps, (0, "read", None, [2]), (0, "read", None, [1]))
    assert names(back) == {"monotonic-reads"}
    # Of siblings only a write whose session knew the value may.
    assert names(history(*steps, (0, "read", None, [2])), SIBLINGS) == {"read-your-writes"}
    knew = (0, "write", 1, [1]), (1, "read", None, [1]), (1, "write", 2, [2])
    assert names(history(*knew, (0, "read", None, [2])), SIBLINGS) == set()


def test_siblings_must_not_be_in_an_order():
    own = history(*WROTE_TWO, (1, "read", None, [1, 2]))
    assert names(own, SIBLINGS) == {"monotonic-writes"}
    steps = (0, "write", 1, [1]), (1, "read", None, [1]), (1, "write", 2, [2])
    read = history(*steps, (2, "read", None, [1, 2]))
    assert names(read, SIBLINGS) == {"writes-follow-reads"}


def test_in_the_end_no_write_has_lost_to_one_that_it_knew_of():
    same = [("final", node, [1]) for node in ("n1", "n2")]
    assert names(history(*WROTE_TWO, *same)) == {"monotonic-writes"}
    steps = (0, "write", 1, [1]), (1, "read", None, [1]), (1, "write", 2, [2])
    assert names(history(*steps, *same)) == {"writes-follow-reads"}
    still_differing = ("final", "n3", [2])
    assert names(history(*steps, *same, still_differing)) == set()


def test_a_delete_may_be_why_a_value_is_gone():
    steps = (0, "write", 1, [1]), (1, "read", None, [1]), (1, "delete", None, [])
    for conflicts in (LAST_WRITE, SIBLINGS):
        assert names(history(*steps, (0, "read", None, [])), conflicts) == set()
        again = history(*steps, (1, "read", None, [1]))
        assert names(again, conflicts) == {"read-your-writes"}


def test_an_operation_of_unknown_fate_ends_a_session_and_empty_ones_are_unknown():
    steps = (0, "write", 1, [1]), (1, "read", None, [1]), (1, "write", 2, "info")
    assert names(history(*steps, (2, "read", None, [2]), (0, "read", None, [2])), SIBLINGS) == set()
    assert check(history()).valid == "unknown"
    assert set(MEANING) >= names(history(*WROTE_TWO, (1, "read", None, [1, 2])), SIBLINGS)


@settings(max_examples=300, deadline=None)
@given(overlapping(listed=True, deletes=False))
def test_siblings_against_the_definitions(recorded):
    """Of every two steps of a session the later reflects the earlier; no read shows an order."""
    saw, seen, steps = {}, {}, {}
    for invoked, completion in recorded.pairs():
        mine = seen.setdefault(invoked.process, set())
        if completion is not None and completion.type == "fail":
            continue
        if invoked.f == "write":
            saw[invoked.value] = set(mine)
        if completion is not None and completion.type == "ok":
            mine.update(completion.value)
            is_read = invoked.f == "read"
            steps.setdefault(invoked.process, []).append((is_read, set(completion.value)))

    def knew(value, found=None):
        found = set() if found is None else found
        for each in saw.get(value, ()):
            if each not in found:
                found.add(each)
                knew(each, found)
        return found

    def past(values):
        return set().union(*(knew(value) for value in values))

    wrong = False
    for mine in steps.values():
        for at, (is_read, values) in enumerate(mine):
            wrong |= is_read and bool(past(values) & values)
            for _, before in mine[:at]:
                lacking = before - values - past(values)
                wrong |= is_read and (bool(lacking) or bool(past(before) & values - before))
    verdict = check(recorded, SIBLINGS)
    if not wrong:
        assert verdict.valid in (True, "unknown")
    elif verdict.valid is not False:
        # What an earlier violation hid is not reported again, but something must have been.
        raise AssertionError("a violation of the definitions was missed")
