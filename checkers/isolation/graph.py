"""Directed graphs of dependencies as arrays, and the two linear algorithms on them.

Nodes ``0 … transactions-1`` are transactions; further nodes only join edges together: whatever
enters such a node continues over :data:`LINK` edges, which mean nothing by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..linearizability.kernel import Kernel
from .transactions import FAIL, NEVER, OK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .transactions import Transactions

WW, WR, RW, ORDER, LINK = 0, 1, 2, 3, 4
"""Kinds of edges: Adya's three dependencies; an order of time or session; a continuation."""

KIND_NAMES = ("ww", "wr", "rw", "order", "link")

_INT = np.int32


@dataclass(frozen=True)
class Graph:
    """``source``, ``target`` int32, ``kind`` int8 and ``label`` int32, one entry an edge.

    ``offset`` and ``out`` (int32) list the edges that leave each node: those of node ``v`` are
    ``out[offset[v]:offset[v + 1]]``. ``label`` is what the inference needs to justify an edge.
    """

    nodes: int
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    kind: NDArray[np.int8]
    label: NDArray[np.int32]
    offset: NDArray[np.int32]
    out: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.source)


def build(nodes: int, source: Any, target: Any, kind: Any, label: Any) -> Graph:
    """A graph from its edges; edges from a node to itself are left out."""
    keep = source != target
    if not keep.all():
        source, target, kind, label = source[keep], target[keep], kind[keep], label[keep]
    source, target = source.astype(_INT, copy=False), target.astype(_INT, copy=False)
    offset, out = _csr.for_size(len(source))(nodes, source)
    return Graph(
        nodes, source, target, kind.astype(np.int8, copy=False), label.astype(_INT, copy=False),
        offset, out,
    )  # fmt: skip


def joined(graph: Graph, nodes: int, source: Any, target: Any, kind: Any) -> Graph:
    """The graph with more edges (labelled -1), and more nodes if ``nodes`` says so."""
    return build(
        nodes,
        np.concatenate((graph.source, source)),
        np.concatenate((graph.target, target)),
        np.concatenate((graph.kind, kind)),
        np.concatenate((graph.label, np.full(len(source), -1, _INT))),
    )


def restricted(graph: Graph, keep: Any) -> Graph:
    """The same nodes with only the edges that ``keep`` (bool, one an edge) names."""
    return build(
        graph.nodes, graph.source[keep], graph.target[keep], graph.kind[keep], graph.label[keep]
    )


def session_edges(txns: Transactions) -> tuple[Any, Any]:
    """From each transaction to the next of its process: sources and targets."""
    later = np.flatnonzero(txns.previous >= 0).astype(_INT)
    return txns.previous[later], later


def _csr_plain(nodes: int, source: Any) -> Any:
    offset = np.zeros(nodes + 1, np.int32)
    for at in range(len(source)):
        offset[source[at] + 1] += 1
    for node in range(nodes):
        offset[node + 1] += offset[node]
    fill = offset[:-1].copy()
    out = np.empty(len(source), np.int32)
    for at in range(len(source)):
        node = source[at]
        out[fill[node]] = at
        fill[node] += 1
    return offset, out


_csr = Kernel(_csr_plain)


# -- a total order that respects everything, if there is one ----------------------------


def serial_order(graph: Graph, txns: Transactions, realtime: bool) -> tuple[Any, bool]:
    """An order of all nodes along every edge and, if asked, along real time; and whether complete.

    Kahn's algorithm. Real time needs no edges: a transaction may come once every transaction
    that completed before its invocation has come, and a pointer into the completions tells when.
    Linear in nodes and edges. If the order is complete there is no cycle; else the nodes that are
    missing are those on cycles and those behind them.
    """
    count = len(txns)
    indegree = np.bincount(graph.target, minlength=graph.nodes).astype(_INT)
    done_order = np.flatnonzero(txns.completed != NEVER).astype(_INT)
    done_order = done_order[np.argsort(txns.completed[done_order], kind="stable")]
    if not realtime:
        done_order = done_order[:0]
    order, found = _kahn.for_size(len(graph) + count)(
        graph.nodes, count, graph.offset, graph.target[graph.out], indegree, done_order,
        txns.invoked, txns.completed,
    )  # fmt: skip
    return order[:found], found == graph.nodes


