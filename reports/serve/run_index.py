"""The index: what the list says of every run of a store and of campaigns, in SQLite beside the
run folders.

The folders are the truth. The index is made anew if it is lost, damaged or of another version, and
otherwise follows them: new, changed and removed folders are noticed by their times and sizes. It is
the only file that ``duress serve`` writes; where it must not, the index lives in a temporary
folder.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import threading
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from . import run_files, run_names, run_roots, run_summary
from .run_roots import Root
from .run_summary import RUNNING, VALID, RunSummary

FILE = ".runs-index.sqlite"
VERSION = 1
"""Raised whenever what is written into the tables changes its meaning; a change of the tables
themselves is noticed without that. Older files are made anew."""

APPLICATION = 0x64757273
BATCH = 250
WHOLE_LOOK_S = 15.0
"""After how long all folders are looked at again; new and removed ones are seen at once."""

FINEST_CLOCK_NS = 1_000_000_000

MARKS = ("trial.json", "verdict.json")

_SCHEMA = """
CREATE TABLE runs (
  id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL, started_s REAL NOT NULL,
  campaign TEXT NOT NULL,
  state TEXT NOT NULL, outcome TEXT NOT NULL, system TEXT NOT NULL, workload TEXT NOT NULL,
  cluster TEXT NOT NULL, mutant TEXT NOT NULL, seed TEXT NOT NULL, nemeses TEXT NOT NULL,
  nodes INTEGER NOT NULL, time_limit_s REAL, sentence TEXT NOT NULL, detail TEXT NOT NULL,
  signature TEXT NOT NULL, trouble TEXT NOT NULL, anomalies TEXT NOT NULL, calls INTEGER,
  served REAL, faults INTEGER,
  has_report INTEGER NOT NULL, problems TEXT NOT NULL, command TEXT NOT NULL,
  searched TEXT NOT NULL, mark TEXT NOT NULL);
CREATE INDEX runs_by_start ON runs (started_s, id);
CREATE INDEX runs_by_state ON runs (state, started_s);
CREATE TABLE run_nemeses (run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  name TEXT NOT NULL, PRIMARY KEY (run, name)) WITHOUT ROWID;
CREATE TABLE run_anomalies (run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  name TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (run, name)) WITHOUT ROWID;
"""

_Due = tuple[str, Root, str, str]
"""A run that is to be read: its slug, where it is, its folder's name, its mark."""

FORMAT = zlib.crc32(f"{VERSION}{_SCHEMA}".encode()) & 0x7FFFFFFF
"""Of which format a file is, as it says itself."""

_COLUMNS = (
    *(
        "slug",
        "name",
        "started_s",
        "campaign",
        "state",
        "outcome",
        "system",
        "workload",
        "cluster",
        "mutant",
    ),
    *("seed", "nemeses", "nodes", "time_limit_s", "sentence", "detail", "signature", "trouble"),
    *(
        "anomalies",
        "calls",
        "served",
        "faults",
        "has_report",
        "problems",
        "command",
        "searched",
        "mark",
    ),
)
_INSERT = (
    f"INSERT OR REPLACE INTO runs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
)


