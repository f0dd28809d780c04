"""Campaigns as their folders (NAME/TIME/) and the ledgers in them say now."""

from __future__ import annotations

import contextlib
import fcntl
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from ...harness.campaign.gate import Report, with_states
from ...harness.campaign.ledger import FILE
from ...harness.campaign.reading import looking_at
from ...harness.campaign.results import INFRASTRUCTURE, INVALID, KILLED, UNKNOWN
from ...harness.campaign.summary import NEW, Summary, summary_of
from ...harness.errors import UserError
from . import run_files, run_names
from .live_run import LiveRuns
from .run_place import RunPlace

LOCK, RUNS, GATE = "lock", "runs", "gate.json"
GATE_MAX_BYTES = 16 << 20
REMEMBERED_MAX = 5000
TOLD_MAX = 500
"""Of trials whose runs were kept, and of those under way."""

NOW, OVER, LEFT, BROKEN = "running", "over", "not over", "unreadable"


@dataclass(frozen=True)
class Found:
    """A campaign: parts of its address, when it began (epoch s, if its name says so), its state
    (``running``, ``over``, ``not over``: nobody runs it, it can be gone on with; ``unreadable``),
    its summary or why there is none; how many of its failures the last one before it that is over
    did not have."""

    name: str
    time: str
    began_s: float | None
    state: str
    summary: Summary | None
    problem: str = ""
    new: int = 0

    @property
    def address(self) -> str:
        """Of its page."""
        return f"/campaigns/{self.name}/{self.time}"


@dataclass(frozen=True)
class Told(Found):
    """With trials, as :mod:`duress.harness.campaign.reading` and the ledger give them, and with
    what it said in the end if it was a gate."""

    under_way: tuple[dict[str, Any], ...] = ()
    doubtful: tuple[dict[str, Any], ...] = ()
    kept: tuple[dict[str, Any], ...] = ()
    gate: Report | None = None


