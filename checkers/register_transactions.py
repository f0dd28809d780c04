"""Transactions on registers, one by one: ``txn`` ``[["w", key, value], ["r", key, value], …]``.

For checkers that look at single keys and sessions. The isolation checker has its own arrays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..harness.history import History

Key = int | str


class StrangeHistory(ValueError):
    """A history that a checker cannot judge; the message says why."""


@dataclass(frozen=True)
class Transaction:
    """``invoked`` and ``completed`` are positions in the history; ``completed`` is ``None`` and
    ``reads`` is empty unless it is known to have committed. ``reads`` and ``writes`` are
    ``(key, value)`` in order; reads of what the transaction itself wrote before are left out.
    """

    invoked: int
    completed: int | None
    process: Any
    outcome: str
    node: str | None
    reads: list[tuple[Key, Any]]
    writes: list[tuple[Key, Any]]

    @property
    def committed(self) -> bool:
        """Whether it is known to have happened."""
        return self.outcome == "ok"

    @cached_property
    def who(self) -> str:
        """Who performed it, for a sentence."""
        return f"process {self.process}" + (f" (through {self.node})" if self.node else "")


def transactions(history: History) -> Iterator[Transaction]:
    """All of them by invocation. :class:`StrangeHistory` names what is none."""
    for invoked, completion in history.pairs():
        if invoked.f != "txn":
            raise StrangeHistory(f"operation {invoked.index}: {invoked.f!r} is not a transaction")
        outcome = "info" if completion is None else completion.type
        value = invoked.value
        if completion is not None and outcome == "ok" and completion.value is not None:
            value = completion.value
        try:
            reads, writes = _split(value, outcome == "ok")
        except (TypeError, ValueError):
            raise StrangeHistory(
                f"operation {invoked.index}: {json.dumps(value)[:80]} is not a list of "
                '["r", key, value] and ["w", key, value]'
            ) from None
        yield Transaction(
            invoked.index,
            completion.index if completion is not None and outcome == "ok" else None,
            invoked.process,
            outcome,
            None if completion is None else completion.node,
            reads,
            writes,
        )


def _split(steps: Any, committed: bool) -> tuple[list[Any], list[Any]]:
    if type(steps) is not list:
        raise TypeError
    reads: list[tuple[Key, Any]] = []
    writes: list[tuple[Key, Any]] = []
    for name, given, value in steps:
        key = given if type(given) in (int, str) else json.dumps(given, sort_keys=True)
        if name == "w":
            writes.append((key, value))
        elif name != "r":
            raise ValueError
        elif committed and all(key != written for written, _ in writes):
            reads.append((key, value))
    return reads, writes


def writers_once(found: list[Transaction]) -> dict[Key, Transaction]:
    """Who wrote each key. :class:`StrangeHistory` if one was written twice, failures aside."""
    writers: dict[Key, Transaction] = {}
    for txn in found:
        if txn.outcome == "fail":
            continue
        for key, _ in txn.writes:
            other = writers.setdefault(key, txn)
            if other is not txn or [k for k, _ in txn.writes].count(key) > 1:
                raise StrangeHistory(
                    f"operations {other.invoked} and {txn.invoked} both write key {key}; "
                    "here every key must be written only once"
                )
    return writers