def _kahn_plain(
    nodes: int, count: int, offset: Any, target: Any, indegree: Any, done_order: Any,
    invoked: Any, completed: Any,
) -> Any:  # fmt: skip
    order = np.empty(nodes, np.int32)
    done = np.zeros(nodes, np.bool_)
    head = tail = 0
    for node in range(count, nodes):
        if indegree[node] == 0:
            order[tail] = node
            tail += 1
    eligible, oldest = 0, 0
    while True:
        while oldest < len(done_order) and done[done_order[oldest]]:
            oldest += 1
        while eligible < count and (
            oldest == len(done_order) or invoked[eligible] < completed[done_order[oldest]]
        ):
            if indegree[eligible] == 0:
                order[tail] = eligible
                tail += 1
            eligible += 1
        if head == tail:
            break
        node = order[head]
        head += 1
        done[node] = True
        for at in range(offset[node], offset[node + 1]):
            other = target[at]
            indegree[other] -= 1
            if indegree[other] == 0 and (other >= count or other < eligible):
                order[tail] = other
                tail += 1
    return order, head


_kahn = Kernel(_kahn_plain)


def with_barriers(graph: Graph, txns: Transactions) -> Graph:
    """The graph with the real-time order, as a chain of one more node a run of completions."""
    count = len(txns)
    alive = np.flatnonzero(txns.kind != FAIL).astype(_INT)
    ended = np.flatnonzero(txns.kind == OK).astype(_INT)
    when = np.concatenate((txns.invoked[alive], txns.completed[ended]))
    who = np.concatenate((alive, ended))
    is_end = np.zeros(len(when), np.bool_)
    is_end[len(alive) :] = True
    order = np.argsort(when)
    who, is_end = who[order], is_end[order]
    if not len(who):
        return graph
    begins_run = is_end & np.concatenate(([True], ~is_end[:-1]))
    run = np.cumsum(begins_run) - 1
    last = int(run[-1])
    barrier = (graph.nodes + run).astype(_INT)
    enters, leaves = is_end, ~is_end & (run >= 0)
    chain = np.arange(graph.nodes, graph.nodes + max(last, 0), dtype=_INT)
    source = np.concatenate((who[enters], barrier[leaves], chain))
    target = np.concatenate((barrier[enters], who[leaves], chain + 1))
    kind = np.full(len(source), LINK, np.int8)
    kind[: int(enters.sum())] = ORDER
    assert count <= graph.nodes
    return joined(graph, graph.nodes + last + 1, source, target, kind)


# -- strongly connected components ------------------------------------------------------


def components(graph: Graph, allowed: tuple[int, ...] | None = None) -> Any:
    """int32 per node: its component among those of two nodes or more, or -1.

    Tarjan's algorithm without recursion. ``allowed``: the kinds of edges to walk.
    """
    mask = np.ones(5, np.bool_)
    if allowed is not None:
        mask[:] = False
        mask[list(allowed)] = True
    return _tarjan.for_size(len(graph))(
        graph.nodes, graph.offset, graph.target[graph.out], graph.kind[graph.out], mask
    )


def _tarjan_plain(nodes: int, offset: Any, target: Any, kind: Any, mask: Any) -> Any:
    component = np.full(nodes, -1, np.int32)
    low = np.zeros(nodes, np.int32)
    index = np.zeros(nodes, np.int32)
    on_stack = np.zeros(nodes, np.bool_)
    stack = np.empty(nodes, np.int32)
    calls = np.empty(nodes, np.int32)
    cursor = offset[:-1].copy()
    clock = height = found = 0
    for root in range(nodes):
        if index[root] or offset[root] == offset[root + 1]:
            continue
        depth = 1
        calls[0] = root
        while depth:
            node = calls[depth - 1]
            if index[node] == 0:
                clock += 1
                index[node] = low[node] = clock
                stack[height] = node
                height += 1
                on_stack[node] = True
            descended = False
            while cursor[node] < offset[node + 1]:
                at = cursor[node]
                cursor[node] += 1
                other = target[at]
                if not mask[kind[at]]:
                    continue
                if index[other] == 0:
                    calls[depth] = other
                    depth += 1
                    descended = True
                    break
                if on_stack[other] and index[other] < low[node]:
                    low[node] = index[other]
            if descended:
                continue
            depth -= 1
            if depth and low[node] < low[calls[depth - 1]]:
                low[calls[depth - 1]] = low[node]
            if low[node] == index[node]:
                alone = stack[height - 1] == node
                while True:
                    height -= 1
                    member = stack[height]
                    on_stack[member] = False
                    if not alone:
                        component[member] = found
                    if member == node:
                        break
                if not alone:
                    found += 1
    return component


_tarjan = Kernel(_tarjan_plain)
