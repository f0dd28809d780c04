"""Inference rules of the isolation checker, each broken in turn.

Conditions forced true and false, one side of an ``&`` left out, a finding or a part of the graph
not added.
"""

from __future__ import annotations

import ast
import inspect
import random
import signal
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from types import CodeType, FunctionType
from typing import Any

from duress.checkers.isolation import Isolation

from .container_mutants import mutated
from .isolation_histories import history_of, random_txns
from .isolation_oracle import Txn
from .isolation_planted import LISTS, REGISTERS, Plan, cycles, plan_of, planted
from .isolation_store import ENGINES, recorded

LIMIT_S = 0.3
"""Processor time for one mutant on one history; endless loops count as noticed."""


class _Change:
    """One change to a tree, described, that can be taken back."""

    def __init__(self, text: str, holder: Any, name: str, at: int | None, new: Any) -> None:
        self.text, self.holder, self.name, self.at, self.new = text, holder, name, at, new

    def swap(self) -> None:
        place = getattr(self.holder, self.name)
        if self.at is None:
            setattr(self.holder, self.name, self.new)
            self.new = place
        else:
            place[self.at], self.new = self.new, place[self.at]


def _children(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Every node below, with where it stands: holder, field, and position in a list."""
    for holder in ast.walk(tree):
        for name, value in ast.iter_fields(holder):
            if isinstance(value, ast.AST):
                yield holder, name, None, value
            elif isinstance(value, list):
                for at, each in enumerate(value):
                    if isinstance(each, ast.AST):
                        yield holder, name, at, each


def _changes(tree: ast.AST) -> Iterator[_Change]:
    for holder, name, at, node in _children(tree):
        said = ast.unparse(node).split("\n", 1)[0]
        if name in ("test", "ifs"):
            for forced in (True, False):
                yield _Change(f"{said} := {forced}", holder, name, at, ast.Constant(forced))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
            yield _Change(f"{said} := left", holder, name, at, node.left)
            yield _Change(f"{said} := right", holder, name, at, node.right)
        if isinstance(node, ast.AugAssign) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        ):
            yield _Change(f"without {said}", holder, name, at, ast.Pass())
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            yield _Change(f"without {said}", holder, name, at, ast.Pass())


def mutants(function: FunctionType) -> Iterator[tuple[str, CodeType]]:
    """What was changed in a function, and its code then."""
    source = textwrap.dedent(inspect.getsource(function))
    tree = ast.parse(source)
    for change in list(_changes(tree.body[0])):
        change.swap()
        scope: dict[str, Any] = dict(function.__globals__)
        exec(compile(ast.fix_missing_locations(tree), function.__code__.co_filename, "exec"), scope)
        yield change.text, scope[function.__name__].__code__
        change.swap()


def _too_long(*_: Any) -> None:
    raise TimeoutError


def noticed(judge: Callable[[Any], Any], rows: Iterable[tuple[Any, Any]]) -> Any:
    """The first row (history and verdict) that is judged otherwise now; or none."""
    before = signal.signal(signal.SIGVTALRM, _too_long)
    try:
        for row in rows:
            signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
            try:
                if judge(row[0]) != row[1]:
                    return row
            except Exception:
                return row
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    finally:
        signal.signal(signal.SIGVTALRM, before)
    return None


Row = tuple[Any, Any]
"""Model, history, options and whether real time counts; and what is said of it."""


def judge(case: Any) -> Any:
    """All that is said of a history."""
    model, history, options, realtime = case
    verdict = Isolation(model, **options).check(history, {"realtime": realtime})
    said = [
        (a.name, a.explanation, sorted(a.operations), len(a.details.get("cycle", ())))
        for a in verdict.anomalies
    ]
    return verdict.valid, verdict.reason, verdict.statistics["result"], said


def odd(chance: random.Random, txns: list[Txn]) -> list[Txn]:
    """Values twice, from nowhere, in another order; other outcomes; one value written twice."""
    result = []
    again = chance.random() < 0.15
    for txn in txns:
        steps = []
        for verb, key, value in txn.steps:
            new = value
            if verb == "r" and txn.kind == "ok" and chance.random() < 0.4:
                if isinstance(value, list):
                    new = [*value, *chance.choice(([], value[:1], [60], [61], [60, 60]))]
                    chance.shuffle(new)
                else:
                    new = chance.choice((60, 61, value, None))
            elif verb == "w" and again:
                new, again = 1, chance.random() < 0.7
            steps.append((verb, key, new))
        kind = txn.kind
        if kind == "ok" and chance.random() < 0.25:
            kind = "fail"
        result.append(replace(txn, kind=kind, steps=tuple(steps)))
    return result


FREE_ORDERS = [
    # Read skew whichever of the two unread appends to y is the first.
    Plan(
        set(),
        [
            [("w", "x", 2)],
            [("r", "x", [2]), ("w", "y", 4)],
            [("r", "x", [2]), ("r", "y", []), ("w", "y", 5), ("w", "x", 6)],
        ],
        events=[0, 2, 0, 1, 1, 2],
    ),
    # The same in the order of one process, and in real time.
    *(
        Plan(
            set(),
            [[("r", "y", []), ("w", "y", 5), ("w", "x", 6)], [("w", "y", 4)], [("r", "x", [])]],
            events=[0, 1, 1, 2, 2, 0],
            process=process,
        )
        for process in ({2: 1}, {})
    ),
    # Writes in a circle, if the one of unknown outcome committed.
    Plan(
        set(),
        [
            [("w", "x", 1), ("w", "y", 1)],
            [("w", "x", 2), ("w", "y", 2)],
            [("r", "x", [1, 2]), ("r", "y", [2])],
        ],
        kinds={1: "info"},
    ),
    # The same, with another circle that is certain.
    Plan(
        set(),
        [
            [("w", "x", 1), ("w", "y", 1)],
            [("w", "x", 2), ("w", "y", 2)],
            [("r", "x", [1, 2, 3]), ("r", "y", [3, 2])],
            [("w", "x", 3), ("w", "y", 3)],
        ],
        kinds={1: "info"},
    ),
]


MORE_REGISTERS = [
    # One that overwrites two keys and is seen in one.
    Plan(
        set(),
        [
            [("w", "x", 1), ("w", "y", 1)],
            [("r", "x", 1), ("w", "x", 2), ("r", "y", 1), ("w", "y", 2)],
            [("r", "x", 2), ("r", "y", 1)],
        ],
    ),
    # Writes in a circle, with and without one of unknown outcome.
    *(
        Plan(
            set(),
            [
                [("w", "x", 1), ("w", "y", 1)],
                [("w", "x", 2), ("w", "y", 2), ("w", "z", 2)],
                [("w", "z", 3)],
                [("r", "x", 1)],
                [("r", "x", 2)],
                [("r", "y", 2)],
                [("r", "y", 1)],
                [("r", "z", 2)],
                [("r", "z", 3)],
            ],
            kinds=kinds,
            events=[0, 1, 2, *(at for at in range(3, 9) for _ in range(2)), 0, 1, 2],
            process={4: 3, 6: 5, 8: 7},
            options={"sequential_keys": True},
        )
        for kinds in ({}, {1: "info"}, {0: "info"})
    ),
]

ALONE: dict[str, list[Plan]] = {
    "list-append": [
        plan_of("-", "w1", "r1"),
        plan_of("-", "w1 w2"),
        plan_of("-", "r"),
        plan_of("-", "r1,2", "w1 w2", "r2,1", "r1"),
        plan_of("-", "r9,1", "w1", "w2", "fail w3", "r9,1,3"),
        plan_of("-", "w1", "w2", "r", "r w3"),
        plan_of("-", "r w1 w3", "w2", "r1,2,3"),
        plan_of("-", "r w3", "fail w1", "w2", "r1,2,3"),
        plan_of("-", "r w3", "w2", "r9,2,3"),
        *FREE_ORDERS,
    ],
    "rw-register": [
        plan_of("-", "w1", "r1", model="rw-register"),
        plan_of("-", "w1 w2", model="rw-register"),
        plan_of("-", "r60", "r61", "w1", model="rw-register"),
        plan_of("-", "r60", "r", "w1", model="rw-register"),
        plan_of("-", "r-60", "w60", "w1", model="rw-register"),
        plan_of("-", "w-1", "r", "then", "r", "then", "r-1", model="rw-register"),
        plan_of("-", "fail w-1", "r", model="rw-register"),
        plan_of("-", "r60 w1", "r61 w2", model="rw-register", unwritten="garbage"),
        *MORE_REGISTERS,
        plan_of("-", "w1", "then", "r1", "then", "r", model="rw-register", linearizable_keys=True),
    ],
}
"""Histories that nothing surrounds."""


def corpus(model: str) -> list[Row]:
    """Histories with their verdicts, the telling ones first."""
    chance = random.Random(model)
    registers = model == "rw-register"
    cases: list[Any] = []
    around = recorded("strict-serializable", model, "mutants", count=6).txns
    plans = (REGISTERS if registers else LISTS) | cycles(model)
    for plan in plans.values():
        history, _ = history_of(planted(around, plan, chance), model)
        cases.append((model, history, plan.options, True))
    alone = (*(REGISTERS if registers else LISTS).values(), *ALONE[model])
    cases += [(model, history_of(plan.txns(), model)[0], plan.options, True) for plan in alone]
    for at in range(200):
        txns = random_txns(chance, model, 4)
        if at % 2:
            txns = odd(chance, txns)
        history, _ = history_of(txns, model)
        options: dict[str, Any] = {}
        if registers:
            names = ("wfr_keys", "sequential_keys", "linearizable_keys")
            options = {name: True for name in names if chance.random() < 0.3}
            options |= chance.choice(({}, {"unwritten": "garbage"}, {"initial": 60}))
        cases.append((model, history, options, chance.random() < 0.8))
    for level in ENGINES:
        made = recorded(level, model, "mutants", count=14, keys="abc")
        history, order = made.history()
        cases.append((model, history, {}, level < "r"))
        if registers:
            options = {"wfr_keys": True, "sequential_keys": True, "linearizable_keys": True}
            cases.append((model, history, {"transaction_order": order}, True))
            cases.append((model, history, {"transaction_order": order[::2]}, True))
            cases.append((model, history, options, True))
    return [(case, judge(case)) for case in cases]


def survivors(
    functions: Iterable[FunctionType], rows: list[Row], known: Iterable[tuple[str, str]]
) -> tuple[int, set[tuple[str, str]]]:
    """How many mutants there are, and the function and change of each that nothing shows.

    Of those ``known`` only some histories are tried.
    """
    count, survived, recent = 0, set(), []
    for function in functions:
        for change, code in mutants(function):
            count += 1
            about = (function.__name__, change)
            tried = rows[::25] if about in known else recent[-6:] + rows
            with mutated(function, code), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                row = noticed(judge, tried)
            if row is None:
                survived.add(about)
            elif not any(row is each for each in recent):
                recent.append(row)
    return count, survived
