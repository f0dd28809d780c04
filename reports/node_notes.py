"""What nodes said of themselves that matters to a story: who led, who came back, what was broken.

Read from their logs by words, for every system has its own; a line that none of these words is in
is still drawn in the diagram and shown in the logs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

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
_OTHERS = re.compile(r"^votes for\b|\brun out\b|\bexpired\b|^issues\b", re.I)
_INSTALLED = re.compile(r"^installs\b|^restored\b", re.I)
_MEMBERS = re.compile(r"^goes by the members\b|^(add|remove) \S+:", re.I)
_RESTORED = re.compile(r"^restored the snapshot\b", re.I)
_DETAIL = re.compile(r"^snapshot of \d+ entries", re.I)
_LITERAL = re.compile(r"\{[^{}]*\}|\[[^\[\]{}]*\]")
LITERALS_WITHIN = 600

_RETURN = re.compile(r"^recovered\b", re.I)
_PERIOD = re.compile(r"\b(term|view|ballot|epoch) (\[[^\]]*\]|[\w.]+)")


def tells(text: str) -> bool:
    """Whether a line of a log is worth a place in a drawing."""
    drawn = (ROLES, *(pattern for kind, pattern in _KINDS if kind != "snapshot"))
    return any(pattern.search(text) for pattern in drawn)


@dataclass(frozen=True)
class Note:
    """``kind``: ``alarm``, ``charge`` (somebody takes charge), ``members`` (who counts),
    ``installed`` (a state of another time), ``snapshot`` (told if the node was restored from it),
    ``other`` or ``return``.

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
    told = [
        note
        for note in found
        if not (note.kind == "snapshot" and not _is_used(note, found))
        and not (note.kind == "return" and _is_told(note, kills))
    ]
    found = _together(told)
    early = {"snapshot": SNAPSHOT_BEFORE_NS}
    inside = [note for note in found if note.time >= begin - early.get(note.kind, 0)]
    before = [note for note in found if note.time < begin and note.kind == "charge"][-1:]
    ranked = sorted(inside, key=lambda note: (_RANKS[note.kind], -note.time))
    return sorted([*before, *ranked[:limit]], key=lambda note: note.time)


def _is_told(note: Note, kills: Sequence[tuple[int, str]]) -> bool:
    return any(node == note.node and 0 <= note.time - time < BACK_NS for time, node in kills)


BACK_NS = 30 * 10**9
TOGETHER_NS = 100_000_000
SNAPSHOT_BEFORE_NS = 1_000_000_000
"""A snapshot that was restored is told if it was taken at most so long before the window."""

_RANKS = {
    **{"alarm": 0, "charge": 1, "members": 1, "installed": 1},
    **{"snapshot": 2, "other": 3, "return": 4},
}


_KINDS = (
    ("alarm", _ALARM),
    ("charge", _TAKES_CHARGE),
    ("members", _MEMBERS),
    ("installed", _INSTALLED),
    ("other", _OTHERS),
    ("return", _RETURN),
    ("snapshot", _DETAIL),
)


def _note(line: LogLine) -> Note | None:
    for kind, pattern in _KINDS:
        if pattern.search(line.text):
            return Note(line.time, line.node, kind, words.line(_readable(line.text), TEXT_LENGTH))
    return None


def _is_used(note: Note, found: Sequence[Note]) -> bool:
    """Whether a snapshot was the last that the node took before it restored one."""
    later = [n for n in found if n.node == note.node and n.time > note.time]
    after = next((n for n in later if n.kind == "snapshot" or _RESTORED.search(n.text)), None)
    return after is not None and after.kind != "snapshot"


def _together(found: Sequence[Note]) -> list[Note]:
    """What several nodes said at nearly the same time as one note of all of them."""
    kept: list[Note] = []
    for note in found:
        alike = [n for n in kept[-8:] if (n.kind, n.text, n.rival) == (note.kind, note.text, "")]
        near = [n for n in alike if note.time - n.time <= TOGETHER_NS]
        if near and note.kind not in ("alarm", "charge"):
            at = kept.index(near[-1])
            names = kept[at].node.split(", ")
            if note.node not in names:
                kept[at] = replace(kept[at], node=", ".join([*names, note.node]))
        else:
            kept.append(note)
    return kept


def _readable(text: str) -> str:
    """A line of a log in which objects and lists that a program printed are said in words."""
    return _LITERAL.sub(_said, text[:LITERALS_WITHIN])


def _said(found: re.Match[str]) -> str:
    try:
        data = ast.literal_eval(found[0])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return found[0]
    if isinstance(data, dict) and isinstance(data.get("msg"), str):
        return data["msg"]  # a line of a structured log; time and place stand elsewhere
    if isinstance(data, dict):
        known = {str(name): each for name, each in data.items() if each is not None}
        return ", ".join(f"{name.replace('_', ' ')} {_part(each)}" for name, each in known.items())
    return _part(data)


def _part(data: Any) -> str:
    if isinstance(data, list | tuple):
        return words.names([words.plain(each, 20) for each in data]) or "none"
    return words.plain(data, 40)


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
