"""What must come before what if a history of registers is serializable, as far as it can be told.

If ``r`` reads ``x`` from ``w`` and ``v`` also writes ``x``, then ``v`` comes before ``w`` or ``r``
before ``v``. If one of these contradicts what is known, the other becomes known; that goes on
until nothing changes (Biswas, Enea: OOPSLA 2019, section 5; Tan et al.: "Cobra", OSDI 2020,
section 4). A circle refutes the level, whatever the size of the history; if an order along all
that is known leaves nobody between a read and its writer, it is a proof. Else what is left is
decided as that order has it, once, which may prove but not refute.

All of this is done near the read in question: who stands between a read and its writer in an order
close to that of completion is few, and only what lies between them has to be searched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..linearizability.kernel import Kernel
from .causal import timely, writers_in_order
from .cycles import smallest_of_any_kind
from .graph import WR, WW, Graph, build, serial_order, session_edges
from .search import Outcome
from .searches import first_after
from .sorting import distinct
from .weak import Relations

_INT = np.int32

STEPS_A_READ = 400
"""How far the past and future of reads is searched, on average, in one round."""

EDGES_WALKED = 10_000_000
"""How many edges all rounds together may build: a second or so."""

LEAST_ROUNDS = 8
"""If that is not enough for so many rounds, none is begun."""


class _Edges:
    """What comes before what; the latest can be taken back."""

    def __init__(self, source: Any, target: Any) -> None:
        self.source, self.target, self.known = source, target, len(source)

    def __len__(self) -> int:
        return len(self.source)

    def add(self, rows: Any) -> None:
        """Sources and targets."""
        pairs = distinct(rows[:, 0].astype(np.int64) << 32 | rows[:, 1])
        self.source = np.concatenate((self.source, (pairs >> 32).astype(_INT)))
        self.target = np.concatenate((self.target, (pairs & 0xFFFFFFFF).astype(_INT)))

    def take_back(self, length: int) -> None:
        """All but the first so many."""
        self.source, self.target = self.source[:length], self.target[:length]

    def graph(self, nodes: int) -> Graph:
        """Those that were given as WR, the others as WW."""
        kind = np.full(len(self), WW, np.int8)
        kind[: self.known] = WR
        return build(nodes, self.source, self.target, kind, np.zeros(len(self), _INT))


def decide(relations: Relations, alive: Any, sessions: bool, stop: Callable[[], bool]) -> Outcome:
    """Whether the history is serializable, in an order along sessions if asked."""
    txns = relations.txns
    parts = [relations.base, *([session_edges(txns)] if sessions else [])]
    edges = _Edges(*(np.concatenate([part[i] for part in parts]) for i in (0, 1)))
    guesses: list[tuple[int, Any]] = []
    walked, rounds, batch = 0, 0, len(relations.reader)
    if len(edges) * LEAST_ROUNDS > EDGES_WALKED:
        return Outcome(None, f"{len(txns):,} transactions are too many", [])
    while walked < EDGES_WALKED:
        rounds += 1
        walked += len(edges)
        graph = edges.graph(len(txns))
        order, complete = serial_order(graph, txns, realtime=False)
        if not complete and not guesses:
            found = min(smallest_of_any_kind(graph), key=lambda c: len(c[0]), default=([], []))
            return Outcome(False, "what the reads imply is circular", found[0])
        if not complete:
            length, rows = guesses.pop()
            edges.take_back(length)
            if len(rows) == 1:
                edges.add(rows[:, 2:4])  # the opposite follows
            else:
                batch = len(rows) // 2
                guesses.append((length, rows[:batch]))
                edges.add(guesses[-1][1])
            continue
        forced, free, enough = _round(relations, alive, graph, timely(graph, order, txns))
        if not enough or stop():
            break
        if not len(forced) and not len(free):
            return Outcome(True, "", [])
        if not len(forced):
            free = free[np.argsort(free[:, 4], kind="stable")][:batch]
            guesses.append((len(edges), free))
            batch = 2 * len(free)
        edges.add(forced if len(forced) else free)
    return Outcome(None, f"undecided after {rounds} rounds of what must come first", [])


def _round(relations: Relations, alive: Any, graph: Graph, place: Any) -> Any:
    """What is forced, what is free, and whether that could be found out within the budget."""
    txns = relations.txns
    start, writer = writers_in_order(relations, np.where(alive, 1, 2), place)
    into = build(graph.nodes, graph.target, graph.source, graph.kind, graph.label)
    return _constraints.for_size(len(relations.reader))(
        relations.reader, relations.key, relations.source, start, writer, place,
        graph.offset, graph.target[graph.out], into.offset, into.target[into.out],
        txns.invoked, txns.completed, STEPS_A_READ * len(relations.reader) + 1_000_000,
    )  # fmt: skip


def _constraints_plain(
    reader: Any, key: Any, source: Any, start: Any, writer: Any, place: Any, offset: Any,
    target: Any, into_offset: Any, into: Any, begin: Any, end_of: Any, budget: int,
) -> Any:  # fmt: skip
    """Edges that are forced; to try for what is free, with their opposites; and whether the
    budget sufficed.
    """
    count = len(place)
    before = np.full(count, -1, np.int32)
    after = np.full(count, -1, np.int32)
    queue = np.empty(count, np.int32)
    forced = []
    chosen = []
    used = 0
    for at in range(len(reader)):
        txn, origin = reader[at], source[at]
        if origin == txn:
            continue
        floor, ceiling = -1 if origin < 0 else place[origin], place[txn]
        end = start[key[at] + 1]
        left = first_after(place, writer, floor, start[key[at]], end)
        stop = left
        while stop < end and place[writer[stop]] < ceiling:
            stop += 1
        if left == stop:
            continue
        if origin < 0:
            for w in range(left, stop):  # the initial version comes before all others
                forced.append((txn, writer[w]))  # noqa: PERF401
            continue
        lowest, highest = place[writer[left]], place[writer[stop - 1]]
        queue[0] = txn
        before[txn] = at
        head, tail = 0, 1
        while head < tail:
            node = queue[head]
            head += 1
            for edge in range(into_offset[node], into_offset[node + 1]):
                other = into[edge]
                if before[other] != at and place[other] >= lowest:
                    before[other] = at
                    queue[tail] = other
                    tail += 1
            used += into_offset[node + 1] - into_offset[node]
        queue[0] = origin
        after[origin] = at
        head, tail = 0, 1
        while head < tail:
            node = queue[head]
            head += 1
            for edge in range(offset[node], offset[node + 1]):
                other = target[edge]
                if after[other] != at and place[other] <= highest:
                    after[other] = at
                    queue[tail] = other
                    tail += 1
            used += offset[node + 1] - offset[node]
        if used > budget:
            break
        free = -1
        for w in range(left, stop):
            seen = writer[w]
            if before[seen] == at:
                forced.append((seen, origin))
            elif after[seen] == at:
                forced.append((txn, seen))
            elif free < 0:
                free = seen
        if free >= 0:
            # As in real time, if that tells; a read that is stale there stays so.
            doubt = 0
            stale = end_of[origin] < begin[free]
            if not stale and end_of[free] >= begin[origin] and end_of[free] >= begin[txn]:
                to_reader, to_origin = ceiling - place[free], place[free] - floor
                stale = to_reader <= to_origin
                doubt = 1 + 100 * min(to_reader, to_origin) // max(to_reader, to_origin)
            if stale:
                chosen.append((txn, free, free, origin, doubt))
            else:
                chosen.append((free, origin, txn, free, doubt))
    return _two(forced), _five(chosen), used <= budget


def _two(pairs: Any) -> Any:
    rows = np.empty((len(pairs), 2), np.int32)
    for at in range(len(pairs)):
        rows[at, 0] = pairs[at][0]
        rows[at, 1] = pairs[at][1]
    return rows


def _five(found: Any) -> Any:
    rows = np.empty((len(found), 5), np.int32)
    for at in range(len(found)):
        rows[at, 0] = found[at][0]
        rows[at, 1] = found[at][1]
        rows[at, 2] = found[at][2]
        rows[at, 3] = found[at][3]
        rows[at, 4] = found[at][4]
    return rows


_constraints = Kernel(_constraints_plain, first_after, _two, _five)
