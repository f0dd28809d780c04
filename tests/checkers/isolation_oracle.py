"""Isolation levels by their definitions, tried out over all orders: slow and plain on purpose.

A transaction here is ``(process, invoked, completed, kind, steps)``; ``completed`` is ``None``
unless ``kind`` is ``"ok"``. Definitions: serializable and snapshot isolation by running the
transactions (their two halves) one by one on a store; the weak levels by the axioms of Biswas and
Enea (OOPSLA 2019), over every commit order; read committed by Adya's G1.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NO_ORDER, SESSION, REAL_TIME = 0, 1, 2


@dataclass(frozen=True)
class Txn:
    process: int
    invoked: int
    completed: int | None
    kind: str
    steps: tuple[tuple[str, str, Any], ...]

    def writes(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for verb, key, value in self.steps:
            if verb != "r":
                found.setdefault(key, []).append(value)
        return found


def committed_sets(txns: list[Txn]) -> Iterator[list[int]]:
    """Every way the indeterminate transactions can have ended."""
    sure = [i for i, t in enumerate(txns) if t.kind == "ok"]
    open_ = [i for i, t in enumerate(txns) if t.kind == "info"]
    for size in range(len(open_) + 1):
        for extra in itertools.combinations(open_, size):
            yield sorted([*sure, *extra])


def must_precede(one: Txn, two: Txn, kept: int) -> bool:
    if kept == REAL_TIME:
        return one.completed is not None and one.completed < two.invoked
    return kept == SESSION and one.process == two.process and one.invoked < two.invoked


def applied(model: str, state: dict[str, Any], txn: Txn) -> dict[str, Any] | None:
    """The store after the transaction; ``None`` if a committed one reads something else."""
    state = dict(state)
    for verb, key, value in txn.steps:
        if verb == "r":
            if txn.kind == "ok" and (state.get(key) or None) != (value or None):
                return None
        elif model == "list-append":
            state[key] = [*(state.get(key) or []), value]
        else:
            state[key] = value
    return state


def serializable(model: str, txns: list[Txn], kept: int) -> bool:
    for members in committed_sets(txns):
        for order in itertools.permutations(members):
            if any(
                must_precede(txns[b], txns[a], kept) for a, b in itertools.combinations(order, 2)
            ):
                continue
            state: dict[str, Any] | None = {}
            for member in order:
                state = applied(model, state, txns[member])
                if state is None:
                    break
            if state is not None:
                return True
    return False


def snapshot_isolated(model: str, txns: list[Txn], kept: int) -> bool:
    return any(
        _snapshots(model, txns, kept, frozenset(m), {}, {}, frozenset())
        for m in committed_sets(txns)
    )


def _snapshots(
    model: str,
    txns: list[Txn],
    kept: int,
    left: frozenset[int],
    state: dict[str, Any],
    open_: dict[int, dict[str, Any]],
    done: frozenset[int],
) -> bool:
    """Depth first over the next snapshot taken or the next commit."""
    if not left and not open_:
        return True
    for member in left:
        waiting = (left | set(open_)) - {member}
        if any(must_precede(txns[other], txns[member], kept) for other in waiting):
            continue
        if applied(model, state, txns[member]) is None:
            continue
        if _snapshots(model, txns, kept, left - {member}, state, {**open_, member: state}, done):
            return True
    for member, snapshot in open_.items():
        written = txns[member].writes()
        if any(snapshot.get(key) != state.get(key) for key in written):
            continue
        rest = {m: s for m, s in open_.items() if m != member}
        after = applied(model, snapshot, txns[member])
        assert after is not None
        new = {**state, **{key: after[key] for key in written}}
        if _snapshots(model, txns, kept, left, new, rest, done | {member}):
            return True
    return False


# -- weak levels --------------------------------------------------------------------------


def external_reads(model: str, txns: list[Txn]) -> list[tuple[int, int, str, Any, Any]] | None:
    """``(reader, position, key, source, value)``; ``None`` if G1a, G1b or garbage was read.

    Reads after an own write of the key are left out, for lists those that end in an own value.
    """
    writer = {
        (key, value): i
        for i, t in enumerate(txns)
        for key, values in t.writes().items()
        for value in values
    }
    reads = []
    for i, txn in enumerate(txns):
        if txn.kind != "ok":
            continue
        own: set[str] = set()
        for position, (verb, key, value) in enumerate(txn.steps):
            if verb != "r":
                own.add(key)
                continue
            values = (value or []) if model == "list-append" else [] if value is None else [value]
            later = [v for verb, k, v in txn.steps[position:] if verb != "r" and k == key]
            if set(later) & set(values):
                return None  # a future read
            if model == "rw-register" and key in own:
                other = writer.get((key, value), i)
                if txns[other].kind == "fail" or (
                    other != i and txns[other].writes()[key][-1] != value
                ):
                    return None
                continue
            for one in values:
                if (key, one) not in writer or txns[writer[key, one]].kind == "fail":
                    return None
            source = writer[key, values[-1]] if values else None
            if source == i:
                if model == "rw-register":
                    return None
                continue
            if source is not None and txns[source].writes()[key][-1] != values[-1]:
                return None
            reads.append((i, position, key, source, value))
    return reads


def internal(model: str, txns: list[Txn]) -> bool:
    """Whether every transaction agrees with its own reads and writes."""
    for txn in txns:
        if txn.kind != "ok":
            continue
        known: dict[str, Any] = {}
        mine: dict[str, list[Any]] = {}
        for verb, key, value in txn.steps:
            if verb == "r":
                if model == "list-append":
                    tail = mine.get(key, [])
                    seen = list(value or [])
                    expected = known.get(key)
                    if expected is not None and seen != [*expected, *tail]:
                        return False
                    if tail and seen[-len(tail) :] != tail:
                        return False
                    known[key], mine[key] = seen, []
                else:
                    if key in known and known[key] != value:
                        return False
                    known[key] = value
            elif model == "list-append":
                mine.setdefault(key, []).append(value)
            else:
                known[key] = value
    return True


def weak(model: str, txns: list[Txn], level: str) -> bool:
    """``read-committed``, ``monotonic-atomic-view``, ``read-atomic`` (each also with the prefix
    ``strong-session-``), ``pram`` or ``causal``.
    """
    reads = external_reads(model, txns)
    if reads is None:
        return False
    sessions = level.startswith("strong-session-") or level in ("pram", "causal")
    stem = level.removeprefix("strong-session-")
    if stem in ("read-atomic", "causal") and not internal(model, txns):
        return False
    alive = [i for i, t in enumerate(txns) if t.kind != "fail"]
    so = {
        (a, b)
        for a in alive
        for b in alive
        if txns[a].process == txns[b].process and txns[a].invoked < txns[b].invoked
    }
    wr = {(source, reader) for reader, _, _, source, _ in reads if source is not None}
    base = wr | (so if sessions else set())
    sees = _sees(stem, txns, so if sessions else set(), wr)
    for members in committed_sets(txns):
        if not {s for s, _ in wr} <= set(members):
            continue
        for order in itertools.permutations(members):
            place = {member: at for at, member in enumerate(order)}
            if any(a in place and b in place and place[a] >= place[b] for a, b in base):
                continue
            if model == "list-append" and not _lists_follow(txns, order):
                continue
            if stem == "read-committed" or _axiom(txns, reads, place, sees):
                return True
    return False


def _sees(stem: str, txns: list[Txn], so: set[Any], wr: set[Any]) -> Any:
    if stem == "monotonic-atomic-view":
        return None
    if stem == "read-atomic":
        return so | wr
    if stem == "pram":
        after = {(a, d) for a, b in wr for c, d in so if b == c} | wr
        return so | after | {(a, d) for a, b in so for c, d in after if b == c}
    closure = so | wr
    while True:
        more = {(a, d) for a, b in closure for c, d in closure if b == c} - closure
        if not more:
            return closure
        closure |= more


def _axiom(txns: list[Txn], reads: list[Any], place: dict[int, int], sees: Any) -> bool:
    for reader, position, key, source, _ in reads:
        if sees is None:
            seen = {s for r, p, _, s, _ in reads if r == reader and p < position}
        else:
            seen = {a for a, b in sees if b == reader}
        for other in seen - {source, None, reader}:
            if key not in txns[other].writes() or other not in place:
                continue
            if source is None or place[other] > place[source]:
                return False
    return True


def _lists_follow(txns: list[Txn], order: tuple[int, ...]) -> bool:
    """Whether every list that was read is a prefix of what the order of commits makes of it."""
    made: dict[str, list[Any]] = {}
    for member in order:
        for key, values in txns[member].writes().items():
            made.setdefault(key, []).extend(values)
    for member in order:
        txn = txns[member]
        for verb, key, value in txn.steps:
            if verb == "r" and txn.kind == "ok":
                seen = list(value or [])
                if made.get(key, [])[: len(seen)] != seen:
                    return False
    return True
