"""What counts as a generator: operations, functions, lists, iterators."""

import pytest

from duress.harness.errors import UserError
from duress.harness.generator import (
    lift,
    limit,
)
from duress.harness.generator.simulate import (
    invocations,
    quick,
)
from duress.harness.operation import Operation

from .generated import READ, count_up, fs, values, write


def test_a_dict_is_one_operation_with_process_and_time_filled_in():
    (operation,) = invocations(quick({"f": "write", "value": 2, "key": "k"}))
    assert (operation.f, operation.value, operation.key) == ("write", 2, "k")
    assert operation.process in (0, 1, "nemesis")
    assert operation.time == 0


def test_none_and_an_empty_list_have_no_operations():
    assert quick(None) == []
    assert quick([]) == []


def test_a_list_is_one_after_another():
    assert values(quick([write(1), [write(2), write(3)], None, write(4)])) == [1, 2, 3, 4]


def test_a_function_is_called_until_it_returns_none():
    remaining = iter([READ, write(1), None, READ])
    assert fs(quick(lambda: next(remaining))) == ["read", "write"]


def test_a_function_may_take_the_context():
    seen = invocations(quick(limit(50, lambda context: write(context.random.randrange(3)))))
    assert {op.value for op in seen} == {0, 1, 2}


def test_a_function_with_optional_parameters_is_called_without_arguments():
    assert values(quick(limit(1, lambda x=7: write(x)))) == [7]


def test_a_function_that_returns_a_list_yields_all_of_it_before_the_next_call():
    assert fs(quick(limit(5, lambda: [write(1), READ]))) == [
        "write",
        "read",
        "write",
        "read",
        "write",
    ]


def test_an_infinite_iterator_is_read_lazily():
    assert values(quick(limit(4, count_up()))) == [0, 1, 2, 3]


def test_an_iterator_can_be_run_twice_from_one_generator():
    generator = limit(4, count_up())
    assert quick(generator) == quick(generator) != []


def test_a_long_iterator_does_not_overflow_the_stack_when_forgotten():
    generator = lift(write(i) for i in range(100_000))
    assert len(invocations(quick(generator))) == 100_000
    del generator


@pytest.mark.parametrize("source", [3, "read", {1, 2}, {"value": 1}, {"f": 3}, {"f": "r", "v": 1}])
def test_what_cannot_be_lifted_is_a_user_error(source):
    with pytest.raises(UserError):
        lift(source)


def test_a_function_with_two_parameters_is_refused_when_lifted():
    with pytest.raises(UserError, match="2 arguments"):
        lift(lambda a, b: READ)


def test_a_misspelt_field_from_a_function_is_a_user_error():
    with pytest.raises(UserError, match="vlaue"):
        quick(lambda: {"f": "write", "vlaue": 3})


def test_an_operation_can_be_a_template():
    assert values(quick(Operation(5, 99, 7, "ok", "write", 3))) == [3]
