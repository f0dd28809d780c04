"""The verdict in a sentence, and what led to it as a numbered story."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..harness.history import History
from ..harness.verdict import Anomaly, Verdict
from . import (
    call_words,
    expectations,
    fault_sentences,
    fault_steps,
    fault_words,
    moment,
    node_notes,
    words,
)
from .log_times import LogLine
from .promises import part_of, promise_of
from .statistics import FaultWindow, Statistics
from .steps import Step as Step
from .witnesses import Pair, evidence_calls, stuck_call, told_calls

CALLS_TOLD_MAX = 8


@dataclass(frozen=True)
class Headline:
    """``state``: ``valid``, ``invalid``, ``unknown`` or ``none`` (there is no verdict)."""

    state: str
    sentence: str
    detail: str


def subject(spec: Mapping[str, Any]) -> str:
    """What was tested: ``raft (mutant stale-read)``."""
    system = words.line(str(spec.get("title") or spec.get("system", "")), 80) or "The system"
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


def tell(
    history: History,
    anomaly: Anomaly,
    statistics: Statistics,
    nodes: Sequence[str],
    logged: Sequence[LogLine] = (),
    messages: Sequence[Step] = (),
) -> list[Step]:
    """The story of one anomaly: faults that were active, the calls, and why they cannot be.

    ``logged``: what the nodes logged, in order of time. ``messages``: steps that tell what nodes
    sent to each other, if that is known.
    """
    evidence = evidence_calls(history, anomaly)
    pairs = told_calls(history, anomaly)
    about = call_words.About.of(anomaly, evidence)
    steps: list[Step] = []
    if pairs:
        moments = [operation.time for pair in pairs for operation in pair if operation is not None]
        end = max(moments)
        steps += fault_steps.of_story(statistics, moments, nodes)
        steps += _call_steps(pairs, stuck_call(history, anomaly), about)
        steps += _node_steps(logged, min(step.time for step in steps), end, statistics.faults)
        steps += messages
        steps.sort(key=lambda step: step.told_at)
    else:
        steps += moment.steps(anomaly, statistics, nodes)
    last = steps[-1].told_at if steps else 0
    better = expectations.instead(history, anomaly)
    steps.append(Step(last, "end", _why(anomaly, better)))
    if better:
        steps.append(Step(last, "instead", better))
    return steps


def _why(anomaly: Anomaly, better: str) -> str:
    """Its explanation; the search of a checker is left to the drawing if a plainer word follows."""
    text = words.printable(anomaly.explanation, 2000)
    if better and anomaly.details.get("states"):
        text = text.partition(" Every order that explains all results")[0]
    return words.sentence(text)


def _node_steps(
    logged: Sequence[LogLine], start: int, end: int, faults: Sequence[FaultWindow]
) -> list[Step]:
    kills = [kill for window in faults for kill in fault_sentences.kills(window)]
    steps = []
    for note in node_notes.notes(logged, start, end, kills):
        rival = f" ({note.rival})" if note.rival else ""
        steps.append(Step(note.time, "node", f"{note.node}: “{note.text}”{rival}"))
    return steps


def _call_steps(pairs: Sequence[Pair], stuck: int | None, about: call_words.About) -> list[Step]:
    told = [
        Step(
            a.time,
            "stuck" if a.index == stuck else "call",
            call_words.sentence(a, b, about),
            None if b is None else b.time,
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
