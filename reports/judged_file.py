"""What ``duress check`` prints of any history, in the language of the other commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from ..harness.history import History
from ..harness.verdict import Verdict
from . import closing_summary, statistics, story, words
from .closing_summary import Line, row
from .console import BAD, VERDICTS, show
from .run_folder import Run

STATE_WIDTH = 12
EVIDENCE_NAMED = 20


def tell_row(
    file: str, verdict: Verdict | None, seconds: float, error: str, stream: TextIO
) -> None:
    """A line on one of several files; ``error`` says why there is no verdict."""
    if verdict is None:
        sign, style = f"{BAD[0]} ERROR", BAD[1]
        show([[(f"{sign:<{STATE_WIDTH}}", style), words.line(error, 2000)]], stream)
        return
    sign, style = VERDICTS[verdict.valid]
    said = f"{words.line(file, 400)}  {_size(verdict)}, {words.duration(seconds * 1e9)}"
    said += f"  ({words.line(verdict.reason, 600)})" if verdict.valid == "unknown" else ""
    show([[(f"{sign:<{STATE_WIDTH}}", style), said]], stream)


def tell_total(verdicts: Sequence[Verdict | None], stream: TextIO) -> None:
    """How many of several files were what."""
    names = [_state(verdict) for verdict in verdicts]
    counts = [f"{names.count(name)} {name}" for name in dict.fromkeys(sorted(names))]
    show([[f"{words.count(len(names), 'file')}: {', '.join(counts)}"]], stream)


def tell(
    file: str,
    history: History,
    verdict: Verdict,
    seconds: float,
    model: str,
    notes: Sequence[str],
    stream: TextIO,
) -> None:
    """All that is said of one file: verdict, figures, and the story of what is wrong."""
    sign, style = VERDICTS[verdict.valid]
    name, model = words.line(file, 400), words.line(model, 200)
    sentence, detail = f"Nothing in {name} contradicts the model {model}.", verdict.reason
    if verdict.valid is False:
        sentence, detail = story.headline({"system": name}, verdict).sentence, ""
    elif verdict.valid == "unknown":
        sentence = f"Nobody can say whether {name} keeps what the model {model} promises."
    lines: list[Line] = [[], [(sign, style), (f"  {sentence}", "bold")]]
    lines += [[(f"  {words.line(text, 600)}", "")] for text in detail.splitlines()]
    by = verdict.statistics.get("algorithm")
    took = f"in {words.duration(seconds * 1e9)}"
    lines += [
        [],
        row("judged", f"{_size(verdict)} {took}{f', by {words.line(str(by), 200)}' if by else ''}"),
        row("model", model),
        *(row("note", words.line(note, 600)) for note in notes),
    ]
    if verdict.anomalies:
        spec = {"system": name, "workload": model, "nodes": _nodes(history)}
        run = Run(Path(), spec, history, verdict=verdict)
        figures = statistics.collect(history.columns(), [], verdict)
        lines += [[], *closing_summary.anomalies(run, verdict, figures)]
        first = verdict.anomalies[0].operations
        if first:
            lines += [[], row("evidence", f"operations {words.names(first, EVIDENCE_NAMED)}")]
    show(lines, stream)


def _size(verdict: Verdict) -> str:
    return words.count(verdict.statistics.get("operations", 0), "operation")


def _state(verdict: Verdict | None) -> str:
    if verdict is None:
        return "error"
    return {True: "valid", False: "invalid"}.get(verdict.valid, "unknown")  # type: ignore[call-overload]


def _nodes(history: History) -> list[str]:
    return [node for node in history.columns().nodes if isinstance(node, str)]
