"""``campaign.html``: one self-contained file with the matrix, the failures and what changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...harness.campaign.gate import Report
from ...harness.campaign.results import INFRASTRUCTURE, INVALID, KILLED, OUTCOMES, UNKNOWN, VALID
from ...harness.campaign.summary import (
    FIXED,
    GONE,
    KNOWN,
    NEW,
    CellSummary,
    FailureSummary,
    Summary,
)
from .. import words
from ..html import ASSETS as SHARED
from ..html import policy
from ..templates import templates
from . import gate_words, sentences

if TYPE_CHECKING:
    from jinja2 import Template

ASSETS = Path(__file__).parent / "assets"
STYLES = (SHARED / "tokens.css", SHARED / "report.css", ASSETS / "campaign.css")
MOST_ROWS = 2000
TRIALS_TOLD_MAX = 200

COLUMNS = {
    VALID: "Valid",
    INVALID: "Invalid",
    UNKNOWN: "Unknown",
    INFRASTRUCTURE: "Could not be run",
    KILLED: "Killed",
}
BADGES = {"valid": "Valid", "invalid": "Invalid", "unknown": "Unknown", "none": "Nothing run"}
STATES = {NEW: "new", KNOWN: "known", FIXED: "fixed", GONE: "not seen"}


Links = Callable[[str, str], list[tuple[str, str]]]
"""Addresses and texts of links to a run folder of that name, and what the first is to be called."""


def _in_folder(run: str, text: str) -> list[tuple[str, str]]:
    """From a campaign's folder."""
    return [(f"runs/{run}/report.html", text)]


def page(
    summary: Summary,
    earlier: Sequence[Summary] = (),
    doubtful: Sequence[dict[str, Any]] = (),
    gate: Report | None = None,
) -> str:
    """The page as text. ``earlier``: campaigns of this name before, the newest first;
    ``doubtful``: trials without a verdict, as the ledger gives them; ``gate``: what it says."""
    style = "".join(path.read_text() for path in STYLES)
    said = gate_words.headline(gate) if gate else sentences.headline(summary)
    return _template().render(
        policy=policy([], style),
        style=style,
        name=words.line(summary.name, 80),
        state=said.state,
        badge=gate_words.BADGES[gate.result] if gate else BADGES[said.state],
        sentence=said.sentence,
        detail=said.detail,
        kind="gate" if gate else "campaign",
        facts=gate_words.facts(gate, summary) if gate else sentences.facts(summary),
        gate=gate_section(gate) if gate else None,
        campaigns=[_campaign(each) for each in (summary, *earlier)],
        **sections(summary, doubtful),
    )


def sections(
    summary: Summary, doubtful: Sequence[dict[str, Any]], links: Links = _in_folder
) -> dict[str, Any]:
    """What ``sections.html.j2`` is given: the failures, the matrix, trials without a verdict."""
    return {
        "columns": [(kind, COLUMNS[kind]) for kind in OUTCOMES],
        "rows": [_row(cell, summary) for cell in summary.cells[:MOST_ROWS]],
        "rows_left_out": max(0, len(summary.cells) - MOST_ROWS),
        "failures": [_failure(each, links) for each in summary.failures],
        "states": STATES,
        "by_baseline": bool(summary.baseline),
        "doubtful": [_doubtful(each, links) for each in doubtful[:TRIALS_TOLD_MAX]],
        "doubtful_left_out": max(0, len(doubtful) - TRIALS_TOLD_MAX),
    }


def gate_section(gate: Report, links: Links = _in_folder) -> dict[str, Any]:
    """What ``gate.html.j2`` is given."""
    return {
        "rows": [
            {**each._asdict(), "links": links(each.run, "report") if each.run else []}
            for each in gate_words.rows(gate)
        ],
        "meaning": gate_words.meaning(gate),
        "bounds": gate_words.bounds(gate)[:MOST_ROWS],
        "chips": {"new": "invalid", "expired": "invalid", "known": "unknown"},
    }


def _row(cell: CellSummary, summary: Summary) -> dict[str, Any]:
    done = sum(cell.outcomes.values())
    names = {each.signature: each.name for each in summary.failures}
    failures = sorted(cell.signatures.items(), key=lambda pair: -pair[1])
    return {
        "cell": words.line(cell.cell, 300),
        "planned": f"{cell.planned:,}",
        "done": f"{done:,}",
        "counts": {kind: f"{cell.outcomes.get(kind, 0):,}" for kind in OUTCOMES},
        "state": state_of(cell),
        "chip": {"known": "unknown"}.get(state_of(cell), state_of(cell)),
        "failures": [
            (words.line(sign, 60), words.line(names.get(sign, sign), 120), f"{trials:,}")
            for sign, trials in failures
        ],
        "each": f"{cell.wall_s / done:.1f} s" if done else "–",
    }


def state_of(cell: CellSummary) -> str:
    """``invalid``: a promise was broken in it, in a way that no baseline knows; ``known``: only in
    ways that one knows; ``valid``; or ``unknown``: nothing was judged."""
    if cell.signatures:
        return "invalid" if set(cell.signatures) - set(cell.known) else "known"
    return "valid" if cell.outcomes.get(VALID) else "unknown"


def _failure(each: FailureSummary, links: Links) -> dict[str, Any]:
    smallest = links(each.shrunk, "the smallest") if each.shrunk else []
    return {
        "signature": words.line(each.signature, 60),
        "name": words.line(each.name, 200),
        "state": each.state,
        "trials": f"{each.trials:,}",
        "cells": [words.line(cell, 200) for cell in each.cells],
        "links": smallest + (links(each.run, "the first") if each.run else []),
    }


def _doubtful(each: dict[str, Any], links: Links) -> dict[str, Any]:
    return {
        "number": str(each["number"]),
        "cell": words.line(str(each["cell"]), 200),
        "seed": str(each["seed"]),
        "outcome": COLUMNS[each["outcome"]],
        "error": words.line(str(each["error"] or ""), 300),
        "links": links(each["run"], "report") if each["run"] else [],
    }


def _campaign(each: Summary) -> dict[str, str]:
    seen = [failure for failure in each.failures if failure.state in (NEW, KNOWN)]
    return {
        "when": Path(each.folder).name,
        "done": f"{each.done:,}",
        "invalid": f"{each.outcomes[INVALID]:,}",
        "doubtful": f"{sum(each.outcomes[k] for k in (UNKNOWN, INFRASTRUCTURE, KILLED)):,}",
        "failures": str(len(seen)),
        "new": str(sum(failure.state == NEW for failure in seen)),
        "minutes": f"{each.seconds / 60:.1f}",
    }


@cache
def _template() -> Template:
    return templates([ASSETS]).get_template("campaign.html.j2")
