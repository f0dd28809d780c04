"""The ways in which clocks go wrong, as draws of a :class:`Disturbance`, and how to lessen one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

from ..harness.cluster.clocks import Disturbance
from ..harness.errors import UserError
from ..harness.option_values import real

LEAST_S = 0.001
LEAST_DRIFT = 1e-5
STROBE_PERIODS_S = (0.01, 0.5)


@dataclass(frozen=True)
class Limits:
    """How wrong clocks may be: ``max_s`` seconds, ``lease_s`` at least for a step back over a
    lease, ``max_drift`` as a share (0.5: up to half as fast again, or by as much too slow).
    """

    max_s: float
    lease_s: float
    max_drift: float


def limits(options: Mapping[str, Any]) -> Limits:
    """From the nemesis's options; ``UserError`` names the one that is wrong."""
    found = Limits(
        max_s=real(options, "clock-max-s", 10.0, low=LEAST_S, high=1e9),
        lease_s=real(options, "clock-lease-s", 1.0, low=LEAST_S, high=1e9),
        max_drift=real(options, "clock-max-drift", 0.5, low=LEAST_DRIFT, high=100.0),
    )
    if found.lease_s > found.max_s:
        raise UserError(
            f"clock-lease-s: expected at most clock-max-s, {found.max_s:g}, got {found.lease_s:g}"
        )
    return found


def bump(random: Random, most: Limits) -> Disturbance:
    """The wall clock is set ahead or back, by milliseconds or by many seconds."""
    return Disturbance(step_s=_either_way(random, LEAST_S, most.max_s))


def back(random: Random, most: Limits) -> Disturbance:
    """The wall clock is set back by a lease or more: what had run out is valid again."""
    return Disturbance(step_s=-_of_any_size(random, most.lease_s, most.max_s))


def strobe(random: Random, most: Limits) -> Disturbance:
    """The wall clock flips between the truth and something else, many times a second."""
    by_s = _either_way(random, LEAST_S, most.max_s)
    return Disturbance(strobe_s=by_s, period_s=_of_any_size(random, *STROBE_PERIODS_S))


def drift(random: Random, most: Limits) -> Disturbance:
    """Both clocks run fast or slow: by a few millionths, or by many percent."""
    ratio = 1 + _of_any_size(random, LEAST_DRIFT, most.max_drift)
    return Disturbance(rate=round(ratio if random.random() < 0.5 else 1 / ratio, 9))


def skip(random: Random, most: Limits) -> Disturbance:
    """Both clocks jump ahead, as on a virtual machine that was suspended and is continued."""
    return Disturbance(skip_s=_of_any_size(random, LEAST_S, most.max_s))


@dataclass(frozen=True)
class Shape:
    """``clock``: the one of a program's clocks that it must read for this to mean anything."""

    clock: str
    draw: Callable[[Random, Limits], Disturbance]

    @property
    def doc(self) -> str:
        """One line."""
        return (self.draw.__doc__ or "").strip()


SHAPES: Mapping[str, Shape] = {
    "bump": Shape("wall", bump),
    "back": Shape("wall", back),
    "strobe": Shape("wall", strobe),
    "drift": Shape("monotonic", drift),
    "skip": Shape("monotonic", skip),
}


def gentler(disturbance: Disturbance) -> Iterator[Disturbance]:
    """Less of the same, the boldest first: a tenth, a half, three quarters of each size."""
    for share in (0.1, 0.5, 0.75):
        less = Disturbance(
            step_s=_rounded(disturbance.step_s * share),
            skip_s=_rounded(disturbance.skip_s * share),
            rate=round(1 + (disturbance.rate - 1) * share, 6),
            strobe_s=_rounded(disturbance.strobe_s * share),
            period_s=disturbance.period_s,
        )
        if less != disturbance and less != Disturbance(period_s=disturbance.period_s):
            yield less


def varied(random: Random, disturbance: Disturbance) -> Disturbance:
    """The same, a few times larger or smaller, or the other way round."""
    factor = random.choice([0.1, 0.5, 2.0, 10.0, -1.0])
    wrong = disturbance.rate if factor > 0 else 1 / disturbance.rate
    return msgspec.structs.replace(
        disturbance,
        step_s=_rounded(disturbance.step_s * factor),
        skip_s=_rounded(disturbance.skip_s * abs(factor)),
        rate=round(min(10.0, max(0.1, 1 + (wrong - 1) * abs(factor))), 9),
        strobe_s=_rounded(disturbance.strobe_s * factor),
    )


def _of_any_size(random: Random, low: float, high: float) -> float:
    """With four digits. Half are up to ten times smaller than the largest, where most breaks; the
    others are uniform in their logarithm: a millisecond is as likely as a second.
    """
    if random.random() < 0.5:
        low = max(low, high / 10)
    return float(f"{math.exp(random.uniform(math.log(low), math.log(high))):.4g}")


def _either_way(random: Random, low: float, high: float) -> float:
    size = _of_any_size(random, low, high)
    return size if random.random() < 0.5 else -size


def _rounded(seconds: float) -> float:
    return round(seconds, 4)
