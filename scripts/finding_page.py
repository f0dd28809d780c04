"""The page of one finding, out of its trial's run folder; see ``findings.py``."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import msgspec

from duress.harness import registry
from duress.harness.finding import Finding
from duress.harness.planned_fault import PlannedFault
from duress.harness.verdict import Anomaly
from duress.reports import closing_summary, fault_words, plain_story, run_folder, statistics, story
from duress.reports.run_folder import Run

ROOT = Path(__file__).parent.parent
FINDINGS = ROOT / "docs" / "findings"
SCHEDULES = FINDINGS / "schedules"
PICTURES = ROOT / "docs" / "pictures" / "findings"
WIDTH = 108
FAULTS_MAX = 12
NODE_WORDS = 400

PAGES = {
    "postgresql-2pc": "postgresql",
    "postgresql-replica": "postgresql",
    "redis-cluster": "redis",
}
"""Systems that share a page with another one."""

TITLES = {
    "etcd": "etcd",
    "galera": "MariaDB with Galera",
    "nats": "NATS JetStream",
    "postgresql": "PostgreSQL",
    "rabbitmq": "RabbitMQ",
    "redis": "Redis",
    "zookeeper": "ZooKeeper",
}

FLAGS = {
    "nodes": "--nodes",
    "concurrency": "--concurrency",
    "rate": "--rate",
    "timeout_s": "--timeout",
    "settle_s": "--settle",
}
"""Of ``duress run``, that a trial with a schedule needs, too; by parameter."""

TIMES = ("no", "first", "second", "third", "fourth", "fifth", "sixth")


class Told(msgspec.Struct, frozen=True):
    """What came of a finding, as the tables have it."""

    said: str
    is_as_expected: bool
    trials: int
    wall_s: int
    version: str


def folder_of(system: str) -> Path:
    """Where the pages of a system's findings are."""
    return FINDINGS / PAGES.get(system, system)


def schedule_text(faults: Sequence[PlannedFault]) -> str:
    """A schedule with one fault a line."""
    lines = ",\n  ".join(msgspec.json.encode(fault).decode() for fault in faults)
    return f'{{"faults": [\n  {lines}\n]}}\n'


