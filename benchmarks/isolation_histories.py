"""Histories of transactions for the benchmarks, as arrays.

``Simulation``: a store with 20 processes, 100 active keys of 100 writes each, 1 to 5 operations a
transaction, 3 % failed, 0.2 % indeterminate, strictly serializable; ``stale``: one read near the
end misses a write that was over. ``weak``: 50 sessions, 5 operations, 10,000 keys, as AWDIT was
measured; ``replicated``: the same over replicas that lag, so that nothing stronger than causal
consistency holds. ``knot``: one strong component of a shape of choice.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from duress.checkers.isolation.transactions import NEVER, NIL, READ, WRITE, Transactions
from duress.harness.history import FAIL, INFO, OK
from duress.harness.operation import Operation

REPLICAS = 3
LAG = 200
"""Transactions after which a replica catches up, on average."""


class Simulation:
    """A store that runs each transaction at one instant between its two ends."""

    def __init__(
        self, size: int, *, lists: bool = False, weak: bool = False, stale: bool = False,
        replicated: bool = False, seed: int = 1,
    ) -> None:  # fmt: skip
        self.chance = random.Random(seed)
        self.replicas: list[dict[str, Any]] = [
            {"received": 0, "values": {}} for _ in range(REPLICAS * replicated)
        ]
        self.committed: list[list[tuple[int, int, int]]] = []
        self.size, self.lists, self.stale = size, lists, stale
        self.processes = 50 if weak else 20
        self.fixed_length = 5 if weak else None
        self.failing, self.crashing = (0.0, 0.0) if weak else (0.03, 0.002)
        self.active = list(range(10_000 if weak else 100))
        self.per_key = None if weak else 100
        self.writes_left = dict.fromkeys(self.active, self.per_key)
        self.next_value: dict[int, int] = {}
        self.keys = len(self.active)
        self.store: dict[int, Any] = {}
        self.overwritten: dict[int, tuple[Any, int]] = {}
        self.planted = not stale
        self.kind, self.process = array("b"), array("i")
        self.invoked, self.completed = array("i"), array("i")
        self.start, self.op = array("i", [0]), array("b")
        self.key, self.value = array("i"), array("i")
        self.begin, self.length, self.elements = array("q"), array("i"), array("i")
        self.log: dict[int, Any] = {}
        self.run()

    def plan(self) -> list[tuple[int, int, int]]:
        """The micro-operations of one transaction: ``(op, key, value)``."""
        chance = self.chance
        steps = []
        for _ in range(self.fixed_length or chance.randint(1, 5)):
            at = int(chance.random() * len(self.active))
            key = self.active[at]
            if chance.random() < 0.5:
                steps.append((READ, key, 0))
                continue
            value = self.next_value.get(key, 0) + 1
            self.next_value[key] = value
            steps.append((WRITE, key, value))
            if self.per_key and value >= self.per_key:
                self.active[at] = self.keys
                self.keys += 1
        return steps

    def run(self) -> None:
        chance = self.chance
        open_: list[Any] = [None] * self.processes
        numbers = list(range(self.processes))
        fresh = self.processes
        begun = position = 0
        pending: dict[int, Any] = {}
        order = 0
        while begun < self.size or any(open_):
            slot = int(chance.random() * self.processes)
            state = open_[slot]
            if state is None:
                if begun < self.size:
                    open_[slot] = [begun, self.plan(), None, numbers[slot], position, NEVER, OK]
                    begun += 1
                    position += 1
            elif state[2] is None:
                dice = chance.random()
                state[6] = (
                    FAIL
                    if dice < self.failing
                    else INFO
                    if dice < self.failing + self.crashing
                    else OK
                )
                happens = state[6] == OK or (state[6] == INFO and chance.random() < 0.5)
                state[2] = self.effect(state, position) if happens else []
            else:
                if state[6] == INFO:
                    numbers[slot] = fresh
                    fresh += 1
                else:
                    state[5] = position
                position += 1
                pending[state[0]] = state
                open_[slot] = None
                while order in pending:
                    self.record(pending.pop(order))
                    order += 1

    def effect(self, state: Any, now: int) -> list[Any]:
        """What each read sees; the writes take place."""
        if self.replicas:
            return self.replicated_effect(state)
        seen = []
        late = not self.planted and state[0] > 0.97 * self.size and state[6] == OK
        for op, key, value in state[1]:
            if op == READ:
                answer = self.store.get(key)
                if late and not self.planted and key in self.overwritten:
                    before, when = self.overwritten[key]
                    others = [k for o, k, _ in state[1] if o == WRITE]
                    if when + 60 < state[4] and key not in others:
                        answer, self.planted = before, True
                seen.append(answer)
            else:
                before = self.store.get(key)
                self.overwritten[key] = (before, now)
                self.store[key] = (before or 0) + 1 if self.lists else value
                if self.lists:
                    self.log.setdefault(key, array("i")).append(value)
                seen.append(None)
        return seen

    def replicated_effect(self, state: Any) -> list[Any]:
        """The same at the replica of the process: what it has received, and what was done there.

        Of two writes the later wins everywhere, so that this is causally consistent, but reads
        are stale by :data:`LAG` transactions of others or so.
        """
        home = state[3] % REPLICAS
        here = self.replicas[home]
        catches_up = self.chance.random() < REPLICAS / LAG
        while catches_up and here["received"] < len(self.committed):
            for key, stamp, value in self.committed[here["received"]]:
                if stamp >= here["values"].get(key, (-1, None))[0]:
                    here["values"][key] = (stamp, value)
            here["received"] += 1
        seen, writes, stamp = [], [], len(self.committed)
        for op, key, value in state[1]:
            if op == READ:
                seen.append(here["values"].get(key, (0, None))[1])
                continue
            here["values"][key] = (stamp, value)
            writes.append((key, stamp, value))
            seen.append(None)
        self.committed.append(writes)
        return seen

    def record(self, state: Any) -> None:
        _, steps, seen, process, invoked, completed, kind = state
        self.kind.append(kind)
        self.process.append(process)
        self.invoked.append(invoked)
        self.completed.append(completed if kind == OK else NEVER)
        for (op, key, value), answer in zip(steps, seen or [None] * len(steps), strict=True):
            if op == READ and kind != OK:
                continue
            self.key.append(key)
            self.begin.append(len(self.elements))
            self.op.append(op if op == WRITE or answer is not None else NIL)
            length = 0
            if op == WRITE:
                self.value.append(value)
            elif answer is None or self.lists:
                self.value.append(-1)
                if answer:
                    self.elements.extend(self.log[key][:answer])
                    length = answer
            else:
                self.value.append(answer)
            self.length.append(length)
        self.start.append(len(self.op))

    def transactions(self) -> Transactions:
        as_array = np.asarray
        return Transactions(
            as_array(self.kind), as_array(self.process), as_array(self.invoked),
            as_array(self.completed), as_array(self.start), as_array(self.op),
            as_array(self.key), as_array(self.value), as_array(self.begin),
            as_array(self.length), as_array(self.elements), list(range(self.keys)), int,
        )  # fmt: skip


# -- strong components ------------------------------------------------------------------------


def knot(shape: str, size: int, seed: int = 1) -> Transactions:
    """Transactions on lists, each of which appends to a key of its own and reads others' keys."""
    chance = random.Random(seed)
    window = 20 if shape in ("far", "skews") else None
    width = 20 if shape == "deep" else size // 50
    if shape == "ring":  # one cycle, through all of them
        return _linked(size, [(i, (i + 1) % size) for i in range(size)], [], window)
    if shape in ("layers", "deep"):  # every cycle goes through every layer
        layers = size // width
        return _linked(layers * width, [
            ((layer - 1) % layers * width + chance.randrange(width), layer * width + i)
            for layer in range(layers) for i in range(width) for _ in range(2)
        ], [], window)  # fmt: skip
    if shape == "random":  # three random readers each
        return _linked(size, [
            (chance.randrange(size), i) for i in range(size) for _ in range(3)
        ], [], window)  # fmt: skip
    near = [(max(0, i - chance.randrange(1, 10)), i) for i in range(1, size)]
    missed = [(size - 1, 0)]  # the last of all reads what the first had overwritten
    if shape == "skews":
        missed += [(i + chance.randrange(1, 15), i) for i in range(0, size - 20, 100)]
    return _linked(size, near, missed, window)


