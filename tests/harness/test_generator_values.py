"""The random values have the distributions that they promise."""

import random
from collections import Counter

import pytest

from duress.harness.errors import UserError
from duress.harness.generator.values import exponential, uniform, zipf

DRAWS = 40_000


def draw(distribution, seed=1):
    source = random.Random(seed)
    return [distribution(source) for _ in range(DRAWS)]


def chi_square(counts, expected):
    return sum((counts[k] - e) ** 2 / e for k, e in expected.items())


def test_uniform_is_even_from_low_to_below_high():
    counts = Counter(draw(uniform(3, 13)))
    assert set(counts) == set(range(3, 13))
    # 9 degrees of freedom: above 27.9 once in a thousand seeds; this seed is fixed.
    assert chi_square(counts, dict.fromkeys(range(3, 13), DRAWS / 10)) < 27.9


@pytest.mark.parametrize("skew", [0.5, 1.0, 1.0 + 1e-10, 1.3, 2.5])
def test_zipf_has_its_frequencies(skew):
    counts = Counter(draw(zipf(12, skew)))
    total = sum(1 / k**skew for k in range(1, 13))
    expected = {k - 1: DRAWS / k**skew / total for k in range(1, 13)}
    assert set(counts) == set(expected)
    # 11 degrees of freedom, one in a thousand.
    assert chi_square(counts, expected) < 31.3


def test_zipf_of_one_value_and_of_very_many():
    assert set(draw(zipf(1))) == {0}
    values = draw(zipf(10**12))
    assert all(0 <= value < 10**12 for value in values)
    assert max(values) > 10**9


@pytest.mark.parametrize("mean", [0.5, 3, 100])
def test_exponential_has_its_mean(mean):
    values = draw(exponential(mean))
    assert min(values) == 0
    assert abs(sum(values) / DRAWS - mean) < 0.03 * mean


def test_nonsense_is_a_user_error():
    for make in (
        lambda: uniform(3, 3),
        lambda: zipf(0),
        lambda: zipf(3, 0),
        lambda: exponential(0),
    ):
        with pytest.raises(UserError):
            make()