def page(
    finding: Finding, folder: Path, told: Mapping[str, Told], faults: Sequence[PlannedFault]
) -> str:
    """The page as Markdown."""
    run = run_folder.load(folder)
    figures = statistics.collect(run.history.columns(), run.faults, run.verdict)
    anomaly = _anomaly(finding, run)
    headline = story.headline_of_run(run.spec, run.verdict, run.problems)
    logged = plain_story.logged(run)
    steps = plain_story.tell(run, anomaly, figures, logged) if anomaly else []
    others = {each.name: each for each in registry.findings() if each.name in told}
    controls = [each for each in others.values() if finding.name in each.controls]
    controlled = [others[name] for name in finding.controls if name in others]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("finding_page.md.j2").render(
        finding=finding,
        it=told[finding.name],
        told=told,
        came=_came(finding, told[finding.name]),
        setting=_setting(run, told[finding.name].version),
        title=TITLES[folder_of(finding.system).name],
        home=f"../{folder_of(finding.system).name}.md",
        prose=_prose(finding),
        headline=_escaped(headline.sentence),
        detail=_escaped(headline.detail) if anomaly is None else "",
        anomaly=None if anomaly is None else plain_story.title(anomaly),
        story="\n".join(_wrapped(step) for step in steps),
        figures=_figures(run, figures),
        alt=_alt(headline.sentence, anomaly),
        faults=[_row(fault, run.nodes) for fault in faults[:FAULTS_MAX]],
        faults_left=max(0, len(faults) - FAULTS_MAX),
        given=_given(finding),
        again=command(finding, run.spec, bool(faults)),
        controls=[(each, _link(finding, each)) for each in controls],
        controlled=[(each, _link(finding, each)) for each in controlled],
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def command(finding: Finding, spec: Mapping[str, Any], has_faults: bool) -> str:
    """The command line that runs the same load with the same faults at the same times."""
    system = registry.load("systems", finding.system)
    takers = [system, registry.load("workloads", spec["workload"])]
    known = {name for taker in takers for name in getattr(taker, "options", ())}
    words = ["duress", "run", finding.system, "--workload", spec["workload"]]
    words += [
        word
        for name, flag in FLAGS.items()
        if name in finding.flags
        for word in (flag, _said(finding.flags[name]))
    ]
    words += ["--time", f"{spec['time_limit_s']:g}", "--seed", str(spec["seed"])]
    for setting in finding.settings:
        if setting.partition("=")[0] in known:
            words += ["--set", setting]
    if has_faults:
        words += ["--schedule", f"docs/findings/schedules/{finding.name}.json"]
    else:
        words += ["--nemesis", "none"]
    return shlex.join(words)


def _given(finding: Finding) -> str:
    """The file of the schedule that a finding brings, if it does."""
    path = finding.flags.get("schedule")
    return f"fixtures/findings/{Path(path).name}" if path else ""


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _anomaly(finding: Finding, run: Run) -> Anomaly | None:
    """The first one that the finding is about; else the first."""
    found = run.verdict.anomalies if run.verdict else []
    return next((each for each in found if each.name in finding.shows), next(iter(found), None))


def _came(finding: Finding, it: Told) -> str:
    """How it ended, in a sentence."""
    if finding.is_control and it.is_as_expected:
        return f"Valid in each of {it.trials} trials, {it.wall_s} s in all."
    if finding.is_control:
        return f"**Not as expected** in trial {it.trials}: {it.said}."
    if it.is_as_expected:
        which = TIMES[it.trials] if it.trials < len(TIMES) else f"{it.trials}th"
        said = it.said.replace(", ", "`, `")
        return f"Found in the {which} trial, after {it.wall_s} s: `{said}`."
    return f"**Not found** in {it.trials} trials ({it.wall_s} s): {it.said}."


def _setting(run: Run, version: str) -> str:
    """What was run, in a sentence."""
    spec = run.spec
    nodes = "one node" if len(run.nodes) == 1 else f"{len(run.nodes)} nodes"
    rate = f"at most {spec['rate']:g} operations a second" if spec["rate"] else "no limit of rate"
    under = f"under `{', '.join(spec['nemeses'])}`" if spec["nemeses"] else "without faults"
    options = ", ".join(f"`{name}={value}`" for name, value in spec["options"].items())
    return (
        f"{spec['system']} {version} on {nodes} in containers; workload `{spec['workload']}`, "
        f"{spec['concurrency']} clients, {rate}, {spec['time_limit_s']:g} s, {under}; seed "
        f"{spec['seed']}; settings: {options or 'as they are by default'}."
    )


def _wrapped(step: plain_story.Told) -> str:
    text = f"{step.text[:NODE_WORDS]}…" if len(step.text) > NODE_WORDS else step.text
    line = "  ".join(part for part in (f"{step.mark:>3}", step.when, text) if part)
    return textwrap.fill(line, WIDTH, subsequent_indent="     ", break_on_hyphens=False)


def _figures(run: Run, figures: statistics.Statistics) -> str:
    """What the closing summary says in figures: calls, latency, availability, faults."""
    wanted = ("calls", "latency", "availability", "faults")
    lines = [
        "".join(text for text, _ in line).rstrip() for line in closing_summary.compose(run, figures)
    ]
    return "\n".join(line[2:] for line in lines if line.strip().startswith(wanted))


def _alt(sentence: str, anomaly: Anomaly | None) -> str:
    if anomaly is None:
        more = "Below it, when faults struck which nodes, and the latency of each call."
    else:
        title = plain_story.title(anomaly)
        more = f"Below it, the story of {title}, step by step, and a drawing of it."
    return re.sub(r"[\[\]]", "", f"Report of the trial: {sentence} {more}")


def _row(fault: PlannedFault, nodes: Sequence[str]) -> tuple[str, str, str, str]:
    said = fault_words.fault(fault.kind, fault.targets, fault.parameters, nodes)
    what, colon, whom = said.partition(": ")
    if not colon:
        what, whom = fault.kind, said.removeprefix(fault.kind).strip()
    until = "the end" if fault.until_s is None else f"{fault.until_s:.2f} s"
    return f"{fault.at_s:.2f} s", until, what, (whom or "all").replace("|", "\\|")


def _escaped(text: str) -> str:
    return re.sub(r"([*_<|])", r"\\\1", text)


def _link(finding: Finding, to: Finding) -> str:
    """To the page of another finding."""
    if folder_of(to.system) == folder_of(finding.system):
        return f"{to.name}.md"
    return f"../{folder_of(to.system).name}/{to.name}.md"


def _prose(finding: Finding) -> tuple[str, str] | None:
    """The heading of the system's page below which the finding is told first, and its anchor."""
    heading = None
    for line in folder_of(finding.system).with_suffix(".md").read_text().splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif finding.name in line and f"[{finding.name}]" not in line and heading:
            anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            return heading, f"#{anchor}"
    return None
