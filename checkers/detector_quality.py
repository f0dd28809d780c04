"""The quality of service of failure detectors, measured.

Source: Chen, Toueg and Aguilera 2002, §2: detection time T_D, mistake recurrence time T_MR, mistake
duration T_M, query accuracy probability P_A.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from .silences import SILENT, Stretch
from .suspicions import Life, Suspicion


class Quality:
    """Adds up what became of each stretch in which a node was surely silent, or surely heard.

    A mistake is a suspicion that began while the node could be heard. One that began in an outage
    and outlived it is none; how long that took counts as ``trusted_again_s``.
    """

    def __init__(self) -> None:
        self._detections: list[int] = []
        self._again: list[int] = []
        self._mistakes: list[int] = []
        self._gaps: list[int] = []
        self._heard_ns = 0
        self._trusted_ns = 0

    def add(self, life: Life, suspicions: Sequence[Suspicion], stretch: Stretch) -> None:
        """One stretch of a pair, as far as this life of the watching node is known."""
        assert life.born is not None
        start, end = max(stretch.start, life.born.high), min(stretch.end, life.known_until)
        if start >= end:
            return
        spans = [
            (each.begin.low, end if each.end is None else each.end.high) for each in suspicions
        ]
        if stretch.status == SILENT:
            if start == stretch.start and not any(begin <= start < until for begin, until in spans):
                # The last one before the end: a detection is a suspicion that stays.
                lasting = [begin for begin, until in spans if start < begin < end <= until]
                self._detections += [begin - start for begin in lasting]
            return
        for begin, until in spans:
            if begin <= start < until <= end:
                self._again.append(until - start)
                start = until
        self._heard_ns += end - start
        self._trusted_ns += end - start
        last: int | None = None
        for each, (begin, until) in zip(suspicions, spans, strict=True):
            # Told late, by a node that was stopped meanwhile, it may have begun later than that.
            if start <= begin and each.begin.high < end:
                lasted = min(until, end) - begin
                self._mistakes.append(lasted)
                self._trusted_ns -= lasted
                if last is not None:
                    self._gaps.append(begin - last)
                last = begin

    def statistics(self) -> dict[str, Any]:
        """As plain data, seconds; the recurrence time is the mean over all time observed."""
        mistakes = len(self._mistakes)
        seconds = self._heard_ns / 1e9
        return {
            "detections": len(self._detections),
            "detection_time_s": _spread(self._detections),
            "trusted_again_s": _spread(self._again),
            "observed_s": round(seconds, 3),
            "mistakes": mistakes,
            "mistake_recurrence_s": round(seconds / mistakes, 3) if mistakes else None,
            "shortest_recurrence_s": round(min(self._gaps) / 1e9, 3) if self._gaps else None,
            "mistake_duration_s": _spread(self._mistakes),
            "query_accuracy": round(self._trusted_ns / self._heard_ns, 6)
            if self._heard_ns
            else None,
        }


def _spread(times: Sequence[int]) -> dict[str, float] | None:
    if not times:
        return None
    return {
        "median": round(median(times) / 1e9, 4),
        "mean": round(sum(times) / len(times) / 1e9, 4),
        "most": round(max(times) / 1e9, 4),
    }
