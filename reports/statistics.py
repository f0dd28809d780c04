"""What happened, in figures: pure functions over a history's columns.

Times are nanoseconds since the trial began. A *call* is a client invocation
together with its completion; one that never completed is indeterminate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from ..harness.calls import Calls, calls
from ..harness.fault_windows import FaultWindow, fault_entries, fault_windows
from ..harness.history import FAIL, INFO, OK, Columns
from ..harness.verdict import Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Tally:
    """How many calls there were and what became of them."""

    f: str
    ok: int
    fail: int
    info: int

    @property
    def calls(self) -> int:
        """All of them."""
        return self.ok + self.fail + self.info


class FaultImpact(msgspec.Struct, frozen=True):
    """What clients noticed of one fault, as the checker ``availability`` found.

    ``first_trouble_ns``  from injection to the end of the first call that was not served, of
                          those that started afterwards.
    ``detection_ns``      from injection to the first ok after the first silence under it; 0 if
                          there was no silence.
    ``longest_gap_ns``    longest time without an ok while it was active.
    ``served_again_ns``   from heal to the first ok after it.
    ``recovery_ns``       from heal until ok calls come undisturbed again; 0 if they never stopped
                          to; ``None`` if not before the next fault, or unknown.
    ``served``            share of the calls started while it was active that were served.
    """

    id: int
    first_trouble_ns: int | None = None
    detection_ns: int | None = None
    longest_gap_ns: int | None = None
    served_again_ns: int | None = None
    recovery_ns: int | None = None
    served: float | None = None


class Availability(msgspec.Struct, frozen=True):
    """What is shown of that checker's statistics; nothing is known without its verdict."""

    served: float | None = None
    quiet_rate: float | None = None
    faults: list[FaultImpact] = []


@dataclass(frozen=True)
class Statistics:
    """The figures of a trial that the closing summary and the report show."""

    duration_ns: int
    total: Tally
    by_f: list[Tally]
    served: float | None
    faults: list[FaultWindow]
    impacts: list[FaultImpact]
    quiet_rate: float | None
    latency_ns: dict[str, float]


def tallies(of: Calls) -> list[Tally]:
    """Outcomes by f, in order of first appearance."""
    import numpy as np

    counts = np.zeros((max(len(of.fs), 1), 4), dtype=np.int64)
    np.add.at(counts, (of.f, of.outcome), 1)
    return [
        Tally(str(of.fs[code]), int(row[OK]), int(row[FAIL]), int(row[INFO]))
        for code, row in enumerate(counts)
        if row.any()
    ]


def throughput(of: Calls, outcome: int, edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Completions a second with that outcome between each two edges (ns, ascending)."""
    import numpy as np

    ends = np.sort(of.end[of.outcome == outcome])
    return np.diff(np.searchsorted(ends, edges)) / (np.diff(edges) / 1e9)


def latency_quantiles(
    of: Calls, edges: NDArray[np.int64], quantiles: Sequence[float], f: str | None = None
) -> NDArray[np.float64]:
    """Latency (ns) of ok calls by time of completion: one row a quantile, one column a bin.

    Bins without an ok call are NaN.
    """
    import numpy as np

    chosen = of.outcome == OK
    if f is not None:
        chosen &= of.f == (of.fs.index(f) if f in of.fs else -1)
    order = np.argsort(of.end[chosen], kind="stable")
    ends = of.end[chosen][order]
    latency = (of.end - of.start)[chosen][order]
    bounds = np.searchsorted(ends, edges)
    result = np.full((len(quantiles), len(edges) - 1), np.nan)
    for column, (low, high) in enumerate(pairwise(bounds)):
        if high > low:
            result[:, column] = np.quantile(latency[low:high], quantiles)
    return result


def availability(verdict: Verdict | None) -> Availability:
    """As the trial was judged; what cannot be read counts as unknown."""
    part = verdict.parts.get("availability") if verdict else None
    if part is None:
        return Availability()
    try:
        return msgspec.convert(part.statistics, Availability)
    except msgspec.ValidationError:
        return Availability()


def collect(
    columns: Columns, ledger: Sequence[dict[str, Any]] = (), verdict: Verdict | None = None
) -> Statistics:
    """All the figures of a trial. Without ledger entries, the history tells of the faults."""
    import numpy as np

    of = calls(columns)
    end = int(columns.time[-1]) if len(columns) else 0
    windows = fault_windows(ledger or fault_entries(columns))
    measured = availability(verdict)
    impacts = {impact.id: impact for impact in measured.faults}
    by_f = tallies(of)
    latency = (of.end - of.start)[of.outcome == OK]
    wanted = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    found = np.quantile(latency, list(wanted.values())) if len(latency) else []
    return Statistics(
        duration_ns=max([end, *(w.end(end) for w in windows)]),
        total=Tally(
            "all", sum(t.ok for t in by_f), sum(t.fail for t in by_f), sum(t.info for t in by_f)
        ),
        by_f=by_f,
        served=measured.served,
        faults=windows,
        impacts=[impacts.get(w.id, FaultImpact(w.id)) for w in windows],
        quiet_rate=measured.quiet_rate,
        latency_ns={name: float(at) for name, at in zip(wanted, found, strict=False)},
    )
