"""The anomalies of the weak levels, in words, from the commit orders that cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import causal, weak
from .appends import Lists
from .cycles import smallest_of_any_kind
from .findings import Example, Findings, name_of, shown
from .graph import WR, WW, Graph, serial_order
from .levels import ruled_out
from .registers import Registers

_INT = np.int32


def of_lists(lists: Lists) -> weak.Relations:
    """Who reads what from whom; the order of versions is known."""
    txns, writes = lists.txns, lists.writes
    reads = lists.reads[lists.agrees & lists.sound[txns.key[lists.reads]]]
    key, length = txns.key[reads], txns.length[reads]
    last = np.full(len(reads), -1, _INT)
    some = length > 0
    last[some] = lists.order[lists.offset[key[some]] + length[some] - 1]
    source = np.where(last >= 0, writes.txn[np.maximum(last, 0)] if len(writes) else -1, -1)
    owner = txns.owner[reads]
    keep = (source != owner) & ((last >= 0) | ~some)
    source, owner, key, reads = source[keep], owner[keep], key[keep], reads[keep]
    # The order of versions: who was read, one after the other, and then those that nobody read.
    read = np.flatnonzero(lists.order >= 0)
    read = read[~writes.failed[lists.order[read]]]
    key_of = writes.key[lists.order[read]]
    chain = writes.txn[lists.order[read]]
    follows = key_of[1:] == key_of[:-1]
    newest = np.full(len(txns.keys), -1, _INT)
    newest[key_of] = chain
    unread = (lists.place < 0) & lists.alive[writes.txn] & (newest[writes.key] >= 0)
    known = source >= 0
    base = (
        np.concatenate((source[known], chain[:-1][follows], newest[writes.key[unread]])),
        np.concatenate((owner[known], chain[1:][follows], writes.txn[unread])),
    )
    return weak.relations(txns, (owner, key, source, reads), (writes.txn, writes.key), base)


def of_registers(registers: Registers) -> weak.Relations:
    """Who reads what from whom."""
    keep = (registers.source >= -1) & (registers.source != registers.reader)
    reads = (
        registers.reader[keep], registers.key[keep], registers.source[keep], registers.mop[keep],
    )  # fmt: skip
    known = reads[2] >= 0
    base = (reads[2][known], reads[0][known])
    writes = registers.writes
    return weak.relations(registers.txns, reads, (writes.txn, writes.key), base)


def add(findings: Findings, relations: weak.Relations, members: Any = None) -> None:
    """Look for violations of each weak level, unless what was found rules it out already.

    ``members``: as for ``weak.causal``.
    """
    out = ruled_out(findings)
    if "read-committed" in out:
        return
    for sessions in (False, True):
        if sessions and "strong-session-read-committed" in out:
            return
        for stem, name, monotonic in (
            ("monotonic-atomic-view", "observed-transaction-vanishes", True),
            ("read-atomic", "fractured-read", False),
        ):
            level = f"strong-session-{stem}" if sessions else stem
            if level in ruled_out(findings):
                continue
            derived = weak.atomic(relations, monotonic, sessions and not monotonic)
            graph = weak.graph_of(relations, derived, sessions)
            _add(findings, f"{name}-process" if sessions else name, relations, graph, derived)
    for level, name in (("causal", "causal-violation"), ("pram", "pram-violation")):
        if level not in ruled_out(findings):
            commit_order = causal.causal(relations, level == "causal", members)
            if not _add(findings, name, relations, *commit_order):
                return  # who is causal is PRAM


def _add(
    findings: Findings, name: str, relations: weak.Relations, graph: Graph, derived: weak.Derived
) -> bool:
    """Whether there is a violation."""
    if serial_order(graph, relations.txns, realtime=False)[1]:
        return False
    cycles = sorted(smallest_of_any_kind(graph), key=lambda cycle: len(cycle[0]))
    findings.add(name, cycles, lambda cycle: _example(relations, derived, *cycle))
    return True


def _example(
    relations: weak.Relations, derived: weak.Derived, nodes: list[int], edges: list[tuple[int, int]]
) -> Example:
    txns = relations.txns
    count = len(txns)

    def called(node: int) -> str:
        return name_of(txns, node) if node < count else "the initial state"

    sentences, drawn, members = [], [], []
    for at, (kind, label) in enumerate(edges):
        one, two = nodes[at], nodes[(at + 1) % len(nodes)]
        key: Any = None
        name = "order"
        if kind == WW and label >= 0:
            reader, key = int(derived.reader[label]), txns.keys[int(derived.key[label])]
            text = (
                f"{called(reader)} saw {called(one)}, which wrote {shown(key)}, but read "
                f"{shown(key)} from {called(two)}"
            )
            members.append(reader)
            name = "ww"
        elif one >= count:
            text = f"{called(two)} follows the initial state"
        elif kind == WR and _reads_from(relations, one, two):
            text, name = f"{called(two)} read what {called(one)} wrote", "wr"
        elif txns.process[one] == txns.process[two]:
            text = f"process {int(txns.process[one])} ran {called(one)} before {called(two)}"
            name = "process"
        else:
            text, name = f"{called(two)} overwrote what {called(one)} wrote", "ww"
        text += f", so {called(one)} came before {called(two)}"
        sentences.append(text)
        members += [node for node in (one, two) if node < count]
        if one < count and two < count:
            drawn.append(
                {
                    "from": int(txns.invoked[one]),
                    "to": int(txns.invoked[two]),
                    "kind": name,
                    "key": key,
                    "value": None,
                    "because": text,
                }
            )
    return Example(
        list(dict.fromkeys(members)),
        ". ".join(sentences) + ". That cannot all be.",
        None,
        {"cycle": drawn},
    )


def _reads_from(relations: weak.Relations, one: int, two: int) -> bool:
    return bool(((relations.reader == two) & (relations.source == one)).any())
