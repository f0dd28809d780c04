"""What the page tells of each anomaly: grouped by name and counted, a few of each drawn."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..harness.history import HistoryError
from ..harness.verdict import Anomaly, Verdict
from . import (
    commit_split,
    cycle_graph,
    delivery_lanes,
    evidence,
    lock_timeline,
    log_times,
    moment,
    replica_states,
    space_time,
    story,
    transactions,
    witnesses,
    words,
)
from .log_times import LogLine
from .promises import part_of, promise_of
from .run_folder import Run
from .statistics import Statistics
from .trace_window import TracedMessage

GROUPS_MAX = 10
DRAWN_MAX = 3
MESSAGES_FIRST, MESSAGES_OTHER = 4000, 500
"""How many messages the diagram of the first anomaly may hold, and those of the first of every
other kind."""

GIST_LENGTH = 400

_SENTENCE_END = re.compile(r"(?<=[^\W\d_][.])\s(?=[A-Z])")

STRANGE = (HistoryError, IndexError, KeyError, TypeError, ValueError, AttributeError)
"""What strange details may cause; the rest of the report is worth having then."""


def groups(run: Run, figures: Statistics) -> list[dict[str, Any]]:
    """By name, in the verdict's order: ``name``, ``promise``, how many were ``found``, and
    ``anomalies``, the few that are shown."""
    by_name: dict[str, list[Anomaly]] = {}
    for anomaly in run.verdict.anomalies if run.verdict else []:
        by_name.setdefault(anomaly.name, []).append(anomaly)
    logged = log_times.lines(run)
    told = []
    number = 0
    for name, found in list(by_name.items())[:GROUPS_MAX]:
        shown = []
        for anomaly in found[:DRAWN_MAX]:
            limit = 0 if shown else MESSAGES_OTHER if number else MESSAGES_FIRST
            shown.append({"number": number, **_anomaly(run, anomaly, figures, logged, limit)})
            number += 1
        told.append(
            {
                "name": words.line(name, 80),
                "promise": promise_of(name, part_of(run.verdict, found[0])),
                "found": max([len(found), *(_count(a.details) for a in found)]),
                "anomalies": shown,
            }
        )
    return told


def of_window(
    run: Run, figures: Statistics, window: tuple[float, float], number: int
) -> dict[str, Any]:
    """The messages between two times, in seconds: ``diagram`` is ``None`` if there were none."""
    asked = moment.asked_for(*window)
    logged = log_times.lines(run)
    traced = _or_none(space_time.diagram, run, asked, figures, logged, MESSAGES_FIRST)
    data = traced.data if traced else None
    return {"number": number, "title": asked.explanation, "diagram": data}


def _count(details: Mapping[str, Any]) -> int:
    """How many of its kind a checker says there are; it explains only a few of them."""
    count = details.get("count")
    return count if isinstance(count, int) and not isinstance(count, bool) else 0


def _anomaly(
    run: Run, anomaly: Anomaly, figures: Statistics, logged: Sequence[LogLine], limit: int
) -> dict[str, Any]:
    """``limit``: how many messages its diagram may hold; 0 for no diagram."""
    cycle = _or_none(cycle_graph.graph, run.history, anomaly)
    traced = _or_none(space_time.diagram, run, anomaly, figures, logged, limit) if limit else None
    traced = traced or space_time.Diagram({}, [], [])
    steps = story.tell(run.history, anomaly, figures, run.nodes, logged, traced.steps)
    if cycle:  # the reasons stand beside the drawing
        end = next(at for at, step in enumerate(steps) if step.kind == "end")
        steps[end] = dataclasses.replace(steps[end], text=_end_of_cycle(anomaly, cycle["size"]))
    return {
        "key": None if anomaly.key is None else words.plain(anomaly.key),
        "subject": _subject(run, anomaly),
        "gist": _gist(anomaly, steps),
        "steps": [{"when": step.when, "kind": step.kind, "text": step.text} for step in steps],
        "calls": words.names([f"T{at}" for at in anomaly.operations], 6) if cycle else "",
        "cycle": cycle,
        "table": None if cycle else _or_none(transactions.table, run.history, anomaly),
        "drawing": _or_none(evidence.drawing, run.history, anomaly),
        "diagram": traced.data or None,
        "tracks": _or_none(_tracks, run, anomaly, figures, traced.messages),
        "dead_ends": evidence.dead_ends(anomaly.details, run.history)[:12],
        "details": [
            (words.line(name, 60), _pretty(value)) for name, value in anomaly.details.items()
        ],
    }


def _gist(anomaly: Anomaly, steps: Sequence[story.Step]) -> str:
    """What was wrong in a sentence or two: the call that cannot be and what should have been; else
    the first sentence of the explanation."""
    stuck = next((step.text for step in steps if step.kind == "stuck"), "")
    better = next((step.text for step in steps if step.kind == "instead"), "")
    if stuck and better and anomaly.details.get("states"):
        return f"{words.sentence(stuck)}. {better}"
    text = words.line(anomaly.explanation, 2000)
    first = _SENTENCE_END.split(text, maxsplit=1)[0]
    first = first if len(first) <= GIST_LENGTH else f"{first[: GIST_LENGTH - 1]}…"
    return words.sentence(first)


_SUBJECTS = {
    "transaction": ("begin", "state", "states"),
    "lock": ("acquire", "claim", "release", "put", "get"),
}


def _subject(run: Run, anomaly: Anomaly) -> str:
    """What the key of an anomaly is: that of a register, a lock, a transaction."""
    fs = {invocation.f for invocation, _ in witnesses.evidence_calls(run.history, anomaly)}
    return next((name for name, own in _SUBJECTS.items() if fs and fs <= set(own)), "key")


def _tracks(
    run: Run, anomaly: Anomaly, figures: Statistics, messages: Sequence[TracedMessage]
) -> dict[str, Any] | None:
    """The drawing of states over time, where there is one for this kind of anomaly."""
    origin = run.spec.get("history_origin_ns", 0)
    drawn = (
        commit_split.drawing(run.history, anomaly, figures, run.nodes, messages, origin)
        or lock_timeline.drawing(run.history, anomaly)
        or delivery_lanes.drawing(run.history, anomaly, figures, run.nodes)
        or replica_states.drawing(run.history, anomaly, figures, run.nodes)
    )
    return drawn.plain() if drawn else None


def _end_of_cycle(anomaly: Anomaly, size: int) -> str:
    pattern = str(anomaly.details.get("pattern") or "")
    called = f" This pattern is called {words.line(pattern, 30)}." if pattern else ""
    if size == 1:
        return f"The transaction would have to come before itself.{called}"
    if size == 2:
        return (
            "No order of these two is possible: each must come before the other."
            f"{called} The drawing says why."
        )
    return (
        f"No order of these {size} transactions is possible: each must come before the next, "
        f"in a circle.{called} The drawing says why."
    )


def _or_none(make: Any, *given: Any) -> Any:
    try:
        return make(*given)
    except STRANGE:
        return None


def levels(verdict: Verdict | None) -> dict[str, str] | None:
    """What a verdict on transactions leaves standing: ``ruled_out`` and ``strongest``, in words."""
    for part in (verdict.parts or {"": verdict}).values() if verdict else []:
        result = part.statistics.get("result")
        if isinstance(result, dict) and isinstance(result.get("ruled_out"), list):
            strongest = result.get("strongest")
            return {
                "ruled_out": words.names(result["ruled_out"], 20),
                "strongest": words.names(strongest if isinstance(strongest, list) else [], 20),
            }
    return None


def _pretty(value: Any) -> str:
    if isinstance(value, str):
        return words.printable(value, 4000)
    return words.printable(msgspec.json.format(msgspec.json.encode(value)).decode(), 4000)
