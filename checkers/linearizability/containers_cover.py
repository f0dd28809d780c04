"""Evidence that something was inside throughout: few intervals that cover a stretch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def cover(
    begin: NDArray[np.int32], stop: NDArray[np.int32], low: int, high: int
) -> list[int] | None:
    """Indices of as few intervals [begin, stop) as possible that contain [low, high).

    ``None`` if they do not. Greedy: from where the cover ends so far, the one that reaches
    furthest.
    """
    useful = np.flatnonzero((begin < high) & (stop > low) & (begin < stop))
    useful = useful[np.argsort(begin[useful], kind="stable")]
    begins, stops = begin[useful], stop[useful]
    furthest = np.maximum.accumulate(stops) if len(stops) else stops
    chosen: list[int] = []
    at = low
    while at < high:
        upto = int(np.searchsorted(begins, at, side="right"))
        if upto == 0 or furthest[upto - 1] <= at:
            return None
        reach = int(furthest[upto - 1])
        chosen.append(int(useful[int(np.searchsorted(furthest, reach))]))
        at = reach
    return chosen