def _linked(
    size: int, read: list[tuple[int, int]], missed: list[tuple[int, int]], window: int | None
) -> Transactions:
    """``read``: the second read what the first appended; ``missed``: the first did not see it.

    All overlap, or at most ``window`` do.
    """
    steps: list[list[tuple[int, int]]] = [[] for _ in range(size)]
    for writer, reader in dict.fromkeys(read):
        if writer != reader:
            steps[reader].append((READ, writer))
    for reader, writer in missed:
        steps[reader].append((NIL, writer))
    start, op, key, value = array("i", [0]), array("b"), array("i"), array("i")
    begin, length, elements = array("q"), array("i"), array("i")
    for txn in range(size):
        for what, other in steps[txn]:
            op.append(what)
            key.append(other)
            value.append(-1)
            begin.append(len(elements))
            length.append(int(what == READ))
            if what == READ:
                elements.append(other)
        op.append(WRITE)
        key.append(txn)
        value.append(txn)
        begin.append(len(elements))
        length.append(0)
        start.append(len(op))
    number = np.arange(size)
    times = np.concatenate((number, number + (window or size) + 0.5))
    place = np.empty(2 * size, np.int32)
    place[np.argsort(times)] = np.arange(2 * size, dtype=np.int32)
    process = number if window is None else number % (window + 1)
    of = np.asarray
    return Transactions(
        np.full(size, OK, np.int8), process.astype(np.int32), place[:size], place[size:],
        of(start), of(op), of(key), of(value), of(begin), of(length), of(elements),
        list(range(size)), int,
    )  # fmt: skip


