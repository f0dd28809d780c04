"""Packs a history so that a page holds a million operations in a few megabytes.

The blob is one deflate stream. Inside it, each column is an array of the
narrowest unsigned integers that hold it, stored byte plane by byte plane (all
lowest bytes first), which deflate squeezes far better than whole numbers; each
table of distinct values is UTF-8 text, one value a line, already fit to show.
:class:`Packed` says where each one lies. ``assets/history.js`` reads it.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ..harness.history import Columns
from . import words
from .saved_history import Texts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TABLE_BYTES_MAX = 150_000_000
PACKED_BYTES_MAX = 8_000_000
"""How much text one table of distinct values may take, as it is and packed, before values are cut
shorter. A browser unpacks the one in a second; the other keeps a page below 15 MB."""

LEVEL = 6
VALUE_LENGTHS = (4000, 1000, 250, 80, 40)
SAMPLE_BYTES, SAMPLES = 100_000, 10

_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True)
class Packed:
    """``layout``: rows, and for each part its ``at``, ``bytes``, ``width`` or ``lines``."""

    layout: dict[str, Any]
    base64: str


def pack(columns: Columns) -> Packed:
    """Pack the columns and tables that the report's table and charts need.

    Times are in whole microseconds, as differences to the operation before.
    """
    import numpy as np

    micros = columns.time // 1000
    numbers = {
        "time": np.diff(micros, prepend=0),
        "process": columns.process.astype(np.int64) + 1,  # the nemesis is 0
        "type": columns.type,
        "f": columns.f,
        "key": columns.key,
        "value": columns.value,
        "node": columns.node,
        "error": columns.error,
    }
    tables = {
        "f": columns.fs,
        "key": columns.keys,
        "value": columns.values,
        "node": columns.nodes,
        "error": columns.errors,
    }
    parts: list[bytes] = []
    layout: dict[str, Any] = {"rows": len(columns), "columns": {}, "tables": {}}
    at = 0
    for name, column in numbers.items():
        data, width = _planes(column)
        layout["columns"][name] = {"at": at, "bytes": len(data), "width": width}
        parts.append(data)
        at += len(data)
    for name, table in tables.items():
        data, cut = _table(table)
        layout["tables"][name] = {"at": at, "bytes": len(data), "lines": len(table), "cut": cut}
        parts.append(data)
        at += len(data)
    layout["bytes"] = at
    blob = zlib.compress(b"".join(parts), LEVEL)
    return Packed(layout, base64.b64encode(blob).decode("ascii"))


def _planes(column: NDArray[Any]) -> tuple[bytes, int]:
    """The column's bytes, plane by plane, and how many planes there are (1, 2, 4 or 6)."""
    import numpy as np

    largest = int(column.max()) if len(column) else 0
    width = next(w for w in (1, 2, 4, 6) if largest < 1 << (8 * w))
    wide: NDArray[np.uint8] = column.astype("<u8").view(np.uint8).reshape(-1, 8)
    return np.ascontiguousarray(wide[:, :width].T).tobytes(), width


def _table(table: Sequence[Any]) -> tuple[bytes, int]:
    """The values as lines of text, and the length at which they were cut."""
    lines = [_line(text) for text in _texts(table)]
    cut = next((c for c in VALUE_LENGTHS if _fits(lines, c)), VALUE_LENGTHS[-1])
    return b"\n".join([line if len(line) <= cut else _cut(line, cut) for line in lines]), cut


def _fits(lines: Sequence[bytes], cut: int) -> bool:
    """Whether lines cut at so many bytes may be small enough, packed; judged by a sample."""
    size = sum(len(line) if len(line) < cut else cut for line in lines)
    if size > TABLE_BYTES_MAX:
        return False
    if size <= PACKED_BYTES_MAX:
        return True
    step = max(1, len(lines) // SAMPLES)
    some = SAMPLE_BYTES * len(lines) // size + 1  # lines of a sample
    samples = [
        b"\n".join([line[:cut] for line in lines[at : at + some]])
        for at in range(0, len(lines), step)
    ]
    packed = sum(len(zlib.compress(sample, LEVEL)) for sample in samples)
    return size * packed / sum(map(len, samples)) <= PACKED_BYTES_MAX


def _texts(table: Sequence[Any]) -> Sequence[bytes]:
    """The values as JSON."""
    return table.texts if isinstance(table, Texts) else [_json(value) for value in table]


def _json(value: Any) -> bytes:
    try:
        return _encode(value)
    except (TypeError, ValueError, msgspec.MsgspecError):
        return _encode(repr(value))


def _line(text: bytes) -> bytes:
    """A value as it is shown: strings bare, nothing for null, one line, nothing that acts."""
    if text == b"null":
        return b""
    if text[:1] == b'"':
        shown = msgspec.json.decode(text)
    elif text.isascii() and b"\x7f" not in text and text.translate(None, _SPACES) == text:
        return text
    else:
        shown = text.decode("utf-8", "replace")
    return words.line(shown).encode("utf-8", "replace")


_SPACES = b"\t\r\n"
"""The only characters below a blank that JSON can hold outside of strings, where none is."""


def _cut(line: bytes, length: int) -> bytes:
    kept = line[:length].decode("utf-8", "ignore")
    left = len(line.decode("utf-8")) - len(kept)
    return f"{kept}… ({left:,} more characters)".encode()
