"""The transactions of an anomaly as a table, with the parts that it is about marked."""

from __future__ import annotations

from typing import Any

from ..harness.history import History
from ..harness.verdict import Anomaly
from . import words
from .micro_operations import micro_operations, say
from .witnesses import evidence_calls

ROWS_MAX = 12
PARTS_MAX = 24


def table(history: History, anomaly: Anomaly) -> dict[str, Any] | None:
    """The transactions of an anomaly as rows for a table, the parts it is about marked;
    ``None`` if its calls are no transactions."""
    pairs = evidence_calls(history, anomaly)
    rows = []
    for invocation, completion in pairs[:ROWS_MAX]:
        mops = micro_operations(invocation, completion)
        if mops is None:
            return None
        rows.append(
            {
                "index": invocation.index,
                "name": f"T{invocation.index}",
                "process": words.line(str(invocation.process), 20),
                "node": words.line(str((completion or invocation).node or ""), 30),
                "when": words.moment(invocation.time),
                "outcome": completion.type if completion else "info",
                "parts": [
                    {
                        "text": say(mop, 90),
                        "hit": anomaly.key is not None and mop[1] == anomaly.key,
                    }
                    for mop in mops[:PARTS_MAX]
                ],
                "more": max(0, len(mops) - PARTS_MAX),
            }
        )
    return {"rows": rows, "more": max(0, len(pairs) - ROWS_MAX)} if rows else None
