"""What nodes did that no node may do, whatever protocol it runs; kept for the verdict."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from ..verdict import Anomaly, Verdict

EXPLAINED = 3
"""So many of each kind are told in full; all are counted."""

KINDS = {
    "malformed-line": "a line on standard output is no message",
    "huge-line": "a line on standard output is longer than any message may be",
    "wrong-source": "a message names another sender than the node that wrote it",
    "unknown-destination": "a message is for somebody whom there is not",
    "unasked-reply": "a reply to a request that nobody made",
    "contradictory-reply": "two replies to one request, which do not say the same",
    "malformed-reply": "a reply lacks a field, or has one of the wrong kind",
    "flood": "more messages than the network takes",
    "log-flood": "more on standard error than is kept",
    "crashed-node": "a program ended, although nobody had killed it",
    "closed-output": "a program goes on, but has closed its standard output",
}
"""By the name of the anomaly, with a line on it."""


class _Told(NamedTuple):
    kind: str
    node: str
    time_s: float
    text: str


class Complaints:
    """Collects them during a trial, with when it was in seconds after the cluster was made."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.doubled_replies = 0
        """Replies that came once more, and said the same: no harm, but counted."""
        self._told: list[_Told] = []

    def add(self, kind: str, node: str, time_s: float, text: str) -> None:
        """One more; ``text`` goes on after ``Node n1, 3 s after …,``."""
        self.counts[kind] += 1
        if self.counts[kind] <= EXPLAINED:
            self._told.append(_Told(kind, node, time_s, text))

    def verdict(self, origin_s: float | None = None) -> Verdict:
        """Valid if there is nothing to complain of.

        ``origin_s`` is when the history's time began, after the cluster was made; then anomalies
        have the ``moment`` (in ns, as operations have) among their details.
        """
        statistics: dict[str, Any] = {"counts": dict(sorted(self.counts.items()))}
        if self.doubled_replies:
            statistics["doubled-replies"] = self.doubled_replies
        anomalies = [_anomaly(told, origin_s) for told in self._told]
        return Verdict(not self.counts, anomalies, statistics=statistics)


def _anomaly(told: _Told, origin_s: float | None) -> Anomaly:
    details: dict[str, Any] = {"node": told.node}
    when = f"{told.time_s:.3f} s after the cluster was made"
    if origin_s is not None:
        at_s = told.time_s - origin_s
        details["moment"] = round(at_s * 1e9)
        when = f"at {at_s:.3f} s" if at_s >= 0 else f"{-at_s:.3f} s before the first operation"
    return Anomaly(told.kind, f"Node {told.node}, {when}, {told.text}", details=details)
