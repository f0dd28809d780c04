"""Reads of keys that are written once agree on the order of the writes."""

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.long_fork import LongFork
from duress.harness.history import History
from duress.harness.operation import Operation

from .register_transaction_histories import history, names, one_by_one


def check(found):
    return LongFork().check(found, {})


WRITES = [(0, [["w", 1, 1]]), (1, [["w", 2, 1]])]


def test_two_reads_that_each_miss_what_the_other_saw():
    verdict = check(
        one_by_one(*WRITES, (2, [["r", 1, 1], ["r", 2, None]]), (3, [["r", 2, 1], ["r", 1, None]]))
    )
    (anomaly,) = verdict.anomalies
    assert anomaly.name == "long-fork"
    assert anomaly.operations == [0, 2, 4, 6]
    assert "process 2 (through n3) saw the write of key 1 but not that of key 2" in (
        anomaly.explanation
    )


def test_reads_that_agree():
    verdict = check(
        one_by_one(
            *WRITES,
            (2, [["r", 1, 1], ["r", 2, None]]),
            (3, [["r", 1, 1], ["r", 2, 1]]),
            (3, [["r", 1, None], ["r", 2, None]]),
        )
    )
    assert verdict.valid is True
    assert verdict.statistics["reads_between_writes"] == 1


def test_values_that_cannot_be():
    failed = history((0, "invoke", [["w", 1, 1]]), (0, "fail", [["w", 1, 1]]))
    rows = [(o.process, o.type, o.value) for o in failed]
    read = [["r", 1, 1], ["r", 2, None]]
    rows += [(1, "invoke", read), (1, "ok", read)]
    assert names(check(history(*rows))) == {"G1a"}
    assert names(check(one_by_one((1, [["r", 1, 9], ["r", 2, None]])))) == {"garbage-read"}


def test_what_cannot_be_judged_is_unknown():
    twice = one_by_one((0, [["w", 1, 1]]), (1, [["w", 1, 2]]))
    assert check(twice).valid == "unknown"
    assert "operations 0 and 2 both write key 1" in check(twice).reason
    assert check(one_by_one(*WRITES)).valid == "unknown"
    assert check(one_by_one((2, [["r", 1, None], ["r", 2, None]]))).valid == "unknown"
    other = History([Operation(0, 0, 0, "invoke", "read")])
    assert "'read' is not a transaction" in check(other).reason
    assert "is not a list" in check(history((0, "invoke", [["w", 1]]))).reason


@settings(max_examples=150, deadline=None)
@given(
    st.integers(2, 4).flatmap(
        lambda n: st.lists(st.sets(st.integers(0, n - 1)), min_size=1, max_size=6).map(
            lambda reads: (n, reads)
        )
    )
)
def test_it_agrees_with_trying_every_order(drawn):
    n, reads = drawn
    rows = [(0, [["w", key, 1]]) for key in range(n)]
    rows += [(1, [["r", k, 1 if k in seen else None] for k in range(n)]) for seen in reads]
    possible = any(
        all(seen == set(order[: len(seen)]) for seen in reads) for order in permutations(range(n))
    )
    verdict = check(one_by_one(*rows))
    if not any(reads):
        assert verdict.valid == "unknown"
    else:
        assert verdict.valid is possible
