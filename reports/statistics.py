"""What happened, in figures: pure functions over a history's columns.

Times are nanoseconds since the trial began. A *call* is a client invocation
together with its completion; one that never completed is indeterminate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..harness.history import FAIL, INFO, INVOKE, NEMESIS_PROCESS, OK, UNPAIRED, Columns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

REFUSALS = frozenset(
    {
        "precondition",
        "precondition-failed",
        "cas-mismatch",
        "mismatch",
        "key-does-not-exist",
        "key-already-exists",
        "not-found",
        "empty",
    }
)
"""Errors by which a system that is serving says no: the call failed, the service did not.
The names are Maelstrom's (``resources/errors.edn``) and those that our clients use."""

SILENCE_CALLS = 10
STRETCH_CALLS = 40
STRETCH_SHARE = 0.5


@dataclass(frozen=True)
class Calls:
    """Client calls in order of invocation; arrays of equal length.

    ``position`` index of the invocation in the history; ``start`` and ``end`` int64 ns (``end``
    is the end of the history for a call that never completed); ``outcome`` int8, one of OK,
    FAIL, INFO; ``f`` int32 code; ``served``: ok, or refused by a system that was serving.
    """

    position: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    outcome: NDArray[np.int8]
    f: NDArray[np.int32]
    served: NDArray[np.bool_]
    fs: list[Any]

    def __len__(self) -> int:
        return len(self.start)


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


@dataclass(frozen=True)
class FaultWindow:
    """One fault from the moment its injection began until it was healed.

    ``state`` is the last one known. ``injected``, ``healing`` and ``healed`` are ``None`` when
    that never happened (or was not written down).
    """

    id: int
    kind: str
    targets: list[str]
    parameters: dict[str, Any]
    injecting: int
    injected: int | None = None
    healing: int | None = None
    healed: int | None = None
    state: str = "injecting"
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def start(self) -> int:
        """When it first had an effect, as far as we know."""
        return self.injecting if self.injected is None else self.injected

    def end(self, trial_end: int) -> int:
        """When it last had an effect, or the end of the trial."""
        for time in (self.healed, self.healing):
            if time is not None:
                return time
        return max(trial_end, self.start)


@dataclass(frozen=True)
class FaultImpact:
    """What clients noticed of one fault.

    ``first_trouble_ns``  from injection to the end of the first call that was not served, of
                          those that started afterwards.
    ``longest_gap_ns``    longest time without an ok while it was active.
    ``recovery_ns``       from heal until ok calls come undisturbed again; 0 if they never stopped
                          to; ``None`` if not before the next fault, or unknown.
    ``served``            share of the calls started while it was active that were served.
    """

    id: int
    first_trouble_ns: int | None
    longest_gap_ns: int | None
    recovery_ns: int | None
    served: float | None
    calls: int


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


def calls(columns: Columns) -> Calls:
    """The client calls of a history."""
    import numpy as np

    position = np.flatnonzero((columns.type == INVOKE) & (columns.process != NEMESIS_PROCESS))
    pair = columns.pair[position]
    done = pair != UNPAIRED
    last = columns.time[-1] if len(columns) else 0
    end = np.where(done, columns.time[pair], last)
    outcome = np.where(done, columns.type[pair], INFO).astype(np.int8)
    refusal = np.array([_is_refusal(error) for error in columns.errors], dtype=bool)
    refused = (outcome == FAIL) & refusal[np.where(done, columns.error[pair], 0)]
    return Calls(
        position=position,
        start=columns.time[position],
        end=end,
        outcome=outcome,
        f=columns.f[position],
        served=(outcome == OK) | refused,
        fs=columns.fs,
    )


def _is_refusal(error: Any) -> bool:
    if isinstance(error, list | tuple) and error:
        error = error[0]
    return isinstance(error, str) and error in REFUSALS


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


def served_share(of: Calls, start: int = 0, end: int | None = None) -> float | None:
    """The share of calls started in ``[start, end)`` that were served; ``None`` without calls."""
    import numpy as np

    low = int(np.searchsorted(of.start, start))
    high = len(of) if end is None else int(np.searchsorted(of.start, end))
    return float(of.served[low:high].mean()) if high > low else None


def fault_windows(ledger: Sequence[dict[str, Any]]) -> list[FaultWindow]:
    """Faults with their times, from the entries of ``faults.jsonl``, in order of injection.

    Entries: ``{"time": ns, "state": …, "fault": {"id", "kind", …}, "seen": {…}}``.
    """
    windows: dict[int, dict[str, Any]] = {}
    for entry in ledger:
        fault, time, state = entry["fault"], entry["time"], entry["state"]
        window = windows.setdefault(fault["id"], {"injecting": time, "seen": {}})
        window["fault"] = fault
        window["state"] = state
        if state in ("injected", "healing", "healed"):
            window.setdefault(state, time)
        seen = entry.get("seen")
        if isinstance(seen, dict):
            window["seen"] |= seen
    return sorted((_window(w) for w in windows.values()), key=lambda w: (w.injecting, w.id))


def _window(window: dict[str, Any]) -> FaultWindow:
    fault = window["fault"]
    targets, parameters = fault.get("targets"), fault.get("parameters")
    return FaultWindow(
        id=fault["id"],
        kind=fault["kind"],
        targets=[str(t) for t in targets] if isinstance(targets, list) else [],
        parameters=parameters if isinstance(parameters, dict) else {},
        injecting=window["injecting"],
        injected=window.get("injected"),
        healing=window.get("healing"),
        healed=window.get("healed"),
        state=window["state"],
        seen=window["seen"],
    )


