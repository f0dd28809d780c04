"""What became of each element, against counting it out and against every possible order."""

import itertools
import json
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.set_full import SetFull
from duress.harness.cli import cli
from duress.harness.errors import UserError

from .collection_histories import drawn, history, serial
from .register_transaction_histories import names

SHARED = Path(__file__).parents[3] / "shared" / "histories"


def check(given, linearizable=False):
    return SetFull(linearizable=linearizable).check(given, {})


def figures(given, *fields):
    statistics = check(given).statistics
    return [statistics[field] for field in fields]


# -- by hand -----------------------------------------------------------------------


def test_what_every_later_read_saw_is_stable():
    verdict = check(serial(("add", 1), ("add", 2), ("read", None, [1, 2])))
    assert verdict.valid is True
    assert verdict.statistics["stable-count"] == verdict.statistics["attempt-count"] == 2
    assert verdict.statistics["stable-latencies"]["1"] == 0


def test_what_no_later_read_saw_is_lost():
    verdict = check(serial(("add", 1), ("read", None, [1]), ("add", 2), ("read", None, [2])))
    (anomaly,) = verdict.anomalies
    assert (verdict.valid, anomaly.name, anomaly.operations) == (False, "lost-element", [0, 2, 6])
    assert "Element 1 was acknowledged to process 0 at 0.001 s" in anomaly.explanation
    assert "the read of process 3 at 0.006 s did not see it" in anomaly.explanation
    assert "the last to see it was that of process 1 at 0.002 s" in anomaly.explanation
    assert verdict.statistics["lost"] == [1]


def test_what_was_missing_for_a_while_is_stale():
    given = serial(("add", 1), ("read", None, []), ("read", None, []), ("read", None, [1]))
    verdict = check(given)
    assert verdict.valid is True
    assert verdict.statistics["stale"] == [1]
    (worst,) = verdict.statistics["worst-stale"]
    assert worst == {"element": 1, "stable-latency": 3.0, "known": 1, "last-absent": 4}
    strict = check(given, linearizable=True)
    assert names(strict) == {"stale-read"}
    assert "0.003 s later" in strict.anomalies[0].explanation


def test_who_saw_it_first_makes_it_known():
    rows = [(0, "invoke", "add", 1), (1, "invoke", "read", None), (1, "ok", "read", [1])]
    rows += [(2, "invoke", "read", None), (2, "ok", "read", [])]
    verdict = check(history(*rows))
    assert names(verdict) == {"lost-element"}
    assert "was seen by process 1 at 0.002 s" in verdict.anomalies[0].explanation


def test_nobody_knows_of_an_addition_that_nobody_saw():
    rows = [(0, "invoke", "add", 1), (0, "info", "add", 1)]
    rows += [(1, "invoke", "read", None), (1, "ok", "read", [])]
    verdict = check(history(*rows))
    assert (verdict.valid, verdict.statistics["never-read"]) == ("unknown", [1])


def test_a_read_under_way_proves_nothing():
    rows = [(1, "invoke", "read", None), (0, "invoke", "add", 1), (0, "ok", "add", 1)]
    rows += [(1, "ok", "read", []), (2, "invoke", "read", None), (2, "ok", "read", [1])]
    assert check(history(*rows), linearizable=True).valid is True


def test_reads_that_overlap_and_disagree_settle_nothing():
    rows = [(0, "invoke", "add", 1), (0, "ok", "add", 1), (1, "invoke", "read", None)]
    rows += [(2, "invoke", "read", None), (2, "ok", "read", []), (1, "ok", "read", [1])]
    verdict = check(history(*rows))
    assert (verdict.valid, verdict.statistics["unsettled"]) == ("unknown", [1])
    assert "overlap" in verdict.reason


