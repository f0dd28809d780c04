"""What the list says of a run: read from ``trial.json`` and ``verdict.json``, whatever their state.

A run folder is useful after a crash at any byte, so nothing here raises for what a file holds;
what could not be read is named in :attr:`RunSummary.problems`.
"""

from __future__ import annotations

import calendar
import math
import os
import re
import stat
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ...harness import store
from ...harness.verdict import Verdict
from .. import story, words
from . import run_names

LARGEST_BYTES = 64 << 20
SILENCE_S = 150.0
"""Where there are no locks, a trial that has not written for that long, and for as long as its
checkers may take besides, has been killed: bringing a cluster up may take 120 s without a write."""

VALID, INVALID, UNKNOWN, RUNNING, NONE = "valid", "invalid", "unknown", "running", "none"
STATES = (INVALID, UNKNOWN, NONE, RUNNING, VALID)
"""``none``: there is no verdict, for the trial was killed or its verdict cannot be read."""

UNJUDGED = "verdict.json: missing"

GROWING = ("history.jsonl", "faults.jsonl", "messages.jsonl", "trial.json")


@dataclass
class RunSummary:
    """One run folder in the list.

    ``slug``       its name as it stands in addresses; ``name`` as a person sees it.
    ``campaign``   ``NAME/TIME`` if it is of one.
    ``started_s``  since the epoch: as the trial says, else as the folder's name or its time do.
    ``sentence``   the verdict in a sentence; ``detail`` the first explanation, or the reason.
    ``signature``  equal for runs with the same trouble, which ``trouble`` names; empty for those
                   with none. Of a violation: the verdict's own, and the mutant if there is one.
    ``anomalies``  how many of each name.
    ``calls``      client calls; ``served`` the share of them that was served; ``faults`` injected.
    """

    slug: str
    name: str
    started_s: float
    campaign: str = ""
    state: str = NONE
    outcome: str = ""
    system: str = ""
    workload: str = ""
    cluster: str = ""
    mutant: str = ""
    seed: str = ""
    nemeses: list[str] = field(default_factory=list)
    nodes: int = 0
    time_limit_s: float | None = None
    sentence: str = ""
    detail: str = ""
    signature: str = ""
    trouble: str = ""
    anomalies: dict[str, int] = field(default_factory=dict)
    calls: int | None = None
    served: float | None = None
    faults: int | None = None
    has_report: bool = False
    problems: list[str] = field(default_factory=list)
    command: str = ""


def summarise(folder: Path, now_s: float) -> RunSummary:
    """What can be said of a run folder at this time (epoch, seconds). Raises ``OSError`` if the
    folder itself is gone."""
    changed_s = folder.stat().st_mtime
    problems: list[str] = []
    spec = _spec(folder / "trial.json", problems)
    verdict = _verdict(folder / "verdict.json", problems)
    is_unjudged = UNJUDGED in problems and "outcome" not in spec
    summary = RunSummary(
        slug=run_names.encoded(folder.name),
        name=run_names.shown(folder.name),
        started_s=_started(spec, folder.name, changed_s),
        problems=problems,
        has_report=(folder / "report.html").is_file(),
    )
    _from_spec(summary, spec)
    if verdict is not None:
        _from_verdict(summary, spec, verdict)
    elif is_unjudged and is_alive(folder, spec, now_s):
        summary.state = RUNNING
        summary.sentence = f"{story.subject(spec)} is under duress."
        summary.problems = []
    else:
        told = story.headline_of_run(spec, None, problems)
        summary.sentence, summary.detail = told.sentence, told.detail
    return summary


def is_alive(folder: Path, spec: dict[str, Any], now_s: float) -> bool:
    """Whether a trial that has not ended is still under way: it holds the folder's lock. Where no
    locks are, or it has not begun to write, it may be if it did anything not long ago."""
    if spec and (is_written := store.is_being_written(folder)) is not None:
        return is_written
    patience_s = SILENCE_S + min(_number(spec.get("check_time_s")) or 0.0, 3600.0)
    return now_s - last_written_s(folder) < patience_s


def last_written_s(folder: Path) -> float:
    """When a run folder last grew (epoch, seconds); 0 if it is gone."""
    latest = 0.0
    for path in (folder, *(folder / name for name in GROWING)):
        try:
            latest = max(latest, path.stat().st_mtime)
        except OSError:
            continue
    return latest


