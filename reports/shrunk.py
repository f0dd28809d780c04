"""What a failing run and the smallest trial that fails alike say of each other in their reports.

``duress shrink`` writes ``shrunk.json`` (``{"run": name}``) into the run that it began with, and
``shrunk_from`` into ``trial.json`` of the one that it ended with. Both lie in one store.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from . import log_times, run_folder, space_time, statistics, story, words
from .run_folder import Run

NAME = "shrunk.json"

_RUN_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,200}")


def smaller(run: Run) -> dict[str, Any] | None:
    """The story of the smallest trial, and where its report lies; ``None`` if there is none."""
    try:
        told = msgspec.json.decode((run.folder / NAME).read_bytes(), type=dict[str, Any])
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
    folder = _beside(run, told.get("run"))
    if folder is None:
        return None
    small = run_folder.load(folder)
    if small.verdict is None or not small.verdict.anomalies:
        return None
    anomaly = small.verdict.anomalies[0]
    figures = statistics.collect(small.history.columns(), small.faults, small.verdict)
    logged = log_times.lines(small)
    try:
        traced = space_time.diagram(small, anomaly, figures, logged)
    except (KeyError, TypeError, ValueError, IndexError):
        traced = None
    messages = traced.steps if traced else []
    steps = story.tell(small.history, anomaly, figures, small.nodes, logged, messages)
    return {
        "name": words.line(folder.name, 120),
        "href": f"../{folder.name}/report.html",
        "anomaly": words.line(anomaly.name, 80),
        "size": words.names(
            [
                words.count(len(figures.faults), "fault"),
                words.count(figures.total.calls, "call"),
                words.count(len(small.nodes), "node"),
            ]
        ),
        "steps": [{"when": s.when, "kind": s.kind, "text": s.text} for s in steps],
    }


def larger(run: Run) -> dict[str, str] | None:
    """The run that this one was shrunk from, if it is still there."""
    folder = _beside(run, run.spec.get("shrunk_from"))
    if folder is None:
        return None
    return {"name": words.line(folder.name, 120), "href": f"../{folder.name}/report.html"}


def _beside(run: Run, name: Any) -> Path | None:
    """Another run of the same store, by its name alone: nothing else on this machine is read."""
    if not isinstance(name, str) or not _RUN_NAME.fullmatch(name):
        return None
    folder = run.folder.resolve().parent / name
    is_other = folder.is_dir() and not folder.is_symlink() and folder != run.folder.resolve()
    return folder if is_other else None
