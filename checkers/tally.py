"""Anomalies counted by name, with a few of each explained: what simple checkers have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..harness.errors import UserError
from ..harness.verdict import Anomaly, Verdict

EXPLAINED = 5
"""How many anomalies of each name are explained; the others are counted."""


class Tally:
    """Collects anomalies; explanations are only made for those that are shown."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._explained: list[Anomaly] = []

    def add(self, name: str, explain: Callable[[], Anomaly]) -> None:
        """One more anomaly of a name; ``explain`` is called for the first few."""
        self.counts[name] += 1
        if self.counts[name] <= EXPLAINED:
            self._explained.append(explain())

    def verdict(
        self, statistics: Mapping[str, Any], assumed: str = "", vacuous: str = ""
    ) -> Verdict:
        """Invalid if there are anomalies; else unknown if it was ``vacuous``; else valid."""
        counts = dict(sorted(self.counts.items()))
        known = {**statistics, "anomaly_counts": counts}
        if counts:
            return Verdict(False, self._explained, statistics=known)
        if vacuous:
            return Verdict("unknown", reason=vacuous, statistics=known)
        return Verdict(True, reason=assumed, statistics=known)


def strange(reason: str, statistics: Mapping[str, Any] | None = None) -> Verdict:
    """The verdict on a history that a checker cannot judge."""
    return Verdict("unknown", reason=reason, statistics=dict(statistics or {}))


def wishes_of(model: str, wishes: Mapping[str, Any], known: Iterable[str] = ()) -> dict[str, Any]:
    """What the command line asks of a checker; :class:`UserError` if the checker has no such."""
    known = tuple(known)
    taken = {}
    for name, value in wishes.items():
        if name in known:
            taken[name] = value
        elif name != "first" and value is not None:
            names = ", ".join(each.replace("_", "-") for each in known) or "none"
            raise UserError(
                f"{name.replace('_', '-')}: the model {model} has no such option; it has: {names}"
            )
    return taken


def shown(value: Any) -> str:
    """A value as short text."""
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def who(process: Any, node: str | None = None) -> str:
    """``process 3 (through n2)``."""
    return f"process {process}" + (f" (through {node})" if node else "")
