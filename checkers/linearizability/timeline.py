"""Calls on a compact time line, for algorithms that sweep over events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .calls import CRASHED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .calls import Calls


@dataclass(frozen=True)
class Timeline:
    """Invocations and completions as int32 positions below ``end``, all distinct.

    ``inv``, ``ret``  per call; ``ret == end`` if it crashed.
    ``event``         per position: ``i`` where call ``i`` was invoked, ``~i`` where it
                      returned, ``len(calls)`` where nothing happened.
    """

    inv: NDArray[np.int32]
    ret: NDArray[np.int32]
    event: NDArray[np.int32]
    end: int

    @classmethod
    def of(cls, calls: Calls) -> Timeline:
        """Positions as they are if at most twice as many as events, else their ranks."""
        invoked, returned = calls.invoked, calls.returned
        n = len(invoked)
        ok = np.flatnonzero(returned != CRASHED)
        completed = returned[ok]
        last = max(int(invoked.max(initial=-1)), int(completed.max(initial=-1)))
        first = int(invoked[0]) if n else 0
        if last - first >= 4 * n:
            order = np.argsort(np.concatenate((invoked, completed)), kind="stable")
            rank = np.empty(len(order), np.int32)
            rank[order] = np.arange(len(order), dtype=np.int32)
            inv, done, end = rank[:n], rank[n:], len(order)
        else:
            end = last - first + 1
            inv = (invoked - first).astype(np.int32)
            done = (completed - first).astype(np.int32)
        ret = np.full(n, end, np.int32)
        ret[ok] = done
        event = np.full(end, n, np.int32)
        event[inv] = np.arange(n, dtype=np.int32)
        event[done] = ~ok.astype(np.int32)
        return cls(inv, ret, event, end)


def dense(codes: NDArray[np.int32], *more: int) -> tuple[NDArray[np.int32], list[int], int]:
    """Codes renumbered below a bound that is linear in their number, in the same order.

    Returns the codes, those of ``more``, and the bound. Small codes stay as they are.
    """
    highest = max(int(codes.max(initial=0)), *more, 0)
    if highest <= 2 * len(codes) + 64:
        return codes, list(more), highest + 1
    distinct = np.unique(np.concatenate((codes, np.array(more, codes.dtype))))
    found = np.searchsorted(distinct, codes).astype(np.int32)
    return found, [int(np.searchsorted(distinct, one)) for one in more], len(distinct)
