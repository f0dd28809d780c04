"""The smallest cycle of every family, against all simple cycles of small graphs."""

from __future__ import annotations

import random
from itertools import pairwise, product
from typing import Any

import networkx as nx
import numpy as np
import pytest

from duress.checkers.isolation import appends, cycle_kernel, cycle_search, cycles
from duress.checkers.isolation.families import COVERED_BY, FAMILIES, KINDS, SUFFIXES
from duress.checkers.isolation.graph import ORDER, RW, WR, WW, build
from duress.checkers.isolation.transactions import FAIL, INFO, NEVER, OK, Transactions


@pytest.fixture(autouse=True)
def always_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even few edges from all to all lead over further nodes."""
    monkeypatch.setattr(appends, "_FEW_EDGES", 0)


NONE32 = np.empty(0, np.int32)


def transactions(chance: random.Random, count: int) -> Transactions:
    """Bare intervals of a few processes, some transactions indeterminate."""
    ends: list[tuple[int, int, int]] = []
    kinds, processes, fresh = [], [], 3
    free = dict.fromkeys(range(3), 0)
    clock = 0
    for txn in range(count):
        process = chance.choice(sorted(free))
        clock = begin = max(clock + 1, free.pop(process) + 1)
        kind = chance.choice((OK,) * 8 + (INFO,))
        finish = begin + chance.choice((1, 3, 9, 30))
        if kind == INFO:
            free[fresh], fresh = finish, fresh + 1
        else:
            free[process] = finish
        kinds.append(kind)
        processes.append(process)
        ends += [(begin, 0, txn), (finish, 1, txn)]
    invoked, completed = np.zeros(count, np.int32), np.full(count, NEVER, np.int32)
    for position, (_, which, txn) in enumerate(sorted(ends)):
        if which == 0:
            invoked[txn] = position
        elif kinds[txn] == OK:
            completed[txn] = position
    order = np.argsort(invoked)
    none8 = np.empty(0, np.int8)
    return Transactions(
        np.array(kinds, np.int8)[order], np.array(processes, np.int32)[order], invoked[order],
        completed[order], np.zeros(count + 1, np.int32), none8, NONE32, NONE32,
        np.empty(0, np.int64), NONE32, NONE32, [], int,
    )  # fmt: skip


def dependencies(chance: random.Random, count: int):
    """A graph, and its edges as ``{(from, to): kinds}``: the strongest direct one, others."""
    weights = chance.choice(((1, 1, 1), (1, 0, 2), (0, 1, 3), (3, 1, 0), (0, 0, 1), (1, 1, 6)))
    parts, nodes = [], count
    if chance.random() < 0.3:  # a ring without two rw edges in a row
        ring = chance.sample(range(count), count)
        for at, one in enumerate(ring):
            ends = np.array([one]), np.array([ring[(at + 1) % count]])
            parts.append(((RW, chance.choice((WW, WR)))[at % 2], *ends, np.zeros(1)))
    least = 0 if parts else count
    for _ in range(chance.randint(least, chance.choice((least, 3 * count)))):
        pair = np.array(chance.sample(range(count), 2))
        kind = chance.choices((WW, WR, RW), weights)[0]
        parts.append((kind, pair[:1], pair[1:], np.zeros(1)))
    edges: dict[tuple[int, int], set[int]] = {}
    for what, one, two, _ in sorted(parts, key=lambda part: part[0]):
        edges.setdefault((int(one[0]), int(two[0])), {what})
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        heads = np.array(sorted(chance.sample(range(count), chance.randint(1, count))))
        tails = np.array(sorted(chance.sample(range(count), chance.randint(2, count))))
        kind = chance.choice((WW, RW))
        made, nodes = appends.all_to_all([(kind, heads)], tails, 0, nodes)
        parts += made
        for a, b in product(heads.tolist(), tails.tolist()):
            if a != b:
                edges.setdefault((a, b), set()).add(kind)
    kind = np.concatenate([np.full(len(p[1]), p[0], np.int8) for p in parts])
    source, target, label = (np.concatenate([p[i] for p in parts]) for i in (1, 2, 3))
    return build(nodes, source, target, kind, label), edges


def orders(txns: Transactions):
    """The pairs that sessions order, and those that real time orders."""
    alive = [t for t in range(len(txns)) if txns.kind[t] != FAIL]
    pairs = [(a, b) for a in alive for b in alive if txns.invoked[a] < txns.invoked[b]]
    session = [(a, b) for a, b in pairs if txns.process[a] == txns.process[b]]
    return session, [(a, b) for a, b in pairs if txns.completed[a] < txns.invoked[b]]


def family_of(kinds: list[int]) -> str:
    """Of a cycle's edges, in a circle."""
    rws = kinds.count(RW)
    if rws == 0:
        return "G1c" if WR in kinds else "G0"
    if rws == 1:
        return "G-single"
    apart = all((a, b) != (RW, RW) for a, b in pairwise([*kinds, kinds[0]]))
    return "G-nonadjacent" if apart else "G2-item"


