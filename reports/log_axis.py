"""The lines of nodes' logs for the time axis of the report; ``assets/node_logs.js`` draws them."""

from __future__ import annotations

from typing import Any

from ..harness.history import History
from ..harness.verdict import Verdict
from . import log_times, words
from .run_folder import Run
from .witnesses import told_calls

NEAR_SHARE, NEAR_LEAST_NS = 0.25, 50_000_000
"""How much around the calls of an anomaly is near to it: of how long they took, and at least."""


def tracks(run: Run) -> list[dict[str, Any]]:
    """Of each log ``id`` (of its text on the page), ``node``, and ``times`` of its lines in whole
    µs since the trial began, ``None`` where a line tells none."""
    clocks = log_times.origin(run.spec)
    return [
        {
            "id": f"log-{number}",
            "node": words.line(log.node, 30),
            "times": [
                None if time is None else time // 1000 for time in log_times.times(log, clocks)
            ],
        }
        for number, log in enumerate(run.logs)
    ]


def near(history: History, verdict: Verdict | None) -> list[int]:
    """From when until when (ns) the first anomaly's calls ran, and a little around; else empty."""
    anomalies = verdict.anomalies if verdict else []
    calls = told_calls(history, anomalies[0]) if anomalies else []
    if not calls:
        return []
    begin, end = calls[0][0].time, max((b or a).time for a, b in calls)
    around = max(int((end - begin) * NEAR_SHARE), NEAR_LEAST_NS)
    return [begin - around, end + around]


def note(run: Run) -> str:
    """What a reader must know of these times."""
    clocks = log_times.origin(run.spec)
    said = []
    if clocks.wall is not None and not clocks.is_exact:
        said.append("When the trial began is known to a second only, and so are these times.")
    if clocks.virtual is None and any(f["fault"]["kind"] == "clock" for f in run.faults):
        said.append("Nodes tell the time by their own clocks, with which faults tampered.")
    return " ".join(said)