def test_an_element_stands_there_once():
    verdict = check(serial(("add", 1), ("read", None, [1, 1, 1]), ("read", None, [1, 1])))
    assert names(verdict) == {"duplicated-element"}
    assert verdict.statistics["duplicated"] == [[1, 3]]
    assert "3 times" in verdict.anomalies[0].explanation


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(1, "invoke", "read", None), (1, "ok", "read", [7])], "which nobody added"),
        (
            [
                (0, "invoke", "add", 7),
                (0, "fail", "add", 7),
                (1, "invoke", "read", None),
                (1, "ok", "read", [7]),
            ],
            "failed for certain",
        ),
        (
            [
                (1, "invoke", "read", None),
                (1, "ok", "read", [7]),
                (0, "invoke", "add", 7),
                (0, "ok", "add", 7),
            ],
            "nobody began to add before process 0 at 0.002 s",
        ),
    ],
)
def test_elements_from_nowhere(rows, words):
    verdict = check(history(*rows))
    assert "unexpected-element" in names(verdict)
    assert words in verdict.anomalies[-1].explanation


def test_one_read_ahead_of_another_is_a_fork():
    rows = [(0, "invoke", "add", 1), (1, "invoke", "add", 2)]
    rows += [(2, "invoke", "read", None), (3, "invoke", "read", None)]
    rows += [(2, "ok", "read", [1]), (3, "ok", "read", [2])]
    verdict = check(history(*rows), linearizable=True)
    assert names(verdict) == {"long-fork"}
    assert check(history(*rows)).valid is not False


def test_the_later_without_the_earlier_is_a_reversal():
    rows = [(2, "invoke", "read", None), (0, "invoke", "add", 1), (0, "ok", "add", 1)]
    rows += [(0, "invoke", "add", 2), (0, "ok", "add", 2), (2, "ok", "read", [2])]
    verdict = check(history(*rows), linearizable=True)
    assert names(verdict) == {"causal-reverse"}
    assert verdict.anomalies[0].operations == [0, 1, 3]


def test_elements_may_be_of_any_kind_and_one_is_not_true():
    values = [1, True, "1", [1], {"a": 1}, None, 1.5]
    adds = [("add", value) for value in values]
    assert check(serial(*adds, ("read", None, values))).valid is True
    verdict = check(serial(*adds, ("read", None, [v for v in values if v is not True])))
    assert [a.details["elements"] for a in verdict.anomalies] == [[True]]


def test_many_integers_are_looked_up_alike():
    wide = [*range(40), 10**15, -(10**15)]
    for values in (list(range(100)), wide, [v * 10**6 for v in range(50)]):
        adds = [("add", value) for value in values]
        assert check(serial(*adds, ("read", None, values))).valid is True
        assert figures(serial(*adds, ("read", None, values[1:])), "lost") == [values[:1]]
        strange = check(serial(*adds, ("read", None, [*values, 2**70])))
        assert names(strange) == {"unexpected-element"}


def test_each_key_is_a_set_of_its_own():
    rows = []
    for process, (f, value, key) in enumerate(
        [("add", 1, "a"), ("add", 1, "b"), ("read", [1], "a"), ("read", [], "b")]
    ):
        rows.append((process, "invoke", f, value if f == "add" else None, None, key))
        rows.append((process, "ok", f, value, None, key))
    verdict = check(history(*rows))
    (anomaly,) = verdict.anomalies
    assert (anomaly.name, anomaly.key) == ("lost-element", "b")
    assert verdict.statistics["lost"] == [["b", 1]]


def test_nonsense_is_unknown():
    for value in (None, 3, {"a": 1}):
        verdict = check(serial(("add", 1), ("read", None, value)))
        assert verdict.valid == "unknown"
        assert "list of elements" in verdict.reason
    assert check(history()).valid == "unknown"


# -- against an oracle ----------------------------------------------------------------


def some_history(random, honest):
    """Additions of few elements and reads of what there is, or of anything."""
    there, fresh = set(), iter(range(100))
    elements = random.randrange(1, 5)

    def call():
        if random.random() < 0.5:
            return "add", next(fresh) % elements
        return "read", None

    def complete(f, value):
        kind = random.choice(["ok", "ok", "ok", "fail", "info", None])
        if f == "add":
            if kind == "ok" or (kind != "fail" and random.random() < 0.5):
                there.add(value)
            return None if kind is None else (kind, value)
        if kind != "ok":
            return None if kind is None else (kind, None)
        seen = set(there)
        if not honest or random.random() < 0.2:
            seen = {e for e in range(elements) if random.random() < 0.5}
        return "ok", sorted(seen)

    return drawn(random, random.randrange(1, 9), call, complete)


