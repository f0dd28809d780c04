"""A script keeps the operations that it names, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from duress.harness.generator import chosen, limit, stagger
from duress.harness.generator.simulate import invocations, quick
from duress.harness.generator.steady import steady


def numbered(count):
    def operation(context):
        return {"f": "write", "value": context.random.randrange(1000)}

    return steady("seed", limit(count, operation))


def values(generator, seed=0):
    return [op.value for op in invocations(quick(generator, seed=seed))]


@given(st.sets(st.integers(0, 24)), st.integers(0, 5))
def test_the_named_ones_are_as_they_were_and_the_others_are_gone(numbers, seed):
    everything = values(numbered(20), seed)
    assert values(chosen(numbers, numbered(20)), seed) == [
        everything[n] for n in sorted(numbers) if n < 20
    ]


def test_nothing_comes_after_the_last_one():
    endless = stagger(0.1, steady("seed", lambda: {"f": "read"}))
    assert len(values(chosen([0, 3], endless))) == 2
    assert values(chosen([], endless)) == []