def every_cycle(count: int, edges: dict, session, realtime):
    """Name, transactions of every simple cycle with at most one edge of real time."""
    found = []
    for closing, extra in (("", []), ("-process", session), ("-realtime", realtime)):
        graph: Any = nx.MultiDiGraph()
        graph.add_edges_from((a, b, kind) for (a, b), kinds in edges.items() for kind in kinds)
        graph.add_edges_from((a, b, ORDER) for a, b in extra)
        for nodes in nx.simple_cycles(nx.DiGraph(graph)):
            pairs = list(zip(nodes, [*nodes[1:], nodes[0]], strict=True))
            ways: list[list[Any]] = [[]]
            for a, b in pairs:
                ways = [[*way, kind] for way in ways for kind in graph[a][b]]
            for way in ways:
                times = way.count(ORDER)
                consecutive = any(a == b == ORDER for a, b in pairwise([*way, way[0]]))
                right = times == 1 if closing == "-realtime" else bool(times) == bool(closing)
                if right and not consecutive and times < len(way):
                    found.append((family_of(way) + closing, frozenset(nodes)))
    return found


def component_of(name: str, txn: int, count: int, edges, session, realtime) -> frozenset[int]:
    """The strong component in which a cycle of the name is looked for."""
    family, closing = split(name)
    graph = nx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(pair for pair, kinds in edges.items() if kinds & set(KINDS[family]))
    graph.add_edges_from({"": [], "-process": session, "-realtime": realtime}[closing])
    return next(frozenset(c) for c in nx.strongly_connected_components(graph) if txn in c)


def split(name: str) -> tuple[str, str]:
    for suffix in ("-process", "-realtime"):
        if name.endswith(suffix):
            return name.removesuffix(suffix), suffix
    return name, ""


def covering(name: str) -> set[str]:
    family, suffix = split(name)
    upto = SUFFIXES[: SUFFIXES.index(suffix) + 1]
    return {other + s for other in COVERED_BY[family] for s in upto}


def check(chance: random.Random, count: int) -> list[str]:
    txns = transactions(chance, count)
    graph, edges = dependencies(chance, count)
    session, realtime = orders(txns)
    part = cycles.core(graph, txns, realtime=True)
    found = cycles.find(part, txns, True) if part is not None else []
    expected = every_cycle(count, edges, session, realtime)
    given = (count, edges, session, realtime)
    for cycle in found:
        members = frozenset(cycle.txns)
        assert len(members) == len(cycle.txns) == len(cycle.edges)
        following = [*cycle.txns[1:], cycle.txns[0]]
        for one, two, (kind, _) in zip(cycle.txns, following, cycle.edges, strict=True):
            if kind != ORDER:
                assert kind in edges[one, two]
            else:
                assert (one, two) in (realtime if cycle.name.endswith("realtime") else session)
        kinds = [kind for kind, _ in cycle.edges]
        assert family_of(kinds) + split(cycle.name)[1] == cycle.name
        where = component_of(cycle.name, cycle.txns[0], *given)
        least = min(len(c) for name, c in expected if name == cycle.name and c <= where)
        assert len(members) == least if cycle.smallest else len(members) >= least
        if split(cycle.name)[1] != "-process":
            assert cycle.smallest
    for name, members in expected:
        where = component_of(name, next(iter(members)), *given)
        names = {c.name for c in found if set(c.txns) <= where}
        assert names & {name, *covering(name)}, (name, members, names)
    return [cycle.name for cycle in found]


@pytest.mark.parametrize("seed", range(6))
def test_against_every_cycle_of_small_graphs(seed: int) -> None:
    chance = random.Random(seed)
    names: list[str] = []
    for _ in range(40):
        names += check(chance, chance.randint(2, 6))
    assert len(set(names)) >= 8


def test_all_families_occur() -> None:
    chance = random.Random("all")
    names = {name for _ in range(150) for name in check(chance, chance.randint(2, 6))}
    assert set(FAMILIES) <= {split(name)[0] for name in names}
    assert {"", "-process", "-realtime"} == {split(name)[1] for name in names}


def test_compiled_and_plain_searches_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    for kernel in ("feedback", "shortest", "walk"):
        compiled = getattr(cycle_kernel, kernel).compiled
        monkeypatch.setattr(
            cycle_search, kernel, type("K", (), {"for_size": lambda _, n, f=compiled: f(),
                                                "function": None, "compiled": compiled})()
        )  # fmt: skip
    chance = random.Random(99)
    assert len({name for _ in range(60) for name in check(chance, chance.randint(2, 6))}) >= 8