def linearizable(given):
    """Whether some order of all, and some choice of the unknown ones, explains every read."""
    calls = []
    for invoked, completion in given.pairs():
        outcome = completion.type if completion else "info"
        if outcome == "fail" or (invoked.f == "read" and outcome != "ok"):
            continue
        value = completion.value if invoked.f == "read" else invoked.value
        end = completion.index if outcome == "ok" else 10**9
        calls.append((invoked.f, value, invoked.index, end))
    seen = set()

    def search(left, state):
        if not any(calls[i][3] < 10**9 for i in left):
            return True
        if (left, state) in seen:
            return False
        seen.add((left, state))
        first_end = min(calls[i][3] for i in left)
        for i in left:
            f, value, begin, _ = calls[i]
            if begin > first_end:
                continue
            if f == "add" and search(left - {i}, state | {value}):
                return True
            if f == "read" and set(value) == state and search(left - {i}, state):
                return True
        return False

    return search(frozenset(range(len(calls))), frozenset())


def fates(given):
    """element → outcome, by looking at every read."""
    reads = [(a.index, b.index, b.value) for a, b in given.pairs() if a.f == "read" and b]
    reads = [(a, b, v) for a, b, v in reads if given[b].type == "ok"]
    result = {}
    for invoked, completion in given.pairs():
        if invoked.f != "add" or (completion and completion.type == "fail"):
            continue
        element = invoked.value
        with_it = [(a, b) for a, b, v in reads if element in v]
        acknowledged = [
            b.index for a, b in given.pairs()
            if a.f == "add" and a.value == element and b and b.type == "ok"
        ]  # fmt: skip
        known = min([*acknowledged, *(b for _, b in with_it)], default=10**9)
        missed = [a for a, _, v in reads if element not in v and a > known]
        # In which orders of overlapping reads is the last word that it is there?
        finally_there = [
            a > m for (a, _), m in itertools.product(with_it, [max(missed, default=-1)])
        ]
        may_be_there = [
            b > m for (_, b), m in itertools.product(with_it, [max(missed, default=-1)])
        ]
        if not with_it and not missed:
            result[element] = "never-read"
        elif missed and not any(may_be_there):
            result[element] = "lost"
        else:
            result[element] = "stable" if any(finally_there) else "unsettled"
    return result


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_linearizability_is_decided_exactly(seed, honest):
    given = some_history(Random(seed), honest)
    verdict = check(given, linearizable=True)
    # Lost elements are missed by a read that began when they were known, so stale, too.
    assert (verdict.valid is not False) == linearizable(given)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_every_element_has_the_fate_that_its_reads_say(seed, honest):
    given = some_history(Random(seed), honest)
    expected = fates(given)
    statistics = check(given).statistics
    for outcome in ("lost", "never-read", "unsettled"):
        assert statistics[outcome] == sorted(e for e, o in expected.items() if o == outcome)
    assert statistics["stable-count"] == list(expected.values()).count("stable")
    assert statistics["attempt-count"] == len(expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_evidence_is_about_the_anomaly(seed):
    given = some_history(Random(seed), honest=False)
    for anomaly in check(given, linearizable=True).anomalies:
        assert anomaly.operations == sorted(set(anomaly.operations))
        assert all(given[at].type == "invoke" for at in anomaly.operations)
        assert {given[at].f for at in anomaly.operations} <= {"add", "read"}


# -- from outside ------------------------------------------------------------------


def test_options_of_the_command_line():
    assert SetFull.for_model("set-full", {"linearizable": "true"}).linearizable is True
    with pytest.raises(UserError, match="linearizable"):
        SetFull.for_model("set-full", {"linearizable": "maybe"})
    with pytest.raises(UserError, match="total"):
        SetFull.for_model("set-full", {"total": 3})


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared histories are not here")
def test_the_shared_histories():
    rows = [line.split("\t") for line in (SHARED / "expected.tsv").read_text().splitlines()]
    found = {}
    for file, model, _, valid in rows:
        if model == "set-full":
            arguments = ["check", str(SHARED / file), "--model", model, "--json"]
            done = CliRunner().invoke(cli, arguments, standalone_mode=False)
            found[file] = json.loads(done.stdout)["valid"] is json.loads(valid)
    assert found and all(found.values())
