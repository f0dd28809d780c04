"""What every node said in the end, when it was asked for all that it holds.

Workloads ask each node repeatedly once everything was healed and quiet (``final``); the last answer
of a node counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..harness.history import History
from ..harness.operation import Operation

FINAL = "final"
"""The operation that asks a node for all that it holds."""


@dataclass(frozen=True)
class FinalAnswers:
    """``by_node``: the completion with each node's last answer. ``silent``: who never answered."""

    by_node: Mapping[str, Operation]
    silent: list[str]

    def by_key(self) -> dict[str, dict[str, Operation]]:
        """Of answers ``{key: …}``: who holds each key, with the answer."""
        found: dict[str, dict[str, Operation]] = {}
        for node, answer in self.by_node.items():
            if isinstance(answer.value, dict):
                for key in answer.value:
                    found.setdefault(str(key), {})[node] = answer
        return found

    def agreed(self) -> dict[str, list[Any]]:
        """Of answers ``{key: [values]}``: those on which all who hold the key agree."""
        found = {}
        for key, answers in self.by_key().items():
            values = [answer.value[key] for answer in answers.values()]
            if all(each == values[0] for each in values) and isinstance(values[0], list):
                found[key] = values[0]
        return found


def final_answers(history: History) -> FinalAnswers:
    """The last ``final`` of each node that succeeded."""
    by_node: dict[str, Operation] = {}
    asked: dict[str, None] = {}
    for invoked, completion in history.pairs():
        if invoked.f == FINAL and completion is not None and completion.node is not None:
            asked[completion.node] = None
            latest = by_node.get(completion.node)
            is_newer = latest is None or latest.index < completion.index
            if completion.type == "ok" and is_newer:
                by_node[completion.node] = completion
    silent = sorted(node for node in asked if node not in by_node)
    return FinalAnswers(dict(sorted(by_node.items())), silent)
