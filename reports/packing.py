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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TABLE_BYTES_MAX = 12_000_000
"""How much text one table of distinct values may take before values are cut shorter."""

VALUE_LENGTHS = (4000, 1000, 250, 80, 40)

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
    blob = zlib.compress(b"".join(parts), 6)
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
    texts = [_shown(value) for value in table]
    length = VALUE_LENGTHS[0]
    for length in VALUE_LENGTHS:
        if sum(min(len(text), length) for text in texts) <= TABLE_BYTES_MAX:
            break
    return "\n".join(
        words.line(text, length) if len(text) > length else _one_line(text) for text in texts
    ).encode("utf-8", "replace"), length


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return _encode(value).decode()
    except (TypeError, ValueError, msgspec.MsgspecError):
        return repr(value)


def _one_line(text: str) -> str:
    return text if text.isascii() and text.isprintable() else words.line(text)
