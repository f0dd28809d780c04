"""Serializability and snapshot isolation over registers: proved, refuted or left undecided."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import search, witness
from .findings import Example, Findings, name_of
from .graph import (
    ORDER,
    WW,
    Graph,
    components,
    joined,
    serial_order,
    session_edges,
    with_barriers,
)
from .levels import LEVELS, at_or_below, forbidden, implied_by
from .sorting import distinct
from .weak import Derived, Relations, graph_of

_INT = np.int32

TARGETS = (
    ("strict-serializable", "not-serializable-realtime", witness.REAL_TIME, False),
    ("strong-session-serializable", "not-serializable-process", witness.SESSION_ORDER, False),
    ("serializable", "not-serializable", witness.NO_ORDER, False),
    ("strong-snapshot-isolation", "not-snapshot-isolated-realtime", witness.REAL_TIME, True),
    (
        "strong-session-snapshot-isolation", "not-snapshot-isolated-process",
        witness.SESSION_ORDER, True,
    ),
    ("snapshot-isolation", "not-snapshot-isolated", witness.NO_ORDER, True),
)  # fmt: skip
"""Levels with the anomaly that their refutation is, what order they keep, and whether it is SI."""

DIRECT = frozenset(
    (
        "read-uncommitted", "read-committed", "monotonic-atomic-view", "read-atomic", "causal",
        "pram",
        "strong-session-read-uncommitted", "strong-session-read-committed",
        "strong-session-monotonic-atomic-view", "strong-session-read-atomic",
        "strong-read-uncommitted", "strong-read-committed",
    )
)  # fmt: skip
"""Levels that hold if no anomaly says otherwise, for they are decided exactly."""


class Decision:
    """The strong levels of one history of registers."""

    def __init__(
        self, findings: Findings, relations: Relations, alive: Any, realtime: bool,
        options: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.findings, self.relations, self.alive = findings, relations, alive
        self.realtime = realtime
        self.stop = _stopper(options)
        self.holding: set[str] = set()
        self.method = "weak levels by their axioms"
        nothing = Derived(*(np.empty(0, _INT),) * 4)
        graph = graph_of(relations, nothing, sessions=False)
        self.order, _ = serial_order(graph, relations.txns, realtime=False)

    def proved_at_once(self) -> bool:
        """Whether the strongest level that can hold is proved by an order; then all hold."""
        level, _, kept, snapshot = TARGETS[0 if self.realtime else 1]
        if _is_out(level, self.findings) or not self._witness(kept, snapshot):
            return False
        self.holding |= at_or_below(level)
        self.method = f"{level} by an order found"
        return True

    def _witness(self, kept: int, snapshot: bool) -> bool:
        return witness.exists(self.relations, self.alive, self.order, kept, snapshot)

    def decide(self) -> tuple[dict[str, str], str]:
        """Add what is refuted to the findings. The undecided levels with why, and the method."""
        undecided: dict[str, str] = {}
        for level, anomaly, kept, snapshot in TARGETS:
            if not self.realtime and kept == witness.REAL_TIME:
                undecided[level] = "the history has no real-time order"
                continue
            if _is_out(level, self.findings) or level in self.holding:
                continue
            if self._witness(kept, snapshot):
                self.holding |= at_or_below(level)
                self.method += f"; {level} by an order found"
                continue
            outcome = search.decide(self.relations, self.alive, kept, snapshot, self.stop)
            self.method += f"; {level} by search"
            if outcome.holds:
                self.holding |= at_or_below(level)
            elif outcome.holds is None:
                undecided[level] = outcome.why
            else:
                example = _example(self.relations, level, outcome)
                self.findings.add(anomaly, [example], lambda found: found)
        for level in LEVELS:
            if level not in self.holding and level not in DIRECT and level not in undecided:
                undecided[level] = "neither proved nor refuted: the order of versions is not known"
        return undecided, self.method


def decide_snapshots(
    findings: Findings, relations: Relations, graph: Graph, unread: Any, realtime: bool,
    options: Mapping[str, Any],
) -> dict[str, str]:  # fmt: skip
    """Snapshot isolation of lists where several committed appends to a key were never read.

    Their order is free, but some order there was: a cycle that each of them closes is not in the
    graph. ``unread`` as by ``appends.unread_appends``. Only strong components, once all of these
    orders are allowed for, can hold such cycles. Gives the undecided levels with why.
    """
    key, txn = unread >> 32, (unread & 0xFFFFFFFF).astype(_INT)
    several = key[1:] == key[:-1]
    if not several.any():
        return {}
    one, two = txn[:-1][several], txn[1:][several]
    undecided: dict[str, str] = {}
    stop = _stopper(options)
    for level, anomaly, kept, snapshot in TARGETS:
        if not snapshot or _is_out(level, findings):
            continue
        if kept == witness.REAL_TIME and not realtime:
            continue
        either = np.concatenate((one, two)), np.concatenate((two, one))
        whole = joined(graph, graph.nodes, *either, np.full(2 * len(one), WW, np.int8))
        if kept == witness.SESSION_ORDER:
            ends = session_edges(relations.txns)
            whole = joined(whole, whole.nodes, *ends, np.full(len(ends[0]), ORDER, np.int8))
        elif kept == witness.REAL_TIME:
            whole = with_barriers(whole, relations.txns)
        component = components(whole)[: len(relations.txns)]
        touched = distinct(component[one[component[one] >= 0]])
        members = np.isin(component, touched) & (component >= 0)
        if not members.any():
            continue
        outcome = search.decide(relations, members, kept, True, stop, relations.base)
        if outcome.holds is None:
            undecided |= dict.fromkeys(
                (level, "parallel-snapshot-isolation", "consistent-view"), outcome.why
            )
        elif not outcome.holds:
            findings.add(anomaly, [_example(relations, level, outcome)], lambda found: found)
            why = "the order of appends that nobody read is not known"
            undecided |= dict.fromkeys(("parallel-snapshot-isolation", "consistent-view"), why)
    return undecided


def _is_out(level: str, findings: Findings) -> bool:
    return any(implied_by(name) & forbidden(level) for name in findings)


def _stopper(options: Mapping[str, Any]) -> Any:
    limit = options.get("time_limit_s")
    if limit is None:
        return lambda: False
    clock = options.get("clock") or time.monotonic
    end = clock() + limit
    return lambda: clock() > end


def _example(relations: Relations, level: str, outcome: search.Outcome) -> Example:
    txns = relations.txns
    names = ", ".join(name_of(txns, txn) for txn in outcome.involved[:6])
    text = (
        f"No order of the transactions is {level}: {outcome.why}"
        f"{f' (last seen at {names})' if names else ''}."
    )
    return Example(outcome.involved[:20], text)
