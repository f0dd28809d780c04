"""Two runs side by side: first what differs in what was run, then what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...harness.errors import UserError
from ...harness.verdict import Verdict
from .. import run_folder, statistics, story, words
from ..run_folder import Run
from ..statistics import Statistics
from . import run_names
from .drawings import Curves

LARGEST_HISTORY_BYTES = 512 << 20
BINS = 120
LEFT_OUT = frozenset(
    {
        *("id", "started", "command", "phases", "history_origin_ns", "history_clocks"),
        *("outcome", "error", "recovered_s", "shrunk_from"),
    }
)
"""What differs between any two runs, or is told elsewhere on the page."""

ROWS_MAX = 400


@dataclass(frozen=True)
class Row:
    """One line of a table: what it is about, and what each run has. ``change`` from the first to
    the second, for figures."""

    name: str
    first: str
    second: str
    change: str = ""

    @property
    def is_same(self) -> bool:
        """Whether the two agree."""
        return self.first == self.second


@dataclass(frozen=True)
class Side:
    """One of the two: its headline, and what its report would show."""

    run: Run
    headline: story.Headline
    figures: Statistics


@dataclass(frozen=True)
class Comparison:
    """All that the page shows. Tables hold the rows that differ first."""

    sides: tuple[Side, Side]
    specification: list[Row]
    checkers: list[Row]
    anomalies: list[Row]
    figures: list[Row]
    rates: Curves
    latencies: Curves

    @property
    def differences(self) -> list[Row]:
        """What of the specification differs."""
        return [row for row in self.specification if not row.is_same]


def compare(first: Path, second: Path) -> Comparison:
    """Read both folders, whatever their state. ``UserError`` for a history that is too large."""
    a, b = _side(first), _side(second)
    end_ns = max(a.figures.duration_ns, b.figures.duration_ns, 1)
    return Comparison(
        sides=(a, b),
        specification=_specification(a.run.spec, b.run.spec),
        checkers=_checkers(a.run.verdict, b.run.verdict),
        anomalies=_anomalies(a.run.verdict, b.run.verdict),
        figures=_figures(a, b),
        rates=_curves((a, b), end_ns, _rates),
        latencies=_curves((a, b), end_ns, _slow_calls),
    )


def _side(folder: Path) -> Side:
    history = folder / "history.jsonl"
    if history.is_file() and history.stat().st_size > LARGEST_HISTORY_BYTES:
        raise UserError(
            f"{run_names.shown(folder.name)}: its history is {history.stat().st_size >> 20} MiB, "
            f"expected at most {LARGEST_HISTORY_BYTES >> 20} to compare; see its report"
        )
    run = run_folder.load(folder)
    figures = statistics.collect(run.history.columns(), run.faults, run.verdict)
    return Side(run, story.headline_of_run(run.spec, run.verdict, run.problems), figures)


def _specification(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Row]:
    first, second = _flat(a), _flat(b)
    rows = [
        Row(name, first.get(name, "–"), second.get(name, "–"))
        for name in dict.fromkeys([*first, *second])
    ]
    return sorted(rows, key=lambda row: row.is_same)[:ROWS_MAX]


def _flat(spec: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """``options.loss: 0.1``; lists and values as compact JSON."""
    found: dict[str, str] = {}
    for name, given in spec.items():
        if not above and name in LEFT_OUT:
            continue
        title = words.line(f"{above}{name}", 80)
        if given in (None, "", [], {}):
            continue
        if isinstance(given, dict) and given and not above.count("."):
            found |= _flat(given, f"{title}.")
        elif isinstance(given, str):
            found[title] = words.line(given, 300)
        else:
            found[title] = words.value(given, 300)
    return found


def _checkers(a: Verdict | None, b: Verdict | None) -> list[Row]:
    first, second = _verdicts(a), _verdicts(b)
    names = dict.fromkeys([*first, *second])
    rows = [Row(name, first.get(name, "–"), second.get(name, "–")) for name in names]
    return sorted(rows, key=lambda row: row.is_same)


def _verdicts(verdict: Verdict | None) -> dict[str, str]:
    if verdict is None:
        return {}
    parts = verdict.parts or {"verdict": verdict}
    found = {}
    for name, part in parts.items():
        state = {True: "valid", False: "invalid"}.get(part.valid, "unknown")  # type: ignore[call-overload]
        reason = words.line(part.reason, 300) if part.valid == "unknown" else ""
        found[words.line(name, 60)] = f"{state}: {reason}" if reason else state
    return found


def _anomalies(a: Verdict | None, b: Verdict | None) -> list[Row]:
    first, second = _explained(a), _explained(b)
    names = dict.fromkeys([*first, *second])
    rows = [Row(name, first.get(name, "none"), second.get(name, "none")) for name in names]
    return sorted(rows, key=lambda row: "none" not in (row.first, row.second))


def _explained(verdict: Verdict | None) -> dict[str, str]:
    """How many of each name, and what is said of the first."""
    found: dict[str, list[str]] = {}
    for anomaly in verdict.anomalies if verdict else []:
        found.setdefault(words.line(anomaly.name, 80), []).append(anomaly.explanation)
    return {name: f"{len(all_):,}: {words.line(all_[0], 500)}" for name, all_ in found.items()}


def _figures(a: Side, b: Side) -> list[Row]:
    x, y = a.figures, b.figures
    rows = [
        _row("Trial time", x.duration_ns, y.duration_ns, words.duration),
        _row("Calls", x.total.calls, y.total.calls, _whole),
        _row("Ok", x.total.ok, y.total.ok, _whole),
        _row("Failed", x.total.fail, y.total.fail, _whole),
        _row("Outcome unknown", x.total.info, y.total.info, _whole),
        _row("Served", x.served, y.served, words.share),
        _row("Faults", len(x.faults), len(y.faults), _whole),
        _row("Ok calls a second, no fault active", x.quiet_rate, y.quiet_rate, _decimal),
    ]
    rows += [
        _row(f"Latency of ok calls, {name}", x.latency_ns.get(name), y.latency_ns.get(name))
        for name in ("p50", "p95", "p99", "max")
    ]
    recovered = [_seconds(side.run.spec.get("recovered_s")) for side in (a, b)]
    rows.append(_row("Every node ready after the last heal in", *recovered))
    return [row for row in rows if (row.first, row.second) != ("–", "–")]


def _row(name: str, first: float | None, second: float | None, say: Any = words.duration) -> Row:
    change = ""
    if first and second is not None and first != second:
        change = f"{(second - first) / first * 100:+,.0f} %".replace("-", "−")
    return Row(name, say(first), say(second), change)


def _whole(number: float | None) -> str:
    return "–" if number is None else f"{number:,.0f}"


def _decimal(number: float | None) -> str:
    return "–" if number is None else f"{number:,.1f}"


def _seconds(given: Any) -> float | None:
    return given * 1e9 if isinstance(given, int | float) else None


def _curves(sides: tuple[Side, Side], end_ns: int, values_of: Any) -> Curves:
    """One curve a side over the same axes, with the time of its faults."""
    import numpy as np

    edges = np.linspace(0, end_ns, BINS + 1).astype(np.int64)
    return Curves(
        end_ns=end_ns,
        values=[values_of(side, np.unique(edges)) for side in sides],
        shades=[
            [(window.start, window.end(side.figures.duration_ns)) for window in side.figures.faults]
            for side in sides
        ],
    )


def _rates(side: Side, edges: Any) -> list[float]:
    from ...harness.calls import calls
    from ...harness.history import OK

    return statistics.throughput(calls(side.run.history.columns()), OK, edges).tolist()


def _slow_calls(side: Side, edges: Any) -> list[float]:
    """The 99th percentile of latency (ns), not a number where no call was ok."""
    from ...harness.calls import calls

    of = calls(side.run.history.columns())
    return statistics.latency_quantiles(of, edges, [0.99])[0].tolist()
