"""A drawing of who was in which state when: a row each, stretches and moments on one time axis.

``assets/tracks.js`` draws it: of atomic commits the nodes and what each held of a transaction, of
locks the clients that held one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .statistics import FaultWindow

DOWN = {"kill": "down", "pause": "paused"}
"""Kinds of faults during which their targets do nothing, and how that is said."""


@dataclass(frozen=True)
class Stretch:
    """``end`` is ``None`` where it had not ended when the drawing does. ``kind`` says its look:
    ``doubt``, ``committed``, ``aborted``, ``held``, ``asking`` or ``down``."""

    start: int
    end: int | None
    kind: str
    label: str
    said: str


@dataclass(frozen=True)
class Moment:
    """``index`` is the operation in the history to which it belongs, or -1."""

    time: int
    kind: str
    label: str
    said: str
    index: int = -1


@dataclass
class Row:
    """One node or client; ``note`` stands below its name."""

    name: str
    note: str = ""
    stretches: list[Stretch] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)


@dataclass(frozen=True)
class Drawing:
    """``bands`` go through all rows: times and a label, for what must not have been."""

    title: str
    caption: str
    rows: list[Row]
    bands: list[tuple[int, int, str]]
    legend: list[tuple[str, str]]

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def down(
    node: str, faults: Sequence[FaultWindow], begin: int, end: int, trial_end: int
) -> list[Stretch]:
    """When a node did nothing, of what falls into a window."""
    return [
        Stretch(
            max(w.start, begin),
            min(w.end(trial_end), end),
            "down",
            DOWN[w.kind],
            f"{node} was {DOWN[w.kind]}",
        )
        for w in faults
        if w.kind in DOWN and node in w.targets and w.start <= end and w.end(trial_end) >= begin
    ]
