"""How a ledger's file is written: whole transactions, each on the disk once it is committed."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from ..errors import InfrastructureError


class Transaction:
    """All of it or nothing; a full disk or another writer is an ``InfrastructureError``."""

    def __init__(self, file: sqlite3.Connection, path: Path) -> None:
        self._file = file
        self._path = path

    def __enter__(self) -> None:
        self._file.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            self._file.execute("COMMIT")
            return
        self._file.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise InfrastructureError(f"{self._path}: cannot write: {error}") from None


def writing(path: Path) -> sqlite3.Connection:
    """A connection that may write, for which every commit is on the disk."""
    file = sqlite3.connect(path, isolation_level=None, timeout=10)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = FULL")
    return file
