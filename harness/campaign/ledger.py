"""What became of every trial of a campaign, in a file that a crash at any moment leaves whole.

SQLite with a write-ahead log, synchronous at every commit. Before a trial is begun, the ledger
says which run folder will be its own; whoever opens the ledger after a crash finds there what was
under way, and decides by the folders.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..errors import UserError
from ..spec import TrialSpec
from ..verdict import Signature
from .ledger_file import Transaction, writing
from .plan import Plan, Planned
from .results import INFRASTRUCTURE, INVALID, Result

FILE = "campaign.sqlite"
VERSION = 1

WAITING, RUNNING, DONE = "waiting", "running", "done"

_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE trials (
  number INTEGER PRIMARY KEY, cell TEXT NOT NULL, seed INTEGER NOT NULL, spec BLOB NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting', tries INTEGER NOT NULL DEFAULT 0, run TEXT,
  outcome TEXT, anomalies TEXT, signature TEXT, operations INTEGER, wall_s REAL, bytes INTEGER,
  error TEXT, ended REAL);
CREATE INDEX by_state ON trials (state, number);
CREATE INDEX by_signature ON trials (signature, number) WHERE signature IS NOT NULL;
CREATE INDEX by_outcome ON trials (outcome, ended) WHERE outcome IS NOT NULL;
CREATE TABLE failures (
  signature TEXT PRIMARY KEY, name TEXT NOT NULL, first INTEGER NOT NULL, shrunk TEXT,
  told INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE sessions (number INTEGER PRIMARY KEY, began REAL NOT NULL, seconds REAL NOT NULL,
  ended TEXT);
"""

_TRIAL = """CASE json_extract(CAST(spec AS TEXT), '$.cluster')
  WHEN 'sim' THEN CAST(spec AS TEXT) ELSE CAST(number AS TEXT) END"""
"""What tells one trial from another: on sim the spec with its seed, for all follows from them."""


class Failure(NamedTuple):
    """A signature that was found: by which trials, and the run that is its smallest."""

    signature: str
    name: str
    first: int
    trials: int
    run: str
    cells: list[str]
    shrunk: str | None
    told: bool


class Row(NamedTuple):
    """One cell: how many of its trials there are, and how those that are done ended.

    ``distinct``: how many different ones of them were valid; see :meth:`Ledger.distinct`.
    """

    cell: str
    planned: int
    outcomes: dict[str, int]
    signatures: dict[str, int]
    wall_s: float
    distinct: int = 0


class Retried(NamedTuple):
    """Trials that could not be run and were run again: how many, and how many of them could not
    be run in the end."""

    trials: int
    still: int


