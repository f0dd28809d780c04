"""How many operations, processes and at once."""

from collections import Counter

import pytest

from duress.harness.errors import UserError
from duress.harness.generator import (
    any_,
    clients,
    concurrency_limit,
    cycle,
    limit,
    once,
    process_limit,
    repeat,
    reserve,
    sleep,
    until_ok,
)
from duress.harness.generator.simulate import (
    imperfect,
    perfect,
    perfect_info,
    quick,
    simulate,
)

from .generated import READ, SECOND, fs, times


def test_limit_and_once():
    assert len(fs(quick(limit(7, repeat(READ))))) == 7
    assert len(fs(quick(once(repeat(READ))))) == 1
    assert quick(limit(0, READ)) == []
    with pytest.raises(UserError):
        limit(-1, READ)


def test_process_limit_bounds_the_processes():
    history = perfect_info(clients(process_limit(5, repeat(READ))), concurrency=2)
    assert {op.process for op in history} <= set(range(6))
    assert len({op.process for op in history}) <= 5


def test_concurrency_limit_bounds_what_runs():
    history = perfect(concurrency_limit(2, repeat(READ, 20)), concurrency=5)
    running = most = 0
    for op in history:
        running += 1 if op.type == "invoke" else -1
        most = max(most, running)
    assert most == 2
    assert len(history) == 40


def test_concurrency_limit_counts_sleeps_too():
    history = quick(concurrency_limit(1, cycle([sleep(1), READ], 3)))
    assert times(history) == [SECOND, 2 * SECOND, 3 * SECOND]


def test_until_ok_tries_until_it_works():
    history = imperfect(clients(until_ok(repeat(READ))), concurrency=1)
    assert [op.type for op in history] == ["invoke", "fail", "invoke", "info", "invoke", "ok"]


def test_until_ok_minds_its_own_operations_only():
    generator = clients(
        reserve(1, until_ok(repeat({"f": "never"})), limit(20, repeat({"f": "always"})))
    )
    history = simulate(
        limit(60, generator), lambda c, op: ("ok" if op.f == "always" else "fail", 10)
    )
    assert Counter(fs(history)) == {"always": 20, "never": 40}


def test_until_ok_does_not_take_the_ok_of_another_on_the_same_threads():
    generator = any_(until_ok(repeat({"f": "never"})), repeat({"f": "always"}, 10))
    history = simulate(
        limit(60, generator), lambda c, op: ("ok" if op.f == "always" else "fail", 10)
    )
    assert Counter(fs(history)) == {"always": 10, "never": 50}
