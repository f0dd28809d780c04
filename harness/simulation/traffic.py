"""How many messages there were, by type."""

from __future__ import annotations

from collections import Counter
from typing import Any


class ClientTraffic:
    """Messages between clients and nodes, by type."""

    def __init__(self) -> None:
        self.requests: Counter[Any] = Counter()
        self.answers: Counter[Any] = Counter()
        self.received: Counter[Any] = Counter()
        self.lost: Counter[Any] = Counter()

    def by_type(self) -> dict[str, dict[str, int]]:
        """``sent``, ``received`` and ``dropped`` of each type."""
        return types(self.requests + self.answers, self.received, self.lost)


def types(
    sent: Counter[Any], received: Counter[Any], lost: Counter[Any]
) -> dict[str, dict[str, int]]:
    """``{type: {"sent", "received", "dropped"}}``, sorted by type."""
    columns = {"sent": by_name(sent), "received": by_name(received), "dropped": by_name(lost)}
    names = sorted({name for column in columns.values() for name in column})
    return {
        name: {column: counts.get(name, 0) for column, counts in columns.items()} for name in names
    }


def by_name(counts: Counter[Any]) -> dict[str, int]:
    """Sorted by type; a type that is no text (a protocol's mistake) is named as such."""
    found: Counter[str] = Counter()
    for kind, number in counts.items():
        found["" if kind is None else str(kind)] += number
    return dict(sorted(found.items()))
