"""JUnit XML of a campaign: one test case for each cell of its matrix."""

from __future__ import annotations

from xml.etree import ElementTree

from ...harness.campaign.gate import Report
from ...harness.campaign.results import INFRASTRUCTURE, KILLED, UNKNOWN, VALID
from ...harness.campaign.summary import CellSummary, Summary
from ..junit import NO_TIME
from ..junit import xml_text as clean
from . import gate_words, sentences


def document(summary: Summary, gate: Report | None = None) -> bytes:
    """A failure for a cell with an invalid trial, an error for one where nothing was judged.

    In a gate, failures that its baseline knows are no failures, and a trial without a verdict is an
    error: so the document fails whenever the gate does.
    """
    states = {cell.cell: _state(cell, gate is not None) for cell in summary.cells}
    kind = "gate" if gate else "campaign"
    said = gate_words.headline(gate) if gate else sentences.headline(summary)
    facts = gate_words.facts(gate, summary) if gate else sentences.facts(summary)
    package = clean(f"duress.{summary.name}")
    suite = ElementTree.Element(
        "testsuite",
        id="0",
        name=clean(f"duress {kind} {summary.name}"),
        package=package,
        hostname="localhost",
        timestamp=NO_TIME,
        tests=str(len(states)),
        failures=str(sum(state == "failure" for state in states.values())),
        errors=str(sum(state == "error" for state in states.values())),
        time=f"{summary.seconds:.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for label, value in facts:
        name = label.lower().replace(" ", "-")
        ElementTree.SubElement(properties, "property", name=name, value=clean(value) or "-")
    for cell in summary.cells:
        suite.append(_case(cell, summary, package, states[cell.cell]))
    lines = [said.sentence, said.detail, *(_gate_lines(gate) if gate else [])]
    ElementTree.SubElement(suite, "system-out").text = clean("\n".join(filter(None, lines)))
    ElementTree.SubElement(suite, "system-err").text = ""
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True) + b"\n"


def _gate_lines(gate: Report) -> list[str]:
    rows = [": ".join(filter(None, row[:5])) for row in gate_words.rows(gate)]
    bounds = [f"{name}: {said}" for name, said in gate_words.bounds(gate)]
    return [*rows, gate_words.meaning(gate), *bounds]


def _state(cell: CellSummary, is_strict: bool) -> str:
    if set(cell.signatures) - set(cell.known):
        return "failure"
    doubtful = is_strict and any(cell.outcomes.get(k) for k in (UNKNOWN, INFRASTRUCTURE, KILLED))
    return "" if (cell.outcomes.get(VALID) or cell.known) and not doubtful else "error"


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
        known_here = "known" if sign in cell.known else each.state
        lines.append(f"{each.name} ({sign}, {known_here}), {trials:,} trials: {where}")
    broken = [known[sign].name for sign in cell.signatures if sign not in cell.known]
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
