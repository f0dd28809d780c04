"""Values of a counter, against trying every choice of additions."""

import itertools
import json
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers import counter_sums
from duress.checkers.counter import Counter
from duress.harness.cli import cli
from duress.harness.errors import UserError

from .collection_histories import drawn, history, serial
from .register_transaction_histories import names

SHARED = Path(__file__).parents[3] / "shared" / "histories"


def check(given, **options):
    return Counter(**options).check(given, {})


# -- by hand -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, set()), (4, {"below-bounds"}), (6, {"above-bounds"}), (-1, {"below-bounds"})],
)
def test_what_was_acknowledged_counts(value, expected):
    verdict = check(serial(("add", 7), ("add", -2), ("read", None, value)))
    assert names(verdict) == expected
    assert verdict.valid is (not expected)


def test_the_explanation_says_what_was_possible():
    rows = [(0, "invoke", "add", 3), (0, "ok", "add", 3), (1, "invoke", "add", 2)]
    rows += [(1, "info", "add", 2), (2, "invoke", "read", None), (2, "ok", "read", 9, "n4")]
    (anomaly,) = check(history(*rows)).anomalies
    assert anomaly.explanation == (
        "The read of process 2 (through n4) at 0.004 s gave 9, although it can only have been "
        "from 3 to 5: 3 by what had been acknowledged before it began, give or take 1 additions "
        "that were open or of unknown fate. It is 4 too high."
    )
    assert anomaly.details == {"bounds": [3, 9, 5]}


def test_without_real_time_only_what_is_called_final_is_held_to_the_sum():
    def judged(*reads):
        given = serial(("add", 3), ("add", 4), *reads)
        return names(check(given, linearizable=False))

    assert judged(("read", None, 3)) == {"below-bounds"}
    assert judged(("read", None, 3), ("final", None, 7)) == set()
    assert judged(("read", None, 7), ("final", None, 3)) == {"below-bounds"}
    assert judged(("read", None, 8), ("final", None, 7)) == {"above-bounds"}


def test_a_missing_addition_is_named():
    verdict = check(serial(("add", 3), ("add", 4), ("read", None, 3)))
    assert verdict.anomalies[0].operations == [2, 4]


def test_a_failed_addition_never_counts():
    rows = [(0, "invoke", "add", 3), (0, "fail", "add", 3)]
    rows += [(1, "invoke", "read", None), (1, "ok", "read", 3)]
    assert names(check(history(*rows))) == {"above-bounds"}


def test_an_unknown_addition_may_come_late_but_not_go_again():
    rows = [(0, "invoke", "add", 3), (0, "info", "add", 3)]
    reads = [0, 0, 3, 3]
    for process, value in enumerate(reads, 1):
        rows += [(process, "invoke", "read", None), (process, "ok", "read", value)]
    assert check(history(*rows)).valid is True
    rows += [(9, "invoke", "read", None), (9, "ok", "read", 0)]
    verdict = check(history(*rows))
    assert names(verdict) == {"impossible-change"}
    assert "-3, where what can have been added between them is from +0 to +3" in (
        verdict.anomalies[0].explanation
    )


def test_what_no_choice_adds_up_to_is_impossible():
    rows = [(process, "invoke", "add", delta) for process, delta in enumerate((2, 4, -6))]
    rows += [(7, "invoke", "read", None), (7, "ok", "read", -1)]
    (anomaly,) = check(history(*rows)).anomalies
    assert anomaly.name == "impossible-value"
    assert "(+2, +4, -6)" in anomaly.explanation
    for value in (-6, -4, -2, 0, 2, 4, 6):
        assert check(history(*rows[:-1], (7, "ok", "read", value))).valid is True


def test_what_is_acknowledged_during_a_read_may_count_or_not():
    begun = [(0, "invoke", "add", 2), (1, "invoke", "add", 4), (7, "invoke", "read", None)]
    over = [(0, "ok", "add", 2), (1, "ok", "add", 4)]
    for value in range(7):
        verdict = check(history(*begun, *over, (7, "ok", "read", value)))
        assert names(verdict) == ({"impossible-value"} if value % 2 else set())


def test_what_a_longer_read_left_open_is_sure_for_a_later_one():
    rows = [(8, "invoke", "read", None), (0, "invoke", "add", 2), (0, "ok", "add", 2)]
    rows += [(1, "invoke", "add", 10), (2, "invoke", "add", 3)]
    rows += [(7, "invoke", "read", None), (7, "ok", "read", 4), (8, "ok", "read", 2)]
    assert names(check(history(*rows))) == {"impossible-value"}


def test_it_may_begin_elsewhere():
    given = serial(("add", 1), ("read", None, 11))
    assert check(given, initial=10).valid is True
    assert check(given).valid is False


def test_without_real_time_only_the_end_is_sure():
    given = serial(("add", 3), ("read", None, 0), ("add", 2), ("read", None, 5))
    assert names(check(given)) == {"below-bounds"}
    assert check(given, linearizable=False).valid is True
    late = serial(("add", 3), ("read", None, 0), ("add", 2), ("read", None, 3))
    assert names(check(late, linearizable=False)) == {"below-bounds"}
    early = serial(("read", None, 3), ("add", 3), ("read", None, 3))
    assert names(check(early, linearizable=False)) == {"above-bounds"}


