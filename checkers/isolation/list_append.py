"""Transactions on lists: the order of versions is known, so that every level is decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from . import appends, cycles, direct_appends, strong_levels, weak_levels
from .evidence import EdgeReason, example, list_reasons, pattern_of
from .findings import Findings, shown
from .graph import ORDER, Graph, components, joined, serial_order, session_edges
from .judgement import Analysis
from .levels import LEVELS
from .transactions import Transactions

if TYPE_CHECKING:
    from . import Isolation


def analyse(
    checker: Isolation, txns: Transactions, realtime: bool, options: Mapping[str, Any]
) -> Analysis:
    """Elle's inference, exact searches, and the weak levels where there are cycles."""
    lists = appends.recover(txns)
    findings = direct_appends.find(lists)
    graph = appends.dependencies(lists)
    analysis = Analysis(findings, "elle's inference; exact cycle search")
    if on_cycles(graph, txns, realtime):
        add_cycles(findings, graph, txns, realtime, list_reasons(lists))
        relations = weak_levels.of_lists(lists)
        members = sessions_core(graph, txns)
        if members.any():
            weak_levels.add(findings, relations, members)
        unread = appends.unread_appends(lists)
        analysis.undecided |= strong_levels.decide_snapshots(
            findings, relations, graph, unread, realtime, options
        )
    if not realtime:
        why = "the history has no real-time order"
        analysis.undecided |= {
            name: why
            for name in LEVELS
            if (name.startswith("strong-") and "session" not in name) or name.startswith("strict")
        }
    if not lists.sound.all():
        analysis.undecided["read-uncommitted"] = "some keys have no one order of versions"
    if lists.writes.twice:
        analysis.strange = twice(txns, lists.writes)
    return analysis


def on_cycles(graph: Graph, txns: Transactions, realtime: bool) -> bool:
    """Whether there is any cycle of dependencies, sessions and (if asked) real time."""
    if not realtime:
        source, target = session_edges(txns)
        kind = np.full(len(source), ORDER, np.int8)
        graph = joined(graph, graph.nodes, source, target, kind)
    return not serial_order(graph, txns, realtime)[1]


def sessions_core(graph: Graph, txns: Transactions) -> Any:
    """bool per transaction: it is on a cycle of dependencies and sessions.

    Only those can break causal consistency: a reader that sees a writer it should have read from
    is anti-dependent on it, and all that lies between the two is on that cycle.
    """
    source, target = session_edges(txns)
    kind = np.full(len(source), ORDER, np.int8)
    return components(joined(graph, graph.nodes, source, target, kind))[: len(txns)] >= 0


def add_cycles(
    findings: Findings, graph: Graph, txns: Transactions, realtime: bool, reason: EdgeReason
) -> None:
    """The smallest cycle of each family in each component."""
    part = cycles.core(graph, txns, realtime)
    if part is None:
        return
    grouped: dict[str, list[cycles.Cycle]] = {}
    shapes: dict[str, list[cycles.Cycle]] = {}
    for cycle in cycles.find(part, txns, realtime):
        grouped.setdefault(cycle.name, []).append(cycle)
        shape = pattern_of(cycle, txns) if cycle.closing == cycles.CLOSED else ""
        if shape:
            shapes.setdefault(shape, []).append(cycle)
    for name, members in (*grouped.items(), *shapes.items()):
        members.sort(key=lambda c: len(c.txns))
        findings.add(name, members, lambda cycle: example(cycle, txns, reason))


def twice(txns: Transactions, writes: Any) -> str:
    """A sentence on a value that was written more than once."""
    one, two = writes.twice[0]
    value, key = txns.decode(int(writes.value[one])), txns.keys[int(writes.key[one])]
    first, second = (int(txns.invoked[writes.txn[w]]) for w in (one, two))
    return (
        f"operations {first} and {second} both write {shown(value)} to key {shown(key)}; "
        "values must be unique to tell who was read"
    )
