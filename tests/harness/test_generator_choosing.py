"""Which of several generators is next."""

import random
from collections import Counter

import pytest

from duress.harness.errors import UserError
from duress.harness.generator import (
    PENDING,
    Context,
    Generator,
    any_,
    delay,
    limit,
    mix,
    repeat,
    shortest_any,
    time_limit,
    until_ok,
)
from duress.harness.generator.simulate import (
    perfect,
    quick,
)

from .generated import READ, fs, values, write


def test_any_takes_the_soonest():
    generator = any_(delay(3, repeat(write("slow"))), delay(1, repeat(write("fast"))))
    history = quick(time_limit(9.5, generator))
    assert Counter(values(history)) == {"fast": 10, "slow": 4}


def test_any_ends_with_the_last_and_shortest_any_with_the_first():
    assert len(fs(quick(any_(repeat(READ, 3), repeat(READ, 30))))) == 33
    assert Counter(values(quick(shortest_any(repeat(write(1), 3), repeat(write(2))))))[1] == 3


def test_mix_takes_each_about_as_often_as_its_weight():
    even = Counter(values(quick(limit(3000, mix([repeat(write(i)) for i in range(3)])))))
    assert all(900 < even[i] < 1100 for i in range(3))
    uneven = Counter(
        values(quick(limit(3000, mix([repeat(write(0)), repeat(write(1))], weights=[9, 1]))))
    )
    assert 2600 < uneven[0] < 2800


def test_mix_goes_on_without_those_that_are_exhausted():
    history = quick(mix([repeat(write(i), 10 * i) for i in range(4)]))
    assert Counter(values(history)) == {1: 10, 2: 20, 3: 30}


def test_mix_tells_its_generators():
    history = perfect(limit(200, mix([until_ok(repeat(write(1))), repeat(READ)])))
    assert 1 <= Counter(fs(history))["write"] <= 3


def test_mix_refuses_weights_that_make_no_sense():
    with pytest.raises(UserError):
        mix([READ], weights=[1, 2])
    with pytest.raises(UserError):
        mix([READ, READ], weights=[1, 0])


def test_mix_waits_for_the_one_that_is_pending():
    class Stuck(Generator):
        def op(self, context):
            return PENDING, self

    context = Context.start(2, random.Random(0))
    for _ in range(20):
        answer = mix([Stuck(), repeat(READ)]).op(context)
        if answer is not None and answer[0] is PENDING:
            assert answer[1] is not None
            for _ in range(20):
                assert answer[1].op(context) == (PENDING, answer[1])
            return
    raise AssertionError("the pending generator was never chosen")
