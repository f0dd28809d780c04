"""By how much each node's wall clock was off, for the charts of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import words
from .fault_words import disturbances
from .statistics import FaultWindow

TRACKS_MAX = 5000


def tracks(windows: Sequence[FaultWindow], trial_end: int) -> list[dict[str, Any]]:
    """Stretches of time in which a node's clock was wrong, by the ledger.

    ``start`` and ``end`` in ns; ``first_s`` and ``last_s``: by how much it was off then, a drift
    lying between; ``strobe_s``: it flipped between that and so much more. What is damaged is left
    out.
    """
    found = []
    for window in windows:
        end = window.end(trial_end)
        for node, what in disturbances(window.parameters):
            if node not in window.targets:
                continue
            first_s = what.step_s + what.skip_s
            found.append(
                {
                    "node": words.line(node, 60),
                    "start": window.start,
                    "end": end,
                    "first_s": first_s,
                    "last_s": first_s + (what.rate - 1) * (end - window.start) / 1e9,
                    "strobe_s": what.strobe_s,
                }
            )
            if len(found) == TRACKS_MAX:
                return found
    return found
