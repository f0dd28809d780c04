"""Isolation levels by the cycles they forbid, over every order of versions there can be.

Adya's definitions (PhD thesis, MIT 1999, chapters 3 and 4) as they stand: choose which of the
indeterminate transactions committed and in which order the versions of each key were installed,
draw all dependencies, look for the phenomena. A level holds if some choice shows none. Snapshot
isolation by Cerone and Gotsman (JACM 2018, theorem 10): internal consistency, and nothing
circular in dependencies followed by at most one anti-dependency.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from .isolation_oracle import REAL_TIME, SESSION, Txn, committed_sets, internal, must_precede

LEVELS: tuple[str, ...] = (
    "read-uncommitted", "strong-session-read-uncommitted", "strong-read-uncommitted",
    "read-committed", "strong-session-read-committed", "strong-read-committed",
    "cursor-stability", "consistent-view", "parallel-snapshot-isolation", "repeatable-read",
    "snapshot-isolation", "strong-session-snapshot-isolation", "strong-snapshot-isolation",
    "serializable", "strong-session-serializable", "strict-serializable",
)  # fmt: skip

Edges = set[tuple[int, int]]


def holding(model: str, txns: list[Txn], assume: frozenset[str] = frozenset()) -> set[str]:
    """The levels that some choice satisfies.

    ``assume``: of ``sequential``, ``linearizable``: orders of versions that are not so are not
    tried; nor are, with ``given``, those that differ from the order of ``txns``.
    """
    if model == "list-append" and any(
        len(set(value or ())) < len(value or ())
        for txn in txns
        for verb, _, value in txn.steps
        if verb == "r" and txn.kind == "ok"
    ):
        return set()  # a value that is there twice was appended by nobody
    consistent = internal(model, txns)
    clean = not _dirty(model, txns)
    found: set[str] = set()
    for members in committed_sets(txns):
        alive = {i for i in range(len(txns)) if i in members}
        orders = _orders(model, txns, members, assume)  # none if reads contradict each other
        if orders is None:
            continue
        order_edges = {
            kept: {
                (a, b)
                for a in alive
                for b in alive
                if a != b and must_precede(txns[a], txns[b], kept)
            }
            for kept in (SESSION, REAL_TIME)
        }
        # Real time includes the order of sessions, also where a transaction never completed.
        order_edges[REAL_TIME] |= order_edges[SESSION]
        for chosen in orders:
            whole = clean and all(_in_turn(order) for order in chosen.values())
            found |= _satisfied(
                *_edges(model, txns, members, chosen), order_edges, whole, consistent
            )
        if len(found) == len(LEVELS):
            break
    return found


def _written(txns: list[Txn], members: list[int], lists: bool) -> dict[str, list[tuple[int, Any]]]:
    """Of each key the writer and value of every version: all appends, but only last writes."""
    versions: dict[str, list[tuple[int, Any]]] = {}
    for member in members:
        for key, values in txns[member].writes().items():
            versions.setdefault(key, []).extend(
                (member, value) for value in (values if lists else values[-1:])
            )
    return versions


def _orders(
    model: str, txns: list[Txn], members: list[int], assume: frozenset[str]
) -> Iterator[dict[str, list[tuple[int, Any]]]] | None:
    versions = _written(txns, members, model == "list-append")
    ways = []
    for key, written in versions.items():
        fits = [
            list(order)
            for order in itertools.permutations(written)
            if (model != "list-append" or _seen_in(txns, key, order))
            and _as_assumed(txns, members, key, order, assume)
        ]
        if not fits:
            return None
        ways.append([(key, order) for order in fits])
    return (dict(choice) for choice in itertools.product(*ways))


def _in_turn(order: list[tuple[int, Any]]) -> bool:
    """Whether each transaction's appends stand as it made them (their values ascend)."""
    last: dict[int, Any] = {}
    for member, value in order:
        if member in last and last[member] > value:
            return False
        last[member] = value
    return True


def _seen_in(txns: list[Txn], key: str, order: tuple[tuple[int, Any], ...]) -> bool:
    """Whether all committed reads are prefixes, values nobody committed passed over."""
    values = [value for _, value in order]
    for txn in txns:
        for verb, k, seen in txn.steps if txn.kind == "ok" else ():
            if verb == "r" and k == key:
                known = [v for v in seen or [] if v in values]
                if values[: len(known)] != known:
                    return False
    return True


def _as_assumed(
    txns: list[Txn], members: list[int], key: str, order: Any, assume: frozenset[str]
) -> bool:
    """Whether an order of a register's versions is possible if it is sequential, linearizable."""
    if not assume:
        return True
    if "given" in assume and [m for m, _ in order] != sorted(m for m, _ in order):
        return False
    place = {None: 0} | {value: at + 1 for at, (_, value) in enumerate(order)}
    touched: dict[int, set[int]] = {}
    for member in members:
        own = False
        for verb, k, value in txns[member].steps:
            if k != key:
                continue
            own |= verb != "r"
            if value in place and (verb != "r" or (txns[member].kind == "ok" and not own)):
                touched.setdefault(member, set()).add(place[value])
    for kept, name in ((SESSION, "sequential"), (REAL_TIME, "linearizable")):
        for a, b in itertools.permutations(touched, 2) if name in assume else ():
            if must_precede(txns[a], txns[b], kept) and max(touched[a]) > min(touched[b]):
                return False
    return True


