"""Anomalies by construction, to be planted into a valid history.

A cycle of any length is made from the kinds of its edges, each on a key of its own; the anomalies
that need no cycle are written down. What is planted touches no key of the history around it, and
happens while one event of it waits for the next.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from .isolation_oracle import Txn

Steps = list[tuple[str, str, Any]]

AMONG = 1000
"""Events that can be planted between two of the history."""


@dataclass
class Plan:
    """Transactions to plant, with what must be said of them.

    ``names``: the anomalies; ``steps``: of each transaction; ``kinds``: of those that are not ok;
    ``events``: positions in ``steps``, first the invocation and then the completion of each;
    ``process``: which are of one process; ``cycle``: the smallest cycle, if there is one;
    ``blamed``: whom the explanation of each anomaly names; ``options``: of the checker.
    """

    names: set[str]
    steps: list[Steps]
    kinds: dict[int, str] = field(default_factory=dict)
    events: list[int] = field(default_factory=list)
    process: dict[int, int] = field(default_factory=dict)
    cycle: list[int] = field(default_factory=list)
    blamed: dict[str, set[int]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def txns(self) -> list[Txn]:
        """The planted transactions alone. All overlap unless ``events`` says otherwise."""
        count = len(self.steps)
        events = self.events or [*range(count), *range(count)]
        begun: dict[int, int] = {}
        ended: dict[int, int] = {}
        for time, at in enumerate(events):
            (ended if at in begun else begun)[at] = time
        return [
            Txn(
                self.process.get(at, at), begun[at],
                None if self.kinds.get(at) == "info" else ended[at], self.kinds.get(at, "ok"),
                tuple(self.steps[at]),
            )
            for at in range(count)
        ]  # fmt: skip


def planted(around: list[Txn], plan: Plan, chance: random.Random) -> list[Txn]:
    """The history with the planted transactions, which come first in the list."""
    last = max(max(txn.invoked, txn.completed or 0) for txn in around)
    when = chance.randrange(last) * AMONG + 1
    fresh = 1 + max(txn.process for txn in around)
    new = [
        replace(
            txn, process=fresh + txn.process, invoked=when + txn.invoked,
            completed=None if txn.completed is None else when + txn.completed,
        )
        for txn in plan.txns()
    ]  # fmt: skip
    old = [
        replace(
            txn, invoked=AMONG * txn.invoked,
            completed=None if txn.completed is None else AMONG * txn.completed,
        )
        for txn in around
    ]  # fmt: skip
    return new + old


def name_of_cycle(kinds: tuple[str, ...]) -> str:
    """What Adya and Kingsbury call a cycle with these edges; the last may be of order."""
    suffix = f"-{kinds[-1]}" if kinds[-1] in ("process", "realtime") else ""
    many = kinds.count("rw")
    if many == 0:
        return ("G1c" if "wr" in kinds else "G0") + suffix
    if many == 1:
        return "G-single" + suffix
    around = zip(kinds, (*kinds[1:], kinds[0]), strict=True)
    adjacent = any(pair == ("rw", "rw") for pair in around)
    return ("G2-item" if adjacent else "G-nonadjacent") + suffix


def cycle(model: str, kinds: tuple[str, ...]) -> Plan:
    """A cycle whose ``i``-th transaction is joined to the next by an edge of ``kinds[i]``.

    The last kind may be ``process`` or ``realtime``. The order of two writes is told by a read of
    the list, or by two reads of one process where registers are sequential.
    """
    size = len(kinds)
    lists = model == "list-append"
    steps: list[Steps] = [[] for _ in range(size)]
    readers: list[list[Steps]] = [[], []]  # those that come first, and those that come then
    for at, kind in enumerate(kinds):
        one, two, key = at, (at + 1) % size, f"planted {at}"
        if kind == "ww":
            steps[one].append(("w", key, 1))
            steps[two].append(("w", key, 2))
            if not lists:
                readers[0].append([("r", key, 1)])
            readers[1].append([("r", key, [1, 2] if lists else 2)])
        elif kind == "wr":
            steps[one].append(("w", key, 1))
            steps[two].append(("r", key, [1] if lists else 1))
        elif kind == "rw":
            steps[one].append(("r", key, [] if lists else None))
            steps[two].append(("w", key, 1))
    name = name_of_cycle(kinds)
    plan = Plan({name}, steps, cycle=list(range(size)), blamed={name: set(range(size))})
    first, last = 0, size - 1
    wide = list(range(size))
    if kinds[-1] in ("process", "realtime"):
        wide = wide[1:-1]
    if kinds[-1] == "process":
        plan.process[last] = first
    plan.steps += readers[0] + readers[1]
    before = [size + at for at in range(len(readers[0]))]
    after = [size + len(before) + at for at in range(len(readers[1]))]
    if before:
        plan.process |= dict(zip(after, before, strict=True))
        plan.options = {"sequential_keys": True}
        if name.startswith(("G0", "G1c")):
            # Who read the first value stands between the two writers, too.
            plan.names.add(name.replace("G0", "G-single").replace("G1c", "G-single"))
        if kinds == ("ww", "ww"):
            plan.names.add("long-fork")  # the two that read the first values
    if kinds[-1] in ("process", "realtime"):
        middle = [last, *before, last, first, *before, *after, first, *after]
    else:
        middle = [*before, *before, *after, *after]
    plan.events = [*wide, *middle, *wide]
    if kinds == ("rw", "rw"):
        plan.names.add("write-skew")
    if kinds in (("rw", "wr", "rw", "wr"), ("wr", "rw", "wr", "rw")):
        plan.names.add("long-fork")
    return plan


def plan_of(
    names: str, *rows: str, model: str = "list-append", blamed: Iterable[int] = (0, 1),
    **options: Any,
) -> Plan:  # fmt: skip
    """From rows such as ``"fail w1 r1,2 w3"``, all on one key; ``then`` separates rounds."""
    steps: list[Steps] = []
    kinds: dict[int, str] = {}
    rounds: list[list[int]] = [[]]
    for row in rows:
        if row == "then":
            rounds.append([])
            continue
        rounds[-1].append(len(steps))
        mine: Steps = []
        for word in row.split():
            if word == "fail":
                kinds[len(steps)] = word
            elif word[0] == "w":
                mine.append(("w", "planted", int(word[1:])))
            else:
                seen = [int(v) for v in word[1:].split(",") if v]
                value = seen if model == "list-append" else seen[0] if seen else None
                mine.append(("r", "planted", value))
        steps.append(mine)
    events = [at for members in rounds for at in members * 2]
    wanted = names.split()
    return Plan(set(wanted), steps, kinds, events, blamed={wanted[0]: set(blamed)}, options=options)


LISTS = {
    "G1a": plan_of("G1a", "fail w1", "r1"),
    "G1b": plan_of("G1b G-single", "w1 w2", "r1"),
    "dirty-update": plan_of("dirty-update G1a", "fail w1", "w2", "r1,2"),
    "garbage-read": plan_of("garbage-read", "r9", blamed=(0,)),
    "internal": plan_of("internal", "w1 r", blamed=(0,)),
    "future-read": plan_of("future-read", "r1 w1", blamed=(0,)),
    "duplicate-elements": plan_of("duplicate-elements", "r1,1", "w1", blamed=(0,)),
    "incompatible-order": plan_of("incompatible-order", "r1", "r2", "w1", "w2"),
    "lost-update": plan_of("lost-update G2-item", "r1 w2", "r1 w3", "w1"),
    "G-cursor": plan_of("G-cursor G-single", "r1 w3", "w2", "w1", "r1,2,3"),
}
REGISTERS = {
    "G1a": plan_of("G1a", "fail w1", "r1", model="rw-register"),
    "G1b": plan_of("G1b", "w1 w2", "r1", model="rw-register"),
    "garbage-read": plan_of(
        "garbage-read", "r9", model="rw-register", blamed=(0,), unwritten="garbage"
    ),
    "internal": plan_of("internal", "w1 r", model="rw-register", blamed=(0,)),
    "future-read": plan_of("future-read", "r1 w1", model="rw-register", blamed=(0,)),
    "lost-update": plan_of("lost-update G2-item", "r1 w2", "r1 w3", "w1", model="rw-register"),
    "cyclic-versions": plan_of(
        "cyclic-versions", "w1", "w2", "then", "r1", "then", "r2", "then", "r1",
        model="rw-register", linearizable_keys=True,
    ),
}  # fmt: skip

SHAPES = [
    *((w,) * n for w in ("ww",) for n in (2, 3, 5)),
    ("wr", "wr"),
    ("ww", "wr"),
    ("ww", "ww", "wr", "ww"),
    ("wr", "wr", "wr", "wr", "wr"),
    ("rw", "ww"),
    ("rw", "wr"),
    ("rw", "wr", "ww", "wr"),
    ("rw", "wr", "rw", "wr"),
    ("rw", "ww", "rw", "ww"),
    ("rw", "ww", "rw", "wr", "wr"),
    ("rw", "wr", "rw", "wr", "rw", "wr"),
    ("rw", "rw"),
    ("rw", "rw", "rw"),
    ("rw", "rw", "wr"),
    ("rw", "rw", "wr", "rw", "ww"),
]

ORDERED = [
    ("ww",),
    ("ww", "ww"),
    ("ww", "ww", "ww"),
    ("wr",),
    ("wr", "ww"),
    ("ww", "wr", "wr"),
    ("rw",),
    ("rw", "wr"),
    ("ww", "rw"),
    ("wr", "ww", "rw", "wr"),
    ("rw", "wr", "rw"),
    ("rw", "ww", "rw", "wr"),
    ("rw", "rw"),
    ("wr", "rw", "rw"),
    ("rw", "rw", "rw", "ww"),
]


def cycles(model: str) -> dict[str, Plan]:
    """All cycles to plant, by what they are made of."""
    shapes = SHAPES + [(*shape, order) for order in ("process", "realtime") for shape in ORDERED]
    if model == "rw-register":
        # One process that writes a key twice would order its versions itself.
        shapes.remove(("ww", "process"))
    return {" ".join(shape): cycle(model, shape) for shape in shapes}
