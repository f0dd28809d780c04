"""Maps with append: the array search against the plain one, on small random histories."""

from __future__ import annotations

import random
from typing import Any

import pytest

from duress.checkers.linearizability import appends, kernel, registers
from duress.checkers.linearizability.algorithms import decide, search_any
from duress.checkers.linearizability.models import model_named
from duress.checkers.linearizability.preparation import Problem, prepare
from duress.checkers.linearizability.register_kernel import DEAD, LOST, VALID
from duress.checkers.linearizability.register_view import lines
from duress.checkers.linearizability.search import Budget
from duress.checkers.linearizability.witness import verify_witness

from .linearizability_histories import explained, history_of


def random_appends(seed: int, calls: int, processes: int, crash: float) -> Problem:
    """One key's history: results of one instant each, then perhaps one altered."""
    chance = random.Random(seed)
    held: str = ""
    rows: list[tuple[int, str, str, Any]] = []
    running: dict[int, list[Any]] = {}
    slots = list(range(processes))
    started, names, letters = 0, processes, chance.choice(["ab", "abcdefgh"])
    while started < calls or running:
        slot = chance.choice(slots)
        if slot not in running:
            if started >= calls:
                continue
            f = chance.choices(["get", "append", "put", "cas", "delete"], [4, 5, 1, 1, 1])[0]
            argument: Any = chance.choice(letters) if f in ("append", "put") else None
            if f == "cas":
                argument = [held if chance.random() < 0.7 else "a", chance.choice(letters)]
            rows.append((slot, "invoke", f, argument))
            running[slot] = [f, argument, None]
            started += 1
            continue
        f, argument, done = running[slot]
        if done is None:
            kind, value = "ok", argument
            if f == "get":
                value = held
            elif f == "cas" and argument[0] != held:
                kind = "fail"
            else:
                held = {"append": f"{held}{argument}", "put": argument, "delete": ""}.get(
                    f, argument[1] if f == "cas" else ""
                )
            running[slot][2] = (kind, value)
            continue
        del running[slot]
        if chance.random() < crash:
            rows.append((slot, "info", f, argument))
            slots[slots.index(slot)] = names
            names += 1
        else:
            rows.append((slot, done[0], f, done[1]))
    if chance.random() < 0.6:
        gets = [at for at, row in enumerate(rows) if row[1:3] == ("ok", "get")]
        if len(gets) > 1:
            one, other = chance.sample(gets, 2)
            rows[one] = (*rows[one][:3], rows[other][3][: chance.randrange(4)])
    made = prepare(history_of(rows, key="k"), model_named("kv-map", ""))
    return made[0] if made else random_appends(seed + 10**6, calls, processes, crash)


def compare(problem: Problem, seed: int, tried: bool) -> set[int]:
    expected = search_any(problem, Budget())
    if tried:
        assert explained(problem) is expected.valid
    made = appends.encoded(problem)
    if made is None:
        return set()
    calls, after = made
    seen = set()
    for beam, room, enough in ((4096, 4096, 2**62), (4, 256, 2**62), (4, 256, 1), (1, 16, 1)):
        found = registers.run(lines(calls, None, after), [calls.initial], beam, room, enough=enough)
        seen.add(found.answer)
        if found.answer == VALID:
            assert expected.valid, seed
            assert verify_witness(problem, found.order) == "", seed
        elif found.answer == DEAD:
            assert expected.valid is False, seed
            assert int(problem.calls.returned[found.call]) == expected.position, seed
        else:
            assert beam < 4096, seed
    return seen


@pytest.mark.parametrize(("compiled", "seeds"), [(False, 80), (True, 250)])
def test_agrees_with_the_plain_search(monkeypatch, compiled: bool, seeds: int) -> None:
    registers.search.compiled()
    monkeypatch.setattr(kernel, "WORTH_CALLING", 0 if compiled else 10**9)
    seen: set[int] = set()
    for seed in range(seeds):
        chance = random.Random(seed)
        size = chance.choice([5, 6, 8])
        shape = size, chance.choice([2, 3, 4]), chance.choice([0.0, 0.1, 0.3])
        seen |= compare(random_appends(seed, *shape), seed, size < 6)
    assert {VALID, DEAD, LOST} <= seen


def test_keys_inside_the_value_and_many_clients() -> None:
    rows: list[tuple[int, str, str, Any]] = []
    for key in "xy":
        first = 0 if key == "x" else 60
        rows += [(first + p, "invoke", "append", [key, chr(97 + p)]) for p in range(24)]
        rows += [(first + 30 + p, "invoke", "get", [key, None]) for p in range(24)]
        text = "".join(chr(97 + (7 * p) % 24) for p in range(24))
        rows += [(first + 30 + p, "ok", "get", [key, text[: p + 1]]) for p in range(24)]
        rows += [(first + p, "ok", "append", [key, chr(97 + p)]) for p in range(24)]
    registers.search.compiled()
    judged = list(decide(prepare(history_of(rows), model_named("kv-map", "")), "auto", Budget()))
    assert [each.valid for each in judged] == [True, True]
    assert all(each.algorithm.startswith("frontier") for each in judged)
    for each in judged:
        assert each.witness is not None
        assert verify_witness(each.problem, each.witness) == ""


def test_what_it_leaves_to_the_general_search() -> None:
    def of(*rows: tuple[int, str, str, Any], failed: str = "drop") -> Problem:
        return prepare(history_of(rows, key="k"), model_named("kv-map"), failed)[0]

    lists = of((0, "invoke", "append", 1), (0, "ok", "append", 1))
    assert appends.encoded(lists) is None
    numbers = of(
        (0, "invoke", "append", "a"), (0, "ok", "append", "a"),
        (0, "invoke", "put", 1), (0, "ok", "put", 1),
    )  # fmt: skip
    assert appends.encoded(numbers) is None
    rows = [
        (0, "invoke", "append", "a"), (0, "ok", "append", "a"),
        (0, "invoke", "cas", ["b", "c"]), (0, "fail", "cas", ["b", "c"]),
    ]  # fmt: skip
    assert appends.encoded(of(*rows, failed="observe")) is None
    assert appends.encoded(of(*rows)) is not None
