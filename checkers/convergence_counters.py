"""What replicas of a counter hold in the end, against all that was added."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from ..harness.errors import UserError
from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly
from .final_answers import FinalAnswers
from .tally import Tally, shown, who


def judge(tally: Tally, history: History, answers: FinalAnswers) -> dict[str, Any]:
    """Add what is wrong to the tally; returns statistics. ``UserError``: it cannot be judged.

    A final count is the sum of all acknowledged adds and of some of those of unknown fate. Any
    earlier read lies between all decrements and all increments that had begun by then.
    """
    sure, unsure, up, down, adds = 0, [], 0, 0, 0
    counts: list[tuple[Operation, int, int]] = []
    for operation in history:
        if operation.f == "add" and operation.type == "invoke":
            delta = _whole(operation)
            adds += 1
            up, down = up + max(delta, 0), down + min(delta, 0)
            completion = history.completion(operation.index)
            if completion is not None and completion.type == "ok":
                sure += delta
            elif completion is None or completion.type == "info":
                unsure.append(delta)
        elif operation.f == "read" and operation.type == "ok":
            _whole(operation)
            counts.append((operation, down, up))
    for read, low, high in counts:
        if not low <= read.value <= high:
            tally.add("wrong-count", partial(_impossible, read, low, high))
    possible = _sums(sure, unsure)
    for answer in answers.by_node.values():
        if _whole(answer) not in possible:
            tally.add("wrong-count", partial(_wrong, answer, sure, unsure, possible))
    found = {node: answer.value for node, answer in answers.by_node.items()}
    return {
        "operations": adds,
        "adds": adds,
        "acknowledged_sum": sure,
        "of_unknown_fate": len(unsure),
        "counts": found,
    }


def _sums(sure: int, unsure: Iterable[int]) -> set[int]:
    sums = {sure}
    for delta in unsure:
        sums |= {each + delta for each in sums}
    return sums


def _whole(operation: Operation) -> int:
    if type(operation.value) is not int:
        raise UserError(
            f"operation {operation.index}: expected a whole number, got {shown(operation.value)}"
        )
    return operation.value


def _wrong(answer: Operation, sure: int, unsure: list[int], possible: set[int]) -> Anomaly:
    text = f"In the end {answer.node} counts {answer.value}; the acknowledged adds make {sure}"
    if unsure:
        text += (
            f", and {len(unsure)} of unknown fate make that anything from {min(possible)} to "
            f"{max(possible)}" + (", but not this" if answer.value < max(possible) else "")
        )
    return Anomaly("wrong-count", text + ".", [answer.index])


def _impossible(read: Operation, low: int, high: int) -> Anomaly:
    text = (
        f"{who(read.process, read.node).capitalize()} read {read.value} at "
        f"{read.time / 1e9:.3f} s, but all that was ever asked for by then lies between {low} "
        f"and {high}."
    )
    return Anomaly("wrong-count", text, [read.index])
