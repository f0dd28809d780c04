"""One generator after another, in turns, again and again."""

from duress.harness.generator import (
    concat,
    cycle,
    each_thread,
    flip_flop,
    limit,
    phases,
    repeat,
    then,
)
from duress.harness.generator.simulate import (
    imperfect,
    invocations,
    perfect,
    quick,
)

from .generated import READ, count_up, times, values, write


def test_concat_does_not_wait_but_then_does():
    slow = perfect(concat(each_thread(write(1)), READ), latency_ns=100)
    # 3 threads write at 0; the read has to wait for any one of them, not for all.
    assert times(slow) == [0, 0, 0, 100]
    history = perfect(then(limit(2, repeat(write(1))), READ), latency_ns=100)
    assert next((op.f, op.time) for op in history if op.f == "read") == ("read", 100)
    history = perfect(concat(limit(2, repeat(write(1))), READ), latency_ns=100)
    assert times(history) == [0, 0, 0]


def test_phases_wait_for_all():
    history = imperfect(phases(each_thread(write(1)), each_thread(READ), write(2)), concurrency=4)
    order = [(op.f, op.value, op.type == "invoke") for op in history]
    assert order == [
        *[("write", 1, True)] * 5,
        *[("write", 1, False)] * 5,
        *[("read", None, True)] * 5,
        *[("read", None, False)] * 5,
        ("write", 2, True),
        ("write", 2, False),
    ]


def test_flip_flop_alternates_and_ends_with_the_shorter():
    history = quick(flip_flop(count_up(), [READ, READ]))
    assert [(op.f, op.value) for op in invocations(history)] == [
        ("write", 0),
        ("read", None),
        ("write", 1),
        ("read", None),
        ("write", 2),
    ]


def test_cycle_begins_again():
    assert values(quick(cycle([write(1), write(2)], 3))) == [1, 2, 1, 2, 1, 2]
    assert values(quick(limit(5, cycle([write(1), write(2)])))) == [1, 2, 1, 2, 1]
    assert quick(cycle(None)) == []
    assert quick(cycle(READ, 0)) == []


def test_repeat_stays_at_the_first():
    assert values(quick(repeat([write(1), write(2)], 3))) == [1, 1, 1]
