"""What came of every element of a queue, against trying every fate of what is unknown."""

import itertools
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.total_queue import TotalQueue
from duress.harness.errors import UserError

from .collection_histories import drawn, history, serial
from .register_transaction_histories import names


def check(given, **options):
    return TotalQueue(**options).check(given, {})


# -- by hand -----------------------------------------------------------------------


def test_what_went_in_came_out():
    verdict = check(
        serial(("enqueue", 1), ("enqueue", 2), ("dequeue", None, 1), ("drain", None, [2]))
    )
    assert verdict.valid is True
    wanted = {"attempt-count": 2, "acknowledged-count": 2, "ok-count": 2, "lost-count": 0}
    assert wanted.items() <= verdict.statistics.items()


def test_what_is_missing_when_the_queue_is_empty_is_lost():
    verdict = check(serial(("enqueue", 1), ("enqueue", 2), ("drain", None, [2])))
    (anomaly,) = verdict.anomalies
    assert (anomaly.name, anomaly.operations) == ("lost-element", [0, 4])
    assert anomaly.explanation == (
        "1, whose enqueue was acknowledged to process 0 at 0.001 s, was never delivered, although "
        "process 2 saw the queue empty at 0.005 s."
    )
    assert verdict.statistics["lost"] == [1]


def test_without_a_drain_nobody_knows():
    verdict = check(serial(("enqueue", 1), ("enqueue", 2), ("dequeue", None, 2)))
    assert verdict.valid == "unknown"
    assert "drain it" in verdict.reason


@pytest.mark.parametrize("error", ["empty", ["empty", "nothing there"]])
def test_a_refusal_as_empty_is_as_good_as_a_drain(error):
    rows = [(0, "invoke", "enqueue", 1), (0, "ok", "enqueue", 1), (1, "invoke", "dequeue", None)]
    empty = history(*rows, (1, "fail", "dequeue", None, None, None, error))
    assert names(check(empty)) == {"lost-element"}
    other = history(*rows, (1, "fail", "dequeue", None, None, None, "no-leader"))
    assert check(other).valid == "unknown"
    nothing = history(*rows, (1, "ok", "dequeue", None))
    assert names(check(nothing)) == {"lost-element"}


def test_a_dequeue_of_unknown_outcome_may_have_taken_one_but_not_two():
    rows = [(0, "invoke", "enqueue", 1), (0, "ok", "enqueue", 1)]
    rows += [(5, "invoke", "dequeue", None), (5, "info", "dequeue", None)]
    rows += [(1, "invoke", "drain", None), (1, "ok", "drain", [])]
    verdict = check(history((9, "invoke", "enqueue", 9), *rows, (9, "ok", "enqueue", 9)))
    assert verdict.valid == "unknown"  # and 9 was acknowledged after the drain
    verdict = check(history(*rows, (1, "invoke", "dequeue", None)))
    assert verdict.statistics["lost"] == [1]
    assert verdict.statistics["certainly-lost-count"] == 0
    two = history((8, "invoke", "enqueue", 8), (8, "ok", "enqueue", 8), *rows)
    verdict = check(two)
    assert names(verdict) == {"lost-element"}
    assert "2 elements are missing; the 1 dequeues" in verdict.anomalies[0].explanation
    assert verdict.statistics["certainly-lost-count"] == 1


def test_a_dequeue_after_the_queue_was_empty_has_taken_nothing_before():
    rows = [(0, "invoke", "enqueue", 1), (0, "ok", "enqueue", 1)]
    rows += [(1, "invoke", "drain", None), (1, "ok", "drain", [])]
    rows += [(5, "invoke", "dequeue", None), (5, "info", "dequeue", None)]
    assert names(check(history(*rows))) == {"lost-element"}


def test_a_drain_that_broke_off_may_have_taken_anything():
    rows = [(p, t, "enqueue", p) for p in range(3) for t in ("invoke", "ok")]
    rows += [(5, "invoke", "drain", None), (5, "info", "drain", [1])]
    rows += [(6, "invoke", "drain", None), (6, "ok", "drain", [2])]
    verdict = check(history(*rows))
    assert verdict.valid is True
    assert verdict.statistics["ok-count"] == 2
    assert "may have been taken" in verdict.reason


def test_what_comes_twice_is_a_duplicate_unless_that_is_allowed():
    given = serial(("enqueue", 1), ("dequeue", None, 1), ("dequeue", None, 1), ("drain", None, []))
    verdict = check(given)
    (anomaly,) = verdict.anomalies
    assert (anomaly.name, anomaly.operations) == ("duplicated-element", [0, 2, 4])
    assert "enqueued once but delivered 2 times: to process 1 at 0.003 s and again to" in (
        anomaly.explanation
    )
    assert check(given, duplicates=True).valid is True
    assert check(given, duplicates=True).statistics["duplicated-count"] == 1


def test_equal_elements_are_counted():
    twice = [("enqueue", 1), ("enqueue", 1)]
    assert check(serial(*twice, ("drain", None, [1, 1]))).valid is True
    assert names(check(serial(*twice, ("drain", None, [1])))) == {"lost-element"}
    assert names(check(serial(*twice, ("drain", None, [1, 1, 1])))) == {"duplicated-element"}


