"""Looks at a ledger that another process may be writing, and writes nothing, nowhere."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import UserError
from .ledger import DONE, RUNNING, Ledger

LONGEST_S = 5.0
"""The most time that looking may take: the file may be anybody's, and its tables may be views."""


class OpenLedger(Ledger):
    """A ledger that is only read: what is asked of it is of one and the same moment."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _reading)
        self._file.execute("BEGIN")

    def under_way(self, most: int) -> list[dict[str, Any]]:
        """Trials that run, or did when it all came to a sudden end."""
        return self._told(f"state = '{RUNNING}' ORDER BY number", most)

    def kept(self, most: int) -> list[dict[str, Any]]:
        """Trials whose run folders are still there: failures first, then the newest first."""
        order = "outcome = 'invalid' DESC, outcome = 'valid', ended DESC, number DESC"
        return self._told(f"state = '{DONE}' AND run IS NOT NULL ORDER BY {order}", most)

    def _told(self, which: str, most: int) -> list[dict[str, Any]]:
        names = ("number", "cell", "seed", "outcome", "anomalies", "signature", "run")
        rows = self._file.execute(
            f"SELECT {', '.join(names)} FROM trials WHERE {which} LIMIT ?", [most]
        )
        return [dict(zip(names, row, strict=True)) for row in rows]


@contextlib.contextmanager
def looking_at(path: Path) -> Iterator[OpenLedger]:
    """A ledger for a moment. ``UserError`` if it cannot be read, now or inside of the block."""
    ledger = None
    try:
        ledger = OpenLedger(path)
        yield ledger
    except (sqlite3.Error, TypeError, ValueError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    finally:
        if ledger is not None:
            ledger.close()


def _reading(path: Path) -> sqlite3.Connection:
    """Without a write-ahead log, the file is all there is, and is read as one that does not change;
    with one, the writer's index of it is only read, too (SQLite would else make or mend it)."""
    log, index = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
    if log.is_symlink() or index.is_symlink():
        raise UserError(f"{path}: cannot be read: its log is a symbolic link")
    has_log = log.is_file() and log.stat().st_size > 0
    if has_log and not index.is_file():
        raise UserError(
            f"{path}: cannot be read: it has a log ({log.name}) without {index.name}; "
            "the sqlite3 command puts them together"
        )
    how = "mode=ro&readonly_shm=1" if has_log else "mode=ro&immutable=1"
    address = f"file:{quote(os.fsencode(path))}?{how}"
    file = sqlite3.connect(address, uri=True, isolation_level=None, timeout=1)
    until_s = time.monotonic() + LONGEST_S
    file.set_progress_handler(lambda: time.monotonic() > until_s, 20_000)
    file.execute("PRAGMA trusted_schema = OFF")
    return file
