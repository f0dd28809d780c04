"""Follows the folder of a running trial, which is another process, from outside."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from .. import words
from . import run_files, run_names, run_summary
from .line_tail import LineTail
from .live_figures import LiveFigures
from .run_summary import RUNNING, RunSummary

EVERY_S = 0.4
"""How often the files are looked at, however many pages watch."""

FORGET_S = 60.0
REPORT_WAIT_S = 20.0
"""How long the page waits for the report once the verdict is there."""

CHUNKS_MAX = 8


class LiveRun:
    """One trial as it is watched. Thread-safe; whoever asks first in an interval does the work."""

    def __init__(self, store: Path, slug: str) -> None:
        self._store = store
        self.folder = store / run_names.decoded(slug)
        self.asked_s = time.monotonic()
        self._history = LineTail(store, slug, "history.jsonl")
        self._ledger = LineTail(store, slug, "faults.jsonl")
        self._figures = LiveFigures()
        self._restarts = 0
        self._lock = threading.Lock()
        self._looked_s = float("-inf")
        self._judged_s: float | None = None
        self._last: dict[str, Any] = {}

    def snapshot(self) -> dict[str, Any]:
        """How it stands. ``state`` as in a list, or ``gone``; ``ended`` once the report can be
        shown; all else as :meth:`.live_figures.LiveFigures.snapshot` says."""
        with self._lock:
            self.asked_s = now_s = time.monotonic()
            if now_s - self._looked_s >= EVERY_S:
                self._looked_s = now_s
                self._last = self._look(now_s)
            return self._last

    def _look(self, now_s: float) -> dict[str, Any]:
        is_behind = self._take_in()
        clock_s = time.time()
        try:
            summary = run_summary.summarise(self.folder, clock_s)
        except OSError:
            return {"state": "gone", "ended": True}
        if summary.state != RUNNING and self._judged_s is None:
            self._judged_s = now_s
        spec = self._spec()
        nodes = [words.line(str(node), 60) for node in spec.get("nodes", [])]
        written_s = run_summary.last_written_s(self.folder)
        return {
            "state": summary.state,
            "ended": not is_behind and self._is_over(summary, now_s),
            "sentence": summary.sentence,
            "detail": summary.detail,
            "phase": _phase(summary, self._figures),
            "time_limit_s": summary.time_limit_s,
            "silent_s": max(0, round(clock_s - written_s)) if written_s else None,
            "wall_s": max(0, round(clock_s - summary.started_s)),
            **self._figures.snapshot(nodes),
        }

    def _spec(self) -> dict[str, Any]:
        try:
            with run_files.open_file(self._store, self.folder.name, ["trial.json"]) as file:
                spec = msgspec.json.decode(file.read(), type=dict[str, Any])
        except (OSError, ValueError, RecursionError):
            return {}
        return spec if isinstance(spec.get("nodes"), list) else {}

    def _take_in(self) -> bool:
        """Read what has come; whether there is more to read at once."""
        for _ in range(CHUNKS_MAX):
            operations, faults = self._history.read(), self._ledger.read()
            restarts = self._history.restarts + self._ledger.restarts
            if restarts != self._restarts:  # another history: begin again with both files
                self._restarts = restarts
                self._figures = LiveFigures()
                self._history.rewind()
                self._ledger.rewind()
                continue
            self._figures.take_operations(operations)
            self._figures.take_faults(faults)
            if not operations and not faults:
                return False
        return True

    def _is_over(self, summary: RunSummary, now_s: float) -> bool:
        if summary.state == RUNNING or self._judged_s is None:
            return False
        return summary.has_report or now_s - self._judged_s > REPORT_WAIT_S


class LiveRuns:
    """The trials that somebody watches."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._runs: dict[str, LiveRun] = {}

    def __getitem__(self, slug: str) -> LiveRun:
        """The one of that name, shared by all who watch it; those nobody watches are forgotten."""
        with self._lock:
            now_s = time.monotonic()
            for other, run in list(self._runs.items()):
                if now_s - run.asked_s > FORGET_S:
                    del self._runs[other]
            if slug not in self._runs:
                self._runs[slug] = LiveRun(self._store, slug)
            return self._runs[slug]


def _phase(summary: RunSummary, figures: LiveFigures) -> str:
    """Which part of the trial it is in, as far as its files tell."""
    if summary.state != RUNNING:
        return "judged"
    if not figures.invoked:
        return "bringing up the cluster and the system"
    if summary.time_limit_s and figures.time > summary.time_limit_s * 1e9:
        return "healed: quiet time, final reads, then the verdict"
    return "clients and faults are at work"
