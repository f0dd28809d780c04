"""The statistics of ``set-full``, over all sets of a history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .elements import LISTED, listed
from .set_fates import Fates

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUANTILES = (0, 0.5, 0.95, 0.99, 1)
WORST = 8
OUTCOMES = ("stable", "lost", "unsettled", "never-read", "stale")
TOLD = ("lost", "never-read", "stale", "unsettled")


class Figures:
    """Counts, lists of elements and latencies, by Jepsen's names where it has them."""

    def __init__(self) -> None:
        self.attempts = self.acknowledged = self.reads = 0
        self.counts = dict.fromkeys(OUTCOMES, 0)
        self._lists: dict[str, list[Any]] = {name: [] for name in TOLD}
        self._duplicated: dict[str, int] = {}
        self._duplicates: list[list[Any]] = []
        self._stable_ms: list[NDArray[np.float64]] = []
        self._lost_ms: list[NDArray[np.float64]] = []
        self._worst: list[dict[str, Any]] = []

    def take(self, fates: Fates, key: Any, time: NDArray[np.int64]) -> None:
        """One set; ``time`` is the history's."""
        import numpy as np

        readings = fates.readings
        self.attempts += readings.attempted
        self.acknowledged += int((readings.acknowledged < len(time)).sum())
        self.reads += len(readings.reads)
        for name in OUTCOMES:
            chosen = getattr(fates, name.replace("-", "_"))
            self.counts[name] += len(chosen)
            if name in TOLD:
                self._lists[name] += listed((readings.elements[n] for n in chosen.tolist()), key)
        most: dict[int, int] = {}
        for counts in readings.repeated.values():
            for number, times in counts.items():
                most[number] = max(times, most.get(number, 0))
        for number, times in most.items():
            element = readings.elements[number]
            self._duplicates.append([element if key is None else [key, element], times])
        stable, lost = fates.stable, fates.lost
        delay = _delay_ms(time, fates.known[stable], fates.missed_by[stable])
        self._stable_ms.append(delay)
        self._lost_ms.append(_delay_ms(time, fates.known[lost], fates.seen_by[lost]))
        for at in np.argsort(-delay, kind="stable")[:WORST].tolist():
            number = int(stable[at])
            if fates.missed_by[number] >= 0:
                self._worst.append(
                    {
                        "element": readings.elements[number],
                        **({} if key is None else {"key": key}),
                        "stable-latency": round(float(delay[at]), 3),
                        "known": int(fates.known[number]),
                        "last-absent": int(fates.missed_by[number]),
                    }
                )

    def plain(self) -> dict[str, Any]:
        """As statistics."""
        figures: dict[str, Any] = {
            "attempt-count": self.attempts,
            "acknowledged-count": self.acknowledged,
            "read-count": self.reads,
        }
        figures |= {f"{name}-count": count for name, count in self.counts.items()}
        figures |= {name: found[:LISTED] for name, found in self._lists.items()}
        self._worst.sort(key=lambda each: -each["stable-latency"])
        figures["worst-stale"] = self._worst[:WORST]
        figures |= _quantiles("stable-latencies", self._stable_ms)
        figures |= _quantiles("lost-latencies", self._lost_ms)
        figures["duplicated-count"] = len(self._duplicates)
        return figures | {"duplicated": self._duplicates[:LISTED]}

    def vacuous(self) -> str:
        """Why nothing is proved, if so."""
        if not self.counts["stable"] and not self.counts["unsettled"]:
            return "no read ever saw an element that was added"
        if self.counts["unsettled"]:
            return (
                f"{self.counts['unsettled']} elements were missing from some of the last reads, "
                "which overlap: read once more, one after the other"
            )
        return ""


def _delay_ms(
    time: NDArray[np.int64], known: NDArray[np.int64], until: NDArray[np.int64]
) -> NDArray[np.float64]:
    """From knowledge to the read that decided, at least 0; 0 where there is none."""
    import numpy as np

    some = until >= 0
    delay = np.zeros(len(known))
    delay[some] = np.maximum(time[until[some]] - time[known[some]], 0) / 1e6
    return delay


def _quantiles(name: str, parts: list[NDArray[np.float64]]) -> dict[str, dict[str, float]]:
    import numpy as np

    values = np.sort(np.concatenate(parts)) if parts else np.zeros(0)
    if not len(values):
        return {}
    last = len(values) - 1
    return {
        name: {
            f"{point:g}": round(float(values[min(last, int(len(values) * point))]), 3)
            for point in QUANTILES
        }
    }