# -- files ------------------------------------------------------------------------------------

COLUMNS = (
    "kind", "process", "invoked", "completed", "start", "op", "key", "value", "begin", "length",
    "elements",
)  # fmt: skip


def save(txns: Transactions, path: Path) -> None:
    """Keep the arrays in a file."""
    np.savez(path, keys=len(txns.keys), **{name: getattr(txns, name) for name in COLUMNS})


def load(path: str) -> Transactions:
    """The arrays that :func:`save` kept."""
    with np.load(path) as file:
        columns = {name: file[name] for name in COLUMNS}
        return Transactions(**columns, keys=list(range(int(file["keys"]))), decode=int)


def operations(txns: Transactions, model: str) -> Iterator[Operation]:
    """What duress would have recorded, in order."""
    verb, lists = ("append", True) if model == "list-append" else ("w", False)
    ends = np.where(txns.kind == OK, txns.completed, txns.invoked + 0.5)
    ended = np.flatnonzero(txns.kind != INFO)
    whose = np.concatenate((np.arange(len(txns)), ended))
    order = np.argsort(np.concatenate((txns.invoked, ends[ended])), kind="stable")
    for position, at in enumerate(order.tolist()):
        t = int(whose[at])
        told = at >= len(txns) and txns.kind[t] == OK
        steps: list[list[Any]] = []
        for m in range(int(txns.start[t]), int(txns.start[t + 1])):
            key, what = int(txns.key[m]), int(txns.op[m])
            if what == WRITE:
                steps.append([verb, key, int(txns.value[m])])
            elif not told or what == NIL:
                steps.append(["r", key, None])
            else:
                steps.append(["r", key, txns.list_of(m) if lists else int(txns.value[m])])
        type_: Any = "invoke" if at < len(txns) else "ok" if txns.kind[t] == OK else "fail"
        yield Operation(position, position * 1000, int(txns.process[t]), type_, "txn", steps)


def awdit(txns: Transactions) -> Iterable[str]:
    """Lines of AWDIT's format: the committed transactions of each session; 0 is nothing read."""
    order = np.argsort(txns.process, kind="stable")
    before = None
    for t in order[txns.kind[order] == OK].tolist():
        if before is not None:
            yield "-----\n" if txns.process[t] == txns.process[before] else "=====\n"
        before = t
        for m in range(int(txns.start[t]), int(txns.start[t + 1])):
            letter = "w" if txns.op[m] == WRITE else "r"
            yield f"{letter} {int(txns.key[m])} {max(int(txns.value[m]), 0)}\n"
