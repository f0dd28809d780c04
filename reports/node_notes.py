"""What nodes said of themselves that matters to a story: who led, who came back, what was broken.

Read from their logs by words, for every system has its own; a line that none of these words is in
is still drawn in the diagram and shown in the logs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from . import words
from .log_times import LogLine

NOTES_MAX = 10
ALIKE = 18
"""Alarms that begin with as many equal characters are one alarm."""

TEXT_LENGTH = 160

ROLES = re.compile(r"\b(lead\w*|candidate|elect\w*|primary|coordinator|view \d|promot\w*)", re.I)
"""What tells of an election, or of who is in charge."""

_ALARM = re.compile(r"\bBROKEN\b|\bpanic|\bfatal\b|\bcorrupt|\bdamaged\b", re.I)
_TAKES_CHARGE = re.compile(
    r"^leader\b|\bbecame leader\b|\bbecome leader\b|^primary\b|\btakes over\b|\bpromoted\b"
    r"|\belected leader\b|LEADING|MASTER MODE enabled",
    re.I,
)
_OTHERS = re.compile(
    r"^votes for\b|\brun out\b|\bexpired\b|^installs\b|^restored\b|^issues\b", re.I
)
_RETURN = re.compile(r"^recovered\b", re.I)
_PERIOD = re.compile(r"\b(term|view|ballot|epoch) (\[[^\]]*\]|[\w.]+)")


def tells(text: str) -> bool:
    """Whether a line of a log is worth a place in a drawing."""
    return any(pattern.search(text) for pattern in (ROLES, _ALARM, _TAKES_CHARGE, _OTHERS, _RETURN))


@dataclass(frozen=True)
class Note:
    """``kind``: ``alarm``, ``charge`` (somebody takes charge), ``other`` or ``return``.

    ``text`` is without the time.

    ``rival``: who had taken charge for the same term before: ``n2 had taken charge of term 2 …``.
    """

    time: int
    node: str
    kind: str
    text: str
    rival: str = ""


def notes(
    logged: Sequence[LogLine],
    begin: int,
    end: int,
    kills: Sequence[tuple[int, str]] = (),
    limit: int = NOTES_MAX,
) -> list[Note]:
    """The lines of a window that tell most, at most so many, and before them who was in charge
    when it began. ``kills``: when (ns) which node was killed, so that its return is no news.
    """
    found = _with_rivals([_note(line) for line in logged if line.time <= end])
    inside = [
        note
        for note in found
        if note.time >= begin and not (note.kind == "return" and _is_told(note, kills))
    ]
    before = [note for note in found if note.time < begin and note.kind == "charge"][-1:]
    ranked = sorted(inside, key=lambda note: (_RANKS[note.kind], -note.time))
    return sorted([*before, *ranked[:limit]], key=lambda note: note.time)


def _is_told(note: Note, kills: Sequence[tuple[int, str]]) -> bool:
    return any(node == note.node and 0 <= note.time - time < BACK_NS for time, node in kills)


BACK_NS = 30 * 10**9
_RANKS = {"alarm": 0, "charge": 1, "other": 2, "return": 3}


_KINDS = (
    ("alarm", _ALARM),
    ("charge", _TAKES_CHARGE),
    ("other", _OTHERS),
    ("return", _RETURN),
)


def _note(line: LogLine) -> Note | None:
    for kind, pattern in _KINDS:
        if pattern.search(line.text):
            return Note(line.time, line.node, kind, words.line(line.text, TEXT_LENGTH))
    return None


def _with_rivals(found: Sequence[Note | None]) -> list[Note]:
    """Repeated alarms left out; and of two in charge for one term, the later one says so."""
    kept: list[Note] = []
    alarmed: dict[str, int] = {}
    charged: dict[tuple[str, str], str] = {}
    for note in found:
        if note is None:
            continue
        if note.kind == "alarm":
            said = note.text[:ALIKE]
            at = alarmed.setdefault(said, len(kept))
            if at < len(kept):
                first = kept[at]
                if note.node not in first.node.split(", "):
                    kept[at] = replace(first, node=f"{first.node}, {note.node}")
                continue
        period = _PERIOD.search(note.text) if note.kind == "charge" else None
        if period:
            first = charged.setdefault((period[1], period[2]), note.node)
            if first != note.node:
                rival = f"{first} had taken charge of {period[1]} {period[2]} before"
                note = replace(note, rival=rival)
        kept.append(note)
    return kept
