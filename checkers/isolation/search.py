"""Complete search for serializability and snapshot isolation over registers.

A history is serializable if the writers of each key can be ordered so that reads make sense: of
two writers of a key, one and all who read from it come before the other. For snapshot
isolation a transaction is two instants, its reads and its commit, and two writers of a key must
not overlap (Biswas, Enea: OOPSLA 2019, sections 4 and 5; Zhang et al.: "Viper", EuroSys 2023).
What is known is kept as a transitive closure in bit sets; what one side of a choice contradicts
makes the other side known; what remains is tried, in the order of completion first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .transactions import OK
from .weak import Relations
from .witness import REAL_TIME, SESSION_ORDER

LARGEST = 2_500
"""Transactions beyond which the closure would be too large."""

MOST_CHOICES = 400_000
"""Pairs of writers beyond which the search is not begun."""

BUDGET = 20_000_000
"""Pairs looked at before the search gives up."""


@dataclass(frozen=True)
class Outcome:
    """``holds`` is ``None`` if undecided; ``why`` says why, or how it was refuted."""

    holds: bool | None
    why: str
    involved: list[int]


class _Contradiction(Exception):
    """An edge against what is known; its ends."""


class _OutOfBudget(Exception):
    pass


class _Closure:
    """What comes before what: bit sets of descendants and ancestors, with undo."""

    def __init__(self, nodes: int, edges: list[tuple[int, int]]) -> None:
        after: list[list[int]] = [[] for _ in range(nodes)]
        missing = [0] * nodes
        for one, two in edges:
            after[one].append(two)
            missing[two] += 1
        order = [node for node in range(nodes) if not missing[node]]
        for node in order:
            for other in after[node]:
                missing[other] -= 1
                if not missing[other]:
                    order.append(other)
        if len(order) < nodes:
            raise _Contradiction([node for node in range(nodes) if missing[node]])
        self.below = [0] * nodes
        self.above = [0] * nodes
        for node in reversed(order):
            reached = 0
            for other in after[node]:
                reached |= self.below[other] | 1 << other
            self.below[node] = reached
        for node in order:
            mine = self.above[node] | 1 << node
            for other in after[node]:
                self.above[other] |= mine
        self.trail: list[tuple[list[int], int, int]] = []

    def add(self, one: int, two: int) -> None:
        """``one`` before ``two``."""
        below, above = self.below, self.above
        if below[one] >> two & 1:
            return
        if one == two or below[two] >> one & 1:
            raise _Contradiction([one, two])
        new_below, new_above = below[two] | 1 << two, above[one] | 1 << one
        for sets, nodes, new in ((below, new_above, new_below), (above, new_below, new_above)):
            while nodes:
                low = nodes & -nodes
                at = low.bit_length() - 1
                nodes ^= low
                old = sets[at]
                if old | new != old:
                    self.trail.append((sets, at, old))
                    sets[at] = old | new

    def undo(self, mark: int) -> None:
        """Back to when the trail had this length."""
        while len(self.trail) > mark:
            sets, at, old = self.trail.pop()
            sets[at] = old


class _Problem:
    """The choices of one history at one level."""

    def __init__(
        self, relations: Relations, alive: Any, kept: int, snapshot: bool, known: Any
    ) -> None:
        txns = relations.txns
        self.members = np.flatnonzero(alive).tolist()
        count = len(self.members)
        number = {txn: at for at, txn in enumerate(self.members)}
        self.commit = count if snapshot else 0  # what to add to get to the commit
        self.nodes = count + self.commit
        self.snapshot = snapshot
        self.edges: list[tuple[int, int]] = []
        readers: dict[tuple[int, int], set[int]] = {}
        for reader, key, source in zip(
            relations.reader.tolist(), relations.key.tolist(), relations.source.tolist(),
            strict=True,
        ):  # fmt: skip
            if reader not in number:
                continue
            readers.setdefault((key, source), set()).add(number[reader])
            if source in number:
                self.edges.append((number[source] + self.commit, number[reader]))
        # Of two writers in a known order the first commits before the second begins.
        self.edges += [
            (number[a] + self.commit, number[b])
            for a, b in zip(*(ends.tolist() for ends in known), strict=True)
            if a in number and b in number and a != b
        ]
        if snapshot:
            self.edges += [(at, at + self.commit) for at in range(count)]
        if kept >= SESSION_ORDER:
            for txn in self.members:
                before = int(txns.previous[txn])
                if before in number:
                    self.edges.append((number[before] + self.commit, number[txn]))
        if kept == REAL_TIME:
            self._real_time(txns)
        urgency = np.minimum(txns.completed, 2**31 - 2)
        writers: dict[int, list[int]] = {}
        for txn in self.members:
            for key in relations.write_key[
                relations.write_start[txn] : relations.write_start[txn + 1]
            ].tolist():
                writers.setdefault(key, []).append(txn)
        self.choices: list[tuple[int, int, int, int]] = []
        for key, members in writers.items():
            members.sort(key=lambda t: int(urgency[t]))
            masks = []
            for txn in members:
                at = number[txn]
                self.edges += [(r, at + self.commit) for r in readers.get((key, -1), ()) if r != at]
                masks.append(sum(1 << r for r in readers.get((key, txn), ())))
            numbers = [number[txn] for txn in members]
            for i, one in enumerate(numbers):
                for j in range(i + 1, len(numbers)):
                    self.choices.append((one, numbers[j], masks[i], masks[j]))
                if len(self.choices) > MOST_CHOICES:
                    raise _OutOfBudget

    def _real_time(self, txns: Any) -> None:
        events = []
        for at, txn in enumerate(self.members):
            events.append((int(txns.invoked[txn]), at, False))
            if txns.kind[txn] == OK:
                events.append((int(txns.completed[txn]), at, True))
        events.sort()
        barrier, open_run = -1, False
        for _, at, ends in events:
            if ends:
                if not open_run:
                    if barrier >= 0:
                        self.edges.append((barrier, self.nodes))
                    barrier, open_run = self.nodes, True
                    self.nodes += 1
                self.edges.append((at + self.commit, barrier))
            else:
                open_run = False
                if barrier >= 0:
                    self.edges.append((barrier, at))

    def impossible(self, closure: _Closure, one: int, two: int, mask: int) -> bool:
        """Whether ``one`` (read by ``mask``) cannot come before ``two``."""
        below = closure.below
        mask &= ~(1 << two)
        if self.snapshot:
            commit = self.commit
            return bool(below[two] >> (one + commit) & 1 or below[two + commit] & mask)
        return bool(below[two] & (mask | 1 << one))

    def impose(self, closure: _Closure, one: int, two: int, mask: int) -> None:
        """``one`` and who read it come before ``two``."""
        commit = self.commit
        closure.add(one + commit, two)
        mask &= ~(1 << two)
        while mask:
            low = mask & -mask
            closure.add(low.bit_length() - 1, two + commit)
            mask ^= low


def decide(
    relations: Relations, alive: Any, kept: int, snapshot: bool, stop: Callable[[], bool],
    known: Any = None,
) -> Outcome:  # fmt: skip
    """Whether the order exists. ``stop`` is asked now and then whether to give up.

    ``alive``: the transactions to order. ``known``: writers (sources, targets) whose order is.
    """
    count = int(alive.sum())
    if count > LARGEST:
        return Outcome(None, f"{count} transactions are too many to search", [])
    try:
        nothing = np.empty(0, np.int32)
        problem = _Problem(relations, alive, kept, snapshot, known or (nothing, nothing))
    except _OutOfBudget:
        return Outcome(None, "too many pairs of writers to search", [])
    budget = [BUDGET]
    choices = problem.choices
    try:
        closure = _Closure(problem.nodes, problem.edges)
        closure_left = _propagate(problem, closure, choices, budget, stop)
    except _Contradiction as contradiction:
        nodes = contradiction.args[0]
        return Outcome(False, "what the reads imply is circular", _members(problem, nodes))
    except _OutOfBudget:
        return Outcome(None, "the search ran out of its budget", [])
    return _branch(problem, closure, closure_left, budget, stop)


def _branch(
    problem: _Problem, closure: _Closure, left: list[Any], budget: list[int],
    stop: Callable[[], bool],
) -> Outcome:  # fmt: skip
    """Depth-first over what is left, with the latest choice taken back on a contradiction."""
    stack: list[tuple[int, list[Any], tuple[int, int, int] | None]] = []
    tried = 0
    last: list[int] = []
    try:
        while left:
            one, two, mask_one, mask_two = left[0]
            stack.append((len(closure.trail), left, (two, one, mask_two)))
            pending: tuple[int, int, int] | None = (one, two, mask_one)
            while pending is not None:
                tried += 1
                try:
                    problem.impose(closure, *pending)
                    left = _propagate(problem, closure, left[1:], budget, stop)
                    pending = None
                except _Contradiction as contradiction:
                    last = contradiction.args[0]
                    pending = None
                    while stack and pending is None:
                        mark, left, other = stack.pop()
                        closure.undo(mark)
                        if other is not None:
                            pending = other
                            stack.append((mark, left, None))
                    if pending is None:
                        why = f"none of {tried} ways to order the writers of a key is consistent"
                        return Outcome(False, why, _members(problem, last))
    except _OutOfBudget:
        return Outcome(None, f"the search ran out of its budget after {tried} choices", [])
    return Outcome(True, "", [])


def _propagate(
    problem: _Problem, closure: _Closure, choices: list[Any], budget: list[int],
    stop: Callable[[], bool],
) -> list[Any]:  # fmt: skip
    """Make known what has one side left, until nothing changes; the choices that remain."""
    while True:
        left = []
        before = len(closure.trail)
        budget[0] -= len(choices)
        if budget[0] < 0 or stop():
            raise _OutOfBudget
        for choice in choices:
            one, two, mask_one, mask_two = choice
            if problem.impossible(closure, one, two, mask_one):
                if problem.impossible(closure, two, one, mask_two):
                    raise _Contradiction([one, two])
                problem.impose(closure, two, one, mask_two)
            elif problem.impossible(closure, two, one, mask_two):
                problem.impose(closure, one, two, mask_one)
            else:
                left.append(choice)
        choices = left
        if len(closure.trail) == before or not left:
            return left


def _members(problem: _Problem, nodes: list[int]) -> list[int]:
    """The transactions of some nodes."""
    count = len(problem.members)
    found = [problem.members[node % count] for node in nodes if node < count + problem.commit]
    return list(dict.fromkeys(found))
