"""The search over a transition table: against every order tried, and against the plain search."""

from __future__ import annotations

import random
from typing import Any

import pytest

from duress.checkers.linearizability import Linearizable, algorithms, table_decide
from duress.checkers.linearizability.algorithms import search_any, search_table
from duress.checkers.linearizability.evidence import explain
from duress.checkers.linearizability.models import MODELS, model_named
from duress.checkers.linearizability.preparation import Problem, prepare
from duress.checkers.linearizability.search import Budget
from duress.checkers.linearizability.table_closure import as_register, closure
from duress.checkers.linearizability.table_commuting import may_wait, pure_kinds
from duress.checkers.linearizability.table_kernel import DEAD, LOST, PAUSED, VALID
from duress.checkers.linearizability.table_search import UNLIMITED, Run, search
from duress.checkers.linearizability.table_view import kinds_of, view_of
from duress.checkers.linearizability.transitions import Transitions
from duress.checkers.linearizability.witness import verify_witness
from duress.harness.operation import Operation

from .linearizability_histories import explained, history_of, random_history

INITIAL = {"semaphore": 2}
WIDTHS = ((4096, 4096, UNLIMITED), (4, 128, 1), (1, 16, 1))


class Elevator:
    """Nondeterministic: goes elsewhere, to the floor asked for or to the one below."""

    initial = 0

    def steps(self, state: int, operation: Operation) -> Any:
        if operation.f == "go":
            if operation.value != state:
                yield operation.value
                yield operation.value - 1
        elif operation.value == state:
            yield state


class Purse:
    """Deterministic, unbounded: a sum that must not become negative. Says nothing about itself."""

    initial = 0

    def step(self, state: int, operation: Operation) -> int | None:
        if operation.f == "look":
            return state if state == operation.value else None
        return state + operation.value if state + operation.value >= 0 else None


class SayingPurse(Purse):
    """The same, and says what commutes: two that put in."""

    pure = frozenset({"look"})

    def commutes(self, one: Operation, other: Operation) -> bool:
        return one.f == other.f == "add" and min(one.value, other.value) > 0


OWN = {"elevator": Elevator, "purse": Purse, "saying-purse": SayingPurse}


def own_history(name: str, seed: int, calls: int, processes: int, crash: float) -> Any:
    """Clients of a real elevator or purse; some results are spoiled."""
    chance = random.Random(seed)
    rows: list[tuple[int, str, str, Any]] = []
    state, started, names = 0, 0, processes
    running: dict[int, list[Any]] = {}
    slots = list(range(processes))
    while started < calls or running:
        slot = chance.choice(slots)
        if slot not in running:
            if started < calls:
                started += 1
                change, look = ("go", "floor") if name == "elevator" else ("add", "look")
                f = chance.choice((change, look))
                value = None
                if f == change:
                    value = (
                        chance.randrange(1, 4) if name == "elevator" else chance.choice((1, 2, -1))
                    )
                running[slot] = [f, value, "", None]
                rows.append((slot, "invoke", f, value))
        elif not running[slot][2]:
            call = running[slot]
            call[2], call[3] = "ok", call[1]
            if call[0] in ("floor", "look"):
                call[3] = state
            elif name == "elevator":
                if call[1] == state:
                    call[2] = "fail"
                else:
                    state = call[1] - chance.randrange(2)
            elif state + call[1] >= 0:
                state += call[1]
            else:
                call[2] = "fail"
        else:
            f, value, kind, result = running.pop(slot)
            if chance.random() < crash:
                rows.append((slot, "info", f, value))
                slots[slots.index(slot)] = names
                names += 1
            else:
                if f in ("floor", "look") and chance.random() < 0.05:
                    result = chance.randrange(4)
                rows.append((slot, kind, f, result))
    return history_of(rows)


