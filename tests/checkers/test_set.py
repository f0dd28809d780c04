"""What is in a set in the end."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.set import FinalSet
from duress.harness.errors import UserError

from .collection_histories import history, serial
from .register_transaction_histories import names
from .test_set_full import some_history


def check(given, **options):
    return FinalSet(**options).check(given, {})


def test_everything_is_there():
    verdict = check(
        serial(("add", 1), ("add", 2), ("add", 3), ("add", 7), ("read", None, [7, 3, 2, 1]))
    )
    assert verdict.valid is True
    assert verdict.statistics["ok"] == "#{1..3 7}"


def test_what_is_missing_is_lost():
    verdict = check(serial(("add", 1), ("add", 2), ("read", None, [2])))
    (anomaly,) = verdict.anomalies
    assert anomaly.operations == [0, 4]
    assert anomaly.explanation == (
        "Element 1 was acknowledged to process 0 at 0.001 s, but the final read did not see it, "
        "that of process 2 at 0.004 s for one."
    )
    assert verdict.statistics["lost"] == "#{1}"


def test_reads_before_the_end_do_not_count():
    given = serial(("add", 1), ("read", None, []), ("add", 2), ("read", None, [1, 2]))
    assert check(given).valid is True


def test_where_some_reads_are_called_final_the_others_do_not_count():
    given = serial(("add", 1), ("read", None, []), ("final", None, [1]), ("final", None, [1]))
    assert check(given).valid is True
    given = serial(("add", 1), ("read", None, [1]), ("final", None, []))
    assert names(check(given)) == {"lost-element"}
    given = serial(("add", 1), ("read", None, []), ("final", None, [1]), ("final", None, []))
    assert names(check(given)) == {"diverged-element"}
    rows = [(0, "invoke", "add", 1), (0, "ok", "add", 1)]
    for process, value in ((1, []), (2, [1]), (1, [1])):
        rows += [(process, "invoke", "final", None), (process, "ok", "final", value)]
    assert check(history(*rows)).valid is True, "the last one of each process"


def test_final_reads_that_disagree():
    given = serial(("add", 1), ("read", None, []), ("read", None, [1]))
    verdict = check(given)
    assert names(verdict) == {"diverged-element"}
    assert verdict.anomalies[0].operations == [0, 2, 4]
    assert check(given, final="last").valid is True


def test_what_nobody_knows_may_be_there_or_not():
    rows = [(0, "invoke", "add", 1), (0, "info", "add", 1)]
    rows += [(1, "invoke", "read", None), (1, "ok", "read", [])]
    rows += [(2, "invoke", "read", None), (2, "ok", "read", [1])]
    verdict = check(history(*rows))
    assert verdict.valid is True
    assert verdict.statistics["recovered"] == "#{1}"


def test_what_came_after_the_last_read_began_is_not_lost_but_unknown():
    rows = [(1, "invoke", "read", None), (0, "invoke", "add", 1), (0, "ok", "add", 1)]
    verdict = check(history(*rows, (1, "ok", "read", [])))
    assert verdict.valid == "unknown"
    assert verdict.reason == "acknowledged after the last read that succeeded began: 1 elements"


def test_reads_of_the_end_that_all_failed_say_nothing():
    rows = [(0, "invoke", "add", 1), (0, "ok", "add", 1)]
    rows += [(1, "invoke", "read", None), (1, "ok", "read", [1])]
    rows += [(0, "invoke", "add", 2), (0, "ok", "add", 2)]
    rows += [(1, "invoke", "read", None), (1, "fail", "read", None)]
    assert check(history(*rows)).valid == "unknown"
    # What was acknowledged before the one read that succeeded is lost all the same.
    assert names(check(history(*rows[:3], (1, "ok", "read", []), *rows[4:]))) == {"lost-element"}


def test_reads_before_everything_was_healed_do_not_count():
    rows = [(0, "invoke", "add", 1), (0, "ok", "add", 1)]
    old = [(1, "invoke", "read", None), (1, "ok", "read", [])]
    healed = [("nemesis", "info", "heal-partition", None)]
    new = [(2, "invoke", "read", None), (2, "ok", "read", [1])]
    assert check(history(*rows, *old, *healed, *new)).valid is True
    assert names(check(history(*rows, *old, *new, *healed))) == {"diverged-element"}


def test_elements_from_nowhere():
    verdict = check(serial(("add", 1), ("read", None, [1, "x"])))
    assert names(verdict) == {"unexpected-element"}
    rows = [(0, "invoke", "add", 1), (0, "fail", "add", 1)]
    rows += [(1, "invoke", "read", None), (1, "ok", "read", [1])]
    assert "failed for certain" in check(history(*rows)).anomalies[0].explanation


def test_a_set_that_was_never_read():
    assert check(serial(("add", 1))).valid == "unknown"
    assert check(serial(("add", 1), ("read", None, 3))).valid == "unknown"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_as_by_looking_at_every_final_read(seed, honest):
    given = some_history(Random(seed), honest)
    pairs = [(a, b, b.type if b else "info") for a, b in given.pairs()]
    reads = [(a.index, b) for a, b, outcome in pairs if a.f == "read" and outcome == "ok"]
    adds = [(a, b, outcome) for a, b, outcome in pairs if a.f == "add" and outcome != "fail"]
    over = max([-1, *(a.index for a, _, _ in adds), *(b.index for _, b, o in adds if o == "ok")])
    final = [read for read in reads if read[0] > over] or sorted(reads)[-1:]
    verdict = check(given)
    if not reads:
        assert verdict.valid == "unknown"
        return
    began = min(at for at, _ in final)
    due = {a.value for a, b, outcome in adds if outcome == "ok" and b.index < began}
    ended = max(b.index for _, b in final)
    attempted = {a.value for a, _, _ in adds if a.index < ended}
    views = [set(b.value) for _, b in final]
    expected = set()
    if due - set.union(*views):
        expected.add("lost-element")
    if any(due & set.union(*views) - view for view in views):
        expected.add("diverged-element")
    if set.union(*views) - attempted:
        expected.add("unexpected-element")
    assert names(verdict) == expected
    unread = {a.value for a, _, outcome in adds if outcome == "ok"} - due
    assert verdict.valid == (False if expected else "unknown" if unread else True)


def test_options_of_the_command_line():
    assert FinalSet.for_model("final-set", {"final": "last"}).final == "last"
    with pytest.raises(UserError, match="final"):
        FinalSet.for_model("final-set", {"final": "first"})
