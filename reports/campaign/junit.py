"""JUnit XML of a campaign: one test case for each cell of its matrix."""

from __future__ import annotations

from xml.etree import ElementTree

from ...harness.campaign.results import INFRASTRUCTURE, INVALID, KILLED, VALID
from ...harness.campaign.summary import CellSummary, Summary
from ..junit import NO_TIME
from ..junit import xml_text as clean
from . import sentences


def document(summary: Summary) -> bytes:
    """A failure for a cell with an invalid trial, an error for one where nothing was judged."""
    states = {cell.cell: _state(cell) for cell in summary.cells}
    package = clean(f"duress.{summary.name}")
    suite = ElementTree.Element(
        "testsuite",
        id="0",
        name=clean(f"duress campaign {summary.name}"),
        package=package,
        hostname="localhost",
        timestamp=NO_TIME,
        tests=str(len(states)),
        failures=str(sum(state == "failure" for state in states.values())),
        errors=str(sum(state == "error" for state in states.values())),
        time=f"{summary.seconds:.3f}",
    )
    ElementTree.SubElement(suite, "properties")
    for cell in summary.cells:
        suite.append(_case(cell, summary, package, states[cell.cell]))
    said = sentences.headline(summary)
    ElementTree.SubElement(suite, "system-out").text = clean(f"{said.sentence}\n{said.detail}")
    ElementTree.SubElement(suite, "system-err").text = ""
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True) + b"\n"


def _state(cell: CellSummary) -> str:
    if cell.outcomes.get(INVALID):
        return "failure"
    return "" if cell.outcomes.get(VALID) else "error"


def _case(cell: CellSummary, summary: Summary, package: str, state: str) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase", name=clean(cell.cell), classname=package, time=f"{cell.wall_s:.3f}"
    )
    if not state:
        return case
    lines = [f"{number:,} {kind}" for kind, number in sorted(cell.outcomes.items())]
    known = {each.signature: each for each in summary.failures}
    for sign, trials in cell.signatures.items():
        each = known[sign]
        run = each.shrunk or each.run
        where = f"{summary.folder}/runs/{run}/report.html" if run else "its run was removed"
        lines.append(f"{each.name} ({sign}, {each.state}), {trials:,} trials: {where}")
    broken = [known[sign].name for sign in cell.signatures]
    why = "could not be run" if cell.outcomes.get(INFRASTRUCTURE) else "no verdict"
    why = "killed" if cell.outcomes.get(KILLED) else why
    outcome = ElementTree.SubElement(
        case,
        state,
        message=clean("; ".join(broken) or why),
        type=clean(broken[0] if broken else why),
    )
    outcome.text = clean("\n".join(lines))
    return case
