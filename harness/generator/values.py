"""Random values for operations. Each is a function of a source of chance.

::

    keys = zipf(1000)
    lambda context: {"f": "read", "key": keys(context.random)}
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, expm1, log, log1p
from random import Random

from ..errors import UserError

Distribution = Callable[[Random], int]
"""Draws a value."""


def uniform(low: int, high: int) -> Distribution:
    """Integers from ``low`` to ``high - 1``, all as likely."""
    if not low < high:
        raise UserError(f"uniform({low}, {high}): expected low < high")
    width = high - low
    return lambda random: low + int(random.random() * width)


def exponential(mean: float) -> Distribution:
    """Integers from 0 on, ever less likely; their mean is ``mean``.

    Geometric: an exponential distribution, rounded down, with just the mean that was asked for.
    """
    if not mean > 0:
        raise UserError(f"exponential({mean}): expected a mean above zero")
    scale = 1 / log1p(1 / mean)
    return lambda random: int(random.expovariate(1.0) * scale)


def zipf(n: int, skew: float = 1.0) -> Distribution:
    """Integers from 0 to ``n - 1``; the k-th from 1 on is as likely as ``1 / k**skew``.

    Rejection-inversion: constant time and memory however large n is (Hörmann and
    Derflinger, "Rejection-inversion to generate variates from monotone discrete
    distributions", ACM TOMACS 6(3), 1996).
    """
    if type(n) is not int or n < 1 or not skew > 0:
        raise UserError(f"zipf({n}, {skew}): expected at least one value and a skew above zero")
    lowest = _area(1.5, skew) - 1.0
    total = _area(n + 0.5, skew)
    span = total - lowest
    accept_within = 2.0 - _inverse(_area(2.5, skew) - 2.0**-skew, skew)

    def draw(random: Random) -> int:
        while True:
            u = total - random.random() * span
            x = _inverse(u, skew)
            k = min(max(int(x + 0.5), 1), n)
            if k - x <= accept_within or u >= _area(k + 0.5, skew) - exp(-skew * log(k)):
                return k - 1

    return draw


def _area(x: float, skew: float) -> float:
    """The integral of ``t**-skew`` from 1 to x."""
    logarithm = log(x)
    power = (1.0 - skew) * logarithm
    return logarithm * (expm1(power) / power if abs(power) > 1e-8 else 1.0 + power / 2)


def _inverse(area: float, skew: float) -> float:
    """The x whose area it is."""
    t = max(area * (1.0 - skew), -1.0)
    return exp(area * (log1p(t) / t if abs(t) > 1e-8 else 1.0 - t / 2))
