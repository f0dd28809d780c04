"""Transactions on registers: what the reads tell, then what can still be decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import direct_registers, register_graph, strong_levels, weak_levels
from . import registers as inference
from .judgement import Analysis
from .levels import ruled_out
from .list_append import add_cycles, on_cycles, twice
from .transactions import Transactions

if TYPE_CHECKING:
    from . import Isolation


def analyse(
    checker: Isolation, txns: Transactions, realtime: bool, options: Mapping[str, Any]
) -> Analysis:
    """Elle's inference; the weak levels exactly; the strong ones by search if need be."""
    registers = inference.read(txns, checker.initial, checker.unwritten)
    versions = inference.order_versions(
        registers, checker.sequential_keys, checker.linearizable_keys
    )
    findings = direct_registers.find(registers, versions)
    graph = register_graph.dependencies(registers, versions, checker.wfr_keys)
    if on_cycles(graph, txns, realtime):
        reasons = register_graph.register_reasons(registers, versions)
        add_cycles(findings, graph, txns, realtime, reasons)
    analysis = Analysis(findings, "elle's inference; exact cycle search")
    if "read-committed" not in ruled_out(findings):
        relations = weak_levels.of_registers(registers)
        decision = strong_levels.Decision(findings, relations, registers.alive, realtime, options)
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