def test_what_it_cannot_judge():
    assert check(serial(("add", 3))).valid == "unknown"
    assert check(history()).valid == "unknown"
    for value in ("3", True, 1.5, None, 2**60):
        verdict = check(serial(("add", 1), ("read", None, value)))
        assert verdict.valid == "unknown"
        assert "whole numbers" in verdict.reason


def test_statistics_are_those_that_jepsen_names():
    statistics = check(serial(("add", 1), ("read", None, 1), ("read", None, 5))).statistics
    assert statistics["reads"] == [[1, 1, 1], [1, 5, 1]]
    assert statistics["errors"] == [[1, 5, 1]]
    assert statistics["max-absolute-error"] == [1, 5, 1]


def test_each_key_is_a_counter_of_its_own():
    rows = []
    for process, (f, value, key) in enumerate(
        [("add", 1, "a"), ("add", 2, "b"), ("read", 1, "a"), ("read", 1, "b")]
    ):
        rows.append((process, "invoke", f, value if f == "add" else None, None, key))
        rows.append((process, "ok", f, value, None, key))
    (anomaly,) = check(history(*rows)).anomalies
    assert (anomaly.name, anomaly.key) == ("below-bounds", "b")


def test_sums_that_are_too_many_are_left_to_the_bounds(monkeypatch):
    rows = [(process, "invoke", "add", 1000) for process in range(8)]
    rows += [(9, "invoke", "read", None), (9, "ok", "read", 1001)]
    assert names(check(history(*rows))) == {"impossible-value"}
    monkeypatch.setattr(counter_sums, "WIDEST", 5000)
    verdict = check(history(*rows))
    assert verdict.valid is True
    assert verdict.statistics["judged-by-bounds-alone"] == 1


# -- against an oracle ----------------------------------------------------------------


def some_history(random, honest, deltas):
    """Additions, and reads of what they make, or of anything near."""
    held = [0]

    def call():
        return ("add", random.choice(deltas)) if random.random() < 0.6 else ("read", None)

    def complete(f, value):
        kind = random.choice(["ok", "ok", "ok", "fail", "info", None])
        if f == "add":
            if kind == "ok" or (kind != "fail" and random.random() < 0.5):
                held[0] += value
            return None if kind is None else (kind, value)
        if kind != "ok":
            return None if kind is None else (kind, None)
        return "ok", held[0] + (0 if honest else random.randrange(-3, 4))

    return drawn(random, random.randrange(2, 11), call, complete)


def calls_of(given):
    adds, reads = [], []
    for invoked, completion in given.pairs():
        outcome = completion.type if completion else "info"
        end = completion.index if outcome == "ok" else 10**9
        if invoked.f == "add" and outcome != "fail":
            adds.append((invoked.value, invoked.index, end))
        elif invoked.f == "read" and outcome == "ok":
            reads.append((completion.value, invoked.index, end))
    return adds, reads


def sums(base, deltas):
    return {
        base + sum(c) for n in range(len(deltas) + 1) for c in itertools.combinations(deltas, n)
    }


def wrong(given):
    """The names of the anomalies, by trying every choice for every read and pair of reads."""
    adds, reads = calls_of(given)
    found, inside = set(), []
    for value, began, ended in reads:
        sure = sum(d for d, _, end in adds if end < began)
        possible = sums(sure, [d for d, start, end in adds if start < ended and end > began])
        if value < min(possible):
            found.add("below-bounds")
        elif value > max(possible):
            found.add("above-bounds")
        else:
            inside.append((value, began, ended))
            if value not in possible:
                found.add("impossible-value")
    for (before, early, over), (value, began, ended) in itertools.permutations(inside, 2):
        if over < began:
            between = sums(0, [d for d, start, end in adds if start < ended and end > early])
            if not min(between) <= value - before <= max(between):
                found.add("impossible-change")
    return found


DELTAS = [(1,), (1, 2, 5), (3,), (-1, 1), (4, -6, 2), (5, -3), (0, 7)]


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from(DELTAS))
def test_every_read_is_judged_as_by_trying_every_choice(seed, honest, deltas):
    given = some_history(Random(seed), honest, deltas)
    verdict = check(given)
    assert names(verdict) == wrong(given)
    reads = calls_of(given)[1]
    assert verdict.valid == (False if wrong(given) else True if reads else "unknown")


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(DELTAS))
def test_an_honest_counter_is_never_accused(seed, deltas):
    given = some_history(Random(seed), True, deltas)
    for linearizable in (True, False):
        assert check(given, linearizable=linearizable).valid is not False


# -- from outside ------------------------------------------------------------------


def test_options_of_the_command_line():
    checker = Counter.for_model("counter-bounds", {"initial": 4, "linearizable": "false"})
    assert (checker.initial, checker.linearizable) == (4, False)
    for wishes in ({"initial": "x"}, {"linearizable": "x"}, {"total": 4}):
        with pytest.raises(UserError):
            Counter.for_model("counter-bounds", wishes)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared histories are not here")
def test_the_shared_histories():
    rows = [line.split("\t") for line in (SHARED / "expected.tsv").read_text().splitlines()]
    for file, model, _, valid in rows:
        if model == "counter":
            # Nobody ever reads this counter; Jepsen's checker calls that valid.
            for name, expected in (("counter", json.loads(valid)), ("counter-bounds", "unknown")):
                arguments = ["check", str(SHARED / file), "--model", name, "--json"]
                done = CliRunner().invoke(cli, arguments, standalone_mode=False)
                assert json.loads(done.stdout)["valid"] == expected
