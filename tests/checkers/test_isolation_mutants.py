"""Mutation test: each rule of the inference over lists matters to some small history.

The corpus is what the other tests hold against definitions: planted anomalies, runs of simulated
stores, random histories. A mutant is caught if one of them gets other anomalies, other counts,
other levels, other evidence, or a crash. What may survive is listed with the reason.
"""

from __future__ import annotations

from typing import Any

import pytest

from duress.checkers.isolation import (
    appends,
    direct_appends,
    graph,
    list_append,
    strong_levels,
    weak_levels,
)
from duress.checkers.linearizability import kernel

from .isolation_mutants import corpus, survivors

RULES: dict[str, list[Any]] = {
    "order of versions": [appends.recover, appends._doubled, appends._prefixes_plain],
    "ww, wr and rw edges": [appends.dependencies, appends._unread, appends.unread_appends],
    "G1a, G1b, garbage, dirty, lost updates": [
        direct_appends._orders,
        direct_appends._out_of_turn,
        direct_appends._first_where,
        direct_appends._aborted_and_garbage,
        direct_appends._dirty_updates,
        direct_appends._intermediate,
        direct_appends._overwritten_between,
        direct_appends.add_lost_updates,
    ],
    "internal, future reads": [direct_appends._walk_plain],
    "what is left open": [
        list_append.certain_writes,
        list_append.certain_g0,
        strong_levels.decide_snapshots,
        strong_levels.cursor_stable,
    ],
    "session and real-time edges": [graph.session_edges, graph.with_barriers],
    "weak levels": [weak_levels.of_lists, weak_levels.add],
}

EMPTY = "guard: nothing comes out of empty arrays either way"
OWN = "who read its own append: the ww edge beside it says the same"
SINK = "nothing leads away from what did not commit, so it is on no cycle"
OUT = "other anomalies have ruled out all levels that this is about"
WIDTH = "the conversion to 32 bits does the same"

SURVIVORS: dict[tuple[str, str], str] = {
    ("_doubled", "int(np.bincount(order[seen], minlength=1).max(initial=0)) > 1 := True"): "speed",
    ("recover", "(txns.op != WRITE) & committed := left"): "other reads are left out before",
    ("recover", "len(key) := True"): EMPTY,
    ("recover", "len(reads) := True"): EMPTY,
    ("recover", "without alive &= txns.kind != FAIL"): SINK,
    ("_unread", "pairs & 4294967295 := left"): WIDTH,
    ("_unread", "reads & 4294967295 := left"): WIDTH,
    ("dependencies", "foreign & (following < len(chain)) := right"): OWN,
    ("dependencies", "foreign & ~within := right"): OWN,
    ("dependencies", "without foreign[np.flatnonzero(some)[known]] = wr[0] != wr[1]"): OWN,
    ("dependencies", "len(chain) := True"): EMPTY,
    ("dependencies", "without foreign &= lists.sound[read_key]"): (
        "such keys have neither an order nor unread appends"
    ),
    ("dependencies", "without known[known] = ~writes.failed[last[known]]"): (
        "nothing leads to what failed, so it is on no cycle"
    ),
    (
        "unread_appends",
        "(lists.place < 0) & lists.alive[writes.txn] & lists.sound[writes.key] := left",
    ): "such keys have no edges",
    ("unread_appends", "(lists.place < 0) & lists.alive[writes.txn] := left"): SINK,
    (
        "_overwritten_between",
        "lists.agrees & lists.sound[txns.key[lists.reads]] := right",
    ): "a key with a read that disagrees is not sound",
    ("add_lost_updates", "not len(mops) := False"): EMPTY,
    ("_walk_plain", "kind[txn] != OK := False"): "other reads are left out before",
    ("_walk_plain", "place[other] > reach[mop] := True"): (
        "a transaction's appends stand in its order; else that is an incompatible-order"
    ),
    ("certain_g0", "not doubtful := False"): "speed: finds the same again",
    ("decide_snapshots", "not members.any() := False"): EMPTY,
    ("decide_snapshots", "not several.any() := False"): EMPTY,
    (
        "decide_snapshots",
        "not snapshot or (kept == witness.REAL_TIME and (not realtime)) := False",
    ): "what breaks snapshot isolation breaks the others",
    ("decide_snapshots", "np.isin(component, touched) & (component >= 0) := left"): "speed",
    ("decide_snapshots", "np.isin(component, touched) & (component >= 0) := right"): "speed",
    ("decide_snapshots", "kept == witness.REAL_TIME := True"): "speed: more is searched",
    ("decide_snapshots", "outcome.holds is None := False"): "budget",
    ("decide_snapshots", "without undecided[level] = outcome.why"): "budget",
    ("decide_snapshots", "unread & 4294967295 := left"): WIDTH,
    ("with_barriers", "count <= graph.nodes := True"): "an assertion",
    ("with_barriers", "is_end & np.concatenate(([True], ~is_end[:-1])) := left"): (
        "more barriers, the same order"
    ),
    ("with_barriers", "is_end & np.concatenate(([True], ~is_end[:-1])) := right"): (
        "more barriers, the same order"
    ),
    ("with_barriers", "not len(who) := False"): EMPTY,
    ("with_barriers", "~is_end & (run >= 0) := left"): "speed: more is searched",
    ("with_barriers", "~is_end & (run >= 0) := right"): "between a transaction and its own barrier",
    ("add", "'read-committed' in out := False"): OUT,
    ("add", "sessions := False"): "of the name only; the levels are skipped",
    ("add", "sessions and 'strong-session-read-committed' in out := False"): OUT,
    ("of_lists", "(lists.place < 0) & lists.alive[writes.txn] := left"): SINK,
    ("of_lists", "(source != owner) & ((last >= 0) | ~some) := left"): OUT,
    ("of_lists", "len(writes) := True"): EMPTY,
    ("of_lists", "lists.agrees & lists.sound[txns.key[lists.reads]] := left"): OUT,
    ("of_lists", "lists.agrees & lists.sound[txns.key[lists.reads]] := right"): OUT,
}
"""By function and change: why nothing can show it."""


@pytest.fixture(scope="module")
def rows() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "WORTH_CALLING", 10**9)
        patch.setattr(appends, "_FEW_EDGES", 2)  # both ways to join many to many
        yield corpus("list-append")


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_matters(rule, rows):
    count, survived = survivors(RULES[rule], rows, SURVIVORS)
    names = {function.__name__ for function in RULES[rule]}
    assert count > 4
    assert survived == {key for key in SURVIVORS if key[0] in names}
