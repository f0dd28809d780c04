"""What clients noticed of faults: when service stopped, when it came back. Pure figures.

Times are nanoseconds since the trial began. *Served* is a call that was answered ok, or refused
by a system that was answering.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..harness.calls import Calls
from ..harness.fault_windows import FaultWindow
from ..harness.history import FAIL, OK

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
        "held",
        "not-held",
        "not-the-holder",
    }
)
"""Errors by which a system that is serving says no: the call failed, the service did not.
The names are Maelstrom's (``resources/errors.edn``) and those that our clients use; the last three
are of locks that somebody else holds. A client of one's own says which failures are answers by
the first word of its error."""

SHORTEST_NS = 100_000_000
"""Nothing shorter than this counts as an interruption, however fast calls follow each other."""

SILENCE_CALLS = 10
STRETCH_CALLS = 40
STRETCH_SHARE = 0.5


def served(of: Calls) -> NDArray[np.bool_]:
    """By call: ok, or refused by a system that was serving."""
    import numpy as np

    columns = of.columns
    refusal = np.array([_is_refusal(error) for error in columns.errors], dtype=bool)
    failed = of.outcome == FAIL
    result = of.outcome == OK
    if refusal.any():
        result[failed] = refusal[columns.error[of.completion[failed]]]
    return result


def _is_refusal(error: Any) -> bool:
    if isinstance(error, list | tuple) and error:
        error = error[0]
    return isinstance(error, str) and error in REFUSALS


@dataclass(frozen=True)
class Impact:
    """What clients noticed of one fault.

    ``targets``           the nodes that it struck.
    ``start_ns``, ``end_ns``  when it began to have an effect, and when it was healed (``None``: it
                          was not).
    ``first_trouble_ns``  from injection to the end of the first call that was not served, of
                          those that started afterwards; ``None``: there was none.
    ``detection_ns``      from injection to the first ok after the first silence while it was
                          active: by then the system had noticed the fault and got over it. 0 if
                          there was no silence; ``None`` if it lasted as long as the fault, or there
                          was no undisturbed time to tell a silence by.
    ``longest_gap_ns``    longest time without an ok while it was active.
    ``served_again_ns``   from heal to the first ok after it; ``None``: there was none.
    ``recovery_ns``       from heal until ok calls come undisturbed again; 0 if they never stopped
                          to; ``None`` if not before the next fault, or unknown.
    ``recovered``         whether that came; ``None``: there was too little time to tell, or another
                          fault was still active, which alone may have kept it from coming.
    ``watched_ns``        from heal to the next fault or the end of the load.
    ``served``            share of the calls started while it was active that were served.
    """

    id: int
    kind: str
    targets: list[str]
    start_ns: int
    end_ns: int | None
    first_trouble_ns: int | None
    detection_ns: int | None
    longest_gap_ns: int | None
    served_again_ns: int | None
    recovery_ns: int | None
    recovered: bool | None
    watched_ns: int
    served: float | None
    calls: int


class Service:
    """The calls of a history against the faults of its trial; what is shared is made once.

    ``rate``  ok calls a second while no fault was active: before the first, or else between them.
    """

    def __init__(self, of: Calls, windows: Sequence[FaultWindow], end: int) -> None:
        import numpy as np

        self._calls, self.windows, self._end = of, windows, end
        self.served = served(of)
        self._ends = np.sort(of.end[of.outcome == OK])
        self._injections = sorted(w.injecting for w in windows)
        self.rate = self._quiet_rate()

    def share(self, start: int = 0, end: int | None = None) -> float | None:
        """The share of calls started in ``[start, end)`` that were served; ``None`` without any."""
        low, high = self._between(start, end)
        return float(self.served[low:high].mean()) if high > low else None

    def _between(self, start: int, end: int | None) -> tuple[int, int]:
        import numpy as np

        low = int(np.searchsorted(self._calls.start, start))
        high = len(self._calls) if end is None else int(np.searchsorted(self._calls.start, end))
        return low, high

    def _quiet_rate(self) -> float | None:
        import numpy as np

        calm = done = 0
        at = int(self._calls.start[0]) if len(self._calls) else 0
        busy = sorted((w.injecting, w.end(self._end)) for w in self.windows)
        for low, high in [*busy, (self._end, self._end)]:
            if low > at:
                calm += low - at
                done += int(np.searchsorted(self._ends, low) - np.searchsorted(self._ends, at))
            at = max(at, high)
        return done / (calm / 1e9) if calm >= SHORTEST_NS and done else None

    def _silence_ns(self, rate: float) -> float:
        return max(SHORTEST_NS, SILENCE_CALLS / rate * 1e9)

    def impact(self, window: FaultWindow) -> Impact:
        """What clients noticed of one fault."""
        import numpy as np

        start, stop = window.start, window.end(self._end)
        low, high = self._between(start, stop)
        bad = ~self.served[low:high]
        trouble = int(self._calls.end[low:high][bad].min()) - start if bad.any() else None
        first, last = np.searchsorted(self._ends, start), np.searchsorted(self._ends, stop, "right")
        at = np.concatenate(([start], self._ends[first:last], [stop]))
        gaps = np.diff(at)
        until = self._watched_until(window)
        recovery, recovered = self._recovery(window.healed, until)
        if recovery != 0 and self._others_at(window):
            recovery, recovered = None, None
        return Impact(
            id=window.id,
            kind=window.kind,
            targets=window.targets,
            start_ns=start,
            end_ns=window.healed,
            first_trouble_ns=trouble,
            detection_ns=self._detection(at, gaps),
            longest_gap_ns=int(gaps.max()),
            served_again_ns=self._served_again(window.healed),
            recovery_ns=recovery,
            recovered=recovered,
            watched_ns=max(0, until - stop),
            served=self.share(start, stop),
            calls=high - low,
        )

    def _others_at(self, window: FaultWindow) -> bool:
        """Whether another fault was active when this one was healed."""
        healed = window.healed
        return healed is not None and any(
            other.injecting <= healed < other.end(self._end)
            for other in self.windows
            if other.id != window.id
        )

    def _served_again(self, healed: int | None) -> int | None:
        import numpy as np

        if healed is None:
            return None
        at = int(np.searchsorted(self._ends, healed, "right"))
        return int(self._ends[at]) - healed if at < len(self._ends) else None

    def _detection(self, at: NDArray[np.int64], gaps: NDArray[np.int64]) -> int | None:
        if not self.rate:
            return None
        silent = (gaps > self._silence_ns(self.rate)).nonzero()[0]
        if not len(silent):
            return 0
        until = int(silent[0]) + 1
        return int(at[until] - at[0]) if until < len(at) - 1 else None

    def _watched_until(self, window: FaultWindow) -> int:
        """The next fault, or the end of the load."""
        import numpy as np

        stop = window.end(self._end)
        pause_ns = 2 * STRETCH_CALLS / self.rate * 1e9 if self.rate else float("inf")
        until = self._load_end(stop, pause_ns)
        following = int(np.searchsorted(self._injections, stop, "right"))
        return min([until, *self._injections[following : following + 1]])

    def _recovery(self, healed: int | None, until: int) -> tuple[int | None, bool | None]:
        """From the heal to the moment after which service stayed whole, and whether it came.

        Whole as long as it was watched, that is: without a silence (no ok for
        as long as 10 calls take at the undisturbed rate) and without a slump (less than half the
        rate for as long as 40 calls take), so that chance alone seldom decides. A relapse, as by
        an election after the heal, counts.
        """
        import numpy as np

        rate, ends = self.rate, self._ends
        if healed is None or not rate:
            return None, None
        silence = self._silence_ns(rate)
        if until - healed < silence:
            return None, None
        stretch = int(max(SHORTEST_NS, STRETCH_CALLS / rate * 1e9))
        first, last = np.searchsorted(ends, healed, "right"), np.searchsorted(ends, until, "right")
        at = np.concatenate(([healed], ends[first:last]))
        troubled = np.diff(np.append(at, until)) > silence
        inside = at + stretch <= until
        done = np.searchsorted(ends, at + stretch) - np.searchsorted(ends, at)
        troubled |= inside & (done < STRETCH_SHARE * rate * stretch / 1e9)
        if not troubled.any():
            return 0, True
        relapse = int(np.flatnonzero(troubled)[-1])
        if relapse + 1 == len(at):
            return None, (False if until - healed >= stretch else None)
        return int(at[relapse + 1]) - healed, True

    @cached_property
    def _pauses(self) -> tuple[Any, Any, Any]:
        """By gap between calls in order: when all before were over, how long it lasted, its end."""
        import numpy as np

        of = self._calls
        closed = np.maximum.accumulate(np.where(of.end == of.end.max(), of.start, of.end))
        return closed, of.start[1:] - closed[:-1], of.start[1:]

    def _load_end(self, after: int, pause_ns: float) -> int:
        """When clients first stopped calling after a moment: the end of the load, or of it all."""
        import numpy as np

        if not len(self._calls):
            return after
        closed, pauses, resumed = self._pauses
        # Both only grow, so that nothing before this place can be meant.
        first = max(
            int(np.searchsorted(resumed, after, "right")), int(np.searchsorted(closed, after))
        )
        stops = np.flatnonzero(pauses[first:] > pause_ns)
        return int(closed[first + stops[0]]) if len(stops) else int(closed[-1])