def _content(path: Path, problems: list[str]) -> bytes | None:
    """The file's bytes; ``None``, and a problem, where there is none or none that can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        problems.append(f"{path.name}: missing")
        return None
    except OSError as error:
        problems.append(f"{path.name}: cannot be read ({error.strerror})")
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            problems.append(f"{path.name}: cannot be read (it is no file)")
            return None
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        problems.append(f"{path.name}: cannot be read ({error.strerror})")
        return None
    finally:
        os.close(descriptor)
    if len(content) > LARGEST_BYTES:
        problems.append(f"{path.name}: larger than {LARGEST_BYTES >> 20} MiB; not read")
        return None
    return content


def _spec(path: Path, problems: list[str]) -> dict[str, Any]:
    content = _content(path, problems)
    if content is None:
        return {}
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        problems.append(f"trial.json: not readable ({words.line(str(error), 160)})")
        return {}


def _verdict(path: Path, problems: list[str]) -> Verdict | None:
    content = _content(path, problems)
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=Verdict)
    except (ValueError, RecursionError) as error:
        problems.append(f"verdict.json: not readable ({words.line(str(error), 160)})")
        return None


def _started(spec: dict[str, Any], name: str, otherwise_s: float) -> float:
    for text, pattern in (
        (spec.get("started"), "%Y-%m-%dT%H:%M:%SZ"),
        (name[:15], "%Y%m%dT%H%M%S"),
    ):
        if isinstance(text, str):
            try:
                return float(calendar.timegm(time.strptime(text, pattern)))
            except (ValueError, OverflowError):
                continue
    return otherwise_s


def _from_spec(summary: RunSummary, spec: dict[str, Any]) -> None:
    for name in ("system", "workload", "cluster", "mutant", "outcome"):
        given = spec.get(name)
        setattr(summary, name, words.line(given, 120) if isinstance(given, str) else "")
    seed = spec.get("seed")
    summary.seed = words.line(str(seed), 60) if isinstance(seed, int | str) else ""
    nemeses, nodes = spec.get("nemeses"), spec.get("nodes")
    if isinstance(nemeses, list):
        summary.nemeses = [words.line(name, 60) for name in nemeses[:50] if isinstance(name, str)]
    if isinstance(nodes, list):
        summary.nodes = len(nodes)
    summary.time_limit_s = _number(spec.get("time_limit_s"))
    command = spec.get("command")
    summary.command = words.line(command, 600) if isinstance(command, str) else ""


def _from_verdict(summary: RunSummary, spec: dict[str, Any], verdict: Verdict) -> None:
    told = story.headline({**spec, "outcome": summary.outcome}, verdict)
    summary.state = {True: VALID, False: INVALID}.get(verdict.valid, UNKNOWN)  # type: ignore[call-overload]
    summary.sentence, summary.detail = told.sentence, words.printable(told.detail, 600)
    names = Counter(words.line(anomaly.name, 80) for anomaly in verdict.anomalies)
    summary.anomalies = dict(names.most_common(30))
    if summary.state == INVALID:
        signature = verdict.signature
        if signature is None:  # of before there were signatures
            summary.signature = _same_trouble(summary, sorted(names))
            summary.trouble = words.names(sorted(names)) or "a violation"
        else:  # a mutant is known to be another bug, whatever its symptom
            known = filter(None, (words.line(signature.id, 80), summary.mutant))
            summary.signature = "/".join(known)
            summary.trouble = words.line(signature.name, 200)
    elif summary.state == UNKNOWN:
        summary.signature = _same_trouble(summary, [_without_numbers(told.detail)])
    outcomes = _statistics(verdict, "vacuity").get("outcomes")
    if isinstance(outcomes, dict):
        counts = [n for by in outcomes.values() if isinstance(by, dict) for n in by.values()]
        summary.calls = sum(n for n in counts if isinstance(n, int))
    available = _statistics(verdict, "availability")
    faults = available.get("faults")
    summary.served = _number(available.get("served"))
    summary.faults = len(faults) if isinstance(faults, list) else None


def _same_trouble(summary: RunSummary, names: list[str]) -> str:
    who = "/".join(filter(None, (summary.system, summary.mutant))) or "?"
    return words.line(f"{who}: {', '.join(names) or summary.state}", 200)


def _without_numbers(text: str) -> str:
    """A reason as other runs would give it, too."""
    return re.sub(r"\d+", "#", words.line(text, 400))


def _statistics(verdict: Verdict, part: str) -> dict[str, Any]:
    return verdict.parts[part].statistics if part in verdict.parts else {}


def _number(given: Any) -> float | None:
    """A finite number that is none of True and False."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    try:
        return float(given) if math.isfinite(given) else None
    except OverflowError:
        return None