def fault_entries(columns: Columns) -> list[dict[str, Any]]:
    """The ledger as far as the history knows it: for a run folder without ``faults.jsonl``."""
    import numpy as np

    states = {"inject": ("injecting", "injected"), "heal": ("healing", "healed")}
    entries: list[dict[str, Any]] = []
    for at in np.flatnonzero(columns.process == NEMESIS_PROCESS):
        f, fault = columns.fs[columns.f[at]], columns.values[columns.value[at]]
        if f not in states or not isinstance(fault, dict):
            continue
        if not (isinstance(fault.get("id"), int) and isinstance(fault.get("kind"), str)):
            continue
        done = columns.type[at] != INVOKE
        state = "failed" if columns.error[at] else states[f][int(done)]
        entries.append({"time": int(columns.time[at]), "state": state, "fault": fault})
    return entries


def quiet_rate(of: Calls, windows: Sequence[FaultWindow], end: int) -> float | None:
    """Ok calls a second while no fault was active: before the first, or else between them."""
    import numpy as np

    busy = sorted((w.injecting, w.end(end)) for w in windows)
    ends = np.sort(of.end[of.outcome == OK])
    first = int(of.start[0]) if len(of) else 0
    calm = done = 0
    at = first
    for low, high in [*busy, (end, end)]:
        if low > at:
            calm += low - at
            done += int(np.searchsorted(ends, low) - np.searchsorted(ends, at))
        at = max(at, high)
    return done / (calm / 1e9) if calm >= 100_000_000 and done else None


def impact(
    of: Calls, window: FaultWindow, windows: Sequence[FaultWindow], end: int, rate: float | None
) -> FaultImpact:
    """What clients noticed of one fault; ``rate`` is :func:`quiet_rate`."""
    import numpy as np

    start, stop = window.start, window.end(end)
    low, high = (int(i) for i in np.searchsorted(of.start, [start, stop]))
    bad = ~of.served[low:high]
    trouble = int(of.end[low:high][bad].min()) - start if bad.any() else None
    ends = np.sort(of.end[of.outcome == OK])
    inside = ends[(ends >= start) & (ends <= stop)]
    gaps = np.diff(np.concatenate(([start], inside, [stop])))
    quiet = _load_end(of, stop, 2 * STRETCH_CALLS / rate * 1e9) if rate else end
    later = [w.injecting for w in windows if window.healed is not None and w.injecting > stop]
    return FaultImpact(
        id=window.id,
        first_trouble_ns=trouble,
        longest_gap_ns=int(gaps.max()),
        recovery_ns=_recovery(ends, window.healed, min([*later, quiet]), rate),
        served=served_share(of, start, stop),
        calls=high - low,
    )


def _recovery(
    ends: NDArray[np.int64], healed: int | None, until: int, rate: float | None
) -> int | None:
    """From ``healed`` to the moment after which service stayed whole up to ``until``.

    Service is not whole during a silence (no ok for as long as 10 calls take at the undisturbed
    rate) nor a slump (less than half the rate for as long as 40 calls take), so that chance
    alone seldom decides. A relapse, as by an election after the heal, counts.
    """
    import numpy as np

    if healed is None or not rate:
        return None
    silence = max(100_000_000, SILENCE_CALLS / rate * 1e9)
    if until - healed < silence:
        return None  # too short a time to tell
    stretch = int(max(100_000_000, STRETCH_CALLS / rate * 1e9))
    at = np.concatenate(([healed], ends[(ends > healed) & (ends <= until)]))
    troubled = np.diff(np.append(at, until)) > silence
    inside = at + stretch <= until
    served = np.searchsorted(ends, at + stretch) - np.searchsorted(ends, at)
    troubled |= inside & (served < STRETCH_SHARE * rate * stretch / 1e9)
    if not troubled.any():
        return 0
    last = int(np.flatnonzero(troubled)[-1])
    return int(at[last + 1]) - healed if last + 1 < len(at) else None


def _load_end(of: Calls, after: int, pause_ns: float) -> int:
    """When clients first stopped calling after a moment: the end of the load, or of it all."""
    import numpy as np

    if not len(of):
        return after
    closed = np.maximum.accumulate(np.where(of.end == of.end.max(), of.start, of.end))
    idle = (of.start[1:] - closed[:-1] > pause_ns) & (of.start[1:] > after)
    stops = closed[:-1][idle & (closed[:-1] >= after)]
    return int(stops[0]) if len(stops) else int(closed[-1])


def collect(columns: Columns, ledger: Sequence[dict[str, Any]] = ()) -> Statistics:
    """All the figures of a trial. Without ledger entries, the history tells of the faults."""
    import numpy as np

    of = calls(columns)
    end = int(columns.time[-1]) if len(columns) else 0
    windows = fault_windows(ledger or fault_entries(columns))
    rate = quiet_rate(of, windows, end)
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
        served=served_share(of),
        faults=windows,
        impacts=[impact(of, w, windows, end, rate) for w in windows],
        quiet_rate=rate,
        latency_ns={name: float(at) for name, at in zip(wanted, found, strict=False)},
    )