class RunIndex:
    """The index of one store, and of the campaigns in a folder, which need not be there yet.

    Thread-safe: one connection writes, another one reads.
    """

    def __init__(
        self, store: Path, file: Path | None = None, campaigns: Path | None = None
    ) -> None:
        self.store = store
        self.campaigns = campaigns
        self._roots = [Root(str(store))]
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._open(file or store / FILE)
        self.done, self.total = 0, 0
        """How many of the folders that were to be read have been; equal when all is known."""
        self._changed_ns: tuple[int, ...] = ()
        self._whole_look_at_s = float("-inf")
        self._complete = False

    # -- the file ----------------------------------------------------------------

    def _open(self, file: Path) -> None:
        try:
            self._writer = _opened(file)
        except sqlite3.OperationalError as error:  # no right to write here, or no room
            if "locked" in str(error):
                raise
            self._temporary = tempfile.TemporaryDirectory(prefix="duress-serve-")
            file = Path(self._temporary.name) / FILE
            self._writer = _opened(file)
        self.file = file
        self._reader = sqlite3.connect(file, check_same_thread=False, timeout=10)
        self._reader.row_factory = sqlite3.Row
        self._reader.execute("PRAGMA query_only = ON")

    @property
    def is_temporary(self) -> bool:
        """Whether the store's own folder cannot hold the index, so that it ends with the server."""
        return self._temporary is not None

    def reopen(self) -> None:
        """Begin again after an error of the database: what is damaged is made anew."""
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()
            self._whole_look_at_s, self._changed_ns = float("-inf"), ()
            self._open(self.file)

    def close(self) -> None:
        """Close the file; remove it if it is a temporary one. Idempotent."""
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()
            if self._temporary is not None:
                self._temporary.cleanup()

    # -- reading -----------------------------------------------------------------

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows that a query finds."""
        with self._reading:
            return self._reader.execute(query, values).fetchall()

    @property
    def is_complete(self) -> bool:
        """Whether every folder has been looked at since the server started."""
        return self._complete

    # -- following the folders ---------------------------------------------------

    def refresh(self, wholly: bool = False, stop: threading.Event | None = None) -> bool:
        """Take in what has changed on disk; whether anything had. Newest folders come first, and
        what has been read is there to be seen while the rest still is.

        ``wholly`` looks at every folder, also at those that would show no sign of a change.
        """
        with self._writing:
            began_s = time.monotonic()
            if wholly or began_s - self._whole_look_at_s > WHOLE_LOOK_S:
                changed = self._look(None, stop)
                self._whole_look_at_s = began_s
                self._complete = self.done == self.total
                return changed
            running = self._writer.execute("SELECT slug FROM runs WHERE state = ?", [RUNNING])
            unsettled = {slug for (slug,) in running}
            if self._change() == self._changed_ns:
                return self._look_again(unsettled, stop) if unsettled else False
            return self._look(unsettled, stop)

    def _change(self) -> tuple[int, ...]:
        return run_roots.changed_ns(self.store, self.campaigns, self._roots)

    def _known(self) -> dict[str, tuple[str, str]]:
        found = self._writer.execute("SELECT slug, state, mark FROM runs")
        return {slug: (state, marked) for slug, state, marked in found}

    def _look(self, only: set[str] | None, stop: threading.Event | None) -> bool:
        """``only``: those that are looked at although they are known; ``None`` for all."""
        self._roots = run_roots.roots(self.store, self.campaigns)
        changed_ns = self._change()
        known = self._known()
        present: set[str] = set()
        due: list[_Due] = []
        for root in self._roots:
            for name in run_roots.folders(root):
                slug = root.prefix + run_names.encoded(name)
                present.add(slug)
                if only is not None and slug in known and slug not in only:
                    continue
                now = mark(f"{root.folder}/{name}", name)
                state, before = known.get(slug, ("", ""))
                if now and (now != before or state == RUNNING):
                    due.append((slug, root, name, now))
                elif not now:
                    present.discard(slug)
        gone = [(slug,) for slug in known if slug not in present]
        if gone:
            with self._writer:
                self._writer.executemany("DELETE FROM runs WHERE slug = ?", gone)
        written = self._read(due, known, stop)
        # A change within one tick of the file system's clock would not show.
        is_fresh = time.time_ns() - max(changed_ns) < FINEST_CLOCK_NS
        is_whole = self.done == self.total
        self._changed_ns = changed_ns if is_whole and not is_fresh else ()
        return bool(gone or written)

    def _look_again(self, unsettled: set[str], stop: threading.Event | None) -> bool:
        """At trials under way only: no folder has come or gone."""
        roots = {root.prefix: root for root in self._roots}
        due: list[_Due] = []
        for slug in sorted(unsettled):
            prefix, _, run = slug.rpartition("/")
            root = roots.get(f"{prefix}/" if prefix else "")
            if root is not None:
                name = run_names.decoded(run)
                due.append((slug, root, name, mark(f"{root.folder}/{name}", name)))
        known = {slug: marks for slug, marks in self._known().items() if slug in unsettled}
        return bool(self._read([each for each in due if each[3]], known, stop))

    def _read(
        self,
        due: Sequence[_Due],
        known: dict[str, tuple[str, str]],
        stop: threading.Event | None,
    ) -> int:
        """How many had changed; all of them are read unless somebody wants it to stop before."""
        self.done, self.total, written = 0, len(due), 0
        now_s = time.time()
        for start in range(0, len(due), BATCH):
            if stop is not None and stop.is_set():
                break
            batch = due[start : start + BATCH]
            with self._writer:
                for slug, root, name, now in batch:
                    with contextlib.suppress(OSError):  # gone meanwhile: seen next time
                        summary = run_summary.summarise(Path(root.folder) / name, now_s)
                        summary.slug, summary.campaign = slug, root.campaign
                        if summary.state != RUNNING or known.get(slug) != (RUNNING, now):
                            self._write(summary, now)
                            written += 1
            self.done += len(batch)
        return written

    def _write(self, summary: RunSummary, marked: str) -> None:
        given = {
            **{name: getattr(summary, name) for name in _COLUMNS if hasattr(summary, name)},
            "nemeses": _json(summary.nemeses),
            "anomalies": _json(summary.anomalies),
            "problems": _json(summary.problems),
            "searched": _searched(summary),
            "mark": marked,
        }
        row = self._writer.execute(_INSERT, [given[name] for name in _COLUMNS]).lastrowid
        self._writer.executemany(
            "INSERT OR IGNORE INTO run_nemeses VALUES (?, ?)",
            [(row, name) for name in summary.nemeses],
        )
        self._writer.executemany(
            "INSERT OR IGNORE INTO run_anomalies VALUES (?, ?, ?)",
            [(row, name, count) for name, count in summary.anomalies.items()],
        )


def _opened(file: Path) -> sqlite3.Connection:
    """A connection that may write, to a file with our tables. What is not ours or not of today's
    version is made anew."""
    for _ in range(2):
        connection = sqlite3.connect(file, check_same_thread=False, timeout=10)
        try:
            _prepare(connection)
            return connection
        except sqlite3.OperationalError:
            connection.close()
            raise
        except sqlite3.DatabaseError:  # no database, or a damaged one
            connection.close()
            _remove(file)
    raise sqlite3.OperationalError(f"{file}: cannot be made anew")


def _remove(file: Path) -> None:
    for path in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
        path.unlink(missing_ok=True)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    about = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in _ABOUT]
    if about == [APPLICATION, FORMAT]:
        if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("damaged")
        return
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise sqlite3.DatabaseError("of another version")
    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")


_ABOUT = ("application_id", "user_version")


def mark(folder: str, name: str) -> str:
    """What changes when a run folder does; empty for a folder that is none."""
    try:
        parts = [str(os.lstat(folder).st_mtime_ns)]  # Path objects would double the time
    except OSError:
        return ""
    for file in MARKS:
        try:
            about = os.lstat(f"{folder}/{file}")
        except OSError:
            parts.append("-")
        else:
            parts.append(f"{about.st_mtime_ns}.{about.st_size}")
    if parts[1:] == ["-", "-"] and not run_files.is_run(folder, name):
        return ""
    return " ".join(parts)


def _searched(summary: RunSummary) -> str:
    """What a search for words looks through, in lower case. Why a valid run is valid is left out:
    all of them would be found by it."""
    detail = "" if summary.state == VALID else summary.detail
    parts = (
        *(summary.name, summary.system, summary.mutant, summary.workload, summary.cluster),
        *(summary.seed, summary.outcome, *summary.nemeses, *summary.anomalies, summary.sentence),
        *(
            summary.campaign,
            detail,
            summary.trouble,
            summary.signature,
            summary.command,
            *summary.problems,
        ),
    )
    return "\n".join(parts).casefold()


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def listed(row: sqlite3.Row) -> dict[str, Any]:
    """A row of the table ``runs`` as plain data: what the pages and ``/api`` show of a run."""
    shown: dict[str, Any] = dict(row)
    for name in ("nemeses", "anomalies", "problems"):
        shown[name] = msgspec.json.decode(shown[name])
    shown["has_report"] = bool(shown["has_report"])
    shown["address"] = run_roots.address_of(shown["slug"])
    for name in ("id", "searched", "mark"):
        shown.pop(name, None)
    return shown