class Campaigns:
    """The campaigns in a folder, which need not be there (yet). Thread-safe.

    Names and times are given and taken as they stand in addresses.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[Any, Summary]] = {}
        self._places: dict[tuple[str, str], RunPlace] = {}

    def names(self) -> list[str]:
        """Of the folders that may hold campaigns."""
        return self._folders()

    def listed(self, name: str, most: int) -> tuple[list[Found], int]:
        """The newest campaigns of a name, without their trials, and how many there are."""
        times = self.times(name)
        found: list[Found] = []
        for time in times:
            with contextlib.suppress(OSError):  # gone meanwhile
                found.append(self.found(name, time))
            if len(found) > most and _is_over(found[-1]):
                break  # with which the last one that is wanted is compared
        return [
            replace(each, new=_new(each, next(filter(_is_over, found[at + 1 :]), None)))
            for at, each in enumerate(found[:most])
        ], len(times)

    def times(self, name: str) -> list[str]:
        """The campaigns of a name, the newest first."""
        return [
            time
            for time in self._folders(run_names.decoded(name))[::-1]
            if self._mark(name, time) is not None
        ]

    def runs(self, name: str, time: str) -> RunPlace:
        """Where the runs of a campaign are; ``OSError`` if there is no such campaign."""
        self._required(name, time)
        with self._lock:
            if (name, time) not in self._places:
                folder = self._path(name, time) / RUNS
                base = f"/campaigns/{name}/{time}"
                trail = (
                    ("/campaigns", "Campaigns"),
                    (f"/campaigns/{name}", shown(name)),
                    (base, shown(time)),
                )
                place = RunPlace(folder, f"{base}/{RUNS}", trail, LiveRuns(folder))
                self._places[name, time] = place
            return self._places[name, time]

    def found(self, name: str, time: str) -> Found:
        """One of them by itself, without its trials. ``OSError`` if there is none."""
        self._required(name, time)
        state, began_s = self._state(name, time), _began(time)
        try:
            summary = self._summary(name, time)
        except UserError as error:
            state = state if state == NOW else BROKEN
            return Found(name, time, began_s, state, None, str(error))
        return Found(name, time, began_s, _told(state, summary), summary)

    def told(self, name: str, time: str) -> Told:
        """One of them, compared with the one before, with its trials.

        ``OSError`` if there is none, ``UserError`` if its ledger cannot be read.
        """
        self._required(name, time)
        state = self._state(name, time)
        before = self.before(name, time)
        with looking_at(self._path(name, time) / FILE) as ledger:
            if before is None:
                summary = _checked(summary_of(ledger))
            else:
                with looking_at(self._path(name, before) / FILE) as other:
                    summary = _checked(summary_of(ledger, other))
            gate = None if state == NOW else self._gate(name, time)
            if gate is not None:
                summary = with_states(summary, gate.failures, gate.missed, gate.baseline)
            return Told(
                name,
                time,
                _began(time),
                _told(state, summary),
                summary,
                new=sum(each.state == NEW for each in summary.failures),
                under_way=tuple(ledger.under_way(TOLD_MAX)),
                doubtful=tuple(ledger.details([UNKNOWN, INFRASTRUCTURE, KILLED])),
                kept=tuple(ledger.kept(TOLD_MAX)),
                gate=gate,
            )

    def before(self, name: str, time: str) -> str | None:
        """The last campaign of this name before that one which is over, as ``duress campaign``
        compares."""
        for other in self.times(name):
            if run_names.decoded(other) < run_names.decoded(time):
                try:
                    if self._summary(name, other).ended:
                        return other
                except (UserError, OSError):
                    continue
        return None

    def path(self, name: str, time: str) -> Path:
        """The folder of a campaign; ``OSError`` if there is none."""
        self._required(name, time)
        return self._path(name, time)

    def has(self, name: str, time: str, file: str) -> bool:
        """Whether that file lies in a campaign's folder."""
        folder = self._path(name, time)
        try:
            run_files.file_change(folder.parent, folder.name, [file])
        except OSError:
            return False
        return True

    def _gate(self, name: str, time: str) -> Report | None:
        """What it said; ``None`` if it was no gate, or the file is not what a gate leaves."""
        folder = self._path(name, time)
        try:
            with run_files.open_file(folder.parent, folder.name, [GATE]) as file:
                found = msgspec.json.decode(file.read(GATE_MAX_BYTES), type=Report)
        except (OSError, msgspec.DecodeError):
            return None
        return found if found.confidence and INVALID in found.outcomes else None

    # -- folders -----------------------------------------------------------------

    def _folders(self, *below: str) -> list[str]:
        if self.folder is None:
            return []
        try:
            return [run_names.encoded(name) for name in run_files.folders(self.folder, below)]
        except OSError:
            return []

    def _path(self, name: str, time: str) -> Path:
        if self.folder is None:
            raise FileNotFoundError("no campaigns are shown")
        return self.folder / run_names.decoded(name) / run_names.decoded(time)

    def _mark(self, name: str, time: str) -> Any:
        """By which a change of its ledger is known; ``None`` if it has none."""
        try:
            folder = self._path(name, time)
            mark = run_files.file_change(folder.parent, folder.name, [FILE])
        except OSError:
            return None
        try:
            return mark, run_files.file_change(folder.parent, folder.name, [f"{FILE}-wal"])
        except OSError:
            return mark, None

    def _required(self, name: str, time: str) -> None:
        if self._mark(name, time) is None:
            raise FileNotFoundError(f"{shown(name)}/{shown(time)}: no campaign")

    def _summary(self, name: str, time: str) -> Summary:
        mark = self._mark(name, time)
        with self._lock:
            known = self._known.get((name, time))
        if known is not None and known[0] == mark:
            return known[1]
        with looking_at(self._path(name, time) / FILE) as ledger:
            summary = _checked(summary_of(ledger))
        with self._lock:
            if len(self._known) >= REMEMBERED_MAX:
                self._known.clear()
            self._known[name, time] = mark, summary
        return summary

    def _state(self, name: str, time: str) -> str:
        """Running, if somebody holds its lock, which is tried and let go at once."""
        folder = self._path(name, time)
        try:
            with run_files.open_file(folder.parent, folder.name, [LOCK]) as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return NOW
        except OSError:
            pass
        return LEFT


def shown(part: str) -> str:
    """Part of an address as a person sees it."""
    return run_names.shown(run_names.decoded(part))


def _told(state: str, summary: Summary) -> str:
    return OVER if state == LEFT and summary.ended else state


def _is_over(found: Found) -> bool:
    return found.summary is not None and bool(found.summary.ended)


def _new(found: Found, before: Found | None) -> int:
    known = before.summary.failures if before and before.summary else []
    signatures = {each.signature for each in known}
    now = found.summary.failures if found.summary else []
    return sum(each.signature not in signatures for each in now)


def _began(time: str) -> float | None:
    try:
        return datetime.strptime(time, "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _checked(summary: Summary) -> Summary:
    """With values of the types that it promises, whatever was in the ledger."""
    return msgspec.convert(msgspec.to_builtins(summary), Summary)
