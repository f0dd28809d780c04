"""Mutation test: each branch of each kernel matters to some small history.

Every condition of an ``if`` is forced true and false in turn; a corpus of random
histories must show a wrong verdict, an order that explains nothing, worse evidence or a
crash. What may survive is listed with the reason.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from duress.checkers.linearizability import (
    containers_deadlines,
    containers_priority_queue,
    containers_priority_queue_guess,
    containers_queue,
    containers_queue_order,
    containers_set,
    containers_stack,
    containers_stack_guess,
    containers_stack_nesting,
    containers_stack_order,
    kernel,
    zones,
)

from .container_histories import random_history, timeline_of
from .container_mutants import kernels, mutants, mutated, notices
from .container_oracle import to_calls
from .test_containers_priority_queue import NAMED as PRIORITY_QUEUES
from .test_containers_queue import NAMED as QUEUES
from .test_containers_set import NAMED as SETS
from .test_containers_stack import NAMED as STACKS
from .test_zones import NAMED as REGISTERS

MODULES: dict[str, tuple[Any, ...]] = {
    "register": (zones,),
    "queue": (containers_queue, containers_queue_order, containers_deadlines),
    "stack": (
        containers_stack,
        containers_stack_nesting,
        containers_stack_order,
        containers_stack_guess,
    ),
    "priority_queue": (containers_priority_queue, containers_priority_queue_guess),
    "set": (containers_set,),
}

NAMED: dict[str, dict[str, Any]] = {
    "register": REGISTERS,
    "queue": QUEUES,
    "stack": STACKS,
    "priority_queue": PRIORITY_QUEUES,
    "set": SETS,
}

ROOM = "made >= room or (made >= 3 * len(bound) + 64 and gap != earliest[k])"

SURVIVORS: dict[tuple[str, str, str], str] = {
    ("queue", "_arrange", "len(cuts) > 0 := True"): "speed: sorting by no cuts changes nothing",
    ("queue", "_sequence", "count == before := False"): "the proof excludes it",
    ("queue", "_respect_cuts", "dequeue[v] >= 0 := True"): (
        "index -1 is the last call, which returns after every cut"
    ),
    ("queue", "_choose_cuts", "insert[v] >= 0 and remove[v] < 0 := True"): "a larger tree",
    ("queue", "_choose_cuts", "due_at[p] >= 0 := True"): "speed: nothing is due",
    ("stack", "_sort_windows", "pop[v] >= 0 and ret[pop[v]] < end := True"): (
        "the count only: leaves places without a window"
    ),
    ("priority_queue", "_candidates", f"{ROOM} := False"): "bounds memory",
    ("set", "_solve", "first[v] >= 0 := True"): (
        "of the add's bound only: index -1 is the last call, which returns after all began"
    ),
}

HISTORIES = 2_500


def corpus(kind: str) -> list[tuple[Any, bool | None, str, bool]]:
    module = MODULES[kind][0]
    rng = random.Random(5)
    rows = []
    named = [to_calls(timeline_of(*row[0])) for row in NAMED[kind].values()]
    while len(rows) < HISTORIES:
        calls = named.pop() if named else to_calls(random_history(rng, kind, 8))
        if module.applies(calls):
            got = module.decide(calls)
            rows.append((calls, got.valid, got.note, got.certificate is not None))
    # The interesting ones first: most mutants are noticed at once.
    return sorted(rows, key=lambda row: (row[1] is not False, len(row[0])))


@pytest.mark.parametrize("kind", MODULES)
def test_every_branch_matters(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "WORTH_CALLING", 10**9)
    rows = corpus(kind)
    rows = rows[::7] + rows
    survived = set()
    count = 0
    for name, function in kernels(*MODULES[kind]).items():
        for description, code in mutants(function):
            count += 1
            with mutated(function, code):
                if not notices(MODULES[kind][0].decide, kind, rows):
                    survived.add((kind, name, description))
    assert count > 20
    assert survived == {key for key in SURVIVORS if key[0] == kind}
