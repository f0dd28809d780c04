"""How many messages an operation took, in words: for the page and the closing summary."""

from __future__ import annotations

from typing import Any

from ..harness.verdict import Verdict
from . import words

TYPES_MAX = 20
_GROUPS = (("all", "all"), ("servers", "between nodes"), ("clients", "with clients"))


def counted(verdict: Verdict | None) -> dict[str, Any] | None:
    """The counts of a verdict (``harness/message_counts.py``); ``None`` where there are none."""
    found = verdict.statistics.get("messages") if verdict else None
    if not isinstance(found, dict) or not all(
        isinstance(found.get(group), dict) for group, _ in _GROUPS
    ):
        return None
    return found


def sentence(verdict: Verdict | None) -> str | None:
    """``13,038 between nodes, 3.8 an operation; 8,276 with clients, 2.4; 1,411 lost (…)``."""
    found = counted(verdict)
    if found is None:
        return None
    servers, clients = found["servers"], found["clients"]
    parts = [
        f"{_number(servers.get('sent'))} between nodes, {_rate(servers)} an operation",
        f"{_number(clients.get('sent'))} with clients, {_rate(clients)}",
    ]
    lost = found["all"].get("dropped") or servers.get("dropped")
    if lost:
        parts.append(f"{_number(lost)} lost{_causes(found)}")
    return "; ".join(parts)


def _causes(found: dict[str, Any]) -> str:
    causes = found.get("dropped_because")
    if not isinstance(causes, dict) or not causes:
        return ""
    listed = ", ".join(f"{words.line(str(c), 20)} {_number(n)}" for c, n in causes.items())
    return f" ({listed})"


def table(verdict: Verdict | None) -> dict[str, Any] | None:
    """Rows for the page: ``groups`` and ``types``, each a name and its cells; ``causes``."""
    found = counted(verdict)
    if found is None:
        return None
    types = [row for row in found.get("by_type", []) if isinstance(row, dict)]
    return {
        "operations": _number(found.get("operations")),
        "groups": [(said, _cells(found[group])) for group, said in _GROUPS],
        "types": [
            (
                words.line(str(row.get("type", "")), 40) or "(no type)",
                "clients" if row.get("between") == "clients" else "nodes",
                _cells(row),
            )
            for row in types[:TYPES_MAX]
        ],
        "types_left_out": max(0, len(types) - TYPES_MAX),
        "causes": [
            (words.line(str(cause), 40), _number(number))
            for cause, number in _pairs(found.get("dropped_because"))
        ],
    }


def _pairs(given: Any) -> list[tuple[Any, Any]]:
    return list(given.items()) if isinstance(given, dict) else []


def _cells(row: dict[str, Any]) -> list[str]:
    return [*(_number(row.get(name)) for name in ("sent", "received", "dropped")), _rate(row)]


def _number(given: Any) -> str:
    is_number = isinstance(given, int) and not isinstance(given, bool)
    return f"{given:,}" if is_number else "–"


def _rate(row: dict[str, Any]) -> str:
    rate = row.get("per_operation")
    return f"{rate:,.2f}" if isinstance(rate, int | float) and not isinstance(rate, bool) else "–"
