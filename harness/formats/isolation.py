"""Plain formats of the testers of weak isolation: sessions of transactions, without time.

``read_plume``  (Plume, IsoVista, PolySI): ``r(key,value,session,txn)`` and ``w(…)`` a line;
                txn -1 is a transaction that aborted.
``read_awdit``  (AWDIT): ``r key value`` and ``w key value``; sessions are split by ``=====``,
                transactions by ``-----``.
``read_dbcop``  (dbcop): YAML, a list of sessions, each a list of ``{events, success}``.

Every transaction becomes an operation ``txn`` of the process with its session's number, with
the value ``[["r", key, value], ["w", key, value], …]``. They stand one after the other, so only
the order inside a session means anything: ``metadata["realtime"]`` is ``False``. In all three
formats every key starts as 0: a read of 0 from a key that nobody wrote 0 to becomes ``null``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UserError
from .builder import HistoryBuilder
from .loaded import Loaded, collector_paused
from .source import excerpt, numbered_lines, read_text
from .yaml_subset import parse as parse_yaml

PLUME_LINE = re.compile(
    r"([rw])\(\s*(-?\d{1,18})\s*,\s*(-?\d{1,18})\s*,\s*(\d{1,18})\s*,\s*(-?\d{1,18})\s*\)",
    re.ASCII,
)
AWDIT_LINE = re.compile(r"([rw])\s+(-?\d{1,18})\s+(-?\d{1,18})|={3,}|-{3,}", re.ASCII)

_INITIAL = 0


@dataclass(slots=True)
class _Transaction:
    session: int
    line: int
    committed: bool = True
    steps: list[list[Any]] = field(default_factory=list)


def read_plume(path: str | Path) -> Loaded:
    """Read ``r(k,v,session,txn)`` lines. :class:`UserError` ``file:line: …`` for any other."""
    transactions: list[_Transaction] = []
    known: dict[tuple[int, int], _Transaction] = {}
    latest: dict[int, tuple[int, int]] = {}
    with collector_paused():
        for number, line in numbered_lines(read_text(path)):
            match = PLUME_LINE.fullmatch(line)
            if not match:
                raise UserError(
                    f"{path}:{number}: r(key,value,session,txn) or w(…) expected: {excerpt(line)}"
                )
            session, identity = int(match[4]), int(match[5])
            # Aborted transactions share the number -1: take each run of lines as one.
            again = identity != -1 or latest.get(session) == (session, -1)
            transaction = known.get((session, identity)) if again else None
            if transaction is None:
                transaction = _Transaction(session, number, committed=identity != -1)
                known[session, identity] = transaction
                transactions.append(transaction)
            latest[session] = (session, identity)
            transaction.steps.append([match[1], int(match[2]), int(match[3])])
        return _loaded(path, "plume", transactions)


def read_awdit(path: str | Path) -> Loaded:
    """Read ``r k v`` lines with separators. :class:`UserError` ``file:line: …`` for any other."""
    transactions: list[_Transaction] = []
    session, current = 0, None
    with collector_paused():
        for number, line in numbered_lines(read_text(path)):
            match = AWDIT_LINE.fullmatch(line)
            if not match:
                raise UserError(
                    f"{path}:{number}: r key value, w key value, ===== or ----- expected: "
                    f"{excerpt(line)}"
                )
            if not match[1]:
                session += line[0] == "="
                current = None
                continue
            if current is None:
                current = _Transaction(session, number)
                transactions.append(current)
            current.steps.append([match[1], int(match[2]), int(match[3])])
        return _loaded(path, "awdit", transactions)


def read_dbcop(path: str | Path) -> Loaded:
    """Read dbcop's YAML (the block style that it is written in)."""
    with collector_paused():
        document = parse_yaml(read_text(path), str(path))
        sessions = document.get("data") if isinstance(document, dict) else document
        if not isinstance(sessions, list):
            raise UserError(f"{path}:1: a list of sessions expected")
        transactions = []
        for session, listed in enumerate(sessions):
            if not isinstance(listed, list):
                raise UserError(f"{path}: session {session} is not a list of transactions")
            for position, transaction in enumerate(listed):
                where = f"{path}: session {session}, transaction {position}"
                transactions.append(_dbcop_transaction(transaction, session, where))
        return _loaded(path, "dbcop", transactions)


def _dbcop_transaction(transaction: Any, session: int, where: str) -> _Transaction:
    if not isinstance(transaction, dict) or not isinstance(transaction.get("events"), list):
        raise UserError(f"{where}: a map with events and success expected")
    made = _Transaction(session, 0, committed=transaction.get("success", True) is True)
    for event in transaction["events"]:
        if not isinstance(event, dict) or not isinstance(event.get("write"), bool):
            raise UserError(f"{where}: an event without write: true or false: {excerpt(event)}")
        key, value = event.get("variable"), event.get("value")
        if type(key) is not int or (type(value) is not int and value is not None):
            raise UserError(f"{where}: variable and value must be numbers: {excerpt(event)}")
        if event.get("success", True) is True:  # an event that failed touched nothing
            made.steps.append(["w" if event["write"] else "r", key, value])
    return made


def _loaded(path: str | Path, format_: str, transactions: list[_Transaction]) -> Loaded:
    line = 0
    builder = HistoryBuilder(lambda: f"{path}:{line}" if line else str(path), independent=False)
    zeros = {
        step[1] for t in transactions for step in t.steps if step[0] == "w" and step[2] == _INITIAL
    }
    initial_reads = 0
    for transaction in transactions:
        line = transaction.line
        for step in transaction.steps:
            if step[0] == "r" and step[2] == _INITIAL and step[1] not in zeros:
                step[2] = None
                initial_reads += 1
        asked = [[f, k, None if f == "r" else v] for f, k, v in transaction.steps]
        builder.add(transaction.session, "invoke", "txn", asked, time=len(builder))
        outcome = "ok" if transaction.committed else "fail"
        builder.add(transaction.session, outcome, "txn", transaction.steps, time=len(builder))
    line = 0
    if not transactions:
        raise UserError(f"{path}: holds no transaction")
    notes = ["sessions without real time: only the order within a session means anything"]
    if initial_reads:
        notes.append(f"{initial_reads} reads of 0, which nobody wrote, taken as the initial null")
    metadata = {"realtime": False, "suggested": {"model": "rw-register"}}
    return builder.finish(format_, metadata, notes)
