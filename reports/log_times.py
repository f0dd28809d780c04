"""When the lines of nodes' logs were written, on the time axis of the trial.

A log tells the time by some clock: virtual seconds in simulation, the machine's monotonic clock
where our own programs run as processes, the wall clock in the logs of real systems. ``trial.json``
says what these clocks showed when the history began.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from .run_folder import NodeLog, Run

FAR_NS = 3600 * 10**9
"""A line that would lie so long before or after the trial tells the time by some other clock."""

HEAD_LENGTH = 80
"""How much of a line may stand before the end of its time."""

_SECONDS = re.compile(r"(\d{1,12}\.\d{1,9}) (\S+) ")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<part>\d{1,9}))?"
_ZONE = r"(?: ?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d))?"
_WALL = (
    re.compile(rf"(?P<year>\d{{4}})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ]{_CLOCK}{_ZONE}"),
    re.compile(rf"(?P<day>\d\d) (?P<month>[A-Z][a-z][a-z]) (?P<year>\d{{4}}) {_CLOCK}{_ZONE}"),
)


@dataclass(frozen=True)
class Origin:
    """What each clock showed, in ns, when the history began; ``None`` where nobody knows.

    ``is_exact`` is false where the wall clock is known to a second only.
    """

    virtual: int | None = None
    monotonic: int | None = None
    wall: int | None = None
    is_exact: bool = True


@dataclass(frozen=True)
class LogLine:
    """``time`` in ns since the trial began; ``number`` of the line in what is shown, from 0."""

    time: int
    node: str
    number: int
    text: str


def origin(spec: Mapping[str, Any]) -> Origin:
    """The clocks of a trial."""
    began = spec.get("history_origin_ns")
    if spec.get("cluster") == "sim":
        return Origin(virtual=began)
    clocks = spec.get("history_clocks", {})
    wall, monotonic = clocks.get("wall_ns"), clocks.get("monotonic_ns")
    if isinstance(wall, int) and isinstance(monotonic, int):
        return Origin(monotonic=monotonic, wall=wall)
    try:
        started = datetime.fromisoformat(str(spec.get("started")))
    except ValueError:
        return Origin()
    if began is None or started.tzinfo is None:
        return Origin()
    return Origin(wall=int(started.timestamp()) * 10**9 + began, is_exact=False)


def lines(run: Run) -> list[LogLine]:
    """Every line of every log that tells its time, in order of time."""
    clocks = origin(run.spec)
    found = [line for log in run.logs for line in _timed(log, clocks)]
    return sorted(found, key=lambda line: line.time)


def times(log: NodeLog, clocks: Origin) -> list[int | None]:
    """Of each line of a log: its time in ns since the trial began, if it tells one."""
    told: list[int | None] = [None] * (log.text.count("\n") + 1)
    for line in _timed(log, clocks):
        told[line.number] = line.time
    return told


def _timed(log: NodeLog, clocks: Origin) -> Iterator[LogLine]:
    for number, text in enumerate(log.text.split("\n")):
        told = _time(text, log.node, clocks)
        if told is not None and -FAR_NS < told[0] < 24 * FAR_NS:
            yield LogLine(told[0], log.node, number, text[told[1] :].strip())


def _time(text: str, node: str, clocks: Origin) -> tuple[int, int] | None:
    """The time of a line, and where what it says begins."""
    seconds = _SECONDS.match(text)
    if seconds:
        began = clocks.virtual if clocks.virtual is not None else clocks.monotonic
        if began is None or seconds[2] != node:
            return None
        return round(float(seconds[1]) * 1e9) - began, seconds.end()
    if clocks.wall is None:
        return None
    for pattern in _WALL:
        found = pattern.search(text, 0, HEAD_LENGTH)
        if found:
            wall = _wall_ns(found)
            return None if wall is None else (wall - clocks.wall, 0)
    return None


def _wall_ns(found: re.Match[str]) -> int | None:
    month = found["month"]
    try:
        moment = datetime(
            int(found["year"]),
            _MONTHS[month] if month.isalpha() else int(month),
            *(int(found[name]) for name in ("day", "hour", "minute", "second")),
            tzinfo=_zone(found["zone"]),
        )
    except (KeyError, ValueError):
        return None
    return int(moment.timestamp()) * 10**9 + int((found["part"] or "0").ljust(9, "0"))


def _zone(name: str | None) -> timezone:
    if not name or name[0] not in "+-":
        return UTC
    away = timedelta(hours=int(name[1:3]), minutes=int(name[-2:]))
    return timezone(-away if name[0] == "-" else away)
