"""What was done to a node's clocks, and what they show: the part of it that hosts need, too.

Standard library only: this runs on hosts reached by ssh.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Wrongness(Protocol):
    """The fields of a ``Disturbance`` (:mod:`.clocks`), which say what they mean."""

    @property
    def step_s(self) -> float: ...  # noqa: D102 - in Disturbance
    @property
    def skip_s(self) -> float: ...  # noqa: D102
    @property
    def rate(self) -> float: ...  # noqa: D102
    @property
    def strobe_s(self) -> float: ...  # noqa: D102
    @property
    def period_s(self) -> float: ...  # noqa: D102


class PlainDisturbance(NamedTuple):
    """A ``Disturbance`` where there is nothing but the standard library."""

    step_s: float = 0.0
    skip_s: float = 0.0
    rate: float = 1.0
    strobe_s: float = 0.0
    period_s: float = 0.0


class Account:
    """What the disturbances of a node have done to its monotonic clock, which nothing takes back.

    ``ahead_s`` is by how much it was ahead when the present ``disturbance`` began, at ``began_s``
    by the machine's own.
    """

    def __init__(self) -> None:
        self.disturbance: Wrongness = PlainDisturbance()
        self.began_s = 0.0
        self.ahead_s = 0.0

    def begin(self, disturbance: Wrongness, now_s: float) -> None:
        """Another disturbance takes the place of the present one."""
        self.ahead_s += (self.disturbance.rate - 1) * (now_s - self.began_s) + disturbance.skip_s
        self.disturbance, self.began_s = disturbance, now_s


class ClockReading(NamedTuple):
    """What a program's clocks showed, against the true time.

    ``wall_off_s``       by how much its wall clock was off.
    ``monotonic_off_s``  by how much its monotonic clock is ahead, from an arbitrary zero, if known.
    ``elapsed_s``        true seconds since the last change to its clocks.
    ``within_s``         how exact ``wall_off_s`` is: time went on while it was read.
    """

    wall_off_s: float
    monotonic_off_s: float | None
    elapsed_s: float
    within_s: float = 0.0


class MachineClock(NamedTuple):
    """By how much the wall clock of a node's machine differs from the harness's, and how exactly
    that is known. Nobody disturbs it.
    """

    off_s: float = 0.0
    within_s: float = 0.0
