"""What a wrong generator is told, and where."""

import random
from typing import Any

import pytest

from duress.harness.generator import (
    PENDING,
    Context,
    Generator,
    GeneratorError,
    friendly_exceptions,
    on_update,
    repeat,
    trace,
    validate,
)
from duress.harness.generator.core import Combinator
from duress.harness.generator.simulate import (
    quick,
)
from duress.harness.operation import Operation

from .generated import READ


class Broken(Generator):
    def __init__(self, answer):
        self.answer = answer

    def op(self, context):
        return self.answer


def operation(**changes):
    fields = {"index": -1, "time": 0, "process": 0, "type": "invoke", "f": "read"}
    return Operation(**(fields | changes))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (3, "a pair"),
        ((PENDING, None), "pending needs a successor"),
        ((operation(), 3), "successor is 3"),
        (({"f": "read"}, None), "expected an Operation"),
        ((operation(index=4), None), "index 4"),
        ((operation(time=-1), None), "time -1"),
        ((operation(time=0.5), None), "time 0.5"),
        ((operation(process=7), None), "process 7 is not one of"),
        ((operation(process=1), None), "process 1 is busy"),
        ((operation(type="ok"), None), "type 'ok'"),
        ((operation(f=None), None), "f None"),
    ],
)
def test_validate_names_what_is_wrong(answer, message):
    context = Context(0, random.Random(0), 0b111, 0b101, (0, 1, "nemesis"), 2)
    with pytest.raises(GeneratorError, match=message):
        validate(Broken(answer)).op(context)


def test_validate_checks_updates():
    class Odd(Generator):
        def op(self, context):
            return PENDING, self

        def update(self, context, event) -> Any:
            return {"f": "read"}

    with pytest.raises(GeneratorError, match="expected a Generator"):
        validate(Odd()).update(Context.start(1, random.Random(0)), operation())


def test_friendly_exceptions_say_where():
    def fail():
        raise ZeroDivisionError("by zero")

    with pytest.raises(GeneratorError, match=r"ZeroDivisionError: by zero.*at 0 ns") as caught:
        quick(friendly_exceptions(fail))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)

    with pytest.raises(GeneratorError, match="told at"):
        quick(friendly_exceptions(on_update(lambda *_: 1 / 0, repeat(READ))))


def test_trace_writes_questions_and_events():
    lines = []
    quick(trace("reads", repeat(READ, 1), write=lines.append))
    assert lines[0].startswith("reads: at 0 ns, free (0, 1, 'nemesis'): Operation(")
    assert "told at 0 ns" in lines[1]


def test_a_generator_that_waits_for_nothing_is_found():
    class Stuck(Generator):
        def op(self, context):
            return PENDING, self

    with pytest.raises(GeneratorError, match="wait for ever"):
        quick(Stuck())


def test_a_generator_without_op_cannot_be_made():
    class Nothing(Generator):
        pass

    class NoFields(Combinator, frozen=True):
        pass

    for kind in (Nothing, NoFields):
        with pytest.raises(TypeError, match="abstract"):
            kind()
