"""What nodes did that no node may do, whatever protocol it runs; kept for the verdict."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..verdict import Anomaly, Verdict

EXPLAINED = 3
"""So many of each kind are told in full; all are counted."""

KINDS = {
    "malformed-line": "a line on standard output is no message",
    "huge-line": "a line on standard output is longer than any message may be",
    "wrong-source": "a message names another sender than the node that wrote it",
    "unknown-destination": "a message is for somebody whom there is not",
    "unasked-reply": "a reply to a request that nobody made",
    "malformed-reply": "a reply lacks a field, or has one of the wrong kind",
    "flood": "more messages than the network takes",
    "log-flood": "more on standard error than is kept",
    "crashed-node": "a program ended, although nobody had killed it",
}
"""By the name of the anomaly, with a line on it."""


class Complaints:
    """Collects them during a trial."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._told: list[Anomaly] = []

    def add(self, kind: str, node: str, time_s: float, text: str, **details: Any) -> None:
        """One more; ``text`` goes on after ``Node n1 …``."""
        self.counts[kind] += 1
        if self.counts[kind] <= EXPLAINED:
            sentence = f"Node {node}, {time_s:.3f} s after the cluster was made, {text}"
            self._told.append(Anomaly(kind, sentence, details={"node": node, **details}))

    def verdict(self) -> Verdict:
        """Valid if there is nothing to complain of."""
        statistics = {"counts": dict(sorted(self.counts.items()))}
        if not self.counts:
            return Verdict(True, statistics=statistics)
        return Verdict(False, list(self._told), statistics=statistics)
