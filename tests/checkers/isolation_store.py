"""A simulated multi-version store that promises one isolation level, and what clients see of it.

A seeded scheduler runs the micro-operations of concurrent transactions one by one. What each
level allows beyond stronger ones does happen: stale reads, forks, lost updates, write skew.

Every committed transaction has a number, and versions are ordered by it. So all ww and wr
dependencies lead forward (but for dirty reads), and a level's promise lies in which versions
a transaction may read, and in what a commit is refused for:

``dirty``      the latest write, committed or not; writers hold locks until they end (PL-1)
``stale``      any committed version, by a coin the latest (PL-2)
``seen``       none older than the writes of transactions that it read from before (MAV)
``subset``     the latest of a random set of transactions (read atomic)
``fifo``       of those delivered to the session, in the order of each sender (PRAM)
``causal``     of those delivered to the replica, after all that they depend on
``snapshot``   of all until a commit, now or earlier
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field, replace
from typing import Any

from duress.harness.history import History

from .isolation_histories import history_of
from .isolation_oracle import NO_ORDER, REAL_TIME, SESSION, Txn

ENGINES: dict[str, tuple[str, str, int]] = {
    "read-uncommitted": ("dirty", "any", NO_ORDER),
    "strong-session-read-uncommitted": ("dirty", "any", SESSION),
    "strong-read-uncommitted": ("dirty", "any", REAL_TIME),
    "read-committed": ("stale", "any", NO_ORDER),
    "strong-session-read-committed": ("stale", "any", SESSION),
    "strong-read-committed": ("stale", "any", REAL_TIME),
    "cursor-stability": ("stale", "cursor", NO_ORDER),
    "monotonic-atomic-view": ("seen", "any", NO_ORDER),
    "strong-session-monotonic-atomic-view": ("seen", "any", SESSION),
    "read-atomic": ("subset", "any", NO_ORDER),
    "strong-session-read-atomic": ("subset", "any", SESSION),
    "pram": ("fifo", "any", SESSION),
    "causal": ("causal", "any", SESSION),
    "consistent-view": ("causal", "first-committer", NO_ORDER),
    "parallel-snapshot-isolation": ("causal", "first-committer", NO_ORDER),
    "snapshot-isolation": ("snapshot", "first-committer", NO_ORDER),
    "strong-session-snapshot-isolation": ("snapshot", "first-committer", SESSION),
    "strong-snapshot-isolation": ("snapshot", "first-committer", REAL_TIME),
    "repeatable-read": ("snapshot", "serial", NO_ORDER),
    "serializable": ("snapshot", "serial", NO_ORDER),
    "strong-session-serializable": ("snapshot", "serial", SESSION),
    "strict-serializable": ("snapshot", "serial", REAL_TIME),
}
"""By level: which versions are read, what commits are refused for, and what order is kept."""


@dataclass(frozen=True)
class Recorded:
    """``txns`` as clients saw them; ``committed``: positions in it, in the order of versions.

    ``sequential``, ``linearizable``: whether each key is that.
    """

    model: str
    txns: list[Txn]
    committed: list[int]
    sequential: bool
    linearizable: bool

    def history(self) -> tuple[History, list[int]]:
        """As duress records it, and the invocations of those committed, in order."""
        history, where = history_of(self.txns, self.model)
        invoked = {txn: at for at, txn in where.items()}
        return history, [invoked[txn] for txn in self.committed]


@dataclass
class _Running:
    number: int
    process: int
    invoked: int
    plan: list[tuple[str, str]]
    phase: str = "open"
    snapshot: int = 0
    visible: frozenset[int] = frozenset()
    floors: dict[str, int] = field(default_factory=dict)
    read: dict[str, set[int]] = field(default_factory=dict)
    base: dict[str, int] = field(default_factory=dict)
    own: dict[str, list[int]] = field(default_factory=dict)
    steps: list[tuple[str, str, Any]] = field(default_factory=list)
    kind: str = ""


class Store:
    """One run of ``count`` transactions at a level, with ``clients`` concurrent sessions."""

    def __init__(
        self, level: str, model: str, chance: random.Random, count: int, clients: int = 4,
        keys: str = "abcde",
    ) -> None:  # fmt: skip
        self.reads, self.refuses, self.kept = ENGINES[level]
        self.lists = model == "list-append"
        self.model, self.chance, self.count, self.keys = model, chance, count, keys
        self.latest_only = self.reads == "stale" and chance.random() < 0.5
        # Number 0 is the initial state; each commit: transaction, process, keys, what it had seen.
        self.commits: list[tuple[int, int, frozenset[str], frozenset[int]]] = [
            (-1, -1, frozenset(), frozenset())
        ]
        self.versions: dict[str, list[tuple[int, Any]]] = {
            key: [(0, [] if self.lists else None)] for key in keys
        }
        self.dirty: dict[str, tuple[int, Any]] = {}
        self.delivered: list[set[int]] = [set() for _ in range(clients)]
        self.floor = [0] * clients
        self.values = itertools.count(1)
        self.numbers = list(range(clients))
        self.fresh = clients
        self.finished: dict[int, Txn] = {}
        self.clock = 0

    def run(self) -> Recorded:
        """Run it to the end."""
        chance = self.chance
        running: dict[int, _Running] = {}
        begun = 0
        while begun < self.count or running:
            self.clock += 1
            slot = chance.randrange(len(self.numbers))
            if self.reads in ("fifo", "causal") and chance.random() < 0.3:
                self._deliver(slot)
            txn = running.get(slot)
            if txn is None:
                if begun < self.count:
                    plan = [
                        (chance.choice("rw"), chance.choice(self.keys))
                        for _ in range(chance.randint(1, 4))
                    ]
                    running[slot] = _Running(begun, self.numbers[slot], self.clock, plan)
                    begun += 1
            elif txn.phase == "open":
                self._begin(txn, slot)
            elif txn.phase == "running":
                self._step(txn, slot)
            else:
                del running[slot]
                self._respond(txn, slot)
        txns = [self.finished[number] for number in range(self.count)]
        committed = [number for number, *_ in self.commits[1:]]
        sequential = self.latest_only or self.reads in ("fifo", "causal", "snapshot")
        linearizable = self.latest_only or self.reads == "snapshot"
        return Recorded(
            self.model, rearranged(txns, self.kept, chance), committed,
            sequential and self.kept >= SESSION, linearizable and self.kept == REAL_TIME,
        )  # fmt: skip

    def _deliver(self, slot: int) -> None:
        """One commit becomes visible to a session (``fifo``) or replica (``causal``)."""
        seen = self.delivered[self._replica(slot)]
        ready = []
        for number in range(1, len(self.commits)):
            _, process, _, needs = self.commits[number]
            if self.reads == "fifo":
                needs = {n for n in range(1, number) if self.commits[n][1] == process}
            if number not in seen and needs <= seen:
                ready.append(number)
        if ready:
            seen.add(self.chance.choice(ready))

    def _replica(self, slot: int) -> int:
        return slot if self.reads == "fifo" else slot % 3

    def _begin(self, txn: _Running, slot: int) -> None:
        chance, newest = self.chance, len(self.commits) - 1
        txn.phase = "running"
        if self.reads == "snapshot":
            txn.snapshot = newest
            if self.kept < REAL_TIME and chance.random() < 0.4:
                least = self.floor[slot] if self.kept == SESSION else 0
                txn.snapshot = chance.randint(least, newest)
        elif self.reads == "subset":
            share = chance.random()
            txn.visible = frozenset(
                n
                for n in range(1, newest + 1)
                if chance.random() < share
                or (self.kept == SESSION and self.commits[n][1] == txn.process)
            )
        elif self.reads in ("fifo", "causal"):
            txn.visible = frozenset(self.delivered[self._replica(slot)])

    def _readable(self, txn: _Running, key: str) -> tuple[int, Any]:
        """The version that a read sees: its number and content."""
        versions = self.versions[key]
        if key in txn.base:  # it built on this one already
            return next(v for v in versions if v[0] == txn.base[key])
        if self.reads == "dirty":
            return self.dirty.get(key, versions[-1])
        if self.reads == "stale":
            latest = self.latest_only or self.chance.random() < 0.5
            return versions[-1] if latest else self.chance.choice(versions)
        if self.reads == "seen":
            return self.chance.choice([v for v in versions if v[0] >= txn.floors.get(key, 0)])
        if self.reads == "snapshot":
            return [v for v in versions if v[0] <= txn.snapshot][-1]
        return [v for v in versions if v[0] == 0 or v[0] in txn.visible][-1]

    def _step(self, txn: _Running, slot: int) -> None:
        if not txn.plan:
            self._commit(txn, slot)
            return
        verb, key = txn.plan[0]
        content: Any = None
        if verb == "w" and self.reads == "dirty":
            holder, content = self.dirty.get(key, (txn.number, self.versions[key][-1][1]))
            if holder != txn.number:
                if self.chance.random() < 0.2:
                    self._end(txn, committed=False)
                return
        txn.plan.pop(0)
        if verb == "w":
            value = next(self.values)
            txn.own.setdefault(key, []).append(value)
            txn.steps.append(("w", key, value))
            if self.reads == "dirty":
                self.dirty[key] = (txn.number, [*content, value] if self.lists else value)
            return
        own = txn.own.get(key, [])
        if own and (not self.lists or self.reads == "dirty"):
            content = self.dirty[key][1] if self.reads == "dirty" else own[-1]
            txn.steps.append(("r", key, content))
            return
        number, content = self._readable(txn, key)
        if own:
            txn.base[key] = number
            content = [*content, *own]
        elif self.reads != "dirty":
            txn.read.setdefault(key, set()).add(number)
            for other in self.commits[number][2]:
                txn.floors[other] = max(txn.floors.get(other, 0), number)
        txn.steps.append(("r", key, content))

    def _refused(self, txn: _Running) -> bool:
        """Whether what was committed meanwhile forbids this commit."""
        newest = {key: versions[-1][0] for key, versions in self.versions.items()}
        if any(newest[key] != number for key, number in txn.base.items()):
            return True
        if self.refuses == "any":
            return False
        if self.refuses == "cursor":
            return any(txn.read.get(key, {newest[key]}) != {newest[key]} for key in txn.own)
        if self.reads == "snapshot":
            unseen = any(newest[key] > txn.snapshot for key in txn.own)
        else:
            unseen = any(newest[key] not in (0, *txn.visible) for key in txn.own)
        if self.refuses == "serial" and txn.own:
            return unseen or any(read != {newest[key]} for key, read in txn.read.items())
        return unseen

    def _commit(self, txn: _Running, slot: int) -> None:
        if self._refused(txn) or self.chance.random() < 0.05:
            self._end(txn, committed=False)
            return
        self.floor[slot] = max(self.floor[slot], txn.snapshot)
        if txn.own:
            number = len(self.commits)
            self.floor[slot] = number
            self.commits.append((txn.number, txn.process, frozenset(txn.own), txn.visible))
            for key, values in txn.own.items():
                before = self.versions[key][-1][1]
                content = [*before, *values] if self.lists else values[-1]
                self.versions[key].append((number, content))
            self.delivered[self._replica(slot)].add(number)
        self._end(txn, committed=True)

    def _end(self, txn: _Running, committed: bool) -> None:
        for key in [k for k, (holder, _) in self.dirty.items() if holder == txn.number]:
            del self.dirty[key]
        unclear = self.chance.random() < (0.05 if committed else 0.15)
        txn.kind = "info" if unclear else "ok" if committed else "fail"
        txn.phase = "done"

    def _respond(self, txn: _Running, slot: int) -> None:
        ended = None if txn.kind == "info" else self.clock
        steps = tuple(
            (verb, key, None if verb == "r" and txn.kind != "ok" else value)
            for verb, key, value in txn.steps
        )
        # What an aborted one had not come to was asked for all the same.
        steps += tuple(
            (verb, key, next(self.values) if verb == "w" else None) for verb, key in txn.plan
        )
        self.finished[txn.number] = Txn(txn.process, txn.invoked, ended, txn.kind, steps)
        if ended is None:
            self.numbers[slot] = self.fresh
            self.fresh += 1


def rearranged(txns: list[Txn], kept: int, chance: random.Random) -> list[Txn]:
    """The same transactions at other times, of other processes if sessions are not kept either."""
    if kept == REAL_TIME:
        return txns
    sessions: dict[int, list[int]] = {}
    if kept == SESSION:
        for at in sorted(range(len(txns)), key=lambda at: txns[at].invoked):
            sessions.setdefault(txns[at].process, []).append(at)
    else:
        order = list(range(len(txns)))
        chance.shuffle(order)
        process = 0
        for at in order:
            process = chance.choice([*range(process, process + 3)]) if sessions else process
            while any(txns[other].kind == "info" for other in sessions.get(process, ())):
                process += 1
            sessions.setdefault(process, []).append(at)
    weights = {process: chance.choice((1, 1, 5, 20)) for process in sessions}
    pending = {process: list(members) for process, members in sessions.items()}
    opened: dict[int, int] = {}
    begun: dict[int, int] = {}
    result = list(txns)
    clock = 0
    while pending:
        clock += 1
        process = chance.choices(list(pending), [weights[p] for p in pending])[0]
        if process not in opened:
            opened[process] = pending[process][0]
            begun[process] = clock
            continue
        at = opened.pop(process)
        pending[process].pop(0)
        ended = None if txns[at].kind == "info" else clock
        result[at] = replace(txns[at], process=process, invoked=begun[process], completed=ended)
        if not pending[process]:
            del pending[process]
    return result


def recorded(
    level: str, model: str, seed: object, count: int = 24, clients: int = 4, keys: str = "abcde"
) -> Recorded:
    """A history that is valid at the level, by construction."""
    chance = random.Random(f"{level} {model} {seed}")
    return Store(level, model, chance, count, clients, keys).run()
