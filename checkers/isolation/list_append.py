"""Transactions on lists: the order of versions is known, so that every level is decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import appends, cycles, direct_appends, patterns, strong_levels, weak_levels
from .evidence import EdgeReason, example, list_reasons, pattern_of
from .findings import Findings, shown
from .graph import ORDER, Graph, components, joined, serial_order, session_edges
from .judgement import Analysis
from .levels import LEVELS
from .transactions import OK, Transactions

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
        reasons = list_reasons(lists)
        add_cycles(findings, graph, txns, realtime, reasons, lambda: certain_writes(lists))
        relations = weak_levels.of_lists(lists)
        members = sessions_core(graph, txns)
        if members.any():
            weak_levels.add(findings, relations, members)
        unread = appends.unread_appends(lists)
        analysis.undecided |= strong_levels.decide_snapshots(
            findings, relations, graph, unread, realtime, options
        )
        if not strong_levels.cursor_stable(lists, graph, unread):
            why = "the order of appends that nobody read is not known"
            analysis.undecided["cursor-stability"] = why
    if not realtime:
        why = "the history has no real-time order"
        analysis.undecided |= {
            name: why
            for name in LEVELS
            if (name.startswith("strong-") and "session" not in name) or name.startswith("strict")
        }
    if not lists.sound.all():
        why = "some keys have no one order of versions"
        analysis.undecided |= {
            f"{prefix}read-uncommitted": why for prefix in ("", "strong-session-", "strong-")
        }
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


def certain_writes(lists: appends.Lists) -> Graph:
    """The dependencies if every indeterminate transaction was aborted."""
    txns, writes = lists.txns, lists.writes
    committed = txns.kind == OK
    writes = replace(writes, failed=~committed[writes.txn])
    return appends.dependencies(replace(lists, writes=writes, alive=committed))


def add_cycles(
    findings: Findings, graph: Graph, txns: Transactions, realtime: bool, reason: EdgeReason,
    certain: Callable[[], Graph],
) -> None:  # fmt: skip
    """The smallest cycle of each family in each component.

    ``certain`` gives the graph without indeterminate transactions, should it be needed.
    """
    part = cycles.core(graph, txns, realtime)
    if part is None:
        return
    grouped: dict[str, list[cycles.Cycle]] = {}
    shapes = patterns.skews_and_forks(part, txns)
    for cycle in certain_g0(cycles.find(part, txns, realtime), txns, realtime, certain):
        grouped.setdefault(cycle.name, []).append(cycle)
        shape = pattern_of(cycle, txns) if cycle.closing == cycles.CLOSED else ""
        if shape and not any(set(cycle.txns) == set(c.txns) for c in shapes.get(shape, ())):
            shapes.setdefault(shape, []).append(cycle)
    for name, members in (*grouped.items(), *shapes.items()):
        members.sort(key=lambda c: len(c.txns))
        findings.add(name, members, lambda cycle: example(cycle, txns, reason))


def certain_g0(
    found: list[cycles.Cycle], txns: Transactions, realtime: bool, certain: Callable[[], Graph]
) -> list[cycles.Cycle]:
    """The cycles, with G0 only where it does not hang on an indeterminate transaction.

    That somebody saw its writes does not show that it committed, for read uncommitted lets them
    be seen. But then either they were aborted (G1a) or there is a G0: read committed is broken, and
    the cycle is called G1c.
    """
    doubtful = [c for c in found if c.name.startswith("G0") and (txns.kind[c.txns] != OK).any()]
    if not doubtful:
        return found
    part = cycles.core(certain(), txns, realtime)
    again = cycles.find(part, txns, realtime) if part is not None else []
    sure = [c for c in again if c.name.startswith("G0")]
    blamed = {txn for c in sure for txn in c.txns}
    renamed = [
        replace(c, name=c.name.replace("G0", "G1c")) for c in doubtful if blamed.isdisjoint(c.txns)
    ]
    return sure + renamed + [c for c in found if not c.name.startswith("G0")]


def twice(txns: Transactions, writes: Any) -> str:
    """A sentence on a value that was written more than once."""
    one, two = writes.twice[0]
    value, key = txns.decode(int(writes.value[one])), txns.keys[int(writes.key[one])]
    first, second = (int(txns.invoked[writes.txn[w]]) for w in (one, two))
    return (
        f"operations {first} and {second} both write {shown(value)} to key {shown(key)}; "
        "values must be unique to tell who was read"
    )
