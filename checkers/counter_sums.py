"""Sums of a counter's additions by position in the history: what is sure, what is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..harness.calls import Calls
from ..harness.history import OK

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WIDEST = 20_000
"""Sums of open additions are enumerated exactly up to a range of so many values."""


class Part:
    """Running sums of some of the additions.

    Queries are positions in the history, the answers sums over what lies strictly before them.
    """

    def __init__(self, adds: Calls, deltas: NDArray[np.int64]) -> None:
        import numpy as np

        done = np.flatnonzero(adds.outcome == OK)
        done = done[np.argsort(adds.completion[done])]
        self._invoked = adds.position
        self._acknowledged = adds.completion[done]
        self._sums_invoked = np.concatenate(([0], np.cumsum(deltas)))
        self._sums_acknowledged = np.concatenate(([0], np.cumsum(deltas[done])))

    def invoked_before(self, at: Any) -> Any:
        """The sum of those attempted before each position."""
        import numpy as np

        return self._sums_invoked[np.searchsorted(self._invoked, at)]

    def acknowledged_before(self, at: Any) -> Any:
        """The sum of those acknowledged before each position."""
        import numpy as np

        return self._sums_acknowledged[np.searchsorted(self._acknowledged, at)]


class Sums:
    """All additions that did not definitely fail.

    ``over_at``  the position after which none began or was acknowledged.
    """

    def __init__(self, adds: Calls, deltas: NDArray[np.int64], initial: int) -> None:
        import numpy as np

        self.adds, self.deltas, self.initial = adds, deltas, initial
        self.positive = Part(adds, np.maximum(deltas, 0))
        self.negative = Part(adds, np.minimum(deltas, 0))
        self.acknowledged = adds.acknowledged_at()
        ends = np.concatenate((adds.position, adds.completion[adds.outcome == OK]))
        self.over_at = int(ends.max()) if len(ends) else -1

    def bounds(self, sure_at: Any, ended: Any) -> tuple[Any, Any]:
        """The least and the greatest value of reads, given from where on what is sure is in effect.

        What was acknowledged before ``sure_at`` counts; of the rest, what was attempted before
        ``ended`` may count.
        """
        plus, minus = self.positive, self.negative
        sure_plus, sure_minus = (
            plus.acknowledged_before(sure_at),
            minus.acknowledged_before(sure_at),
        )
        low = self.initial + sure_plus + minus.invoked_before(ended)
        high = self.initial + sure_minus + plus.invoked_before(ended)
        return low, high

    def change(self, began: int, ended: int) -> tuple[int, int]:
        """By how much a value can differ between a read that began and one that ended there."""
        low, high = (
            int(part.invoked_before(ended) - part.acknowledged_before(began))
            for part in (self.negative, self.positive)
        )
        return low, high

    def at(self, began: int, ended: int) -> tuple[int, list[tuple[int, int]]]:
        """For one read: the sure value, and the open additions as (position, delta)."""
        import numpy as np

        sure = self.initial + int(self.deltas[self.acknowledged < began].sum())
        is_open = (self.adds.position < ended) & (self.acknowledged > began)
        chosen = np.flatnonzero(is_open)
        positions = self.adds.position[chosen].tolist()
        return sure, list(zip(positions, self.deltas[chosen].tolist(), strict=True))

    def acknowledged_near(self, began: int, lowers: bool) -> list[int]:
        """The last addition before a read that would explain it if it had not been counted."""
        import numpy as np

        sign = self.deltas > 0 if lowers else self.deltas < 0
        before = np.flatnonzero((self.acknowledged < began) & sign)
        if not len(before):
            return []
        return [int(self.adds.position[before[np.argmax(self.acknowledged[before])]])]


def unreachable(
    book: Sums, began: Any, ended: Any, values: Any, low: Any, chosen: Any
) -> tuple[list[int], int]:
    """Which of the chosen reads no choice of open additions adds up to; how many were too wide.

    Each is between its bounds, and what was acknowledged before it began counts for sure. Sums
    are bits of one integer, counted from the lower bound: taking an addition of ``d`` into account
    shifts them by ``|d|``.
    """
    import numpy as np

    sizes = np.abs(book.deltas)
    if not chosen.any() or not (sizes > 1).any():
        return [], 0
    # Open at the end of a read: those that stay so for ever, and those acknowledged later.
    stays = book.acknowledged == len(book.adds.columns)
    forever = iter(zip(book.adds.position[stays].tolist(), sizes[stays].tolist(), strict=True))
    passing = iter(
        zip(
            book.adds.position[~stays].tolist(),
            book.acknowledged[~stays].tolist(),
            sizes[~stays].tolist(),
            strict=True,
        )
    )
    order = np.flatnonzero(chosen)
    order = order[np.argsort(ended[order])]
    wrong, too_wide = [], 0
    permanent, width, largest = 1, 0, int(sizes.max())
    open_ones: list[tuple[int, int, int]] = []
    next_forever, next_passing = next(forever, None), next(passing, None)
    earliest = np.minimum.accumulate(began[order][::-1])[::-1].tolist()
    offsets = (values - low)[order].tolist()
    reads = zip(order.tolist(), began[order].tolist(), ended[order].tolist(), strict=True)
    for number, (at, start, end) in enumerate(reads):
        while next_forever is not None and next_forever[0] < end:
            width += next_forever[1]
            if width <= WIDEST:
                permanent |= permanent << next_forever[1]
            next_forever = next(forever, None)
            if largest <= width + 1 and permanent == (1 << (width + 1)) - 1:
                return sorted(wrong), too_wide  # from here on every sum can be reached
        while next_passing is not None and next_passing[0] < end:
            open_ones.append(next_passing)
            next_passing = next(passing, None)
        # What was acknowledged before this and every later read began is open for none of them.
        open_ones = [each for each in open_ones if each[1] > earliest[number]]
        mine = [each[2] for each in open_ones if each[1] > start]
        if width + sum(mine) > WIDEST:
            too_wide += 1
            continue
        sums = permanent
        for size in mine:
            sums |= sums << size
        if not sums >> offsets[number] & 1:
            wrong.append(at)
    return sorted(wrong), too_wide
