"""What is told of a moment or a stretch of a trial, where there are no calls to tell it by."""

from __future__ import annotations

from collections.abc import Sequence

from ..harness.history import History
from ..harness.verdict import Anomaly
from . import fault_steps, words
from .statistics import Statistics
from .steps import Step
from .witnesses import Pair

NEAR_NS = 50_000_000
"""So much before and after a moment is looked at."""

MOMENT, WINDOW = "moment", "window"
"""Details of anomalies: a time of the history, or two, in ns."""


def moment_of(anomaly: Anomaly) -> int | None:
    """When something happened that is no call, as details have it."""
    at = anomaly.details.get(MOMENT)
    return at if isinstance(at, int) and not isinstance(at, bool) else None


def window_of(anomaly: Anomaly) -> tuple[int, int] | None:
    """The stretch around it, or the one that was asked for."""
    given = anomaly.details.get(WINDOW)
    if isinstance(given, list | tuple) and len(given) == 2:
        return int(given[0]), int(given[1])
    at = moment_of(anomaly)
    return None if at is None else (at - NEAR_NS, at + NEAR_NS)


def calls_in(history: History, window: tuple[int, int]) -> list[Pair]:
    """The calls of clients that were under way at some time of a window."""
    begin, end = window
    found: list[Pair] = []
    for invocation, completion in history.pairs():
        if invocation.time > end:
            break
        if completion is None or completion.time >= begin:
            found.append((invocation, completion))
    return found


def steps(anomaly: Anomaly, figures: Statistics, nodes: Sequence[str]) -> list[Step]:
    """Which faults there were then, and who did it; empty where no moment is known."""
    at = moment_of(anomaly)
    if at is None or at < 0:
        return []
    node = words.line(str(anomaly.details.get("node", "a node")), 40)
    told = [*fault_steps.of_story(figures, [at], nodes)]
    told.append(Step(at, "node", f"{node}: {words.line(anomaly.name, 60)}"))
    return sorted(told, key=lambda step: step.told_at)


def asked_for(begin_s: float, end_s: float) -> Anomaly:
    """What stands in for an anomaly where the messages of a window are wanted."""
    window = [round(begin_s * 1e9), round(end_s * 1e9)]
    return Anomaly(WINDOW, f"Messages at {words.span(*window)}", details={WINDOW: window})
