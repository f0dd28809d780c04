"""A campaign or a gate in Markdown, and as annotations of a job in GitHub Actions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TextIO

from ...harness.campaign.gate import Report, Seen
from ...harness.campaign.summary import KNOWN, NEW, FailureSummary, Summary
from ...harness.errors import UserError
from ...harness.store import RunFolder
from .. import github, words
from ..github import SIGNS, escape
from ..run_folder import Run
from ..statistics import Statistics
from . import gate_words, sentences

STORIES_MAX = 3
ANNOTATIONS_MAX = 5
"""GitHub shows no more than ten of a step."""

ROWS_MAX = 60


class _Failure(NamedTuple):
    """One that is new: what it is, where it was seen, the folder of its smallest run, and that of
    its first one, which can be repeated without any file."""

    said: str
    where: str
    folder: Path | None
    first: Path


def document(summary: Summary, gate: Report | None) -> str:
    """Markdown: what came out, the failures, the stories of new ones, the figures."""
    said = gate_words.headline(gate) if gate else sentences.headline(summary)
    lines = [f"### {SIGNS[said.state]} {escape(said.sentence)}", ""]
    if said.detail:
        lines += [escape(said.detail), ""]
    lines += _table(_failures(summary, gate))
    for each in _new(summary, gate)[:STORIES_MAX]:
        lines += _story(each)
    lines += github.pairs(gate_words.facts(gate, summary) if gate else sentences.facts(summary))
    if gate and (meaning := gate_words.meaning(gate)):
        lines += ["<details><summary>What a pass means</summary>", "", escape(meaning), ""]
        lines += [*github.pairs(gate_words.bounds(gate)[:ROWS_MAX]), "</details>", ""]
    return "\n".join(lines) + "\n"


def workflow_lines(summary: Summary, gate: Report | None) -> list[str]:
    """Workflow commands: an error for each new failure, a warning where nobody knows, a notice
    for what the baseline need not know any longer."""
    title = f"duress: {words.line(summary.name, 80)}"
    new = _new(summary, gate)
    lines = [_annotation(each, title) for each in new[:ANNOTATIONS_MAX]]
    if len(new) > ANNOTATIONS_MAX:
        more = words.count(len(new) - ANNOTATIONS_MAX, "more new failure")
        lines.append(github.workflow_command("error", title, more))
    if gate is None:
        return lines
    if gate.result in ("infrastructure", "unknown"):
        said = gate_words.headline(gate)
        text = f"{said.sentence}\n{said.detail}"
        lines.append(github.workflow_command("warning", title, text))
    if fixed := gate_words.fixed(gate):
        text = "fixed; remove from the baseline:\n" + "\n".join(
            f"{gate_words.failure(each)} in {words.line(each.cell, 200)}" for each in fixed[:20]
        )
        lines.append(github.workflow_command("notice", title, text))
    return lines


def tell_github(
    summary: Summary, gate: Report | None, stream: TextIO, environment: Mapping[str, str]
) -> None:
    """Add to the summary of the step and annotate the job, as far as the environment asks."""
    if github.is_asked(environment):
        text = document(summary, gate)
        github.publish(text, workflow_lines(summary, gate), stream, environment)


def _failures(summary: Summary, gate: Report | None) -> list[Sequence[str]]:
    if gate:
        return [(each.state, *each[1:5]) for each in gate_words.rows(gate)]
    return [
        (
            each.state,
            f"{each.name} ({each.signature})",
            words.count(each.trials, "trial"),
            cells,
            "",
        )
        for each in summary.failures
        for cells in [", ".join(each.cells)]
    ]


def _table(rows: list[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    lines = ["| | failure | seen | cell | |", "|---|---|---|---|---|"]
    shown = [[escape(words.line(text, 300)) for text in row] for row in rows[:ROWS_MAX]]
    lines += [f"| {' | '.join(row)} |" for row in shown]
    if len(rows) > ROWS_MAX:
        lines += ["", f"and {len(rows) - ROWS_MAX} more"]
    return [*lines, ""]


def _new(summary: Summary, gate: Report | None) -> list[_Failure]:
    """Each signature once."""
    found: dict[str, _Failure] = {}
    runs = Path(summary.folder) / "runs"
    if gate:
        seen: Iterable[tuple[str, str, str, Seen | FailureSummary]] = (
            (each.signature, gate_words.failure(each), each.cell, each)
            for each in gate.failures
            if each.state != KNOWN
        )
    else:
        seen = (
            (each.signature, f"{each.name} ({each.signature})", ", ".join(each.cells), each)
            for each in summary.failures
            if each.state == NEW
        )
    for sign, said, where, each in seen:
        run = each.shrunk or each.run
        folder = runs / run if run and (runs / run).is_dir() else None
        found.setdefault(sign, _Failure(said, words.line(where, 300), folder, runs / each.run))
    return list(found.values())


def _loaded(each: _Failure) -> tuple[Run, Statistics] | None:
    """Its smallest run, with the command of the first one, which needs no file of this machine."""
    if each.folder is None:
        return None
    run, figures = github.loaded(each.folder)
    if each.first != each.folder:
        first = RunFolder(each.first)
        with contextlib.suppress(UserError, TypeError, KeyError):
            run = replace(
                run, spec=run.spec | {"command": first.read_json("trial.json")["command"]}
            )
    return run, figures


def _story(each: _Failure) -> list[str]:
    head = f"<details><summary>{escape(f'{each.said}: {each.where}')}</summary>"
    lines = [head, ""]
    if each.folder is not None and (loaded := _loaded(each)):
        run, figures = loaded
        if run.verdict is not None:
            lines += github.anomalies(run, run.verdict, figures)
        lines += github.again(run)
        smallest = f"runs/{each.folder.name}"
        lines += [f"The report: {escape(f'{smallest}/report.html')}", ""]
        if each.first != each.folder:
            again = escape(f"duress replay {smallest}")
            lines += [f"The smallest trial, where this is unpacked: {again}", ""]
    return [*lines, "</details>", ""]


def _annotation(each: _Failure, title: str) -> str:
    loaded = _loaded(each)
    text = f"{each.said}: {each.where}"
    line = github.annotation(*loaded, text) if loaded else ""
    return line or github.workflow_command("error", title, text)
