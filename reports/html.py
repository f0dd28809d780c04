"""``report.html``: one self-contained file that works offline and tells the whole trial.

Text is written into the page by an autoescaping template; data for the scripts lies in
blocks that a browser does not run, and scripts put it on the page as text only. The
Content-Security-Policy allows exactly the scripts and the style sheet that were embedded.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..harness.composition import FaultPhase
from ..harness.store import write_atomically
from ..harness.verdict import Verdict
from . import (
    about_trial,
    anomalies,
    clock_plot,
    doubts,
    log_axis,
    messages,
    packing,
    plain_story,
    run_folder,
    shrunk,
    statistics,
    story,
    words,
)
from .run_folder import Run
from .statistics import Statistics
from .templates import templates

if TYPE_CHECKING:
    from jinja2 import Template

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = (
    "history.js",
    "scales.js",
    "completions.js",
    "charts.js",
    "clock_plot.js",
    "chart_input.js",
    "evidence.js",
    "tracks.js",
    "time_scale.js",
    "space_time.js",
    "space_time_input.js",
    "doubt_lanes.js",
    "node_logs.js",
    "cycle.js",
    "table.js",
    "report.js",
)
STYLES = ("tokens.css", "report.css", "evidence.css", "print.css")
TEMPLATE = "report.html.j2"

FAULT_ROWS_MAX = 500


def render(folder: Path, window: tuple[float, float] | None = None) -> Path:
    """Write ``report.html`` into a run folder and return its path.

    Renders whatever is there: missing and damaged files are named on the page. With a ``window``
    (two times in seconds) the messages of that are drawn, too.
    """
    path = folder / "report.html"
    write_atomically(path, page(run_folder.load(folder), window).encode("utf-8", "replace"))
    return path


def page(run: Run, window: tuple[float, float] | None = None) -> str:
    """The report as text."""
    columns = run.history.columns()
    figures = statistics.collect(columns, run.faults, run.verdict)
    packed = packing.pack(columns)
    groups = anomalies.groups(run, figures)
    clocks = clock_plot.tracks(figures.faults, figures.duration_ns)
    told = [anomaly for group in groups for anomaly in group["anomalies"]]
    wanted = anomalies.of_window(run, figures, window, len(told)) if window else None
    data = {
        "history": packed.layout,
        "duration": figures.duration_ns,
        "nodes": [words.line(node, 60) for node in run.nodes],
        "faults": [
            {
                "kind": words.line(w.kind, 40),
                "said": story.describe_fault(w, run.nodes),
                "targets": [words.line(target, 60) for target in w.targets],
                "start": w.start,
                "end": w.end(figures.duration_ns),
            }
            for w in figures.faults
        ],
        "clocks": clocks,
        "logs": log_axis.tracks(run),
        "near": log_axis.near(run.history, run.verdict),
        "doubts": doubts.spans(run.history),
        "phases": _phases(run.spec),
        "evidence": [anomaly["drawing"] for anomaly in told],
        "diagrams": [each["diagram"] for each in (*told, *filter(None, [wanted]))],
        "tracks": [anomaly["tracks"] for anomaly in told],
    }
    scripts = [_asset(name) for name in SCRIPTS]
    style = "".join(_asset(name) for name in STYLES)
    verdict = run.verdict
    return _template().render(
        policy=policy(scripts, style),
        style=style,
        scripts=scripts,
        data=embed(data),
        has_clocks=bool(clocks),
        has_doubts=data["doubts"] is not None,
        packed=packed.base64,
        headline=story.headline_of_run(run.spec, verdict, run.problems),
        title=story.subject(run.spec),
        facts=_facts(run, figures),
        groups=groups,
        window=wanted,
        groups_left_out=len({a.name for a in verdict.anomalies}) - len(groups) if verdict else 0,
        levels=anomalies.levels(verdict),
        untraced=_untraced(run, told),
        messages=messages.table(verdict),
        checkers=_checkers(verdict),
        faults=_fault_rows(run, figures),
        faults_left_out=max(0, len(figures.faults) - FAULT_ROWS_MAX),
        tallies=_tally_rows(figures),
        figures=_figures(run.spec, figures),
        trial=_trial(run),
        commands=about_trial.commands(run),
        planted=about_trial.about_mutant(run),
        smaller=shrunk.smaller(run) if groups else None,
        larger=shrunk.larger(run),
        needs_all_faults=bool(
            figures.faults and verdict and verdict.signature and verdict.signature.faults
        ),
        run_id=words.line(str(run.spec.get("id", run.folder.name)), 120),
        logs=run.logs,
        has_timed_logs=any(time is not None for log in data["logs"] for time in log["times"]),
        log_note=log_axis.note(run),
        problems=run.problems,
        operations=len(columns),
    )


def policy(scripts: Sequence[str], style: str) -> str:
    """A Content-Security-Policy under which only these scripts and this style sheet apply."""

    def allow(text: str) -> str:
        digest = hashlib.sha256(text.encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"

    allowed = " ".join(allow(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {allow(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def embed(data: Any) -> str:
    """Data as JSON that can stand in a script block: it can neither end it nor begin a comment."""
    text = msgspec.json.encode(data).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@cache
def _asset(name: str) -> str:
    """A file of the page. Ends a script too early if it held an end tag, so that is refused."""
    text = (ASSETS / name).read_text("utf-8")
    if "</script" in text.lower() or "</style" in text.lower():
        raise AssertionError(f"{name} must not contain an end tag")
    return text


@cache
def _template() -> Template:
    return templates([ASSETS]).get_template(TEMPLATE)


def _facts(run: Run, figures: Statistics) -> list[tuple[str, str]]:
    spec = run.spec
    nodes, cluster = spec.get("nodes", []), spec.get("cluster")
    where = words.count(len(nodes), "node") + (f" ({words.line(cluster, 30)})" if cluster else "")
    total = figures.total
    facts = [
        ("Trial time", words.duration(figures.duration_ns)),
        ("Calls", f"{total.calls:,}"),
        ("Served", words.share(figures.served)),
        ("Outcome unknown", f"{total.info:,}"),
        ("Faults", f"{len(figures.faults):,}"),
        ("Cluster", where),
    ]
    if "seed" in spec:
        facts.append(("Seed", words.line(str(spec["seed"]), 40)))
    if run.verdict is not None and run.verdict.signature is not None:
        facts.append(("Signature", words.line(run.verdict.signature.id, 40)))
    return facts


def _untraced(run: Run, told: Sequence[Mapping[str, Any]]) -> str | None:
    """The command that would give this run its space-time diagrams, if it can have them."""
    command = run.spec.get("command")
    if run.spec.get("cluster") != "sim" or not told or not isinstance(command, str):
        return None
    if any(anomaly["diagram"] for anomaly in told) or (run.folder / "messages.jsonl").is_file():
        return None
    if not command.startswith("duress run "):
        return None
    return words.line(f"{command} --set trace=true", 2000)


def _checkers(verdict: Verdict | None) -> list[dict[str, Any]]:
    parts = {} if verdict is None else verdict.parts or {"verdict": verdict}
    return [
        {
            "name": words.line(name, 60),
            "state": {True: "valid", False: "invalid"}.get(part.valid, "unknown"),  # type: ignore[call-overload]
            "reason": words.line(part.reason, 600),
            "anomalies": words.names(sorted({a.name for a in part.anomalies})),
            "statistics": [
                (words.line(str(key), 60), words.value(value, 300))
                for key, value in part.statistics.items()
            ],
        }
        for name, part in parts.items()
    ]


def _fault_rows(run: Run, figures: Statistics) -> list[dict[str, Any]]:
    pairs = list(zip(figures.faults, figures.impacts, strict=True))[:FAULT_ROWS_MAX]
    return [
        {
            "said": story.describe_fault(window, run.nodes),
            "start": words.moment(window.start),
            "lasted": words.duration(window.end(figures.duration_ns) - window.start),
            "state": words.line(window.state, 20),
            "served": words.share(impact.served),
            "trouble": words.duration(impact.first_trouble_ns),
            "detected": "no silence"
            if impact.detection_ns == 0
            else words.duration(impact.detection_ns),
            "gap": words.duration(impact.longest_gap_ns),
            "served_again": words.duration(impact.served_again_ns),
            "recovery": "at once"
            if impact.recovery_ns == 0
            else words.duration(impact.recovery_ns),
        }
        for window, impact in pairs
    ]


def _tally_rows(figures: Statistics) -> list[tuple[str, ...]]:
    rows = [*figures.by_f, figures.total] if len(figures.by_f) > 1 else figures.by_f
    return [
        (
            words.line(t.f, 40),
            f"{t.calls:,}",
            f"{t.ok:,}",
            f"{t.fail:,}",
            f"{t.info:,}",
            words.share(t.ok / t.calls if t.calls else None),
        )
        for t in rows
    ]


def _figures(spec: Mapping[str, Any], figures: Statistics) -> list[tuple[str, str]]:
    rows = [
        (f"Latency of ok calls, {name}", words.duration(ns))
        for name, ns in figures.latency_ns.items()
    ]
    if figures.quiet_rate is not None:
        rows.append(("Ok calls a second while no fault was active", f"{figures.quiet_rate:,.1f}"))
    if "recovered_s" in spec:
        ready = words.duration(spec["recovered_s"] * 1e9)
        rows.append(("Every node ready after the last heal in", ready))
    return rows


_TRIAL_LABELS = {
    "system": "System",
    "mutant": "Mutant",
    "workload": "Workload",
    "nemeses": "Nemeses",
    "cluster": "Cluster",
    "nodes": "Nodes",
    "concurrency": "Concurrency",
    "rate": "Rate (calls/s)",
    "time_limit_s": "Time limit (s)",
    "seed": "Seed",
    "started": "Started",
    "outcome": "Outcome",
    "error": "Error",
    "duress": "duress",
}


def _trial(run: Run) -> list[tuple[str, str]]:
    spec, rows = run.spec, []
    abouts = {"system": "systems", "workload": "workloads"}
    for name, label in _TRIAL_LABELS.items():
        if name in spec:
            given = spec[name]
            if isinstance(given, list):
                given = words.names(given, 20) or "none"
            about = about_trial.about(run, abouts[name]) if name in abouts else ""
            rows.append((label, words.line(str(given), 400) + (f": {about}" if about else "")))
    rows += _rhythm(spec)
    signature = plain_story.signature(run.verdict)
    if signature is not None:
        rows.append(("Signature: the same bug has the same, whatever the seed", signature))
    for group in ("options", "system_info", "host"):
        for name, value in spec.get(group, {}).items():
            shown = value if isinstance(value, str) else words.value(value, 300)
            rows.append(
                (f"{group.replace('_', ' ')}: {words.line(str(name), 60)}", words.line(shown, 300))
            )
    return rows


def _rhythm(spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Weights and phases, where the trial had any."""
    rows = []
    try:
        weights = msgspec.convert(spec.get("weights", {}), dict[str, float])
        phases = msgspec.convert(spec.get("fault_phases", []), list[FaultPhase])
    except msgspec.ValidationError:
        return []
    if weights:
        shown = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
        rows.append(("Weights", words.line(shown, 400)))
    if phases:
        shown = ", ".join(f"{phase.lasts_s:g} s {phase.label}" for phase in phases)
        rows.append(("Phases", words.line(shown, 400)))
    return rows


def _phases(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": words.line(phase["name"], 40), "time": phase["time"]}
        for phase in spec.get("phases", [])
        if isinstance(phase, dict)
        and isinstance(phase.get("name"), str)
        and isinstance(phase.get("time"), int)
    ]
