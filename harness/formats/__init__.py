"""Reading and writing histories in every format that duress knows.

>>> loaded = load("history.edn")            # the format is found out
>>> loaded.history, loaded.format, loaded.notes
>>> load("log.txt", "porcupine-etcd").metadata["suggested"]

Every format is read through gzip. Whatever is wrong with a file is a one-line
:class:`~..errors.UserError`, with the line where there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from . import isolation, jepsen, jsonl, porcupine
from .detect import detect
from .loaded import Loaded, collector_paused
from .source import is_packed

__all__ = ["FORMATS", "Format", "Loaded", "detect", "load"]


@dataclass(frozen=True)
class Format:
    """A format of histories: one line on what it is, how to read it, and to write it if we do."""

    doc: str
    read: Callable[..., Loaded]
    write: Callable[..., None] | None = None
    scan: Callable[[str | Path], Loaded | None] | None = None
    """Reads large files of transactions into arrays, or gives ``None`` for ``read`` to do it."""


def _scan_own(path: str | Path) -> Loaded | None:
    from . import txn_dialects, txn_lines

    return txn_lines.read(path, txn_dialects.OwnLines())


def _scan_jepsen(path: str | Path) -> Loaded | None:
    from . import txn_dialects, txn_lines

    return txn_lines.read(path, txn_dialects.JepsenLines(path))


FORMATS: dict[str, Format] = {
    "jsonl": Format(
        "duress's own: one operation a line as JSON", jsonl.read, jsonl.write, _scan_own
    ),
    "jepsen-edn": Format(
        "Jepsen, Knossos, Elle: op maps in EDN, one a line or in one vector",
        jepsen.read,
        jepsen.write,
    ),
    "jepsen-json": Format(
        "Elle, elle-cli: op objects in JSON, one a line or in one array",
        jepsen.read_json,
        scan=_scan_jepsen,
    ),
    "porcupine-etcd": Format(
        "log of Jepsen's etcd test, as in Porcupine's test data", porcupine.read_etcd
    ),
    "porcupine-kv": Format(
        "op maps with :key, as in Porcupine's key-value test data", porcupine.read_kv
    ),
    "plume": Format(
        "Plume, IsoVista, PolySI: r(key,value,session,txn) and w(…) a line", isolation.read_plume
    ),
    "awdit": Format("AWDIT: r key value and w key value, ===== and -----", isolation.read_awdit),
    "dbcop": Format("dbcop: sessions of transactions in YAML", isolation.read_dbcop),
}


SCANNED_BYTES = 8 << 20
"""Size of files from which compiled code for transactions pays; numba takes half a second."""

_PACKED = 8
"""Gzip makes about so much less of a history."""


def load(path: str | Path, format: str | None = None, *, transactions: bool = False) -> Loaded:
    """Read a history; ``format`` is a key of :data:`FORMATS`, or ``None`` to find it out.

    ``transactions``: it is thought to hold lists of micro-operations. The history is the same,
    but if the file is large, it stays in the file and :meth:`~..history.History.micro_operations`
    gives them as arrays.
    """
    if format is None:
        format = detect(path)
    known = FORMATS.get(format)
    if known is None:
        raise UserError(f"format {format!r} is not known; give one of {', '.join(FORMATS)}")
    if transactions and known.scan and _is_large(path):
        with collector_paused():
            scanned = known.scan(path)
        if scanned is not None:
            return scanned
    return known.read(path)


def _is_large(path: str | Path) -> bool:
    try:
        size = Path(path).stat().st_size
    except OSError:
        return False  # the reader says what is wrong
    return size >= (SCANNED_BYTES // _PACKED if is_packed(path) else SCANNED_BYTES)
