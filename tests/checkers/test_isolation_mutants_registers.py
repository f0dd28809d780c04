"""Mutation test: each rule of the inference over registers matters to some small history."""

from __future__ import annotations

from typing import Any

import pytest

from duress.checkers.isolation import (
    direct_registers,
    patterns,
    register_graph,
    registers,
    rw_register,
    weak_levels,
)
from duress.checkers.linearizability import kernel

from .isolation_mutants import corpus, survivors

RULES: dict[str, list[Any]] = {
    "who read whom": [
        registers.read,
        registers._take_as_initial,
        registers._roles_plain,
        registers._touches,
    ],
    "order of versions": [
        registers.order_versions,
        registers._by_session,
        registers._by_ranks,
        registers._zones_plain,
    ],
    "ww, wr and rw edges": [
        register_graph.dependencies,
        register_graph._from_initial,
        rw_register.certain_writes,
    ],
    "G1a, G1b, cyclic versions": [
        direct_registers.find,
        direct_registers._foreign_reads,
        direct_registers._cyclic_versions,
        direct_registers._components,
    ],
    "weak levels": [weak_levels.of_registers],
    "write skew, long fork": [patterns.skews_and_forks, patterns._skews, patterns._forks],
}

EMPTY = "guard: nothing comes out of empty arrays either way"
IMPLIED = "one edge more, which others imply"
SINK = "nothing leads away from what did not commit, so it is on no cycle"
SAME = "a write that its transaction overwrote is of the same version"
OUT = "other anomalies have ruled out all levels that this is about"
AGAIN = "the kinds of edges are looked at again afterwards"

SURVIVORS: dict[tuple[str, str], str] = {
    ("_roles_plain", "kind[txn] != OK := False"): "other reads are left out before",
    (
        "_touches",
        "(registers.source >= INITIAL) & (registers.source != registers.reader) := left",
    ): "a future read",
    ("_touches", "len(writes) := True"): EMPTY,
    ("_touches", "writes.final & registers.alive[writes.txn] := right"): SAME,
    ("read", "initial is not None := True"): "a read of nothing is no value",
    ("_by_ranks", "writes.final & registers.alive[writes.txn] := right"): SAME,
    ("_by_session", "(a < ends[linked]) & (b < ends[linked + 1]) := right"): IMPLIED,
    ("_by_session", "(key[1:] == key[:-1]) & (process[1:] == process[:-1]) := left"): (
        "a transaction has one process"
    ),
    ("_zones_plain", "low < stop := True"): "that row is empty",
    ("_zones_plain", "second < 0 := False"): IMPLIED,
    ("_zones_plain", "second < 0 := True"): IMPLIED,
    ("_zones_plain", "second < 0 or last_begin[best] <= first_end[second] := True"): IMPLIED,
    ("_zones_plain", "w != v and w != best := True"): IMPLIED,
    ("_zones_plain", "without least[stop] = -1"): "that row was not written to yet",
    (
        "order_versions",
        "(before != after) & ((after < 0) | registers.alive[np.maximum(after, 0)]) := left",
    ): SINK,
    ("order_versions", "sequential or linearizable := True"): "speed",
    ("_from_initial", "len(writes) := False"): EMPTY,
    ("_from_initial", "len(writes) := True"): EMPTY,
    ("_from_initial", "without parts += made"): "only where thousands meet",
    ("_from_initial", "writes.final & registers.alive[writes.txn] := left"): SAME,
    ("_from_initial", "writes.final & registers.alive[writes.txn] := right"): SINK,
    (
        "dependencies",
        "(registers.source >= 0) & registers.alive[np.maximum(registers.source, 0)] := left",
    ): "nothing leads to what failed, so it is on no cycle",
    **dict.fromkeys(
        [
            ("certain_writes", f"(graph.kind == WW) & committed[graph.source]{side}")
            for side in (
                " := left",
                " := right",
                " & committed[graph.target] := left",
                " & committed[graph.target] := right",
            )
        ],
        "a cycle enters and leaves each of its transactions, and only those of writes are used",
    ),
    (
        "_cyclic_versions",
        "(versions.why == SESSION).any() or (np.diff(versions.why) != 0).any() := True",
    ): "speed",
    ("find", "len(writes) := True"): EMPTY,
    (
        "of_registers",
        "(registers.source >= -1) & (registers.source != registers.reader) := left",
    ): OUT,
    (
        "of_registers",
        "(registers.source >= -1) & (registers.source != registers.reader) := right",
    ): OUT,
    ("_forks", "graph.target[first[i]] != graph.target[first[at[i]]] := True"): (
        "needs three anti-dependencies between three transactions, which is write skew too"
    ),
    ("_forks", "len(ones) := False"): EMPTY,
    ("_skews", "len(ones) := False"): EMPTY,
    (
        "skews_and_forks",
        "(graph.source < core.transactions) & (graph.target < core.transactions) := left",
    ): "other nodes have other kinds of edges",
    (
        "skews_and_forks",
        "(graph.source < core.transactions) & (graph.target < core.transactions) := right",
    ): "other nodes have other kinds of edges",
    ("skews_and_forks", "real & (graph.kind == RW) := left"): AGAIN,
    ("skews_and_forks", "real & (graph.kind == RW) := right"): AGAIN,
    ("skews_and_forks", "real & (graph.kind == WR) := right"): AGAIN,
}
"""By function and change: why nothing can show it."""


@pytest.fixture(scope="module")
def rows() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "WORTH_CALLING", 10**9)
        yield corpus("rw-register")


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_matters(rule, rows):
    count, survived = survivors(RULES[rule], rows, SURVIVORS)
    names = {function.__name__ for function in RULES[rule]}
    assert count > 1
    assert survived == {key for key in SURVIVORS if key[0] in names}
