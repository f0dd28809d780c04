"""The verdict in a sentence, and what led to it as a numbered story."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..harness.history import History
from ..harness.operation import NEMESIS, Operation
from ..harness.verdict import Anomaly, Verdict
from . import fault_words, micro_operations, words
from .promises import part_of, promise_of
from .statistics import FaultWindow, Statistics

CALLS_TOLD_MAX = 8


@dataclass(frozen=True)
class Headline:
    """``state``: ``valid``, ``invalid``, ``unknown`` or ``none`` (there is no verdict)."""

    state: str
    sentence: str
    detail: str


@dataclass(frozen=True)
class Step:
    """One thing that happened. ``kind``: ``fault``, ``heal``, ``call``, ``stuck`` or ``end``."""

    time: int
    kind: str
    text: str


def subject(spec: Mapping[str, Any]) -> str:
    """What was tested: ``raft (mutant stale-read)``."""
    system = words.line(str(spec.get("system", "")), 80) or "The system"
    mutant = spec.get("mutant")
    return f"{system} (mutant {words.line(str(mutant), 80)})" if mutant else system


def headline(spec: Mapping[str, Any], verdict: Verdict | None, problem: str = "") -> Headline:
    """The verdict in one sentence that names the promise."""
    who = subject(spec)
    outcome = spec.get("outcome")
    if verdict is None:
        why = problem or spec.get("error") or "The trial has not been judged."
        if outcome == "interrupted":
            why = spec.get("error") or "The trial was interrupted before it was judged."
        return Headline("none", f"There is no verdict on {who}.", words.line(str(why), 400))
    if verdict.valid is True:
        checkers = words.names(list(verdict.parts)) or "every checker"
        reason = words.line(verdict.reason, 600)
        return Headline(
            "valid",
            f"{who} kept its promises in this trial.",
            reason or (f"Nothing in this history contradicts what was checked ({checkers})."),
        )
    if verdict.valid is False:
        first = verdict.anomalies[0] if verdict.anomalies else None
        if first is None:
            return Headline("invalid", f"{who} broke a promise.", words.line(verdict.reason, 600))
        promise = promise_of(first.name, part_of(verdict, first))
        if promise is None:
            return Headline(
                "invalid",
                f"{who} broke its promise: {words.line(first.name, 80)}.",
                words.printable(first.explanation, 2000),
            )
        return Headline(
            "invalid", f"{who} broke {promise[0]}.", words.printable(first.explanation, 2000)
        )
    return Headline("unknown", f"Nobody can say whether {who} kept its promises.", _doubt(verdict))


def _doubt(verdict: Verdict) -> str:
    """Why nobody knows: a line for each part that could not decide, the machine's trouble first."""
    unknown = {n: p.reason for n, p in verdict.parts.items() if p.valid == "unknown" and p.reason}
    lines = [
        f"{words.line(name, 60)}: {words.line(unknown[name], 600)}"
        for name in sorted(unknown, key=lambda name: name != "infrastructure")
    ]
    why = "\n".join(lines) or words.line(verdict.reason, 600)
    return why or "No checker could decide, and none said why."


def evidence_calls(history: History, anomaly: Anomaly) -> list[tuple[Operation, Operation | None]]:
    """The client calls an anomaly points at, in order of invocation."""
    starts: set[int] = set()
    for index in anomaly.operations:
        if 0 <= index < len(history):
            operation = history[index]
            if operation.process == NEMESIS:
                continue
            if operation.type != "invoke":
                invocation = history.completion(index)
                if invocation is None:
                    continue
                index = invocation.index
            starts.add(index)
    return [(history[at], history.completion(at)) for at in sorted(starts)]


def stuck_call(history: History, anomaly: Anomaly) -> int | None:
    """The invocation that could not be explained: named by the checker, else the last to end;
    ``None`` for a cycle, in which no one call is to blame."""
    for name in ("failed_at", "stuck"):
        named = anomaly.details.get(name)
        if isinstance(named, int) and not isinstance(named, bool) and 0 <= named < len(history):
            operation = history[named]
            if operation.type == "invoke":
                return named
            invocation = history.completion(named)
            if invocation is not None:
                return invocation.index
    if isinstance(anomaly.details.get("cycle", anomaly.details.get("edges")), list):
        return None
    ended = [(b.index, a.index) for a, b in evidence_calls(history, anomaly) if b is not None]
    return max(ended)[1] if ended else None


def say_call(invocation: Operation, completion: Operation | None) -> str:
    """A call and what became of it, in a sentence."""
    transaction = micro_operations.sentence(invocation, completion)
    if transaction is not None:
        return transaction
    done = completion or invocation
    took = completion.time - invocation.time if completion else None
    return words.call(
        invocation.process,
        invocation.f,
        invocation.value,
        done.value,
        completion.type if completion else "info",
        invocation.key,
        done.node or invocation.node,
        done.error,
        took,
    )


def tell(
    history: History, anomaly: Anomaly, statistics: Statistics, nodes: Sequence[str]
) -> list[Step]:
    """The story of one anomaly: faults that were active, the calls, and why they cannot be."""
    pairs = evidence_calls(history, anomaly)
    steps: list[Step] = []
    if pairs:
        start = pairs[0][0].time
        end = max((b or a).time for a, b in pairs)
        steps += _fault_steps(statistics, start, end, nodes)
        steps += _call_steps(pairs, stuck_call(history, anomaly))
        steps.sort(key=lambda step: step.time)
    last = steps[-1].time if steps else 0
    steps.append(Step(last, "end", words.printable(anomaly.explanation, 2000)))
    return steps


def _fault_steps(statistics: Statistics, start: int, end: int, nodes: Sequence[str]) -> list[Step]:
    """Faults that were active at some moment of the window, or the last one before it."""
    active = [
        w
        for w in statistics.faults
        if w.injecting <= end and w.end(statistics.duration_ns) >= start
    ]
    if not active:
        before = [w for w in statistics.faults if w.injecting <= end]
        active = before[-1:]
    steps: list[Step] = []
    for window in active:
        said = describe_fault(window, nodes)
        steps.append(Step(window.start, "fault", f"{said} took effect"))
        if window.healed is not None and window.healed <= end:
            steps.append(Step(window.healed, "heal", f"{said} was healed"))
    return steps


def _call_steps(
    pairs: Sequence[tuple[Operation, Operation | None]], stuck: int | None
) -> list[Step]:
    told = [
        Step(
            (b or a).time if a.index == stuck else a.time,
            "stuck" if a.index == stuck else "call",
            say_call(a, b),
        )
        for a, b in pairs
    ]
    if len(told) > CALLS_TOLD_MAX:
        # The beginning says where the state came from, the end what went wrong.
        tail = told[-(CALLS_TOLD_MAX - 2) :]
        left_out = len(told) - len(tail) - 1
        between = Step(tail[0].time - 1, "call", f"… {left_out} more calls, drawn below …")
        told = [told[0], between, *tail]
    return told


def describe_fault(window: FaultWindow, nodes: Sequence[str]) -> str:
    """``partition halves: n1 n2 | n3 n4 n5``."""
    return fault_words.fault(window.kind, window.targets, window.parameters, nodes)


def headline_of_run(
    spec: Mapping[str, Any], verdict: Verdict | None, problems: Sequence[str]
) -> Headline:
    """The headline where the verdict may be missing because it could not be read."""
    damaged = next((p for p in problems if p.startswith("verdict.json: not")), "")
    return headline(spec, verdict, damaged)
