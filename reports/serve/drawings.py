"""Charts as numbers for the templates that draw them as SVG: no script is needed to see them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .. import words
from .run_queries import Bucket
from .run_summary import INVALID, NONE, RUNNING, UNKNOWN, VALID

WIDTH, HEIGHT = 1000, 170
HALF_WIDTH = 560
"""Of charts that stand two by two."""

LEFT, RIGHT, TOP, BOTTOM = 46, 6, 8, 22
STACKED = (VALID, RUNNING, NONE, UNKNOWN, INVALID)
LEAST_HEIGHT = 4.0
"""One failure among thousands must be seen, so no part of a bar is lower than that."""


@dataclass(frozen=True)
class Piece:
    """A rectangle of one state."""

    state: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Tick:
    """A mark on an axis, with its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Bar:
    """The runs of one bucket of time: ``pieces`` from the bottom up; ``said`` in words."""

    bucket: Bucket
    x: float
    width: float
    pieces: list[Piece]
    said: str


@dataclass(frozen=True)
class BarChart:
    """Outcomes over time."""

    bars: list[Bar]
    times: list[Tick]
    counts: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Curves:
    """Values over a trial's time, one list a run, with the times in which faults were active."""

    end_ns: int
    values: list[list[float]]
    shades: list[list[tuple[int, int]]]


@dataclass(frozen=True)
class LineChart:
    """One run's curve: a path, shaded faults as ``(x, width)``, and both axes."""

    path: str
    shades: list[tuple[float, float]]
    times: list[Tick]
    levels: list[Tick]
    said: str
    width: int = HALF_WIDTH
    height: int = HEIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def bars(buckets: Sequence[Bucket], say_time: Callable[[float], str]) -> BarChart:
    """Outcomes over time as stacked bars."""
    most = max((sum(bucket.counts.values()) for bucket in buckets), default=0)
    top = _round_up(most)
    room, floor = HEIGHT - TOP - BOTTOM, HEIGHT - BOTTOM
    step = (WIDTH - LEFT - RIGHT) / max(len(buckets), 1)
    width = min(max(step - 2, 1.0), 60.0)
    drawn = []
    for number, bucket in enumerate(buckets):
        x = LEFT + number * step + (step - width) / 2
        heights = {
            state: max(room * bucket.counts[state] / top, LEAST_HEIGHT)
            for state in STACKED
            if bucket.counts.get(state)
        }
        squeeze = min(1.0, room / sum(heights.values())) if heights else 1.0
        pieces, y = [], float(floor)
        for state, height in heights.items():
            y -= height * squeeze
            pieces.append(Piece(state, round(x, 2), round(y, 2), round(width, 2), round(height, 2)))
        drawn.append(Bar(bucket, round(x, 2), round(width, 2), pieces, _said(bucket.counts)))
    every = max(1, math.ceil(len(buckets) / 6))
    times = [
        Tick(round(bar.x + width / 2, 2), say_time(bar.bucket.start_s)) for bar in drawn[::every]
    ]
    return BarChart(drawn, times, [Tick(TOP, f"{top:,}"), Tick(floor, "0")])


def _said(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[state]:,} {state}" for state in reversed(STACKED) if state in counts)


def lines(
    curves: Curves, say: Callable[[float], str], logarithmic: bool = False
) -> list[LineChart]:
    """A chart for each run, all with the same axes, so that they can be held side by side."""
    finite = [v for values in curves.values for v in values if math.isfinite(v)]
    if logarithmic:
        finite = [v for v in finite if v > 0]
        low = math.log10(min(finite, default=1e6))
        high = max(math.log10(max(finite, default=1e6)), low + 1)
        levels = [10.0**power for power in range(math.ceil(low), math.floor(high) + 1)]
    else:
        low, high = 0.0, max(max(finite, default=0.0), 1e-9)
        levels = [0.0, high / 2, high]
    floor, room = HEIGHT - BOTTOM, HEIGHT - TOP - BOTTOM

    def y(value: float) -> float:
        at = math.log10(max(value, 1e-9)) if logarithmic else value
        return round(floor - room * (at - low) / (high - low), 2)

    def x(ns: float) -> float:
        return round(LEFT + (HALF_WIDTH - LEFT - RIGHT) * ns / curves.end_ns, 2)

    times = [
        Tick(x(curves.end_ns * k / 4), words.duration(curves.end_ns * k / 4)) for k in range(5)
    ]
    charts = []
    for values, shades in zip(curves.values, curves.shades, strict=True):
        charts.append(
            LineChart(
                path=_path(values, x, y, curves.end_ns),
                shades=[(x(a), max(round(x(b) - x(a), 2), 1.0)) for a, b in shades],
                times=times,
                levels=[Tick(y(level), say(level)) for level in levels],
                said=_range(values, say),
            )
        )
    return charts


def _path(
    values: Sequence[float], x: Callable[[float], float], y: Callable[[float], float], end_ns: int
) -> str:
    """A line with a gap wherever there is no value."""
    parts, is_down = [], False
    for number, value in enumerate(values):
        if not math.isfinite(value):
            is_down = False
            continue
        at = f"{x((number + 0.5) * end_ns / len(values))} {y(value)}"
        # A point by itself is drawn as a dot: a line of no length with round ends.
        parts.append(f"L{at}" if is_down else f"M{at}h0")
        is_down = True
    return "".join(parts)


def _range(values: Sequence[float], say: Callable[[float], str]) -> str:
    finite = [value for value in values if math.isfinite(value)]
    return f"from {say(min(finite))} to {say(max(finite))}" if finite else "no call was ok"


def _round_up(most: int) -> int:
    """The next number whose first digit is 1, 2 or 5 and whose others are 0."""
    for power in range(10):
        for digit in (1, 2, 5):
            if digit * 10**power >= most:
                return digit * 10**power
    return most
