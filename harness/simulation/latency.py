"""How long a message is on its way: a distribution as text, and as something to draw from.

Logarithms differ in their last bit between C libraries. So that a seed gives the same run on
every machine, the exponential distribution is drawn from a table of rounded quantiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from ..errors import UserError

QUANTILES = 1 << 14


@dataclass(frozen=True)
class Latency:
    """``floor_s + spread_s * x``; x is 0, uniform in [0, 1) or exponential with mean 1.

    The largest of the exponential's quantiles is 10.4 means.
    """

    kind: str
    floor_s: float
    spread_s: float

    def table(self) -> tuple[float, ...]:
        """Equally likely delays in seconds; one entry if all are the same."""
        if self.kind == "constant" or not self.spread_s:
            return (self.floor_s,)
        shape = _exponential() if self.kind == "exponential" else _uniform()
        return _scaled(shape, self.floor_s, self.spread_s)


@cache
def _exponential() -> tuple[float, ...]:
    return tuple(round(-math.log(1 - (i + 0.5) / QUANTILES), 9) for i in range(QUANTILES))


@cache
def _uniform() -> tuple[float, ...]:
    return tuple((i + 0.5) / QUANTILES for i in range(QUANTILES))


@cache
def _scaled(shape: tuple[float, ...], floor_s: float, spread_s: float) -> tuple[float, ...]:
    return tuple(floor_s + spread_s * x for x in shape)


def exponential(mean_s: float) -> Latency:
    """Exponentially distributed with a mean; constantly nothing for a mean of 0."""
    return Latency("exponential", 0.0, mean_s)


def parse(name: str, text: str) -> Latency:
    """``constant:MS``, ``uniform:LOW:HIGH`` or ``exponential:MEAN``, in milliseconds.

    ``name`` is the option's, for the ``UserError``.
    """
    kind, *words = text.strip().split(":")
    wanted = {"constant": 1, "uniform": 2, "exponential": 1}
    try:
        numbers = [float(word) / 1000 for word in words]
    except ValueError:
        numbers = []
    bad = len(numbers) != wanted.get(kind) or any(not 0 <= n < 1e5 for n in numbers)
    if bad or (kind == "uniform" and numbers[0] > numbers[1]):
        raise UserError(
            f"{name}: expected constant:MS, uniform:LOW:HIGH or exponential:MEAN, got {text!r}"
        )
    if kind == "constant":
        return Latency(kind, numbers[0], 0.0)
    if kind == "uniform":
        return Latency(kind, numbers[0], numbers[1] - numbers[0])
    return exponential(numbers[0])


def parse_links(name: str, text: str) -> dict[tuple[str, str], Latency]:
    """``n1>n2=constant:50,n2>n1=…`` by directed link."""
    links = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        ends, equals, latency = part.partition("=")
        source, arrow, dest = ends.partition(">")
        if not (equals and arrow and source and dest):
            raise UserError(f"{name}: expected FROM>TO=LATENCY,…, got {part!r}")
        links[source.strip(), dest.strip()] = parse(name, latency)
    return links
