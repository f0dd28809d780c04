"""What the page tells of each anomaly: grouped by name and counted, a few of each drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec

from ..harness.history import HistoryError
from ..harness.verdict import Anomaly, Verdict
from . import cycle_graph, evidence, space_time, story, transactions, words
from .promises import part_of, promise_of
from .run_folder import Run
from .statistics import Statistics

GROUPS_MAX = 10
DRAWN_MAX = 3
MESSAGES_FIRST, MESSAGES_OTHER = 4000, 500
"""How many messages the diagram of the first anomaly may hold, and those of the first of every
other kind."""

STRANGE = (HistoryError, IndexError, KeyError, TypeError, ValueError, AttributeError)
"""What strange details may cause; the rest of the report is worth having then."""


def groups(run: Run, figures: Statistics) -> list[dict[str, Any]]:
    """By name, in the verdict's order: ``name``, ``promise``, how many were ``found``, and
    ``anomalies``, the few that are shown."""
    by_name: dict[str, list[Anomaly]] = {}
    for anomaly in run.verdict.anomalies if run.verdict else []:
        by_name.setdefault(anomaly.name, []).append(anomaly)
    told = []
    number = 0
    for name, found in list(by_name.items())[:GROUPS_MAX]:
        shown = []
        for anomaly in found[:DRAWN_MAX]:
            limit = 0 if shown else MESSAGES_OTHER if number else MESSAGES_FIRST
            shown.append({"number": number, **_anomaly(run, anomaly, figures, limit)})
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


def _count(details: Mapping[str, Any]) -> int:
    """How many of its kind a checker says there are; it explains only a few of them."""
    count = details.get("count")
    return count if isinstance(count, int) and not isinstance(count, bool) else 0


def _anomaly(run: Run, anomaly: Anomaly, figures: Statistics, limit: int) -> dict[str, Any]:
    """``limit``: how many messages its diagram may hold; 0 for no diagram."""
    cycle = _or_none(cycle_graph.graph, run.history, anomaly)
    steps = story.tell(run.history, anomaly, figures, run.nodes)
    if cycle:  # the reasons stand beside the drawing
        steps[-1] = dataclasses.replace(steps[-1], text=_end_of_cycle(anomaly, cycle["size"]))
    return {
        "key": None if anomaly.key is None else words.value(anomaly.key),
        "steps": [
            {"when": words.moment(step.time), "kind": step.kind, "text": step.text}
            for step in steps
        ],
        "calls": words.names([f"T{at}" for at in anomaly.operations], 6) if cycle else "",
        "cycle": cycle,
        "table": None if cycle else _or_none(transactions.table, run.history, anomaly),
        "drawing": _or_none(evidence.drawing, run.history, anomaly),
        "diagram": _or_none(space_time.diagram, run, anomaly, figures, limit) if limit else None,
        "dead_ends": evidence.dead_ends(anomaly.details, run.history)[:12],
        "details": [
            (words.line(name, 60), _pretty(value)) for name, value in anomaly.details.items()
        ],
    }


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
