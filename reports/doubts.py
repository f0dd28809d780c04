"""Since when and until when each node was seen in doubt about a transaction, over the whole trial.

A node that has promised to go along with either decision and does not know it must wait, and holds
its locks: two-phase commit blocks. ``assets/doubt_lanes.js`` draws it on the axis of the charts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from . import words
from .witnesses import completions_of

if TYPE_CHECKING:
    from ..harness.history import History

DOUBTS = ("prepared", "precommitted")
SPANS_MAX = 4000


def spans(history: History) -> dict[str, Any] | None:
    """``nodes``, and columns ``node``, ``from``, ``to`` (µs) and ``txn`` of the doubts, the longest
    of them if there are too many; ``None`` where nobody asked for states of transactions.

    A doubt lasts at least from the first answer ``prepared`` of a node until the last time that it
    was asked and answered so.
    """
    seen: dict[tuple[str, int], tuple[int, int]] = {}
    asked = False
    for node, number, begun, ended in _answers(history):
        asked = True
        if number is None:
            continue
        first, last = seen.get((node, number), (ended, begun))
        seen[node, number] = min(first, ended), max(last, begun)
    if not asked:
        return None
    found = sorted(
        ((node, low, max(low, high), number) for (node, number), (low, high) in seen.items()),
        key=lambda span: span[1] - span[2],
    )[:SPANS_MAX]
    nodes = sorted({node for node, *_ in found})
    return {
        "nodes": [words.line(node, 30) for node in nodes],
        "node": [nodes.index(node) for node, *_ in found],
        "from": [low // 1000 for _, low, _, _ in found],
        "to": [high // 1000 for _, _, high, _ in found],
        "txn": [number for *_, number in found],
    }


def _answers(history: History) -> Iterator[tuple[str, int | None, int, int]]:
    """Each answer to a question for states: node, the transaction in doubt (``None``: none is),
    when it was asked and answered (ns)."""
    begun = "begin" in history.columns().fs
    for at in completions_of(history, ("state", "states")) if begun else ():
        told = history[at]
        invocation = history.completion(at)
        value = told.value
        if invocation is None or told.node is None or not isinstance(value, Mapping):
            continue
        if told.f == "state":
            number = value.get("txn") if value.get("state") in DOUBTS else None
            numbers = [number] if "state" in value else []
        else:
            held = (value.get(state) for state in DOUBTS)
            numbers = [n for all_of in held if isinstance(all_of, list) for n in all_of] or [None]
        for number in numbers:
            is_number = isinstance(number, int) and not isinstance(number, bool)
            yield told.node, number if is_number else None, invocation.time, told.time
