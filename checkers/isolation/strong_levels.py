"""Serializability and snapshot isolation over registers: proved, refuted or left undecided."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from . import saturation, search, witness
from .appends import Lists
from .findings import Example, Findings, name_of
from .graph import (
    LINK,
    ORDER,
    WR,
    WW,
    Graph,
    components,
    joined,
    restricted,
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
        options: Mapping[str, Any], consequences: Callable[[int], Findings],
    ) -> None:  # fmt: skip
        """``consequences``: the findings if the history keeps an order of :mod:`witness`."""
        self.consequences = consequences
        self.findings, self.relations, self.alive = findings, relations, alive
        self.realtime = realtime
        self.stop = _stopper(options)
        self.holding: set[str] = set()
        self.replay: witness.Replay | None = None
        self.placed = 0
        self.inferred: dict[int, Findings] = {}
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
        if self.replay is None:
            self.replay = witness.Replay(self.relations, self.alive, self.order)
        self.placed = self.replay.placed(kept, snapshot)
        return self.placed == self.replay.expected

    def _searched(self, kept: int, snapshot: bool) -> tuple[search.Outcome, str]:
        """What follows step by step if all are serializable, else the complete search."""
        if not snapshot and kept != witness.REAL_TIME:
            sessions = kept == witness.SESSION_ORDER
            outcome = saturation.decide(self.relations, self.alive, sessions, self.stop)
            if outcome.holds is not None:
                return outcome, "saturation"
        outcome = search.decide(self.relations, self.alive, kept, snapshot, self.stop)
        return outcome, "search"

    def _how_far(self, level: str) -> str:
        """What is known of a level that neither the replay nor the search decided."""
        total = self.replay.expected if self.replay else 0
        return f"no order was found that runs all, but one for {self.placed:,} of {total:,}"

    def _refuted_at_once(self, level: str, anomaly: str, kept: int) -> bool:
        """Whether what follows from the level, without any choice, contradicts it."""
        if kept == witness.NO_ORDER:  # that a write follows a read only doubles who read whom
            return False
        if kept not in self.inferred:
            self.inferred[kept] = self.consequences(kept)
        implied = self.inferred[kept]
        guilty = [n for n in implied if implied_by(n) & forbidden(level)]
        if not guilty:
            return False
        found = implied[min(guilty, key=lambda n: len(implied[n].examples[0].txns))].examples[0]
        keys = "linearizable" if kept == witness.REAL_TIME else "sequentially consistent"
        text = (
            f"If it is {level}, then each key is {keys} and a write follows what its transaction "
            f"read. {found.text}"
        )
        self.findings.add(anomaly, [replace(found, text=text)], lambda example: example)
        self.method += f"; {level} by inference"
        return True

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
            if self._refuted_at_once(level, anomaly, kept):
                continue
            outcome, how = self._searched(kept, snapshot)
            self.method += f"; {level} by {how}"
            if outcome.holds:
                self.holding |= at_or_below(level)
            elif outcome.holds is None:
                undecided[level] = f"{outcome.why}; {self._how_far(level)}"
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
    proved = True
    for level, anomaly, kept, snapshot in TARGETS:
        if not snapshot or (kept == witness.REAL_TIME and not realtime):
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
        # Whom they read from need not be on a cycle, but tells which versions are later.
        of_members = relations.source[members[relations.reader]]
        members[of_members[of_members >= 0]] = True
        proved = False
        if _is_out(level, findings):
            continue
        outcome = search.decide(relations, members, kept, True, stop, relations.base)
        if outcome.holds is None:
            undecided[level] = outcome.why
        elif outcome.holds:
            proved = True
        else:
            findings.add(anomaly, [_example(relations, level, outcome)], lambda found: found)
    if not proved:
        # The last to be tried, snapshot isolation itself, does not hold or is not known to.
        why = "the order of appends that nobody read is not known"
        undecided |= dict.fromkeys(("parallel-snapshot-isolation", "consistent-view"), why)
    return undecided


def cursor_stable(lists: Lists, graph: Graph, unread: Any) -> bool:
    """Whether the unread appends can be ordered without a G-cursor, if none was found.

    Who read all that was read of a key and then appended what nobody read must be the first of
    those; that, with all ww and wr dependencies, must not be circular.
    """
    txns = lists.txns
    reads = lists.reads[lists.agrees]
    key, who = txns.key[reads], txns.owner[reads].astype(np.int64)
    all_of_it = txns.length[reads] == np.diff(lists.offset)[key]
    firsts = distinct((key[all_of_it].astype(np.int64) << 32) | who[all_of_it])
    firsts = firsts[np.isin(firsts, unread)]
    start = np.searchsorted(unread, firsts >> 32 << 32)
    count = np.searchsorted(unread, ((firsts >> 32) + 1) << 32) - start
    source = np.repeat(firsts & 0xFFFFFFFF, count)
    inner = np.arange(len(source)) - np.repeat(np.cumsum(count) - count, count)
    target = unread[np.repeat(start, count) + inner] & 0xFFFFFFFF
    plain = restricted(graph, np.isin(graph.kind, (WW, WR, LINK)))
    whole = joined(plain, graph.nodes, source, target, np.full(len(source), WW, np.int8))
    return serial_order(whole, txns, realtime=False)[1]


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
