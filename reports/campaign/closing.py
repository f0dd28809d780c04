"""The end of a campaign: its files, and what a terminal shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import msgspec

from ...harness.campaign.ledger import Ledger
from ...harness.campaign.results import INFRASTRUCTURE, KILLED, UNKNOWN
from ...harness.campaign.summary import NEW, Summary
from ...harness.store import write_atomically
from ..console import VERDICTS, Piece, Whole, show
from . import junit, page, sentences

FAILURES_TOLD_MAX = 20
LABEL_WIDTH = 14
_SIGNS = {"valid": VERDICTS[True], "invalid": VERDICTS[False], "unknown": VERDICTS["unknown"]}


def write(ledger: Ledger, summary: Summary, earlier: Sequence[Summary] = ()) -> None:
    """Write ``campaign.html``, ``junit.xml`` and ``campaign.json`` into a campaign's folder."""
    folder = Path(summary.folder)
    doubtful = list(ledger.details([UNKNOWN, INFRASTRUCTURE, KILLED]))
    html = page.page(summary, earlier, doubtful)
    write_atomically(folder / "campaign.html", html.encode("utf-8", "replace"))
    write_atomically(folder / "junit.xml", junit.document(summary))
    told = msgspec.json.format(msgspec.json.encode(summary), indent=2)
    write_atomically(folder / "campaign.json", told + b"\n")


def tell(summary: Summary, stream: TextIO) -> None:
    """Print the closing summary."""
    said = sentences.headline(summary)
    sign, style = _SIGNS.get(said.state, VERDICTS[None])
    lines: list[list[Piece]] = [[], [(sign, style), (f"  {said.sentence}", "bold")]]
    if said.detail:
        lines.append([f"  {said.detail}"])
    lines.append([])
    for label, value in sentences.facts(summary):
        lines.append([(f"  {label.lower():<{LABEL_WIDTH}}", "dim"), value])
    if summary.failures:
        lines.append([])
    for each in summary.failures[:FAILURES_TOLD_MAX]:
        style = "bold red" if each.state == NEW else "yellow"
        said_of = f"{each.name} ({each.signature}), {each.trials:,} trials: {', '.join(each.cells)}"
        lines.append([(f"  {each.state:<{LABEL_WIDTH}}", style), said_of])
        if run := each.shrunk or each.run:
            report = f"{summary.folder}/runs/{run}/report.html"
            lines.append([" " * (LABEL_WIDTH + 2), Whole(report)])
    lines += [[], [(f"  {'page':<{LABEL_WIDTH}}", "dim"), Whole(f"{summary.folder}/campaign.html")]]
    show(lines, stream)
