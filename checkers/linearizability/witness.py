"""Re-checks an explanation, independently of how it was found."""

from __future__ import annotations

from collections.abc import Iterable

from .calls import CRASHED
from .models import successors
from .preparation import Problem


def verify_witness(problem: Problem, order: Iterable[int]) -> str:
    """Empty if the order explains the calls, else one sentence saying why it does not.

    An order (call numbers) explains them if every completed call is in it exactly once and
    a crashed one at most once, no call comes after one that was invoked when it had
    already completed, and the model allows every result in turn.
    """
    calls = problem.calls
    placed = [int(at) for at in order]
    if len(set(placed)) != len(placed):
        return "a call stands in the order twice"
    missing = set((calls.returned != CRASHED).nonzero()[0].tolist()) - set(placed)
    if missing:
        return f"call {min(missing)} completed but is not in the order"
    soonest = CRASHED
    for at in reversed(placed):
        soonest = min(soonest, int(calls.returned[at]))
        if int(calls.invoked[at]) > soonest:
            return f"call {at} began after a call that stands behind it had completed"
    next_states = successors(problem.model)
    states = {problem.model.initial}
    for at in placed:
        operation = problem.operation(at)
        states = {after for state in states for after in next_states(state, operation)}
        if not states:
            return f"the model does not allow call {at} at its place"
    return ""
