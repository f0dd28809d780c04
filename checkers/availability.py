"""How much of what clients asked was served, and how fast service came back after faults.

The figures that operators ask for: share served, fault-detection time, time to recover after
healing, recovery rate. They are taken from the history alone, in which the nemesis says what it
injected and healed. Nothing fails by them unless a threshold is given: how long an election takes
is a choice, not a promise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from ..harness.calls import Calls, calls
from ..harness.errors import UserError
from ..harness.fault_windows import FaultWindow, fault_entries, fault_windows
from ..harness.history import History
from ..harness.verdict import Anomaly, Verdict
from .interruptions import Impact, Service
from .tally import Tally, strange, wishes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODELS = {"availability": "any operations: how many were served, how fast service came back"}

MOST_BINS = 600
"""The course of the trial is told in so many steps at most, each a whole number of seconds."""


class Availability:
    """Gives figures on any history; fails by thresholds only. Linear.

    ``min_share``       what share of all calls must be served at least.
    ``max_recovery_s``  how soon after each heal service must be whole again.

    Anomalies: ``low-availability``, ``slow-recovery``. Statistics: ``served``, by ``f`` and by
    ``node`` too, and in steps of ``bin_s`` seconds; ``quiet_rate``; for each fault the fields of
    :class:`~.interruptions.Impact` (nanoseconds); of all faults ``detection_s``, ``recovery_s``
    (median and most) and ``recovery_rate``, the share of faults after whose heal service came
    back before the next fault, of those where that can be told; ``by_kind`` of faults the same.
    """

    options: ClassVar[Mapping[str, str]] = {
        "min-share": "fail if a smaller share of calls was served, from 0 to 1 (default: never)",
        "max-recovery-s": "fail if service took longer to come back after a heal (default: never)",
    }

    def __init__(self, min_share: float | None = None, max_recovery_s: float | None = None) -> None:
        self.min_share = min_share
        self.max_recovery_s = max_recovery_s

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Measure, and compare with the thresholds."""
        columns = history.columns()
        of = calls(columns)
        if not len(of):
            return strange("no client ever called") if self._judges else Verdict(True)
        windows = fault_windows(fault_entries(columns))
        service = Service(of, windows, int(columns.time[-1]))
        impacts = [service.impact(window) for window in windows]
        tally = Tally()
        share = service.share()
        if self.min_share is not None and share is not None and share < self.min_share:
            tally.add("low-availability", partial(self._low, service, of))
        if self.max_recovery_s is not None:
            for window, impact in zip(windows, impacts, strict=True):
                slow = impact.recovery_ns is not None and (
                    impact.recovery_ns > self.max_recovery_s * 1e9
                )
                never = impact.recovered is False and (
                    impact.watched_ns > self.max_recovery_s * 1e9
                )
                if slow or never:
                    tally.add("slow-recovery", partial(self._slow, history, window, impact))
        return tally.verdict(_statistics(service, of, impacts))

    @property
    def _judges(self) -> bool:
        return self.min_share is not None or self.max_recovery_s is not None

    def _low(self, service: Service, of: Calls) -> Anomaly:
        missed = (~service.served).nonzero()[0]
        share, number = service.share() or 0.0, len(missed)
        text = (
            f"{share:.1%} of {len(of)} calls were served, less than the {self.min_share:.1%} asked "
            f"for: {number} were not, the first at {of.start[missed[0]] / 1e9:.3f} s."
        )
        return Anomaly("low-availability", text, of.position[missed[:5]].tolist())

    def _slow(self, history: History, window: FaultWindow, impact: Impact) -> Anomaly:
        healed = window.healed or 0
        text = f"The {window.kind} on {', '.join(window.targets) or 'the system'} was healed at "
        text += f"{healed / 1e9:.3f} s, but service was whole again "
        if impact.recovery_ns is None:
            text += "neither before the next fault nor before the load ended"
        else:
            text += f"only {impact.recovery_ns / 1e9:.3f} s later"
        text += f"; {self.max_recovery_s:g} s were asked for."
        at = [
            operation.index
            for operation in history.nemesis()
            if operation.time == healed and operation.f == "heal"
        ]
        return Anomaly("slow-recovery", text, at[:1], details={"fault": window.id})

    @classmethod
    def models(cls) -> dict[str, str]:
        """The model by name, with a line on it."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> Availability:
        """A checker with options as the command line has them. :class:`UserError` for others."""
        return cls.from_options(wishes_of(model, wishes, ("min_share", "max_recovery_s")))

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Availability:
        """A checker with options as a trial has them, with - or _. :class:`UserError`."""
        given = {name.replace("-", "_"): value for name, value in options.items()}
        return cls(
            _number("min-share", given.get("min_share"), 1.0),
            _number("max-recovery-s", given.get("max_recovery_s"), float("inf")),
        )


def _number(name: str, value: Any, most: float) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UserError(f"{name}: expected a number, got {value!r}") from None
    if not 0 <= number <= most:
        wanted = "at least 0" if most == float("inf") else f"from 0 to {most:g}"
        raise UserError(f"{name}: expected a number {wanted}, got {number:g}")
    return number


def _statistics(service: Service, of: Calls, impacts: Sequence[Impact]) -> dict[str, Any]:
    import numpy as np

    columns = of.columns
    # Where a call never completed nobody knows to which node it went.
    nodes = np.where(of.completion >= 0, columns.node[of.completion], 0)
    end = int(columns.time[-1])
    bin_s = max(1, -(-(end // 1_000_000_000 + 1) // MOST_BINS))
    steps = of.start // (bin_s * 1_000_000_000)
    per_bin = np.bincount(steps)
    good = np.bincount(steps, service.served, len(per_bin))
    known = [impact.recovered for impact in impacts if impact.recovered is not None]
    return {
        "operations": len(of),
        "served": service.share(),
        "by_f": _shares(of.f, columns.fs, service),
        "by_node": _shares(nodes, columns.nodes, service),
        "bin_s": bin_s,
        "calls_by_bin": per_bin.tolist(),
        "served_by_bin": [
            round(s / n, 4) if n else None
            for s, n in zip(good.tolist(), per_bin.tolist(), strict=True)
        ],
        "quiet_rate": service.rate,
        "faults": [vars(impact) for impact in impacts],
        "detection_s": _spread([impact.detection_ns for impact in impacts]),
        "recovery_s": _spread([impact.recovery_ns for impact in impacts]),
        "recovery_rate": sum(known) / len(known) if known else None,
        "by_kind": _by_kind(impacts),
    }


def _by_kind(impacts: Sequence[Impact]) -> dict[str, dict[str, Any]]:
    """By kind of fault: how many, and how soon the system noticed them and recovered."""
    return {
        kind: {
            "faults": len(mine),
            "detection_s": _spread([impact.detection_ns for impact in mine]),
            "served_again_s": _spread([impact.served_again_ns for impact in mine]),
            "recovery_s": _spread([impact.recovery_ns for impact in mine]),
            "not_recovered": sum(impact.recovered is False for impact in mine),
        }
        for kind in dict.fromkeys(impact.kind for impact in impacts)
        for mine in [[impact for impact in impacts if impact.kind == kind]]
    }


def _shares(
    codes: NDArray[Any], names: Sequence[Any], service: Service
) -> dict[str, dict[str, Any]]:
    """By name: how many calls, and the share of them that was served."""
    import numpy as np

    total = np.bincount(codes, minlength=1)
    good = np.bincount(codes, service.served, len(total))
    return {
        "unknown" if names[code] is None else str(names[code]): {
            "calls": int(total[code]),
            "served": round(float(good[code] / total[code]), 4),
        }
        for code in np.flatnonzero(total).tolist()
    }


def _spread(durations_ns: Sequence[int | None]) -> dict[str, float] | None:
    known = sorted(each / 1e9 for each in durations_ns if each is not None)
    if not known:
        return None
    return {"median": known[len(known) // 2], "most": known[-1]}
