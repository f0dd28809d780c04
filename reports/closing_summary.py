"""The closing summary of a trial, on a terminal or a plain stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from ..harness.verdict import Anomaly, Verdict
from . import messages, plain_story, run_folder, statistics, story, words
from .console import VERDICTS, Whole, show
from .log_times import LogLine
from .run_folder import Run
from .statistics import Statistics

ANOMALIES_TOLD_MAX = 3
LABEL_WIDTH = 14

Line = list[tuple[str, str]]
"""Pieces of text, each with its rich style."""

STEP_STYLES = {
    "stuck": "bold",
    "fault": "yellow",
    "heal": "yellow",
    "node": "cyan",
    "end": "bold",
    "instead": "green",
}

_STATES = {
    "valid": VERDICTS[True],
    "invalid": VERDICTS[False],
    "unknown": VERDICTS["unknown"],
    "none": VERDICTS[None],
}


def summarise(folder: Path, stream: TextIO) -> None:
    """Print the closing summary of a run folder, whatever state it is in."""
    run = run_folder.load(folder)
    figures = statistics.collect(run.history.columns(), run.faults, run.verdict)
    show(compose(run, figures), stream)


def compose(run: Run, figures: Statistics) -> list[Line]:
    """The summary as styled lines."""
    said = story.headline_of_run(run.spec, run.verdict, run.problems)
    sign, style = _STATES[said.state]
    lines: list[Line] = [[], [(sign, style), (f"  {said.sentence}", "bold")]]
    if said.state != "invalid":
        lines += [[(f"  {text}", "")] for text in said.detail.splitlines()]
    lines.append([])
    lines += _figures(run.spec, figures)
    counted = messages.sentence(run.verdict)
    if counted is not None:
        lines.append(row("messages", counted))
    if run.verdict is not None and run.verdict.anomalies:
        lines.append([])
        lines += anomalies(run, run.verdict, figures)
    problems = [p for p in run.problems if not p.endswith(": missing")]
    lines += [[("  damaged", "yellow"), (f"       {problem}", "")] for problem in problems[:5]]
    lines.append([])
    report = run.folder / "report.html"
    where = str(report) if report.is_file() else f"{run.folder} (no report)"
    lines.append(row("report", Whole(where)))
    signature = plain_story.signature(run.verdict)
    if signature is not None:
        lines.append(row("signature", signature))
    if "command" in run.spec:
        lines.append(row("run it again", Whole(words.line(run.spec["command"], 1000))))
    return lines


def row(label: str, text: str, style: str = "") -> Line:
    """A figure with its name before it."""
    return [(f"  {label:<{LABEL_WIDTH}}", "dim"), (text, style)]


def _figures(spec: Mapping[str, Any], figures: Statistics) -> list[Line]:
    total = figures.total
    per_second = total.calls / (figures.duration_ns / 1e9) if figures.duration_ns else 0.0
    rows = [
        [
            (f"  {'calls':<{LABEL_WIDTH}}", "dim"),
            (f"{total.ok:,} ok", "blue"),
            (", ", ""),
            (f"{total.fail:,} failed", "yellow"),
            (", ", ""),
            (f"{total.info:,} unknown", "magenta"),
            (f"  in {words.duration(figures.duration_ns)} ({per_second:,.0f}/s)", ""),
        ]
    ]
    if figures.latency_ns:
        quantiles = ", ".join(
            f"{name} {words.duration(ns)}" for name, ns in figures.latency_ns.items()
        )
        rows.append(row("latency", f"{quantiles} (ok calls)"))
    if total.calls:
        rows.append(row("availability", _availability(figures)))
    rows.append(row("faults", _faults(figures)))
    if "seed" in spec:
        rows.append(row("seed", words.line(str(spec["seed"]), 40)))
    return rows


def _availability(figures: Statistics) -> str:
    text = f"{words.share(figures.served)} of calls served"
    gaps = [(i.longest_gap_ns or 0, i.id) for i in figures.impacts]
    if gaps:
        text += f"; longest time without an ok during a fault {words.duration(max(gaps)[0])}"
    recoveries = [i.recovery_ns for i in figures.impacts if i.recovery_ns is not None]
    if recoveries:
        slowest = max(recoveries)
        text += (
            f"; slowest recovery {words.duration(slowest)}" if slowest else "; recovered at once"
        )
    return text


def _faults(figures: Statistics) -> str:
    if not figures.faults:
        return "none injected"
    kinds: dict[str, int] = {}
    for window in figures.faults:
        kinds[window.kind] = kinds.get(window.kind, 0) + 1
    text = ", ".join(f"{number:,} {words.line(kind, 40)}" for kind, number in kinds.items())
    open_ones = sum(w.healed is None for w in figures.faults)
    return f"{text}; {open_ones:,} not healed" if open_ones else f"{text}; all healed"


def anomalies(run: Run, verdict: Verdict, figures: Statistics) -> list[Line]:
    """What is wrong: the first anomaly as a story, some others in a sentence."""
    lines: list[Line] = []
    logged = plain_story.logged(run)
    for anomaly in verdict.anomalies[:ANOMALIES_TOLD_MAX]:
        lines += _anomaly(run, anomaly, figures, logged, first=not lines)
    left_out = len(verdict.anomalies) - ANOMALIES_TOLD_MAX
    if left_out > 0:
        lines.append([(f"  and {words.count(left_out, 'more anomaly', 'more anomalies')}", "dim")])
    return lines


def _anomaly(
    run: Run, anomaly: Anomaly, figures: Statistics, logged: Sequence[LogLine], first: bool
) -> list[Line]:
    """The first one is told step by step; the others only explained."""
    lines: list[Line] = [[(f"  {plain_story.title(anomaly)}", "bold red")]]
    if not first:
        return [*lines, [(f"    {words.line(anomaly.explanation, 400)}", "")]]
    steps = plain_story.tell(run, anomaly, figures, logged)
    width = max(len(step.mark) for step in steps)
    when = max(len(step.when) for step in steps)
    for step in steps:
        mark = (f"    {step.mark:>{width}} ", "dim" if step.when else "bold")
        told = (step.text, STEP_STYLES.get(step.kind, ""))
        lines.append([mark, (f"{step.when:>{when}}  ", "dim"), told] if step.when else [mark, told])
    return lines
