"""Reads a stretch of ``messages.jsonl``, without reading the file up to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

EVENTS_MAX = 120_000
LOOK_AROUND_NS = 500_000_000
"""Messages that were sent so long before a window may arrive in it; those sent in it, so long
after it."""

BLOCK_BYTES = 4096


class TraceEvent(msgspec.Struct, frozen=True, rename={"source": "from", "dest": "to"}):
    """One line of the trace (``harness/simulation/trace.py`` says which)."""

    id: int
    t: int
    e: str
    source: str = ""
    dest: str = ""
    body: Any = None
    of: int = -1
    why: str = ""
    cause: int = -1
    at: str = ""
    name: str = ""


_decode = msgspec.json.Decoder(TraceEvent).decode


@dataclass
class TracedMessage:
    """One message, or one copy of it (of the same ``id``). Times in ns of the trace.

    ``end`` is when it arrived or was lost, ``None`` if neither was seen. ``why`` is the cause
    of its loss, empty unless it was lost. ``cause`` is the message in whose handler it was
    sent, where that is known and in the window.
    """

    id: int
    source: str
    dest: str
    sent: int
    body: Any
    end: int | None = None
    why: str = ""
    cause: TracedMessage | None = None


@dataclass(frozen=True)
class Stretch:
    """What happened from ``begin`` to ``end``: messages by time of sending, and other events
    (``kill``, ``start``, ``pause``, …) of nodes. ``around``: those messages and others, before and
    after. ``is_whole``: nothing had to be left out because there was too much."""

    messages: list[TracedMessage]
    events: list[TraceEvent]
    around: list[TracedMessage]
    is_whole: bool


def read_pieces(path: Path, pieces: Sequence[tuple[int, int]]) -> Stretch:
    """Several stretches in one, in order and without what two of them have in common."""
    whole = Stretch([], [], [], True)
    seen: set[tuple[int, int | None]] = set()
    for begin, end in pieces:
        found = read(path, begin, end)
        for message in found.messages:
            if (message.id, message.end) not in seen:
                seen.add((message.id, message.end))
                whole.messages.append(message)
        whole.events.extend(found.events)
        whole.around.extend(found.around)
        whole = dataclasses.replace(whole, is_whole=whole.is_whole and found.is_whole)
    whole.messages.sort(key=lambda m: m.sent)
    return whole


def read(path: Path, begin: int, end: int) -> Stretch:
    """The messages that were under way from ``begin`` to ``end`` (ns of the trace).

    Takes time in proportion to the stretch, not to the file. Lines that cannot be read are left
    out. ``OSError`` if the file cannot be.
    """
    sends: dict[int, TracedMessage] = {}
    handled: dict[int, TracedMessage] = {}
    timers: dict[int, TracedMessage] = {}
    found: list[TracedMessage] = []
    others: list[TraceEvent] = []
    count = 0
    with path.open("rb") as file:
        seek_time(file, begin - LOOK_AROUND_NS)
        for line in file:
            try:
                event = _decode(line)
            except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                continue
            if event.t > end + LOOK_AROUND_NS:
                break
            count += 1
            if count > EVENTS_MAX:
                break
            origin = handled.get(event.cause) or timers.get(event.cause)
            if event.e == "send":
                message = TracedMessage(
                    event.id, event.source, event.dest, event.t, event.body, cause=origin
                )
                sends[event.id] = message
                found.append(message)
            elif event.e == "timer":
                if origin is not None:
                    timers[event.id] = origin
            elif event.e in ("deliver", "drop"):
                message = sends.get(event.of)
                if message is None:
                    continue
                if message.end is not None:  # another copy of it
                    message = dataclasses.replace(message, end=None, why="")
                    found.append(message)
                message.end, message.why = event.t, event.why
                if event.e == "deliver":
                    handled[event.id] = message
            elif event.at and begin <= event.t <= end:
                others.append(event)
    # One that never ended shows only where it was sent.
    inside = [m for m in found if m.sent <= end and (m.sent if m.end is None else m.end) >= begin]
    return Stretch(sorted(inside, key=lambda m: m.sent), others, found, count <= EVENTS_MAX)


def seek_time(file: BinaryIO, time: int) -> None:
    """Put the file at a line from which on every event has at least this time (or just before)."""
    low, high = 0, file.seek(0, 2)
    while high - low > BLOCK_BYTES:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        at = _time_of_next(file, high)
        if at is None or at >= time:
            high = middle
        else:
            low = middle
    file.seek(low)
    if low:
        file.readline()


def _time_of_next(file: BinaryIO, limit: int) -> int | None:
    while file.tell() < limit:
        line = file.readline()
        if not line:
            return None
        try:
            return _decode(line).t
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            continue
    return None
