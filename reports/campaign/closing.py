"""The end of a campaign: its files, and what a terminal shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from ...harness.campaign.gate import DOUBT, NOT_RUN, PASS, VIOLATION, Report
from ...harness.campaign.ledger import Ledger
from ...harness.campaign.results import INFRASTRUCTURE, KILLED, UNKNOWN
from ...harness.campaign.summary import NEW, Summary
from ...harness.store import write_atomically
from ..console import VERDICTS, Piece, Whole, show
from . import gate_words, junit, markdown, page, sentences
from .artifacts import as_json, gather
from .artifacts import check as check_artifacts
from .markdown import tell_github

__all__ = ["check_artifacts", "gather", "tell", "tell_gate", "tell_github", "write"]

FAILURES_TOLD_MAX = 20
BOUNDS_TOLD_MAX = 12
LABEL_WIDTH = 14
_GATE_SIGNS = {
    PASS: ("✓ PASS", VERDICTS[True][1]),
    VIOLATION: ("✗ FAIL", VERDICTS[False][1]),
    NOT_RUN: ("? NOT RUN", VERDICTS[None][1]),
    DOUBT: ("? UNKNOWN", VERDICTS[None][1]),
}
_GATE_STYLES = {"new": "bold red", "expired": "bold red", "known": "yellow", "not seen": "dim"}
_SIGNS = {"valid": VERDICTS[True], "invalid": VERDICTS[False], "unknown": VERDICTS["unknown"]}


def write(
    ledger: Ledger, summary: Summary, earlier: Sequence[Summary] = (), gate: Report | None = None
) -> None:
    """Write ``campaign.html``, ``junit.xml``, ``campaign.json`` and ``summary.md`` into the folder
    of a campaign, and ``gate.json`` into that of a gate."""
    folder = Path(summary.folder)
    doubtful = list(ledger.details([UNKNOWN, INFRASTRUCTURE, KILLED]))
    html = page.page(summary, earlier, doubtful, gate)
    write_atomically(folder / "campaign.html", html.encode("utf-8", "replace"))
    write_atomically(folder / "junit.xml", junit.document(summary, gate))
    text = markdown.document(summary, gate)
    write_atomically(folder / "summary.md", text.encode("utf-8", "replace"))
    write_atomically(folder / "campaign.json", as_json(summary))
    if gate is not None:
        write_atomically(folder / "gate.json", as_json(gate))


def tell_gate(
    gate: Report, summary: Summary, stream: TextIO, artifacts: Path | None = None
) -> None:
    """Print the closing summary of a gate; ``artifacts``: where they were gathered."""
    said = gate_words.headline(gate)
    lines = _head(_GATE_SIGNS[gate.result], said, gate_words.facts(gate, summary))
    rows = gate_words.rows(gate)
    if rows:
        lines.append([])
    for row in rows[:FAILURES_TOLD_MAX]:
        style = _GATE_STYLES.get(row.state, "green")
        said = f"{row.failure}, {row.seen}: {row.cell}"
        lines.append([(f"  {row.state:<{LABEL_WIDTH}}", style), said])
        if row.remark:
            lines.append([" " * (LABEL_WIDTH + 2), row.remark])
        if row.run:
            report = f"{summary.folder}/runs/{row.run}/report.html"
            lines.append([" " * (LABEL_WIDTH + 2), Whole(report)])
    if meaning := gate_words.meaning(gate):
        lines += [[], [f"  {meaning}"]]
        bounds = gate_words.bounds(gate)
        for name, said in bounds[:BOUNDS_TOLD_MAX]:
            lines.append([("    ", "dim"), f"{name}: {said}"])
        if len(bounds) > BOUNDS_TOLD_MAX:
            lines.append([f"    and {len(bounds) - BOUNDS_TOLD_MAX} more, in the page"])
    lines += _page(summary)
    if artifacts is not None:
        lines.append([(f"  {'artifacts':<{LABEL_WIDTH}}", "dim"), Whole(str(artifacts))])
    show(lines, stream)


def _head(
    sign: tuple[str, str], said: sentences.Headline, facts: Sequence[tuple[str, str]]
) -> list[list[Piece]]:
    lines: list[list[Piece]] = [[], [sign, (f"  {said.sentence}", "bold")]]
    if said.detail:
        lines.append([f"  {said.detail}"])
    lines.append([])
    for label, value in facts:
        lines.append([(f"  {label.lower():<{LABEL_WIDTH}}", "dim"), value])
    return lines


def _page(summary: Summary) -> list[list[Piece]]:
    return [[], [(f"  {'page':<{LABEL_WIDTH}}", "dim"), Whole(f"{summary.folder}/campaign.html")]]


def tell(summary: Summary, stream: TextIO) -> None:
    """Print the closing summary."""
    said = sentences.headline(summary)
    sign = _SIGNS.get(said.state, VERDICTS[None])
    lines = _head(sign, said, sentences.facts(summary))
    if summary.failures:
        lines.append([])
    for each in summary.failures[:FAILURES_TOLD_MAX]:
        style = "bold red" if each.state == NEW else "yellow"
        said_of = f"{each.name} ({each.signature}), {each.trials:,} trials: {', '.join(each.cells)}"
        lines.append([(f"  {each.state:<{LABEL_WIDTH}}", style), said_of])
        if run := each.shrunk or each.run:
            report = f"{summary.folder}/runs/{run}/report.html"
            lines.append([" " * (LABEL_WIDTH + 2), Whole(report)])
    show([*lines, *_page(summary)], stream)
