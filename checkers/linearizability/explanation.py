"""Evidence in sentences, and as plain data for drawing."""

from __future__ import annotations

from typing import Any

from ...harness.verdict import Anomaly
from .calls import CAS, CRASHED, READ, WRITE
from .evidence import Evidence
from .preparation import Problem

SHOWN = 6
"""How many operations and states a sentence names."""

DRAWN = 400
"""How many operations around the failure the details hold."""

REPLAYED, STATES = 5_000, 8
"""Longer orders, and such with more states at a time, are not told state by state."""


def anomaly(problem: Problem, evidence: Evidence) -> Anomaly:
    """The anomaly for a report: explanation, operations, and what a drawing needs."""
    rows = problem.calls.invoked
    return Anomaly(
        name="nonlinearizable",
        explanation=" ".join(_sentences(problem, evidence)),
        operations=[int(rows[at]) for at in evidence.calls],
        key=problem.key if problem.part is None else problem.part,
        details=_details(problem, evidence),
    )


def _sentences(problem: Problem, evidence: Evidence) -> list[str]:
    failing = _failing(problem, evidence)
    others = [at for at in evidence.calls if at != failing]
    sentences = _of_stale_read(problem, failing, others)
    if not sentences:
        told = "; ".join(_told(problem, at) for at in evidence.calls[:SHOWN])
        more = len(evidence.calls) - SHOWN
        rest = f"; and {more} more" if more > 0 else ""
        sentences = [
            f"No order of these {len(evidence.calls)} operations explains all their results "
            f"and respects which of them ended before another began: {told}{rest}."
            if len(evidence.calls) > 1
            else f"Nothing explains this result: {told}."
        ]
    states = list(dict.fromkeys(_said(state) for state, _ in evidence.outcome.states))
    if states and not evidence.anywhere:
        held = " or ".join(states[:SHOWN]) + (" or …" if len(states) > SHOWN else "")
        sentences.append(
            f"Every order that explains all results before index {evidence.outcome.position} "
            f"leaves the object at {held}, and from there {_short(problem, failing)} "
            "cannot be reached."
        )
    if not evidence.minimal:
        sentences.append("The operations could not be reduced to a minimal set within the budget.")
    return sentences


def _failing(problem: Problem, evidence: Evidence) -> int:
    """The call whose completion cannot be explained any more."""
    if evidence.outcome.call >= 0:
        return evidence.outcome.call
    return max(evidence.calls, key=lambda at: int(problem.calls.returned[at]))


def _of_stale_read(problem: Problem, failing: int, others: list[int]) -> list[str]:
    """The sentence for a register's read of a value that was never there or was gone."""
    calls = problem.calls
    if calls.f[failing] != READ:
        return []
    value = int(calls.a[failing])
    count = int(calls.invoked.searchsorted(int(calls.returned[failing])))
    f, a, b = calls.f[:count], calls.a[:count], calls.b[:count]
    writers = ((f == WRITE) & (a == value)) | ((f == CAS) & (b == value))
    answer = _answer(problem, failing)
    if not writers.any():
        start = _said(problem.values[calls.initial]) if problem.values else "nothing"
        if value == calls.initial:
            if not others:
                return []
        else:
            return [f"{answer}, but nothing ever wrote that; the object began with {start}."]
    gone = [
        at
        for at in others
        if calls.returned[at] < calls.invoked[failing]
        and calls.f[at] in (WRITE, CAS)
        and int(calls.b[at] if calls.f[at] == CAS else calls.a[at]) != value
    ]
    if len(others) != 1 or not gone:
        return []
    said = problem.operation(failing).value
    return [
        f"{answer}, although {_told(problem, gone[0])} had been acknowledged before that read "
        f"began, and nothing wrote {_said(said)} afterwards."
    ]


def _answer(problem: Problem, at: int) -> str:
    operation = problem.operation(at)
    who = operation.node or "the system"
    return f"{who} answered {_said(operation.value)} to process {operation.process}'s {operation.f}"


def _short(problem: Problem, at: int) -> str:
    operation = problem.operation(at)
    return f"process {operation.process}'s {_called(operation.f)} {_said(operation.value)}"


def _said(value: Any) -> str:
    """As histories write it: what is not there is null."""
    return "null" if value is None else repr(value)


def _called(f: str) -> str:
    return "failed cas" if f == "differs" else f


def _told(problem: Problem, at: int) -> str:
    operation = problem.operation(at)
    invoked, returned = int(problem.calls.invoked[at]), int(problem.calls.returned[at])
    span = f"{invoked}–{returned}" if returned < CRASHED else f"{invoked}, never ended"
    what = f"{_called(operation.f)} of {_said(operation.value)}"
    return f"process {operation.process}'s {what} ({span})"


def _details(problem: Problem, evidence: Evidence) -> dict[str, Any]:
    calls, outcome, rows = problem.calls, evidence.outcome, problem.calls.invoked
    count = int(calls.invoked.searchsorted(outcome.position)) if outcome.position >= 0 else 0
    drawn = sorted({*range(max(0, count - DRAWN), count), *evidence.calls})
    chosen = set(evidence.calls)
    return {
        "failed_at": outcome.position,
        "minimal": evidence.minimal,
        "whatever_came_before": evidence.anywhere,
        "operations": [_drawn(problem, at, at in chosen) for at in drawn],
        "longest": [int(rows[at]) for at in outcome.witness[-DRAWN:]],
        "longest_states": _states_along(problem, outcome.witness)[-DRAWN:],
        "longest_length": len(outcome.witness),
        "frontier": outcome.frontier,
        "states": [
            {
                "state": repr(state),
                "stuck": [
                    {"operation": int(rows[at]), "why": _why(problem, state, at)}
                    for at in open_calls[: 4 * SHOWN]
                ],
            }
            for state, open_calls in outcome.states[: 4 * SHOWN]
        ],
    }


def _states_along(problem: Problem, order: list[int]) -> list[str]:
    """What the object can hold after each call of an order; empty if that is not known."""
    from .models import successors

    if len(order) > REPLAYED:
        return []
    after, told = successors(problem.model), []
    states = {repr(problem.model.initial): problem.model.initial}
    for at in order:
        operation = problem.operation(at)
        found = (new for state in states.values() for new in after(state, operation))
        states = {repr(new): new for new in found}
        if not 0 < len(states) <= STATES:
            return []
        told.append(" or ".join(states))
    return told


def _why(problem: Problem, state: Any, at: int) -> str:
    from .models import successors

    operation = problem.operation(at)
    after = list(successors(problem.model)(state, operation))
    if not after:
        return f"{operation.f} {operation.value!r} is impossible while the object holds {state!r}"
    return f"possible, giving {after[0]!r}, but it does not make the failing operation possible"


def _drawn(problem: Problem, at: int, chosen: bool) -> dict[str, Any]:
    history, operation = problem.history, problem.operation(at)
    invoked, returned = int(problem.calls.invoked[at]), int(problem.calls.returned[at])
    ended = None if returned == CRASHED else returned
    return {
        "index": invoked,
        "completion": ended,
        "process": operation.process,
        "node": operation.node,
        "f": operation.f,
        "value": operation.value,
        "invoked_time": history[invoked].time,
        "returned_time": None if ended is None else history[ended].time,
        "evidence": chosen,
    }
