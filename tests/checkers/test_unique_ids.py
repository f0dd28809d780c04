"""Ids are given once."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.unique_ids import UniqueIds
from duress.harness.errors import UserError

from .collection_histories import drawn, history, serial
from .register_transaction_histories import names


def check(given):
    return UniqueIds().check(given, {})


def generated(*ids):
    return serial(*[("generate", None, each) for each in ids])


def test_distinct_ids_are_fine_whatever_they_are():
    verdict = check(generated(1, "1", True, [1], {"a": 1}, 1.5))
    assert verdict.valid is True
    assert verdict.statistics["acknowledged-count"] == 6


def test_an_id_given_twice_is_told_with_who_got_it():
    rows = [(0, "invoke", "generate", None), (1, "invoke", "generate", None)]
    rows += [(1, "ok", "generate", "a-1", "n2"), (0, "ok", "generate", "a-1", "n1")]
    (anomaly,) = check(history(*rows)).anomalies
    assert anomaly.operations == [0, 1]
    assert anomaly.explanation == (
        "The id a-1 was given to process 1 (through n2) at 0.002 s and again to process 0 "
        "(through n1) at 0.003 s."
    )


def test_statistics_are_those_that_jepsen_names():
    statistics = check(generated(7, 3, 7, 3, 7, 1)).statistics
    assert statistics["attempted-count"] == statistics["acknowledged-count"] == 6
    assert statistics["duplicated-count"] == 2
    assert statistics["duplicated"] == [[7, 3], [3, 2]]
    assert statistics["range"] == [1, 7]
    assert check(generated("b", "a")).statistics["range"] == ["a", "b"]


def test_an_answer_without_an_id_is_none():
    assert names(check(generated(1, None, None))) == {"missing-id"}


def test_nothing_given_proves_nothing():
    rows = [(0, "invoke", "generate", None), (0, "info", "generate", None)]
    assert check(history(*rows)).valid == "unknown"
    assert check(history()).valid == "unknown"


def test_each_key_has_ids_of_its_own():
    rows = []
    for process, (key, value) in enumerate([("a", 1), ("b", 1), ("b", 2), ("b", 2)]):
        rows.append((process, "invoke", "generate", None, None, key))
        rows.append((process, "ok", "generate", value, None, key))
    (anomaly,) = check(history(*rows)).anomalies
    assert (anomaly.key, anomaly.details["id"]) == ("b", 2)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 40))
def test_as_by_counting(seed, many):
    random = Random(seed)
    given = drawn(
        random,
        20,
        lambda: ("generate", None),
        lambda f, value: random.choice(
            [("ok", random.randrange(many)), ("fail", None), ("info", 0), None]
        ),
    )
    counts = Counter(b.value for _, b in given.pairs() if b and b.type == "ok")
    verdict = check(given)
    twice = {value: times for value, times in counts.items() if times > 1}
    assert dict(verdict.statistics["duplicated"]) == twice
    assert (verdict.valid is False) == bool(twice)


def test_it_has_no_options():
    with pytest.raises(UserError, match="total"):
        UniqueIds.for_model("unique-ids", {"total": 1})
