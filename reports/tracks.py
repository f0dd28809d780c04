"""A drawing of who was in which state when: a row each, stretches and moments on one time axis.

``assets/tracks.js`` draws it: of atomic commits the nodes and what each held of a transaction, of
locks the clients that held one, of messages where they were delivered, of replicas what they hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from . import fault_sentences
from .statistics import FaultWindow

DOWN = {"kill": "down", "pause": "paused"}
"""Kinds of faults during which their targets do nothing, and how that is said."""

STRUCK_NS = 1_000_000
"""So long is a node drawn as down that an ambush killed: its ledger says no end."""


@dataclass(frozen=True)
class Stretch:
    """``end`` is ``None`` where it had not ended when the drawing does. ``kind`` says its look:
    ``doubt``, ``committed``, ``aborted``, ``held``, ``asking``, ``down``, or ``state-0`` …
    ``state-2`` for states that only differ."""

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
class Link:
    """A line from a moment in one row to a moment in another; ``kind`` is empty, ``evidence`` or
    ``missing`` (what did not arrive)."""

    row: int
    time: int
    to_row: int
    to_time: int
    kind: str = ""


@dataclass(frozen=True)
class Drawing:
    """``bands`` go through all rows: times and a label, for what must not have been; ``marks`` are
    moments that concern all, with a label."""

    title: str
    caption: str
    rows: list[Row]
    bands: list[tuple[int, int, str]]
    legend: list[tuple[str, str]]
    links: list[Link] = field(default_factory=list)
    marks: list[tuple[int, str]] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def down(
    node: str, faults: Sequence[FaultWindow], begin: int, end: int, trial_end: int
) -> list[Stretch]:
    """When a node did nothing, of what falls into a window."""
    found = [
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
    struck = [
        time
        for w in faults
        if w.kind == "ambush"
        for time, victim in fault_sentences.kills(w)
        if victim == node and begin <= time <= end
    ]
    said = f"{node} was killed by an ambush, and started again"
    return found + [Stretch(time, time + STRUCK_NS, "down", "", said) for time in struck]