def _dirty(model: str, txns: list[Txn]) -> bool:
    """G1a, G1b, a value from nowhere or from a transaction's own future."""
    source = {
        (key, value): (i, value == values[-1])
        for i, txn in enumerate(txns)
        for key, values in txn.writes().items()
        for value in values
    }
    for i, txn in enumerate(txns):
        done: set[tuple[str, Any]] = set()
        for verb, key, value in txn.steps:
            if verb != "r":
                done.add((key, value))
                continue
            if txn.kind != "ok":
                continue
            values = list(value or []) if model == "list-append" else [value]
            for one in values:
                if one is None:
                    continue
                writer, final = source.get((key, one), (-1, True))
                if writer < 0 or txns[writer].kind == "fail":
                    return True
                if writer == i and (key, one) not in done:
                    return True
                if writer != i and one == values[-1] and not final:
                    return True
    return False


def _edges(
    model: str, txns: list[Txn], members: list[int], order: dict[str, list[tuple[int, Any]]]
) -> tuple[Edges, Edges | None, set[tuple[int, int, str]], set[tuple[int, int, str]]]:
    """ww, wr (none if a writer was left out) and rw dependencies, and the ww ones by key."""
    ww: set[tuple[int, int, str]] = set()
    wr: Edges = set()
    rw: set[tuple[int, int, str]] = set()
    everyone = {
        (key, value): i
        for i, txn in enumerate(txns)
        if txn.kind != "fail"
        for key, values in txn.writes().items()
        for value in values
    }
    for key, versions in order.items():
        writers = [m for m, _ in versions]
        ww |= {(a, b, key) for a, b in itertools.pairwise(writers) if a != b}
    for member in members:
        txn = txns[member]
        own: set[str] = set()
        for verb, key, value in txn.steps if txn.kind == "ok" else ():
            if verb != "r":
                own.add(key)
                continue
            if model == "rw-register" and key in own:
                continue
            seen = (value[-1] if value else None) if model == "list-append" else value
            versions = order.get(key, [])
            at = 0
            if model == "list-append" and any(
                everyone.get((key, one), member) not in members for one in value or ()
            ):
                return {(a, b) for a, b, _ in ww}, None, rw, ww
            if seen is not None:
                writer = everyone.get((key, seen))
                if writer is None:
                    continue
                if writer not in members:
                    return {(a, b) for a, b, _ in ww}, None, rw, ww
                values = [v for _, v in versions]
                # A value that its transaction overwrote stands where its last one does.
                shown = txns[writer].writes()[key][-1] if model == "rw-register" else seen
                at = values.index(shown) + 1
                if writer != member:
                    wr.add((writer, member))
            if at < len(versions) and versions[at][0] != member:
                rw.add((member, versions[at][0], key))
    return {(a, b) for a, b, _ in ww}, wr, rw, ww


def _satisfied(
    ww: Edges, wr: Edges | None, rw: set[tuple[int, int, str]],
    ww_by_key: set[tuple[int, int, str]], order: dict[int, Edges], clean: bool, consistent: bool,
) -> set[str]:  # fmt: skip
    found = set()
    anti = {(a, b) for a, b, _ in rw}
    for prefix, kept in (("", None), ("strong-session-", SESSION), ("strong-", REAL_TIME)):
        more = order[kept] if kept is not None else set()
        if not _cyclic(ww | more):
            found.add(f"{prefix}read-uncommitted")
        base = ww | (wr or set()) | more
        if wr is None or not clean or _cyclic(base):
            continue
        found.add(f"{prefix}read-committed")
        if kept is None:
            if not any(
                (b, a) in _closure({(c, d) for c, d, k in ww_by_key if k == key})
                for a, b, key in rw
            ):
                found.add("cursor-stability")
            closed = _closure(base)
            if not any((b, a) in closed for a, b in anti):
                found.add("consistent-view")
                if consistent:
                    found.add("parallel-snapshot-isolation")
            if not _cyclic(base | anti):
                found.add("repeatable-read")
        then = base | {(a, d) for a, b in base for c, d in anti if b == c}
        if consistent and not _cyclic(then):
            found.add(f"{prefix}snapshot-isolation")
        if consistent and not _cyclic(base | anti):
            found.add("strict-serializable" if kept == REAL_TIME else f"{prefix}serializable")
    return found


def _closure(edges: Edges) -> Edges:
    closed = set(edges)
    while True:
        more = {(a, d) for a, b in closed for c, d in closed if b == c} - closed
        if not more:
            return closed
        closed |= more


def _cyclic(edges: Edges) -> bool:
    """Whether it has a cycle: by taking away nodes that nothing leads to."""
    left = set(edges)
    while left:
        targets = {b for _, b in left}
        keep = {(a, b) for a, b in left if a in targets}
        if len(keep) == len(left):
            return True
        left = keep
    return False
