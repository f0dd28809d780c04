"""Keys one by one and side by side."""

import itertools
from collections import Counter

import pytest

from duress.harness.errors import UserError
from duress.harness.generator import (
    clients,
    concat,
    each_thread,
    independent,
    limit,
    phases,
    repeat,
    reserve,
    synchronize,
    until_ok,
)
from duress.harness.generator.simulate import (
    imperfect,
    invocations,
    perfect,
    quick,
    simulate,
)

from .generated import READ, count_up, listening, number, write


def test_sequential_keys():
    history = quick(independent.sequential("ab", lambda key: [write(1), write(2)]))
    assert [(op.key, op.value) for op in invocations(history)] == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
        ("b", 2),
    ]


def test_concurrent_keys_keep_groups_apart():
    generator = clients(
        independent.concurrent(2, itertools.count(), lambda key: limit(10, repeat(READ)))
    )
    history = imperfect(limit(300, generator), concurrency=6)
    groups = {}
    for op in invocations(history):
        groups.setdefault(op.key, set()).add(number(op) % 6 // 2)
    assert len(groups) >= 30
    assert all(len(group) == 1 for group in groups.values())
    assert set().union(*groups.values()) == {0, 1, 2}


def test_concurrent_keys_end_when_there_are_no_more():
    history = perfect(
        independent.concurrent(2, range(7), lambda key: limit(key, count_up())), concurrency=4
    )
    assert Counter(op.key for op in invocations(history)) == {key: key for key in range(1, 7)}
    assert all(op.process != "nemesis" for op in history)


def test_concurrent_keys_with_reserve_inside():
    def for_key(key):
        return limit(20, reserve(1, repeat(write(key)), repeat(READ)))

    history = perfect(
        limit(200, clients(independent.concurrent(3, itertools.count(), for_key))), concurrency=6
    )
    writers = {op.process for op in history if op.f == "write"}
    assert writers == {0, 3}


def test_a_late_completion_of_the_last_key_does_not_concern_the_next():
    # Thread 1 is still busy with key 0 when thread 0 has its ok there, and moves on to key 1.
    generator = independent.concurrent(2, range(3), lambda key: until_ok(repeat(READ)))
    history = simulate(clients(generator), lambda c, op: ("ok", 10 + 5 * number(op)))
    oks = {}
    for op in history:
        if op.type == "ok":
            oks.setdefault(op.key, []).append(op.time)
    assert sorted(oks) == [0, 1, 2]
    for key in (1, 2):
        invoked = [op.time for op in invocations(history) if op.key == key]
        assert max(invoked) <= min(oks[key])


def test_concurrent_keys_need_whole_groups():
    with pytest.raises(UserError, match="concurrency to 3 or 6"):
        quick(independent.concurrent(3, range(5), lambda key: READ), concurrency=4)


def test_operations_of_independent_keys_have_no_other_key():
    with pytest.raises(UserError, match="key of its own"):
        quick(independent.sequential([1], lambda key: {"f": "read", "key": 2}))


def test_synchronize_inside_a_group_waits_for_the_group_only():
    def for_key(key):
        return phases(each_thread(write(key)), READ)

    history = simulate(
        independent.concurrent(2, range(2), for_key),
        lambda c, op: ("ok", 1000 if op.process == 0 else 10),
        concurrency=4,
    )
    reads = {number(op) // 2: op.time for op in invocations(history) if op.f == "read"}
    assert reads == {0: 1000, 1: 10}


def test_synchronize_waits():
    history = perfect(concat(each_thread(write(1)), synchronize(READ)), concurrency=5)
    kinds = [op.f + ":" + op.type for op in history]
    assert kinds.index("read:invoke") == 12


def test_a_key_hears_of_its_own_operations_only():
    heard = {0: [], 1: []}
    generator = independent.concurrent(
        2, range(2), lambda key: listening(heard[key], repeat(READ, 1 if key == 0 else 9))
    )
    # Key 0 has one slow read; meanwhile the other thread is at key 1, and hears it end.
    simulate(clients(generator), lambda c, op: ("ok", 25 if op.key == 0 else 10))
    assert {event.key for event in heard[1]} == {1}
