"""Short words for tests of generators: operations, and what a simulated history holds."""

import itertools

from duress.harness.generator import on_update
from duress.harness.generator.simulate import invocations

SECOND = 10**9
READ = {"f": "read"}


def write(value):
    return {"f": "write", "value": value}


def fs(history):
    return [op.f for op in invocations(history)]


def values(history):
    return [op.value for op in invocations(history)]


def number(op):
    assert isinstance(op.process, int)
    return op.process


def times(history):
    return [op.time for op in invocations(history)]


def count_up():
    return (write(i) for i in itertools.count())


def listening(heard, generator):
    """The generator, with every event that it is told of put into a list."""

    def hear(this, context, event):
        heard.append(event)
        return this.inform(context, event)

    return on_update(hear, generator)
