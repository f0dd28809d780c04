"""Writes what ``docs/`` tells of the findings, out of the trials of ``duress rediscover``.

    .venv/bin/duress rediscover --store FOLDER       # an hour and a half
    .venv/bin/python scripts/findings.py FOLDER      # some minutes

Of each finding and control that was tried: a page (``docs/findings/<system>/<name>.md``), the
picture of the report (``docs/pictures/findings``), and the schedule (``docs/findings/schedules``).
What came of it is kept in ``docs/findings/outcomes.json``, so that a few can be tried and told
again without the others; the tables of ``docs/findings.md`` and of the pages of the systems are
made of that. What stands outside of their marked parts is left as it is.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from finding_page import FINDINGS, PICTURES, SCHEDULES, Told, folder_of, page, schedule_text
from photograph import WITHOUT_CONTROLS, browsing, shown, taken

from duress.harness import registry, schedule
from duress.harness.finding import Finding
from duress.harness.rediscovery import LEDGER, Outcome
from duress.reports import html

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

OUTCOMES = FINDINGS / "outcomes.json"
INDEX = FINDINGS.with_suffix(".md")
LARGEST_BYTES = 60 * 1024

BEGIN, END = "<!-- scripts/findings.py writes this -->", "<!-- up to here -->"

ONLY_ONE_STORY = """shows => {
  const groups = [...document.querySelectorAll("#story .group:not(.smaller)")];
  const named = group => group.querySelector("h3 .mono").textContent;
  const told = groups.find(group => shows.includes(named(group))) || groups[0];
  groups.forEach(group => group.hidden = group !== told);
  if (told !== groups[0]) document.querySelector("header .detail").hidden = true;
  const [first, ...others] = told.querySelectorAll(".anomaly");
  others.forEach(other => other.hidden = true);
  if (first.tagName === "DETAILS") {
    const open = document.createElement("div");
    open.className = "anomaly";
    open.append(...[...first.children].filter(child => child.tagName !== "SUMMARY"));
    first.replaceWith(open);
  }
}"""
"""Of a report with several kinds of anomalies, leave the first one that the finding is about."""

OF_A_CONTROL = """
  .overline, nav.contents, .tools, .hint, details, .skip, #story { display: none !important }
  #charts figure:has(#rates), #charts figure:has(#doubts), #charts figure:has(#log-lanes) {
    display: none !important
  }
"""


def main(arguments: Sequence[str]) -> int:
    """Exit code 0, or 1 if a picture is too large or a run's folder is gone."""
    parser = argparse.ArgumentParser(description="Writes what docs/ tells of the findings.")
    parser.add_argument("store", type=Path, help="of duress rediscover")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (default: all in there)")
    asked = parser.parse_args(arguments)
    tried = tried_in(asked.store)
    if unknown := [name for name in asked.names if name not in tried]:
        parser.error(f"{asked.store / LEDGER} has no {', '.join(unknown)}")
    told = {**outcomes(), **{name: told_of(outcome) for name, outcome in tried.items()}}
    known = {finding.name: finding for finding in registry.findings()}
    told = {name: told[name] for name in known if name in told}
    OUTCOMES.parent.mkdir(exist_ok=True)
    OUTCOMES.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")
    chosen = asked.names or [name for name in known if name in tried]
    with browsing() as browser:
        wrong = [
            name
            for name in chosen
            if not write(known[name], Path(tried[name].folder), told, browser)
        ]
    write_tables(known, told)
    return 1 if wrong else 0


def tried_in(store: Path) -> dict[str, Outcome]:
    """The last outcome of each finding that was tried with a store."""
    lines = (store / LEDGER).read_bytes().splitlines()
    found = [msgspec.json.decode(line, type=Outcome) for line in lines]
    return {outcome.finding.name: outcome for outcome in found}


def outcomes() -> dict[str, Told]:
    """What the pages tell already."""
    if not OUTCOMES.is_file():
        return {}
    return msgspec.json.decode(OUTCOMES.read_bytes(), type=dict[str, Told])


def told_of(outcome: Outcome) -> Told:
    """What is kept of an outcome."""
    return Told(
        outcome.said,
        outcome.is_as_expected,
        outcome.trials,
        round(outcome.wall_s),
        outcome.version.split()[0] if outcome.version else "",
    )


