"""Folds the lines of a growing history into what the live page shows. Pure: no files, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from ...harness.fault_windows import FaultWindow, fault_windows
from ...harness.operation import NEMESIS
from .. import story, words

BINS_MAX = 240
RECENT_CALLS = 2000
RECENT_S = 5
FAULTS_SHOWN = 30
FS_SHOWN = 20
LATEST_TIME_NS = 1 << 62

OUTCOMES = ("ok", "fail", "info")


class _Seen(msgspec.Struct):
    time: int
    process: int | str
    type: str
    f: str
    error: Any = None


_decode = msgspec.json.Decoder(_Seen).decode


class LiveFigures:
    """What clients and the nemesis have done so far in a trial. Times in ns since it began."""

    def __init__(self) -> None:
        self.time = 0
        self.unreadable = 0
        self.invoked = 0
        self._open: dict[int | str, tuple[int, str]] = {}
        self._by_f: dict[str, list[int]] = {}
        self._width_s = 1
        self._bins: dict[int, list[int]] = {}
        self._latencies: deque[int] = deque(maxlen=RECENT_CALLS)
        self._ledger: list[dict[str, Any]] = []

    def take_operations(self, lines: Sequence[bytes]) -> None:
        """Lines of ``history.jsonl``. What is no operation is counted and left out."""
        for line in lines:
            try:
                operation = _decode(line)
            except (ValueError, RecursionError):
                self.unreadable += 1
                continue
            if not 0 <= operation.time < LATEST_TIME_NS:
                self.unreadable += 1
                continue
            self.time = max(self.time, operation.time)
            if operation.process != NEMESIS:
                self._client(operation)

    def take_faults(self, lines: Sequence[bytes]) -> None:
        """Lines of ``faults.jsonl``."""
        for line in lines:
            try:
                entry = msgspec.json.decode(line)
                fault, time = entry["fault"], entry["time"]
                if not (isinstance(fault["id"], int) and isinstance(fault["kind"], str)):
                    raise TypeError
                if not (isinstance(time, int) and isinstance(entry["state"], str)):
                    raise TypeError
            except (ValueError, KeyError, TypeError, RecursionError):
                self.unreadable += 1
            else:
                self._ledger.append(entry)
                if 0 <= time < LATEST_TIME_NS:
                    self.time = max(self.time, time)

    def _client(self, operation: _Seen) -> None:
        if operation.type == "invoke":
            self.invoked += 1
            self._open[operation.process] = (operation.time, operation.f)
            return
        if operation.type not in OUTCOMES:
            self.unreadable += 1
            return
        outcome = OUTCOMES.index(operation.type)
        began, f = self._open.pop(operation.process, (operation.time, operation.f))
        self._by_f.setdefault(f, [0, 0, 0])[outcome] += 1
        if outcome == 0:
            self._latencies.append(max(operation.time - began, 0))
        second = operation.time // 1_000_000_000
        while second // self._width_s >= BINS_MAX:
            self._widen()
        self._bins.setdefault(second // self._width_s, [0, 0, 0])[outcome] += 1

    def _widen(self) -> None:
        """Half as many bins, each twice as wide."""
        wider: dict[int, list[int]] = {}
        for number, counts in self._bins.items():
            into = wider.setdefault(number // 2, [0, 0, 0])
            for outcome, count in enumerate(counts):
                into[outcome] += count
        self._bins, self._width_s = wider, self._width_s * 2

    def snapshot(self, nodes: Sequence[str]) -> dict[str, Any]:
        """All of it as plain data for the page; everything is safe to show."""
        windows = fault_windows(self._ledger)
        number = self.time // (self._width_s * 1_000_000_000) + 1
        bins = [self._bins.get(at, [0, 0, 0]) for at in range(min(number, BINS_MAX))]
        totals = [sum(counts[k] for counts in self._by_f.values()) for k in range(3)]
        return {
            "time_ns": self.time,
            "calls": dict(zip(OUTCOMES, totals, strict=True)),
            "open": max(0, self.invoked - sum(totals)),
            "rate": self._rate(),
            "by_f": [
                {"f": words.line(f, 40), **dict(zip(OUTCOMES, counts, strict=True))}
                for f, counts in list(self._by_f.items())[:FS_SHOWN]
            ],
            "bin_s": self._width_s,
            "bins": {
                name: [counts[outcome] for counts in bins] for outcome, name in enumerate(OUTCOMES)
            },
            "latency": self._quantiles(),
            "faults": [_shown(window, nodes) for window in windows[-FAULTS_SHOWN:]],
            "faults_total": len(windows),
            "faults_active": sum(_is_active(window) for window in windows),
            "unreadable": self.unreadable,
        }

    def _rate(self) -> float | None:
        """Ok calls a second of late: over the last whole bins that make :data:`RECENT_S`."""
        now = self.time // (self._width_s * 1_000_000_000)
        count = min(now, -(-RECENT_S // self._width_s))
        if count <= 0:
            return None
        ok = sum(self._bins.get(at, (0, 0, 0))[0] for at in range(now - count, now))
        return round(ok / (count * self._width_s), 1)

    def _quantiles(self) -> dict[str, int]:
        """Latency (ns) of the latest ok calls."""
        ordered = sorted(self._latencies)
        if not ordered:
            return {}
        return {
            f"p{percent}": ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
            for percent in (50, 95, 99)
        }


def _is_active(window: FaultWindow) -> bool:
    return window.healed is None and window.state != "failed"


def _shown(window: FaultWindow, nodes: Sequence[str]) -> dict[str, Any]:
    return {
        "id": window.id,
        "kind": words.line(window.kind, 40),
        "said": story.describe_fault(window, nodes),
        "state": words.line(window.state, 20),
        "start_ns": window.start,
        "end_ns": window.healed,
        "active": _is_active(window),
    }
