"""Cycles in sentences: why each edge of one is there, and what the whole is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .appends import Lists
from .cycles import REALTIME, Cycle
from .findings import Example, name_of, shown, step_text
from .graph import KIND_NAMES, ORDER, RW, WR, WW
from .transactions import FAIL, NEVER, NIL, OK, WRITE, Transactions

Reason = tuple[Any, Any, str]
"""The key, the value, and the sentence without its conclusion."""

EdgeReason = Callable[[int, int, int, int], Reason]
"""From the ends, kind and label of an edge to why it is there."""

MOST_DESCRIBED = 40
"""Transactions of one anomaly that are given with their steps."""


def described(txns: Transactions, members: list[int], model: str) -> list[dict[str, Any]]:
    """Transactions as plain data: the nodes of a drawing. Reads that told nothing are left out."""
    lists = model == "list-append"
    kinds = {OK: "ok", FAIL: "fail"}

    def step(mop: int) -> list[Any]:
        key = txns.keys[int(txns.key[mop])]
        if txns.op[mop] == WRITE:
            return ["append" if lists else "w", key, txns.decode(int(txns.value[mop]))]
        if txns.op[mop] == NIL:
            return ["r", key, [] if lists else None]
        if txns.length[mop]:
            return ["r", key, txns.list_of(mop)]
        return ["r", key, txns.decode(int(txns.value[mop]))]

    return [
        {
            "operation": int(txns.invoked[txn]),
            "completion": None if txns.completed[txn] == NEVER else int(txns.completed[txn]),
            "process": int(txns.process[txn]),
            "type": kinds.get(int(txns.kind[txn]), "info"),
            "steps": [step(mop) for mop in _mops(txns, txn)],
        }
        for txn in members[:MOST_DESCRIBED]
    ]


def example(cycle: Cycle, txns: Transactions, reason: EdgeReason) -> Example:
    """A cycle as an example: sentences, and the edges as plain data for drawing."""
    edges, sentences = [], []
    size = len(cycle.txns)
    for at, (kind, label) in enumerate(cycle.edges):
        one, two = cycle.txns[at], cycle.txns[(at + 1) % size]
        if kind == ORDER:
            last = at == len(cycle.edges) - 1
            name = "realtime" if last and cycle.closing == REALTIME else "process"
            key = value = None
            text = _order_text(txns, one, two, name)
        else:
            name = KIND_NAMES[kind]
            key, value, text = reason(one, two, kind, label)
        text += f", so {name_of(txns, one)} happened before {name_of(txns, two)}"
        sentences.append(text)
        edges.append(
            {
                "from": int(txns.invoked[one]),
                "to": int(txns.invoked[two]),
                "kind": name,
                "key": key,
                "value": value,
                "because": text,
            }
        )
    pattern = pattern_of(cycle, txns)
    prefix = f"This is a {pattern.replace('-', ' ')}. " if pattern else ""
    end = f"So {name_of(txns, cycle.txns[0])} happened before itself: a contradiction."
    if cycle.name.startswith("G1c") and not any(kind == WR for kind, _ in cycle.edges):
        doubtful = ", ".join(name_of(txns, t) for t in cycle.txns if txns.kind[t] != OK)
        end += f" Or {doubtful} was aborted, whose writes were seen."
    details: dict[str, Any] = {"cycle": edges, "smallest": bool(cycle.smallest)}
    if pattern:
        details["pattern"] = pattern
    keys = {repr(e["key"]): e["key"] for e in edges if e["key"] is not None}
    key = next(iter(keys.values())) if len(keys) == 1 else None
    return Example(cycle.txns, prefix + ". ".join(sentences) + f". {end}", key, details)


def _order_text(txns: Transactions, one: int, two: int, name: str) -> str:
    if name == "process":
        return (
            f"process {int(txns.process[one])} ran {name_of(txns, one)} before {name_of(txns, two)}"
        )
    return (
        f"{name_of(txns, one)} completed (operation {int(txns.completed[one])}) before "
        f"{name_of(txns, two)} was invoked (operation {int(txns.invoked[two])})"
    )


def pattern_of(cycle: Cycle, txns: Transactions) -> str:
    """The common name of a cycle's shape: ``write-skew``, ``long-fork`` or nothing."""
    kinds = [kind for kind, _ in cycle.edges]
    if kinds == [RW, RW]:
        keys = [
            {int(txns.key[m]) for m in _mops(txns, t) if txns.op[m] == WRITE} for t in cycle.txns
        ]
        return "write-skew" if not keys[0] & keys[1] else ""
    if len(kinds) == 4 and kinds in ([RW, WR, RW, WR], [WR, RW, WR, RW]):
        return "long-fork"
    return ""


def _mops(txns: Transactions, txn: int) -> range:
    return range(int(txns.start[txn]), int(txns.start[txn + 1]))


# -- lists ------------------------------------------------------------------------------


def list_reasons(lists: Lists) -> EdgeReason:
    """Why an edge between two transactions on lists is there (its label is the key)."""
    txns, writes = lists.txns, lists.writes
    write_at = {}

    def of(txn: int, key: int, is_write: bool) -> list[int]:
        return [
            m for m in _mops(txns, txn) if txns.key[m] == key and (txns.op[m] == WRITE) == is_write
        ]

    def place(mop: int) -> int:
        if mop not in write_at:
            write_at[mop] = int(writes.find(txns.key[mop : mop + 1], txns.value[mop : mop + 1])[0])
        return int(lists.place[write_at[mop]])

    def reason(one: int, two: int, kind: int, key: int) -> Reason:
        key_name = txns.keys[key]
        x = shown(key_name)
        first, second = name_of(txns, one), name_of(txns, two)
        if kind == WR:
            for mop in of(two, key, False):
                write = lists.last_write(mop) if txns.length[mop] else -1
                if write >= 0 and writes.txn[write] == one:
                    value = txns.decode(int(writes.value[write]))
                    text = (
                        f"{first} appended {shown(value)} to {x}, which {second} read as the "
                        "last element"
                    )
                    return key_name, value, text
        mops = of(two, key, True)
        if kind == RW:
            read = min(of(one, key, False), key=lambda m: int(txns.length[m]))
            seen = int(txns.length[read])
            later = [m for m in mops if place(m) >= seen]
            mop = min(later or mops, key=place)
            value = txns.decode(int(txns.value[mop]))
            text = f"{first} {step_text(txns, read)}, without the {shown(value)} that {second} "
            text += "appended after that" if later else "appended and that nobody read"
            return key_name, value, text
        # The nearest two of their appends, those that nobody read standing at the end.
        rank = {m: place(m) if place(m) >= 0 else 1 << 30 for m in (*of(one, key, True), *mops)}
        pairs = [(a, b) for a in of(one, key, True) for b in mops if rank[a] < rank[b]]
        own, mop = min(pairs, key=lambda pair: rank[pair[1]] - rank[pair[0]])
        before, value = (txns.decode(int(txns.value[m])) for m in (own, mop))
        later = place(mop) >= 0
        text = f"{first} appended {shown(before)} to {x} and {second} appended {shown(value)} "
        text += "after it" if later else "which nobody read, so after the last element read"
        assert kind == WW
        return key_name, value, text

    return reason
