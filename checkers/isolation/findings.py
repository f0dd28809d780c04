"""What an inference found: an anomaly's name, how often, and a few examples in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .transactions import NIL, WRITE, Transactions

EXPLAINED = 5
"""How many examples of each anomaly are explained."""


@dataclass(frozen=True)
class Example:
    """``txns``: the transactions involved; ``text``: sentences; ``key``: the key concerned."""

    txns: list[int]
    text: str
    key: Any = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class Finding:
    """One kind of anomaly: how often it was seen, and at most :data:`EXPLAINED` examples."""

    name: str
    count: int = 0
    examples: list[Example] = field(default_factory=list)


class Findings(dict[str, Finding]):
    """Findings by name."""

    def add(self, name: str, items: Iterable[Any], example: Callable[[Any], Example]) -> None:
        """Count the items; make examples of the first."""
        items = list(items)
        if not items:
            return
        finding = self.setdefault(name, Finding(name))
        finding.count += len(items)
        for item in items[: max(0, EXPLAINED - len(finding.examples))]:
            finding.examples.append(example(item))


def shown(value: Any, width: int = 60) -> str:
    """A value as JSON, cut in the middle if it is long."""
    text = json.dumps(value)
    return text if len(text) <= width else f"{text[: width // 2]} … {text[-width // 3 :]}"


def name_of(txns: Transactions, txn: int) -> str:
    """How sentences call a transaction: by the position of its invocation in the history."""
    return f"T{int(txns.invoked[txn])}"


def step_text(txns: Transactions, mop: int) -> str:
    """A micro-operation in words: ``read [1, 2] from "x"``."""
    key = shown(txns.keys[int(txns.key[mop])])
    if txns.op[mop] == WRITE:
        return f"wrote {shown(txns.decode(int(txns.value[mop])))} to {key}"
    if txns.op[mop] == NIL:
        return f"read nothing from {key}"
    if txns.length[mop]:
        return f"read {shown(txns.list_of(mop))} from {key}"
    return f"read {shown(txns.decode(int(txns.value[mop])))} from {key}"