class Ledger:
    """The ledger in a campaign's folder; see :func:`.engine.only_one` for who may write.

    ``connect`` opens the file: to write, unless told otherwise.
    """

    def __init__(
        self, path: Path, connect: Callable[[Path], sqlite3.Connection] | None = None
    ) -> None:
        if not path.is_file():
            raise UserError(f"{path}: no such file; is {path.parent} a campaign's folder?")
        self.path = path
        try:
            self._file = (connect or writing)(path)
            version = self._file.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise UserError(f"{path}: not a campaign's ledger: {error}") from None
        if version != VERSION:
            raise UserError(f"{path}: made by another version of duress ({version})")

    @staticmethod
    def create(path: Path, plan: Plan, digest: str, trials: Iterable[Planned]) -> Ledger:
        """A new ledger, which is there as a whole or not at all."""
        temporary = path.with_suffix(".tmp")
        for leftover in (temporary, *temporary.parent.glob(f"{temporary.name}-*")):
            leftover.unlink(missing_ok=True)
        file = writing(temporary)
        encode = msgspec.json.Encoder().encode
        with file:
            file.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        with file:
            facts = {"plan": encode(plan).decode(), "digest": digest, "made": str(time.time())}
            file.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
            file.executemany(
                "INSERT INTO trials (number, cell, seed, spec) VALUES (?, ?, ?, ?)",
                ((each.number, each.cell, each.spec.seed, encode(each.spec)) for each in trials),
            )
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        file.close()
        temporary.rename(path)
        return Ledger(path)

    def close(self) -> None:
        """Write everything to the one file. Idempotent."""
        self._file.close()

    # -- facts -------------------------------------------------------------------

    @property
    def plan(self) -> Plan:
        """What is run."""
        return msgspec.json.decode(self._fact("plan"), type=Plan)

    @property
    def digest(self) -> str:
        """By which the plan is known again."""
        return self._fact("digest")

    @property
    def made(self) -> float:
        """When, in seconds since the epoch."""
        return float(self._fact("made"))

    @property
    def ended(self) -> str:
        """Why the campaign is over; empty if it is not."""
        return self._fact("ended", "")

    def end(self, why: str) -> None:
        """It is over."""
        self._write("INSERT OR REPLACE INTO facts VALUES ('ended', ?)", [why])

    def go_on(self) -> None:
        """It is not over, after all."""
        self._write("DELETE FROM facts WHERE name = 'ended'")

    def _fact(self, name: str, default: str | None = None) -> str:
        row = self._file.execute("SELECT value FROM facts WHERE name = ?", [name]).fetchone()
        if row is None and default is None:
            raise UserError(f"{self.path}: is incomplete: it does not say {name!r}")
        return default if row is None else row[0]  # type: ignore[return-value]

    # -- sessions ----------------------------------------------------------------

    def begin_session(self) -> int:
        """From now on it is being run again."""
        done = self._write("INSERT INTO sessions (began, seconds) VALUES (?, 0)", [time.time()])
        return int(done.lastrowid or 0)

    def still(self, session: int, seconds: float, ended: str | None = None) -> None:
        """A session has lasted for so long, and is over if it says why."""
        self._write(
            "UPDATE sessions SET seconds = ?, ended = ? WHERE number = ?", [seconds, ended, session]
        )

    @property
    def seconds(self) -> float:
        """For how long it was run, in all sessions."""
        return self._one("SELECT total(seconds) FROM sessions")

    @property
    def sessions(self) -> int:
        """How often it was begun or gone on with."""
        return self._one("SELECT count(*) FROM sessions")

    # -- trials ------------------------------------------------------------------

    def waiting(self, most: int) -> list[Planned]:
        """The next trials, by number."""
        rows = self._file.execute(
            "SELECT number, cell, spec FROM trials WHERE state = 'waiting' ORDER BY number LIMIT ?",
            [most],
        )
        return [Planned(n, cell, msgspec.json.decode(s, type=TrialSpec)) for n, cell, s in rows]

    def running(self) -> list[tuple[int, str]]:
        """Numbers and run folders of what is under way, or was when it all came to a sudden end."""
        return list(
            self._file.execute(
                "SELECT number, run FROM trials WHERE state = 'running' ORDER BY number"
            )
        )

    def begin(self, number: int, run: str) -> None:
        """A trial is begun, in this run folder."""
        self._write(
            "UPDATE trials SET state = 'running', run = ?, tries = tries + 1 "
            "WHERE number = ? AND state = 'waiting'",
            [run, number],
        )

    def again(self, number: int, uncounted: bool = False) -> None:
        """A trial that was begun must be run again; ``uncounted``: it was not its fault."""
        self._write(
            "UPDATE trials SET state = 'waiting', run = NULL, tries = tries - ? "
            "WHERE number = ? AND state = 'running'",
            [int(uncounted), number],
        )

    def tries(self, number: int) -> int:
        """How often a trial was begun."""
        return self._one("SELECT tries FROM trials WHERE number = ?", [number])

    def finish(self, number: int, result: Result) -> bool:
        """A trial has ended; whether its failure is a new one. A trial that is done stays as it is.

        One transaction: the trial and its failure are known both or not at all.
        """
        signature = _signature(result)
        with self._transaction():
            done = self._file.execute(
                "UPDATE trials SET state = 'done', outcome = ?, anomalies = ?, signature = ?, "
                "operations = ?, run = ?, wall_s = ?, bytes = ?, error = ?, ended = ? "
                "WHERE number = ? AND state != 'done'",
                [
                    *(result.outcome, " ".join(result.anomalies)),
                    *(signature.id if signature else None, result.operations),
                    *(result.run or None, result.wall_s, result.bytes),
                    *(result.error or None, time.time(), number),
                ],
            )
            if not done.rowcount or signature is None:
                return False
            added = self._file.execute(
                "INSERT OR IGNORE INTO failures (signature, name, first) VALUES (?, ?, ?)",
                [signature.id, signature.name, number],
            )
            return bool(added.rowcount)

    def run_removed(self, number: int) -> None:
        """Its run folder is no longer there."""
        self._write("UPDATE trials SET run = NULL, bytes = 0 WHERE number = ?", [number])

    # -- what is known -------------------------------------------------------------

    def count(self, state: str) -> int:
        """How many trials are in a state."""
        return self._one("SELECT count(*) FROM trials WHERE state = ?", [state])

    @property
    def planned(self) -> int:
        """How many trials there are."""
        return self._one("SELECT count(*) FROM trials")

    @property
    def bytes(self) -> int:
        """What all run folders take."""
        return int(self._one("SELECT total(bytes) FROM trials"))

    def outcomes(self) -> dict[str, int]:
        """How many trials ended how."""
        return dict(
            self._file.execute(
                "SELECT outcome, count(*) FROM trials WHERE state = 'done' GROUP BY 1 ORDER BY 1"
            )
        )

    def rows(self) -> list[Row]:
        """Every cell, in the order of the plan."""
        found: dict[str, Row] = {}
        for cell, state, outcome, signature, count, wall_s in self._file.execute(
            "SELECT cell, state, outcome, signature, count(*), total(wall_s) FROM trials "
            "GROUP BY 1, 2, 3, 4 ORDER BY min(number)"
        ):
            row = found.setdefault(cell, Row(cell, 0, {}, {}, 0.0))
            if state == DONE:
                row.outcomes[outcome] = row.outcomes.get(outcome, 0) + count
            if signature is not None:
                row.signatures[signature] = row.signatures.get(signature, 0) + count
            found[cell] = row._replace(planned=row.planned + count, wall_s=row.wall_s + wall_s)
        distinct = self.distinct("cell")
        return [row._replace(distinct=distinct.get(row.cell, 0)) for row in found.values()]

    def distinct(self, of: str) -> dict[str, int]:
        """How many different valid trials there were of each ``cell``, ``system`` (with its mutant,
        if it has one), or of ``all``.

        Trials on sim with the same spec and seed are one: the second says nothing new.
        """
        field = "json_extract(CAST(spec AS TEXT), '$.{}')".format
        system = f"{field('system')} || coalesce(':' || {field('mutant')}, '')"
        what = {"cell": "cell", "system": system}
        return dict(
            self._file.execute(
                f"SELECT {what.get(of, repr(of))}, count(DISTINCT {_TRIAL}) FROM trials "
                "WHERE outcome = 'valid' GROUP BY 1 ORDER BY min(number)"
            )
        )

    def retried(self) -> Retried:
        """Which were run again; a trial that was interrupted is not among them."""
        row = self._file.execute(
            "SELECT count(*), total(outcome IS ?) FROM trials WHERE tries > 1", [INFRASTRUCTURE]
        ).fetchone()
        return Retried(row[0], int(row[1]))

    def failures(self) -> list[Failure]:
        """What was found, in the order in which it was found."""
        told = self._file.execute(
            "SELECT f.signature, f.name, f.first, count(t.number), f.shrunk, f.told, "
            "json_group_array(DISTINCT t.cell), "
            "(SELECT run FROM trials WHERE signature = f.signature AND run IS NOT NULL "
            " ORDER BY number LIMIT 1) "
            "FROM failures f JOIN trials t ON t.signature = f.signature "
            "GROUP BY f.signature ORDER BY f.first"
        )
        return [
            Failure(sign, name, first, count, run or "", json.loads(cells), shrunk, bool(known))
            for sign, name, first, count, shrunk, known, cells, run in told
        ]

    def shrunk(self, signature: str, run: str) -> None:
        """The smallest run of a failure; empty if it could not be shrunk."""
        self._write("UPDATE failures SET shrunk = ? WHERE signature = ?", [run, signature])

    def told(self, signature: str) -> None:
        """Whoever wants to hear of it has heard of it."""
        self._write("UPDATE failures SET told = 1 WHERE signature = ?", [signature])

    def runs(self, outcome: str) -> list[tuple[int, str, str | None]]:
        """Numbers, run folders and signatures of trials that ended so, the newest first."""
        return list(
            self._file.execute(
                "SELECT number, run, signature FROM trials "
                "WHERE outcome = ? AND run IS NOT NULL ORDER BY ended DESC, number DESC",
                [outcome],
            )
        )

    def infrastructure_in_a_row(self) -> int:
        """How many of the last trials could not be run, one after the other."""
        number = 0
        for (outcome,) in self._file.execute(
            "SELECT outcome FROM trials WHERE outcome IS NOT NULL ORDER BY ended DESC, number DESC"
        ):
            if outcome != INFRASTRUCTURE:
                break
            number += 1
        return number

    def details(self, outcomes: Iterable[str]) -> Iterator[dict[str, Any]]:
        """The trials that ended so, by number."""
        wanted = list(outcomes)
        names = ("number", "cell", "seed", "outcome", "anomalies", "signature", "run", "error")
        marks = ", ".join("?" * len(wanted))
        for row in self._file.execute(
            f"SELECT {', '.join(names)} FROM trials WHERE outcome IN ({marks}) ORDER BY number",
            wanted,
        ):
            yield dict(zip(names, row, strict=True))

    # -- the file --------------------------------------------------------------------

    def _one(self, question: str, values: Iterable[Any] = ()) -> Any:
        return self._file.execute(question, list(values)).fetchone()[0]

    def _write(self, change: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        with self._transaction():
            return self._file.execute(change, list(values))

    def _transaction(self) -> Transaction:
        return Transaction(self._file, self.path)


def _signature(result: Result) -> Signature | None:
    if result.outcome != INVALID:
        return None
    if result.signature is not None:
        return result.signature
    name = " ".join(result.anomalies) or "broken"
    return Signature("-", name)
