"""JUnit XML: one test case for each checker of a trial."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from ..harness.store import write_atomically
from ..harness.verdict import Verdict
from . import run_folder, statistics, story, words
from .run_folder import Run
from .statistics import Statistics

# What XML 1.0 cannot hold even as a character reference (section 2.2, Char).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

ANOMALIES_TOLD_MAX = 5


def render(folder: Path) -> Path:
    """Write ``junit.xml`` into a run folder and return its path."""
    path = folder / "junit.xml"
    write_atomically(path, document(run_folder.load(folder)))
    return path


def document(run: Run) -> bytes:
    """The document: a failure for an invalid checker, an error where nobody could decide."""
    figures = statistics.collect(run.history.columns(), run.faults, run.verdict)
    if run.verdict is None:
        parts = {"verdict": Verdict(valid="unknown", reason=_why_none(run))}
    else:
        parts = run.verdict.parts or {"verdict": run.verdict}
    suite = ElementTree.Element(
        "testsuite",
        name=_text(f"duress {story.subject(run.spec)}"),
        tests=str(len(parts)),
        failures=str(sum(part.valid is False for part in parts.values())),
        errors=str(sum(part.valid == "unknown" for part in parts.values())),
        time=f"{figures.duration_ns / 1e9:.3f}",
    )
    if "started" in run.spec:
        suite.set("timestamp", _text(run.spec["started"].removesuffix("Z")))
    properties = ElementTree.SubElement(suite, "properties")
    for name in ("seed", "workload", "cluster", "command", "id"):
        if name in run.spec:
            value = _text(str(run.spec[name]))
            ElementTree.SubElement(properties, "property", name=name, value=value)
    for name, part in parts.items():
        suite.append(_case(run, figures, name, part))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(run: Run, figures: Statistics, name: str, part: Verdict) -> ElementTree.Element:
    workload = run.spec.get("workload", "workload")
    case = ElementTree.Element(
        "testcase",
        name=_text(name),
        classname=_text(f"duress.{run.spec.get('system', 'system')}.{workload}"),
        time="0",
    )
    if part.valid is True:
        return case
    said = story.headline(run.spec, part)
    message = said.sentence if part.valid is False else said.detail
    tag = "failure" if part.valid is False else "error"
    kind = part.anomalies[0].name if part.anomalies else str(part.valid)
    outcome = ElementTree.SubElement(case, tag, message=_text(message), type=_text(kind))
    outcome.text = _text(_body(run, figures, part, said.detail))
    return case


def _body(run: Run, figures: Statistics, part: Verdict, detail: str) -> str:
    lines: list[str] = []
    for anomaly in part.anomalies[:ANOMALIES_TOLD_MAX]:
        lines.append(f"{words.line(anomaly.name, 80)}")
        steps = story.tell(run.history, anomaly, figures, run.nodes)
        lines += [
            f"  {number}. {words.moment(step.time)}  {step.text}"
            for number, step in enumerate(steps, 1)
        ]
    left_out = len(part.anomalies) - ANOMALIES_TOLD_MAX
    if left_out > 0:
        lines.append(f"and {words.count(left_out, 'more anomaly', 'more anomalies')}")
    if not lines:
        lines.append(detail)
    if "command" in run.spec:
        lines.append(f"replay: {words.line(run.spec['command'], 400)}")
    return "\n".join(lines)


def _why_none(run: Run) -> str:
    return story.headline_of_run(run.spec, None, run.problems).detail


def _text(text: str) -> str:
    return _NOT_XML.sub("�", words.printable(text))