def test_what_comes_from_nowhere():
    verdict = check(serial(("enqueue", 1), ("drain", None, [1, 7])))
    assert names(verdict) == {"unexpected-element"}
    assert "nobody ever enqueued it" in verdict.anomalies[0].explanation
    rows = [(0, "invoke", "enqueue", 7), (0, "fail", "enqueue", 7)]
    rows += [(1, "invoke", "dequeue", None), (1, "ok", "dequeue", 7)]
    verdict = check(history(*rows))
    assert "failed for certain" in verdict.anomalies[0].explanation
    early = serial(("dequeue", None, 7), ("enqueue", 7))
    assert "came too late" in check(early).anomalies[0].explanation


def test_one_is_not_true_in_a_drain_either():
    values = [1, True, "1", [1], {"a": 1}]
    adds = [("enqueue", value) for value in values]
    assert check(serial(*adds, ("drain", None, values))).valid is True
    assert names(check(serial(*adds, ("drain", None, [1, 1, *values[2:]])))) == {
        "lost-element", "duplicated-element",
    }  # fmt: skip


def test_what_was_recovered():
    rows = [(0, "invoke", "enqueue", 1), (0, "info", "enqueue", 1)]
    rows += [(1, "invoke", "drain", None), (1, "ok", "drain", [1])]
    verdict = check(history(*rows))
    assert verdict.valid is True
    assert verdict.statistics["recovered"] == [1]


def test_what_it_cannot_judge():
    assert check(history()).valid == "unknown"
    assert check(serial(("enqueue", 1), ("drain", None, 3))).valid == "unknown"


# -- against an oracle ----------------------------------------------------------------


def some_history(random, honest):
    """Few elements through a queue that may lose, double and invent some; maybe drained."""
    queue = []
    values = random.randrange(1, 4)

    def call():
        if random.random() < 0.5:
            return "enqueue", random.randrange(values)
        return ("drain", None) if random.random() < 0.15 else ("dequeue", None)

    def complete(f, value):
        kind = random.choice(["ok", "ok", "ok", "fail", "info", None])
        slips = not honest and random.random() < 0.25
        happens = kind == "ok" or (kind != "fail" and random.random() < 0.5)
        if f == "enqueue":
            if happens and not slips:
                queue.append(value)
            return None if kind is None else (kind, value)
        if not happens:
            return None if kind is None else (kind, None)
        if f == "drain":
            taken = list(queue)
            queue.clear()
            if slips:
                taken = taken[1:] if taken and random.random() < 0.5 else [*taken, values - 1]
            return ("ok", taken) if kind == "ok" else (kind and (kind, None))
        if not queue and not slips:
            return ("fail", None) if kind == "ok" else (kind and (kind, None))
        taken = random.randrange(values) if slips or not queue else queue.pop(0)
        return ("ok", taken) if kind == "ok" else (kind and (kind, None))

    return drawn(random, random.randrange(2, 11), call, complete)


def wrong(given, duplicates=False):
    """The names of the anomalies: by trying which unknown dequeue took what."""
    attempts, sure, came = Counter(), Counter(), Counter()
    pairs = [(a, b, b.type if b else "info") for a, b in given.pairs()]
    for invoked, completion, outcome in pairs:
        if invoked.f == "enqueue":
            attempts[invoked.value] += outcome != "fail"
            sure[invoked.value] += outcome == "ok"
        elif outcome == "ok":
            came.update(completion.value if invoked.f == "drain" else [completion.value])
    found = set()
    deliveries = sorted(
        (b.index, value)
        for a, b, outcome in pairs
        if outcome == "ok" and a.f != "enqueue"
        for value in (b.value if a.f == "drain" else [b.value])
    )
    for value, times in came.items():
        if not attempts[value]:
            found.add("unexpected-element")
        elif times > attempts[value] and not duplicates:
            found.add("duplicated-element")
        begun = [
            a.index for a, _, outcome in pairs
            if a.f == "enqueue" and outcome != "fail" and a.value == value
        ]  # fmt: skip
        ends = [at for at, other in deliveries if other == value]
        if any(end < begin for end, begin in zip(ends, begun, strict=False)):
            found.add("unexpected-element")
    drains = [(a.index, b.index) for a, b, outcome in pairs if a.f == "drain" and outcome == "ok"]
    if not drains:
        return found
    began, ended = max(drains)
    due = Counter(
        a.value for a, b, outcome in pairs
        if a.f == "enqueue" and outcome == "ok" and b.index < began
    )  # fmt: skip
    unknown = [a for a, _, outcome in pairs if outcome == "info" and a.index < ended]
    if any(a.f == "drain" for a in unknown):
        return found
    takers = sum(a.f == "dequeue" for a in unknown)
    choices = itertools.combinations_with_replacement([None, *due], takers)
    if not any(all(due[v] <= came[v] + taken.count(v) for v in due) for taken in choices):
        found.add("lost-element")
    return found


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.booleans())
def test_every_element_is_judged_as_by_trying_every_fate(seed, honest, duplicates):
    given = some_history(Random(seed), honest)
    verdict = check(given, duplicates=duplicates)
    assert names(verdict) == wrong(given, duplicates)
    assert (verdict.valid is False) == bool(wrong(given, duplicates))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32))
def test_an_honest_queue_is_never_accused(seed):
    assert check(some_history(Random(seed), True)).valid is not False


def test_options_of_the_command_line():
    assert TotalQueue.for_model("total-queue", {"duplicates": "true"}).duplicates is True
    with pytest.raises(UserError, match="duplicates"):
        TotalQueue.for_model("total-queue", {"duplicates": "many"})
