"""Who performs what: threads and processes set apart."""

from collections import Counter

import pytest

from duress.harness.errors import UserError
from duress.harness.generator import (
    any_,
    clients,
    each_process,
    each_thread,
    limit,
    nemesis,
    on_threads,
    repeat,
    reserve,
    until_ok,
)
from duress.harness.generator.simulate import (
    imperfect,
    invocations,
    perfect,
    perfect_info,
    quick,
)

from .generated import READ, fs, listening, write


def test_clients_and_nemesis_have_their_own_threads():
    history = quick(clients(limit(20, repeat(READ)), limit(5, repeat({"f": "kill"}))))
    by_f = {op.f: set() for op in history}
    for op in history:
        by_f[op.f].add(op.process)
    assert by_f == {"read": {0, 1}, "kill": {"nemesis"}}
    assert Counter(fs(history)) == {"read": 20, "kill": 5}
    assert {op.process for op in quick(nemesis(repeat(READ, 3)))} == {"nemesis"}
    assert Counter(fs(quick(nemesis(repeat({"f": "kill"}, 3), READ)))) == {"kill": 3, "read": 1}


def test_on_threads_takes_mask_collection_and_predicate():
    for which in (0b101, {0, 2}, lambda thread: thread in (0, 2)):
        history = quick(on_threads(which, limit(30, repeat(READ))), concurrency=4)
        assert {op.process for op in history} == {0, 2}


def test_on_threads_that_do_not_exist_is_exhausted():
    assert quick(on_threads({17}, repeat(READ))) == []


def test_each_thread_goes_through_its_own_copy():
    history = quick(each_thread([write(1), write(2)]), concurrency=3)
    for process in (0, 1, 2, "nemesis"):
        assert [op.value for op in invocations(history) if op.process == process] == [1, 2]


def test_each_process_starts_afresh_after_a_crash():
    generator = clients(each_process([{"f": "login"}, repeat(READ)]))
    history = imperfect(limit(40, generator), concurrency=3)
    first = {}
    for op in invocations(history):
        first.setdefault(op.process, op.f)
    assert len(first) > 6
    assert set(first.values()) == {"login"}


def test_each_process_may_be_replaced_even_after_its_last_operation():
    history = perfect_info(limit(5, clients(each_process(READ))), concurrency=1)
    assert [op.process for op in invocations(history)] == [0, 1, 2, 3, 4]


def test_each_thread_does_not_start_afresh_after_a_crash():
    history = perfect_info(clients(each_thread([{"f": "login"}, READ, READ])), concurrency=2)
    assert Counter(fs(history)) == {"login": 2, "read": 4}


def test_reserve_gives_threads_to_generators():
    generator = clients(reserve(2, repeat(write(1)), 3, repeat(write(2)), repeat(READ)))
    history = perfect(limit(500, generator), concurrency=7)
    threads = {}
    for op in invocations(history):
        threads.setdefault((op.f, op.value), set()).add(op.process)
    assert threads == {("write", 1): {0, 1}, ("write", 2): {2, 3, 4}, ("read", None): {5, 6}}


def test_reserve_goes_on_when_one_is_exhausted():
    history = quick(clients(reserve(1, repeat(write(1), 3), repeat(READ, 5))))
    assert Counter(fs(history)) == {"write": 3, "read": 5}


def test_reserve_without_a_generator_for_the_rest_leaves_it_idle():
    history = quick(clients(reserve(1, repeat(READ, 9))), concurrency=3)
    assert {op.process for op in history} == {0}


def test_reserve_says_when_there_are_too_few_threads():
    with pytest.raises(UserError, match="5 threads are wanted"):
        quick(clients(reserve(3, READ, 2, READ, READ)))
    with pytest.raises(UserError, match="not a number of threads"):
        reserve(READ, 3, READ)


def test_on_threads_hears_of_its_own_threads_only():
    heard = []
    mine = on_threads({0}, listening(heard, repeat(READ)))
    perfect(limit(20, any_(mine, on_threads({1}, repeat(write(1))))))
    assert {event.process for event in heard} == {0}


def test_reserve_notices_when_a_generator_begins_to_listen():
    generator = clients(reserve(1, [READ, until_ok(repeat(write(1)))], repeat(READ, 5)))
    history = perfect(limit(30, generator), concurrency=2)
    assert Counter(fs(history)) == {"read": 6, "write": 1}
