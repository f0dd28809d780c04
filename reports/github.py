"""What a trial shows in GitHub Actions: a summary of the step in Markdown, and an annotation.

Both come by themselves where a job runs: the summary where ``GITHUB_STEP_SUMMARY`` names its file,
the annotation where ``GITHUB_ACTIONS`` is ``true``. What a campaign shows there is in
:mod:`.campaign.markdown`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from ..harness.verdict import Anomaly, Verdict
from . import plain_story, run_folder, statistics, story, words
from .log_times import LogLine
from .run_folder import Run
from .statistics import Statistics

ANOMALIES_TOLD_MAX = 3
SUMMARY_MAX_BYTES = 1_000_000
"""GitHub shows no summary above a mebibyte; a job of many trials stops short of it."""

MESSAGE_LENGTH = 4000
SIGNS = {"valid": "✅", "invalid": "❌", "unknown": "❔", "none": "❔"}

# A numeric character reference never takes part in Markdown's or HTML's structure.
_MARKUP = re.compile(r"[\\`*_\[\]<>&|~#@$]|:(?=\S)|^[-+=]|(?<=\d)[.)](?=\s)|(?i:(?<=www)\.)")


def tell(folder: Path, stream: TextIO, environment: Mapping[str, str]) -> None:
    """Write the summary of a run and annotate the job, as far as the environment asks for it.

    A summary that cannot be written is left out: the job's log says the same.
    """
    if not is_asked(environment):
        return
    run, figures = loaded(folder)
    line = annotation(run, figures)
    publish(summary(run, figures), [line] if line else [], stream, environment)


def is_asked(environment: Mapping[str, str]) -> bool:
    """Whether the environment asks for a summary or for annotations."""
    return bool(environment.get("GITHUB_STEP_SUMMARY")) or is_annotated(environment)


def is_annotated(environment: Mapping[str, str]) -> bool:
    """Whether what is written to standard output can be an annotation."""
    return environment.get("GITHUB_ACTIONS") == "true"


def publish(
    markdown: str, annotations: Sequence[str], stream: TextIO, environment: Mapping[str, str]
) -> None:
    """Add to the summary of the step and write the annotations, as far as the environment asks."""
    target = environment.get("GITHUB_STEP_SUMMARY", "")
    if target:
        text = markdown.encode("utf-8", "replace")
        with contextlib.suppress(OSError):
            path = Path(target)
            if (path.stat().st_size if path.exists() else 0) + len(text) <= SUMMARY_MAX_BYTES:
                with path.open("ab") as file:
                    file.write(text)
    if annotations and is_annotated(environment):
        stream.write("".join(f"{line}\n" for line in annotations))
        stream.flush()


def loaded(folder: Path) -> tuple[Run, Statistics]:
    """A run folder and its figures."""
    run = run_folder.load(folder)
    return run, statistics.collect(run.history.columns(), run.faults, run.verdict)


def summary(run: Run, figures: Statistics) -> str:
    """Markdown: the verdict, the story, the figures and how to run it again."""
    said = story.headline_of_run(run.spec, run.verdict, run.problems)
    lines = [f"### {SIGNS[said.state]} {escape(said.sentence)}", ""]
    if said.state != "invalid":
        lines += [*(f"{escape(text)}  " for text in said.detail.splitlines()), ""]
    if run.verdict is not None:
        lines += anomalies(run, run.verdict, figures)
    rows = _rows(run, figures)
    lines += [*pairs(rows), *again(run)]
    return "\n".join(lines) + "\n"


def pairs(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Markdown: a table of names and values."""
    return ["| | |", "|---|---|", *(f"| {name} | {escape(value)} |" for name, value in rows), ""]


def again(run: Run) -> list[str]:
    """Markdown: the command that runs it again, if it is known."""
    if "command" not in run.spec:
        return []
    return ["Run it again:", "", *_fenced(words.line(run.spec["command"], 4000)), ""]


def anomalies(run: Run, verdict: Verdict, figures: Statistics) -> list[str]:
    """Markdown: their stories, the first of them open."""
    lines: list[str] = []
    logged = plain_story.logged(run)
    for anomaly in verdict.anomalies[:ANOMALIES_TOLD_MAX]:
        told = _story(run, anomaly, figures, logged)
        title = escape(plain_story.title(anomaly))
        if not lines:
            lines += [f"**{title}**", "", *told, ""]
        else:
            lines += [f"<details><summary>{title}</summary>", "", *told, "", "</details>", ""]
    left_out = len(verdict.anomalies) - ANOMALIES_TOLD_MAX
    if left_out > 0:
        lines += [f"and {words.count(left_out, 'more anomaly', 'more anomalies')}", ""]
    return lines


def _story(run: Run, anomaly: Anomaly, figures: Statistics, logged: Sequence[LogLine]) -> list[str]:
    lines: list[str] = []
    for step in plain_story.tell(run, anomaly, figures, logged):
        if step.when:
            lines.append(f"{step.mark} {step.when}: {escape(step.text)}")
        else:
            lines += ["", f"{step.mark} {escape(step.text)}"]
    return lines


def _rows(run: Run, figures: Statistics) -> list[tuple[str, str]]:
    total = figures.total
    rows = [
        ("calls", f"{total.ok:,} ok, {total.fail:,} failed, {total.info:,} unknown"),
        ("trial time", words.duration(figures.duration_ns)),
        ("served", words.share(figures.served)),
        ("faults", f"{len(figures.faults):,}"),
    ]
    known = [name for name in ("workload", "cluster", "seed") if name in run.spec]
    rows += [(name, words.line(str(run.spec[name]), 80)) for name in known]
    signature = plain_story.signature(run.verdict)
    if signature is not None:
        rows.append(("signature", signature))
    return rows


def annotation(run: Run, figures: Statistics, further: str = "") -> str:
    """A workflow command: an error for a violation, a warning where nobody knows, else nothing.

    ``further``: a line on a violation, before the command that runs it again.
    """
    said = story.headline_of_run(run.spec, run.verdict, run.problems)
    if said.state == "valid":
        return ""
    lines = [said.sentence]
    if said.state == "invalid" and run.verdict is not None and run.verdict.anomalies:
        anomaly = run.verdict.anomalies[0]
        logged = plain_story.logged(run)
        lines += [str(step) for step in plain_story.tell(run, anomaly, figures, logged)]
        signature = plain_story.signature(run.verdict)
        lines += [f"signature: {signature}"] if signature else []
        lines += [further] if further else []
    else:
        lines.append(said.detail)
    if "command" in run.spec:
        lines.append(f"run it again: {words.line(run.spec['command'], 1000)}")
    level = "error" if said.state == "invalid" else "warning"
    return workflow_command(level, f"duress: {story.subject(run.spec)}", "\n".join(lines))


def workflow_command(level: str, title: str, text: str) -> str:
    """An annotation of a level (``error``, ``warning`` or ``notice``), in a line."""
    return f"::{level} title={_property(title)}::{_data(words.printable(text, MESSAGE_LENGTH))}"


def escape(text: str) -> str:
    """Text that says the same in Markdown, whatever it holds."""
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", words.line(text))


def _fenced(text: str) -> list[str]:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}sh", text, fence]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
