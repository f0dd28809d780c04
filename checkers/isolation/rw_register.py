"""Transactions on registers: what the reads tell, then what can still be decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from . import direct_registers, register_graph, strong_levels, weak_levels
from . import registers as inference
from .findings import Findings
from .graph import WW, Graph, restricted
from .judgement import Analysis
from .levels import ruled_out
from .list_append import add_cycles, on_cycles, twice
from .transactions import OK, Transactions
from .witness import REAL_TIME, SESSION_ORDER

if TYPE_CHECKING:
    from . import Isolation


def analyse(
    checker: Isolation, txns: Transactions, realtime: bool, options: Mapping[str, Any]
) -> Analysis:
    """Elle's inference; the weak levels exactly; the strong ones by search if need be."""
    registers = inference.read(txns, checker.initial, checker.unwritten)
    versions = inference.order_versions(
        registers, checker.sequential_keys, checker.linearizable_keys,
        options.get("transaction_order"),
    )  # fmt: skip
    findings = direct_registers.find(registers, versions)
    graph = register_graph.dependencies(registers, versions, checker.wfr_keys)
    if on_cycles(graph, txns, realtime):
        reasons = register_graph.register_reasons(registers, versions)
        add_cycles(findings, graph, txns, realtime, reasons, lambda: certain_writes(graph, txns))
    analysis = Analysis(findings, "elle's inference; exact cycle search")
    if "read-committed" not in ruled_out(findings):
        relations = weak_levels.of_registers(registers)
        decision = strong_levels.Decision(
            findings, relations, registers.alive, realtime, options,
            lambda kept: consequences(checker, registers, kept, options),
        )  # fmt: skip
        if not decision.proved_at_once():
            weak_levels.add(findings, relations)
        undecided, method = decision.decide()
        analysis.undecided |= undecided
        analysis.algorithm += f"; {method}"
    if registers.assumed:
        analysis.assumed = (
            f"a value that nobody wrote was taken as the initial one of {registers.assumed} keys"
        )
    if registers.writes.twice:
        analysis.strange = twice(txns, registers.writes)
    return analysis


def consequences(
    checker: Isolation, registers: inference.Registers, kept: int, options: Mapping[str, Any]
) -> Findings:
    """What would be wrong if the history were serializable, or snapshot isolated, in some order.

    Then each write follows what its transaction read, and if the order keeps that of sessions
    (of real time), each key is sequentially consistent (linearizable).
    """
    txns, realtime = registers.txns, kept == REAL_TIME
    versions = inference.order_versions(
        registers, checker.sequential_keys or kept == SESSION_ORDER,
        checker.linearizable_keys or realtime, options.get("transaction_order"),
    )  # fmt: skip
    findings = direct_registers.find(registers, versions)
    graph = register_graph.dependencies(registers, versions, wfr=True)
    if on_cycles(graph, txns, realtime):
        reasons = register_graph.register_reasons(registers, versions)
        add_cycles(findings, graph, txns, realtime, reasons, lambda: certain_writes(graph, txns))
    return findings


def certain_writes(graph: Graph, txns: Transactions) -> Graph:
    """The order of writes of transactions that are known to have committed."""
    committed = np.concatenate((txns.kind == OK, np.zeros(graph.nodes - len(txns), np.bool_)))
    return restricted(graph, (graph.kind == WW) & committed[graph.source] & committed[graph.target])