def problem_of(name: str, seed: int, oracle: bool) -> Problem | None:
    shape = {
        "calls": (4, 5, 6, 7)[seed % 4] if oracle else (8, 12, 20, 30)[seed % 4],
        "processes": (3, 4, 6)[seed // 4 % 3],
        "crash": (0.0, 0.15, 0.4)[seed // 12 % 3],
    }
    if name in OWN:
        problems = prepare(own_history(name, seed, **shape), OWN[name]())
    else:
        if name in ("queue", "stack", "priority-queue") and not oracle:
            shape["processes"] = 3  # what many unknown removals leave is too much for the peer
        history = random_history(name, seed, **shape)
        made = model_named(name, INITIAL.get(name))
        problems = prepare(history, made, "observe" if seed % 2 else "drop")
    return problems[0] if problems else None


def agrees(problem: Problem, valid: bool | None, position: int, compiled: bool) -> set[Any]:
    """All widths, with all that can be known about kinds and with nothing."""
    kinds, operations = kinds_of(problem)
    closed = closure(problem.model, operations, 3_000)
    declared = pure_kinds(problem.model, operations)
    nothing = [False] * len(operations)
    knowing: list[tuple[Any, Any]] = [(nothing, None), (declared or nothing, None)]
    knowing.append((knowing[1][0], may_wait(problem.model, operations, None)))
    if closed is not None:
        knowing.append((closed.pure, may_wait(problem.model, operations, closed)))
    seen = set()
    for pure, waits in knowing:
        view = view_of(problem.calls, kinds, pure)
        for beam, cap, enough in WIDTHS:
            moves = Transitions(problem.model, operations)
            moves.may_wait = waits
            run = Run(view, moves, [problem.model.initial], beam, cap, enough, compiled)
            found = run.go()
            seen.add(found.answer)
            if found.answer == VALID:
                assert valid is True
                assert verify_witness(problem, found.order) == ""
            elif found.answer == DEAD:
                assert valid is False
                assert int(problem.calls.returned[found.call]) == position
                states = run.final()
                assert states
                assert all(found.call in calls for _, calls in states)
            else:
                assert found.answer == LOST
                assert beam < 4096
    return seen


@pytest.mark.parametrize("name", [*sorted(MODELS), *OWN])
def test_agrees_with_every_order_tried(name: str) -> None:
    seen = set()
    for seed in range(60):
        problem = problem_of(name, seed, oracle=True)
        if problem is None:
            continue
        valid = explained(problem)
        judged = table_decide.decide(problem, 1 << 28, lambda _: "", compiled=False)
        assert judged.valid is valid, seed
        if valid:
            assert verify_witness(problem, judged.witness) == "", seed
        position = search_any(problem, Budget()).position
        if valid is False and "register" not in judged.algorithm and judged.certificate is None:
            assert judged.position == position, seed
            assert judged.final is not None
        seen |= agrees(problem, valid, position, compiled=False)
    assert {VALID, DEAD} <= seen


@pytest.mark.parametrize("name", [*sorted(MODELS), *OWN])
def test_agrees_with_the_plain_search_compiled(name: str) -> None:
    search.compiled()
    seen = set()
    for seed in range(60):
        problem = problem_of(name, 500 + seed, oracle=False)
        if problem is None:
            continue
        few = Budget(limit=20_000)
        expected = search_any(problem, few)
        if expected.valid is None:
            continue
        judged = search_table(problem, Budget())
        assert judged.valid is expected.valid, seed
        seen |= agrees(problem, expected.valid, expected.position, compiled=True)
    assert VALID in seen


@pytest.mark.parametrize("compiled", [False, True])
def test_more_than_64_open_operations(compiled: bool) -> None:
    chance = random.Random(3)
    rows = [(p, "invoke", "add", 1 + p % 2) for p in range(100)]
    rows += [(200 + p, "invoke", "read", None) for p in range(3)]
    ends = [(p, "ok", "add", 1 + p % 2) for p in range(100)]
    ends += [(200 + p, "ok", "read", 30 * p) for p in range(3)]
    chance.shuffle(ends)
    rows += ends
    problem = prepare(history_of(rows), model_named("counter"))[0]
    found = table_decide.decide(problem, 1 << 28, lambda _: "", compiled)
    assert found.valid is True
    assert verify_witness(problem, found.witness) == ""
    rows += [(300, "invoke", "read", None), (300, "ok", "read", 151)]
    problem = prepare(history_of(rows), model_named("counter"))[0]
    found = table_decide.decide(problem, 1 << 28, lambda _: "", compiled)
    assert found.valid is False
    assert found.position == len(rows) - 1
    assert found.final is not None
    assert [state for state, _ in found.final.states] == [150]


def late(model: str, calls: int, bad: bool) -> list[tuple[int, str, str, Any]]:
    """Two clients, one of which always waits for the other; the last answer may be wrong."""
    rows: list[tuple[int, str, str, Any]] = []
    total = 0
    for at in range(calls):
        rows.append((0, "invoke", "add", 1 + at % 3))
        rows.append((1, "invoke", "read", None))
        rows.append((0, "ok", "add", 1 + at % 3))
        total += 1 + at % 3
        rows.append((1, "ok", "read", total + (bad and at == calls - 1)))
    return rows


def test_budgets_end_in_unknown_with_where_and_how_much() -> None:
    rows = late("counter", 600, bad=True)
    problem = prepare(history_of(rows), model_named("counter"))[0]
    asked: list[int] = []

    def exhausted(size: int) -> str:
        asked.append(size)
        return "time limit reached"

    found = table_decide.decide(problem, 1 << 28, exhausted, compiled=False)
    assert found.valid is None
    assert "time limit reached at index" in found.note
    assert 0 < found.position < len(rows)
    assert found.frontier > 0
    assert search_table(problem, Budget()).valid is False


def test_time_and_memory_limits_of_the_checker() -> None:
    rows = [(p, "invoke", "add", 3**p) for p in range(15)]
    rows += [(p, "ok", "add", 3**p) for p in range(15)]
    rows[15:15] = [(100, "invoke", "read", None), (100, "ok", "read", 5)]
    history = history_of(rows)
    verdict = Linearizable("counter").check(history, {"memory_limit_bytes": 2 << 20})
    assert verdict.valid == "unknown"
    assert "memory limit" in verdict.reason
    clock = iter(range(10**9))
    options = {"time_limit_s": 6, "clock": lambda: next(clock)}
    verdict = Linearizable("counter").check(history, options)
    assert verdict.valid == "unknown"
    assert "time limit of 6 s reached at index" in verdict.reason
    assert verdict.statistics["frontier"] > 0


def test_pausing_growing_and_renumbering_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from duress.checkers.linearizability import table_kernel, table_search, table_steps

    problem = prepare(history_of(late("counter", 300, bad=False)), model_named("counter"))[0]
    kinds, operations = kinds_of(problem)
    view = view_of(problem.calls, kinds, pure_kinds(problem.model, operations) or [])

    def run() -> tuple[Any, Run]:
        one = Run(view, Transitions(problem.model, operations), [0], 16, 128, 1, False)
        return one.go(lambda: looks.append(1)), one

    looks: list[int] = []
    whole, kept = run()
    monkeypatch.setattr(table_search, "SLICE_UNCOMPILED", 1)
    monkeypatch.setattr(table_search, "STATES", 8)
    for module in (table_kernel, table_search, table_steps):
        monkeypatch.setattr(module, "WANT_LIMIT", 64)
    parts, few = run()
    assert (parts.answer, parts.explored, parts.order) == (VALID, whole.explored, whole.order)
    assert len(looks) > 100
    assert len(few.transitions.states) < 20 < len(kept.transitions.states)
    assert verify_witness(problem, parts.order) == ""


def test_the_model_is_asked_once_for_each_pair() -> None:
    asked: list[Any] = []

    class Watched(Purse):
        def step(self, state: int, operation: Operation) -> int | None:
            asked.append((state, operation.f, operation.value))
            return super().step(state, operation)

    problem = prepare(own_history("purse", 5, 200, 4, 0.0), Watched())[0]
    kinds, operations = kinds_of(problem)
    asked.clear()
    view = view_of(problem.calls, kinds, [False] * len(operations))
    Run(view, Transitions(problem.model, operations), [0], 64, 1024, compiled=False).go()
    assert asked
    assert len(asked) == len(set(asked))


def test_a_register_in_other_words_is_decided_as_one() -> None:
    class Lamp:
        initial = False

        def step(self, state: bool, operation: Operation) -> bool | None:
            if operation.f == "on":
                return None if state else True
            if operation.f == "off":
                return False
            return state if state == operation.value else None

    rows = [
        (0, "invoke", "on", None), (0, "ok", "on", None),
        (0, "invoke", "look", None), (0, "ok", "look", True),
        (0, "invoke", "off", None), (1, "invoke", "look", None), (0, "info", "off", None),
        (1, "ok", "look", False),
    ]  # fmt: skip
    for last, valid in ((False, True), (True, False)):
        rows[-1] = (1, "ok", "look", False)
        more = [(1, "invoke", "look", None), (1, "ok", "look", last)]
        problem = prepare(history_of(rows + more), Lamp())[0]
        found = table_decide.decide(problem, 1 << 28, lambda _: "", compiled=False)
        assert found.valid is valid
        assert found.algorithm.endswith("as a register")
    closed = closure(Elevator(), kinds_of(problem_of("elevator", 3, oracle=False) or problem)[1])
    assert closed is not None
    assert as_register(closed) is None


def test_a_supposition_that_fails_is_given_up() -> None:
    class Fuse:
        """A look at 40 blows it, which shows only late."""

        initial = 0

        def step(self, state: int, operation: Operation) -> int | None:
            if operation.f == "add":
                return state + 1 if state >= 0 else None
            if operation.value != state:
                return None
            return -1 if state == 400 else state

    rows: list[Any] = []
    for at in range(400):
        rows += [(0, "invoke", "add", None), (0, "ok", "add", None)]
        rows += [(0, "invoke", "look", None), (0, "ok", "look", at + 1)]
    rows += [(1, "invoke", "look", None), (1, "ok", "look", -1)]
    problem = prepare(history_of(rows), Fuse())[0]
    found = table_decide.decide(problem, 1 << 28, lambda _: "", compiled=False)
    assert found.valid is True
    rows[-1] = (1, "ok", "look", 400)
    problem = prepare(history_of(rows), Fuse())[0]
    assert table_decide.decide(problem, 1 << 28, lambda _: "", compiled=False).valid is False


def test_a_refutation_does_not_rest_on_a_supposition() -> None:
    # Looking changes the state only where a concurrent add had come first.
    class Odd:
        initial = (0, 0)

        def step(self, state: tuple[int, int], operation: Operation) -> Any:
            count, seen = state
            if operation.f == "add":
                return count + 1, seen
            if operation.f == "seen":
                return state if operation.value == seen else None
            return (count, 1) if count % 1000 == 707 else state

    rows: list[Any] = []
    for _ in range(706):
        rows += [(0, "invoke", "add", None), (0, "ok", "add", None)]
    rows += [(0, "invoke", "add", None), (1, "invoke", "touch", None), (1, "ok", "touch", None)]
    rows += [(0, "ok", "add", None), (0, "invoke", "seen", None), (0, "ok", "seen", 1)]
    problem = prepare(history_of(rows), Odd())[0]
    found = table_decide.decide(problem, 1 << 28, lambda _: "", compiled=False)
    assert found.valid is True
    assert verify_witness(problem, found.witness) == ""


def test_long_histories_of_any_model_carry_evidence() -> None:
    rows: list[Any] = []
    for at in range(400):
        rows += [(at % 3, "invoke", f, None) for f in ("acquire",)]
        rows += [(at % 3, "ok", "acquire", None)]
        rows += [(at % 3, "invoke", "release", None), (at % 3, "ok", "release", None)]
    for p in (7, 8, 9):
        rows += [(p, "invoke", "acquire", None), (p, "ok", "acquire", None)]
    for name, initial in (("mutex", None), ("semaphore", 2)):
        problem = prepare(history_of(rows), model_named(name, initial))[0]
        judged = search_table(problem, Budget())
        assert judged.valid is False
        evidence = explain(problem, judged.position, judged.certificate, judged.final)
        assert evidence.minimal and evidence.anywhere
        firm = sorted(int(problem.calls.invoked[at]) for at in evidence.calls)
        assert firm == [1600, 1602, 1604][: 2 if name == "mutex" else 3]
    problem = prepare(history_of(late("counter", 400, bad=True)), model_named("counter"))[0]
    judged = search_table(problem, Budget())
    evidence = explain(problem, judged.position, judged.certificate, judged.final)
    assert not evidence.minimal
    assert {state for state, _ in evidence.outcome.states} <= {797, 798, 799, 800}
    assert int(problem.calls.returned[evidence.outcome.call]) == judged.position


def test_logs_are_positions_in_what_was_read() -> None:
    rows: list[Any] = []
    for at in range(30):
        rows += [(p, "invoke", "append", 3 * at + p) for p in range(3)]
        rows += [(p, "ok", "append", 3 * at + p) for p in (2, 0, 1)]
    order = [3 * at + p for at in range(30) for p in (1, 2, 0)]
    rows += [(0, "invoke", "read", None), (0, "ok", "read", order)]
    problem = prepare(history_of(rows), model_named("log"))[0]
    found = table_decide.decide(problem, 1 << 28, lambda _: "", compiled=False)
    assert found.valid is True
    assert found.explored < 200
    assert verify_witness(problem, found.witness) == ""
    rows += [(0, "invoke", "read", None), (0, "ok", "read", [order[1], order[0]])]
    problem = prepare(history_of(rows), model_named("log"))[0]
    found = table_decide.decide(problem, 1 << 28, lambda _: "", compiled=False)
    assert found.valid is False
    assert found.certificate == (90, 91)


def test_short_histories_need_no_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(algorithms, "search_table", None)
    problem = prepare(history_of(late("counter", 100, bad=False)), model_named("counter"))[0]
    assert algorithms.search(problem, Budget()).valid is True


def test_stopped_by_a_limit_it_says_where() -> None:
    problem = problem_of("counter", 3, oracle=False)
    assert problem is not None
    kinds, operations = kinds_of(problem)
    view = view_of(problem.calls, kinds, [False] * len(operations))
    run = Run(view, Transitions(problem.model, operations), [0], 64, 1024, compiled=False)
    found = run.go(limit=3)
    assert found.answer in (PAUSED, VALID, DEAD)
    assert found.explored < 100
