"""Regular registers: small histories, and all others against brute force."""

from itertools import chain, combinations, permutations

import pytest
from hypothesis import given, settings

from duress.checkers.register_sessions import LAST_WRITE, SIBLINGS
from duress.checkers.regular import Regular
from duress.harness.errors import UserError

from .register_session_histories import history, overlapping


def check(recorded, conflicts):
    return Regular(conflicts).check(recorded, {})


def names(recorded, conflicts):
    return {anomaly.name for anomaly in check(recorded, conflicts).anomalies}


def updates_of(recorded):
    """(Invocation, end or None, what its session had seen) of all that may have happened."""
    seen, updates = {}, []
    for invoked, completion in recorded.pairs():
        fate = completion.type if completion is not None else "info"
        mine = seen.setdefault(invoked.process, set())
        if invoked.f != "read" and fate != "fail":
            end = completion.index if fate == "ok" else None
            updates.append((invoked, end, frozenset(mine)))
        if fate == "ok":
            mine.update(completion.value)
            if invoked.f == "write":
                mine.add(invoked.value)
    return updates


def subsets(items):
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


def last_write_allows(recorded, invoked, completion):
    """Some order of some updates and the read, allowed by real time, gives what was read."""
    begun = [u for u in updates_of(recorded) if u[0].index < completion.index]
    done = [u for u in begun if u[1] is not None and u[1] < invoked.index]
    maybe = [u for u in begun if u not in done]
    for extra in subsets(maybe):
        for order in permutations([*done, *extra]):
            if any(
                later[1] is not None and later[1] < earlier[0].index
                for earlier, later in combinations(order, 2)
            ):
                continue
            last = order[-1][0] if order else None
            value = [last.value] if last is not None and last.f == "write" else []
            if value == completion.value:
                return True
    return False


def siblings_allow(recorded, invoked, completion):
    """Some set of updates, with all that were complete, leaves just what was read."""
    updates = updates_of(recorded)
    saw = {u[0].value: u[2] for u in updates if u[0].f == "write"}

    def knew(update):
        found, pending = set(), list(update[2])
        while pending:
            value = pending.pop()
            if value not in found:
                found.add(value)
                pending.extend(saw.get(value, ()))
        return found

    begun = [u for u in updates if u[0].index < completion.index]
    done = [u for u in begun if u[1] is not None and u[1] < invoked.index]
    for extra in subsets([u for u in begun if u not in done]):
        there = [*done, *extra]
        gone = set().union(*(knew(each) for each in there))
        left = {u[0].value for u in there if u[0].f == "write"} - gone
        if left == set(completion.value):
            return True
    return False


ALLOWS = {LAST_WRITE: last_write_allows, SIBLINGS: siblings_allow}


@pytest.mark.parametrize("conflicts", [LAST_WRITE, SIBLINGS])
def test_against_brute_force(conflicts):
    @settings(max_examples=250, deadline=None)
    @given(overlapping(listed=conflicts == SIBLINGS))
    def compare(recorded):
        reads = [
            pair
            for pair in recorded.pairs()
            if pair[0].f == "read" and pair[1] is not None and pair[1].type == "ok"
        ]
        expected = all(ALLOWS[conflicts](recorded, *read) for read in reads)
        verdict = check(recorded, conflicts)
        assert (verdict.valid is not False) == expected

    compare()


def test_a_read_must_show_the_last_write_that_was_complete():
    steps = (0, "write", 1, [1]), (0, "write", 2, [2])
    assert check(history(*steps, (1, "read", None, [2])), LAST_WRITE).valid is True
    verdict = check(history(*steps, (1, "read", None, [1])), LAST_WRITE)
    (anomaly,) = verdict.anomalies
    assert (anomaly.name, anomaly.operations) == ("stale-read", [0, 2, 4])
    assert "process 0's write of 2" in anomaly.explanation
    assert "which was complete before the read began" in anomaly.explanation


def test_a_plain_value_is_a_list_of_one():
    steps = (0, "write", 1, 1), (0, "write", 2, 2)
    assert names(history(*steps, (1, "read", None, 1)), LAST_WRITE) == {"stale-read"}
    assert names(history(*steps, (1, "read", None, 2)), LAST_WRITE) == set()


def test_writes_that_did_not_know_of_each_other_must_all_be_shown():
    steps = (0, "write", 1, [1]), (1, "write", 2, [2])
    assert names(history(*steps, (2, "read", None, [1, 2])), SIBLINGS) == set()
    assert names(history(*steps, (2, "read", None, [2])), SIBLINGS) == {"stale-read"}
    seen = (1, "read", None, [1]), (1, "write", 3, [3])
    assert names(history(steps[0], *seen, (2, "read", None, [3])), SIBLINGS) == set()
    both = history(steps[0], *seen, (2, "read", None, [1, 3]))
    assert names(both, SIBLINGS) == {"resurrected-value"}


def test_a_delete_takes_away_what_its_session_had_seen():
    steps = (0, "write", 1, [1]), (1, "read", None, [1]), (1, "delete", None, [])
    assert names(history(*steps, (2, "read", None, [])), SIBLINGS) == set()
    assert names(history(*steps, (2, "read", None, [1])), SIBLINGS) == {"stale-read"}
    blind = (0, "write", 1, [1]), (1, "delete", None, [])
    assert names(history(*blind, (2, "read", None, [])), SIBLINGS) == {"stale-read"}
    assert names(history(*blind, (2, "read", None, [])), LAST_WRITE) == set()


def test_what_nobody_wrote_or_what_failed_must_not_be_shown():
    failed = history((0, "write", 1, "fail"), (1, "read", None, [1]))
    assert names(failed, LAST_WRITE) == {"unwritten-value"}
    assert "had failed" in check(failed, LAST_WRITE).anomalies[0].explanation
    assert names(history((1, "read", None, [7])), SIBLINGS) == {"unwritten-value"}


def test_strange_and_empty_histories_are_unknown():
    twice = history((0, "write", 1, [1]), (1, "write", 1, [1]), (1, "read", None, [1]))
    assert check(twice, LAST_WRITE).valid == "unknown"
    odd = history((0, "write", 1, [1]), (1, "read", None, [{"a": 1}]))
    assert check(odd, LAST_WRITE).valid == "unknown"
    assert check(history(), SIBLINGS).valid == "unknown"


def test_models():
    assert Regular.for_model("regular-siblings", {}).conflicts == SIBLINGS
    with pytest.raises(UserError, match="regular-register has no such option"):
        Regular.for_model("regular-register", {"total": 3})
