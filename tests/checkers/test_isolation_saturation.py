"""Saturation and the replay against the definition of serializability, on small histories."""

from __future__ import annotations

import random

import numpy as np
import pytest

from duress.checkers.isolation import direct_registers, saturation, weak_levels, witness
from duress.checkers.isolation import registers as inference
from duress.checkers.isolation.graph import serial_order
from duress.checkers.isolation.transactions import flatten
from duress.checkers.isolation.weak import Derived, graph_of

from . import isolation_oracle as oracle
from .isolation_histories import history_of, random_txns

KEPT = {False: oracle.NO_ORDER, True: oracle.SESSION}
REPLAYED = {False: witness.NO_ORDER, True: witness.SESSION_ORDER}


def problem(txns):
    """The relations and the transactions alive; ``None`` if something is wrong at first sight."""
    history, _ = history_of(txns, "rw-register")
    registers = inference.read(flatten(history, "rw-register"), None, "garbage")
    versions = inference.order_versions(registers, False, False)
    if direct_registers.find(registers, versions):
        return None
    return weak_levels.of_registers(registers), registers.alive


@pytest.mark.parametrize("sessions", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_against_the_definition(
    sessions: bool, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if compiled:
        kernel = saturation._constraints
        monkeypatch.setattr(type(kernel), "for_size", lambda self, size: self.compiled())
    chance = random.Random(5)
    outcomes = []
    for _ in range(900 if not compiled else 450):
        txns = random_txns(chance, "rw-register", 5)
        if not any(txn.kind == "ok" for txn in txns):
            continue
        found = problem(txns)
        if found is None:
            continue
        expected = oracle.serializable("rw-register", txns, KEPT[sessions])
        outcome = saturation.decide(*found, sessions, lambda: False)
        assert outcome.holds is expected, (txns, outcome)
        outcomes.append(outcome.holds)
        relations, alive = found
        nothing = Derived(*(np.empty(0, np.int32),) * 4)
        order, whole = serial_order(graph_of(relations, nothing, False), relations.txns, False)
        if whole:
            replay = witness.Replay(relations, alive, order)
            if replay.placed(REPLAYED[sessions], False) == replay.expected:
                assert expected
    assert min(outcomes.count(True), outcomes.count(False)) > 10


def test_it_gives_up_in_time() -> None:
    chance = random.Random(6)
    found = next(p for p in iter(lambda: problem(random_txns(chance, "rw-register", 5)), 0) if p)
    asked = []
    outcome = saturation.decide(*found, False, lambda: asked.append(1) or True)
    assert (outcome.holds is None) == bool(asked)