def write(finding: Finding, run: Path, told: Mapping[str, Told], browser: BrowserContext) -> bool:
    """Page, picture and schedule of one finding; one line on it."""
    if not (run / "trial.json").is_file():
        print(f"{finding.name}: {run}: no such run folder; try it again")
        return False
    faults = schedule.read(run / schedule.FILE)
    plan = SCHEDULES / f"{finding.name}.json"
    if faults:
        SCHEDULES.mkdir(exist_ok=True)
        plan.write_text(schedule_text(faults))
    else:
        plan.unlink(missing_ok=True)
    path = folder_of(finding.system) / f"{finding.name}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(page(finding, run, told, faults))
    PICTURES.mkdir(exist_ok=True)
    png = photograph(finding, html.render(run), browser)
    (PICTURES / f"{finding.name}.png").write_bytes(png)
    print(f"{finding.name}: {len(png):,} bytes", flush=True)
    return len(png) <= LARGEST_BYTES


def photograph(finding: Finding, report: Path, browser: BrowserContext) -> bytes:
    """Verdict, story and evidence; of a valid trial the verdict, its faults and latencies."""
    with shown(browser, report) as drawn:
        failed = drawn.locator("#story .anomaly").count() > 0
        if failed:
            drawn.evaluate(ONLY_ONE_STORY, list(finding.shows))
        drawn.add_style_tag(content=WITHOUT_CONTROLS if failed else OF_A_CONTROL)
        drawn.wait_for_timeout(300)  # charts are drawn anew after their size has changed
        last = "#story .group:not([hidden]) .anomaly" if failed else "#charts"
        png = b""
        for colours in (48, 24, 12, 8):
            png = taken(drawn, last, colours)
            if len(png) <= LARGEST_BYTES:
                break
        return png


def write_tables(known: Mapping[str, Finding], told: Mapping[str, Told]) -> None:
    """The marked parts of the index and of the pages of the systems."""
    everything = [known[name] for name in told]
    replace(INDEX, f"{summary(everything, told)}\n\n{table(everything, told, INDEX)}")
    pages: dict[Path, list[Finding]] = {}
    for name in told:
        finding = known[name]
        pages.setdefault(folder_of(finding.system).with_suffix(".md"), []).append(finding)
    for path, findings in pages.items():
        replace(path, table(findings, told, path))


def summary(findings: Sequence[Finding], told: Mapping[str, Told]) -> str:
    """How many there are, and how many came out as they should."""
    controls = [finding for finding in findings if finding.is_control]
    others = [finding for finding in findings if not finding.is_control]
    valid, shown = (sum(told[each.name].is_as_expected for each in of) for of in (controls, others))
    minutes = sum(it.wall_s for it in told.values()) / 60
    return (
        f"{shown} of {len(others)} findings showed, and {valid} of {len(controls)} controls were "
        f"valid: {minutes:.0f} minutes of trials."
    )


def table(findings: Sequence[Finding], told: Mapping[str, Told], path: Path) -> str:
    """One row each, in their order, with links that work from ``path``."""
    rows = ["| finding | what showed | trials | seconds |", "|---|---|---|---|"]
    if path == INDEX:
        rows = ["| finding | system | what showed | trials | seconds |", "|---|---|---|---|---|"]
    for finding in findings:
        it = told[finding.name]
        link = (folder_of(finding.system) / f"{finding.name}.md").relative_to(path.parent)
        kind = "control: " if finding.is_control else ""
        mark = "" if it.is_as_expected else " **(not as expected)**"
        system = f" {finding.system} {it.version} |" if path == INDEX else ""
        rows.append(
            f"| {kind}[{finding.name}]({link}) |{system} {it.said}{mark} "
            f"| {it.trials} | {it.wall_s} |"
        )
    return "\n".join(rows)


def replace(path: Path, text: str) -> None:
    """Put a text between the marks of a page."""
    whole = path.read_text()
    marked = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if len(marked.findall(whole)) != 1:
        sys.exit(f"{path}: expected one part from {BEGIN} to {END}")
    path.write_text(marked.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", whole))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
