"""JUnit XML: one test case for each checker of a trial.

There is no one JUnit schema. These documents keep to what the stricter of the two in use (of Ant's
task, and of Jenkins' xunit plugin) ask for, so that both take them.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from ..harness.store import write_atomically
from ..harness.verdict import Verdict
from . import plain_story, run_folder, statistics, story, words
from .run_folder import Run
from .statistics import Statistics

# What XML 1.0 cannot hold even as a character reference (section 2.2, Char).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STARTED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z?")

NO_TIME = "1970-01-01T00:00:00"
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
    started = _STARTED.fullmatch(str(run.spec.get("started", "")))
    package = xml_text(f"duress.{run.spec.get('system', 'system')}")
    suite = ElementTree.Element(
        "testsuite",
        id="0",
        name=xml_text(f"duress {story.subject(run.spec)}"),
        package=package,
        hostname="localhost",
        timestamp=started[1] if started else NO_TIME,
        tests=str(len(parts)),
        failures=str(sum(part.valid is False for part in parts.values())),
        errors=str(sum(part.valid == "unknown" for part in parts.values())),
        time=f"{figures.duration_ns / 1e9:.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    known = {name: run.spec.get(name) for name in ("seed", "workload", "cluster", "command", "id")}
    known["signature"] = plain_story.signature(run.verdict)
    for name, value in known.items():
        if value is not None:
            shown = xml_text(words.line(str(value), 2000)) or "-"
            ElementTree.SubElement(properties, "property", name=name, value=shown)
    for name, part in parts.items():
        suite.append(_case(run, figures, package, name, part))
    ElementTree.SubElement(suite, "system-out").text = xml_text(
        story.headline_of_run(run.spec, run.verdict, run.problems).sentence
    )
    ElementTree.SubElement(suite, "system-err").text = xml_text("\n".join(run.problems))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(
    run: Run, figures: Statistics, package: str, name: str, part: Verdict
) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        name=xml_text(name),
        classname=xml_text(f"{package}.{run.spec.get('workload', 'workload')}"),
        time="0",
    )
    if part.valid is True:
        return case
    said = story.headline(run.spec, part)
    message = said.sentence if part.valid is False else said.detail
    tag = "failure" if part.valid is False else "error"
    kind = part.anomalies[0].name if part.anomalies else str(part.valid)
    outcome = ElementTree.SubElement(case, tag, message=xml_text(message), type=xml_text(kind))
    outcome.text = xml_text(_body(run, figures, part, said.detail))
    return case


def _body(run: Run, figures: Statistics, part: Verdict, detail: str) -> str:
    lines: list[str] = []
    logged = plain_story.logged(run)
    for anomaly in part.anomalies[:ANOMALIES_TOLD_MAX]:
        lines.append(plain_story.title(anomaly))
        lines += [f"  {step}" for step in plain_story.tell(run, anomaly, figures, logged)]
    left_out = len(part.anomalies) - ANOMALIES_TOLD_MAX
    if left_out > 0:
        lines.append(f"and {words.count(left_out, 'more anomaly', 'more anomalies')}")
    if not lines:
        lines.append(detail)
    signature = plain_story.signature(run.verdict)
    if signature is not None and part.valid is False:
        lines.append(f"signature: {signature}")
    if "command" in run.spec:
        lines.append(f"replay: {words.line(run.spec['command'], 2000)}")
    return "\n".join(lines)


def _why_none(run: Run) -> str:
    return story.headline_of_run(run.spec, None, run.problems).detail


def xml_text(text: str) -> str:
    """What XML can hold of a text."""
    return _NOT_XML.sub("�", words.printable(text))
