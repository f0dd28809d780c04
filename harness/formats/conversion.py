"""A history from one format to another."""

from __future__ import annotations

from pathlib import Path

from ..errors import UserError
from . import FORMATS, Loaded, load


def written() -> list[str]:
    """The formats that can be written."""
    return [name for name, known in FORMATS.items() if known.write]


def convert(
    source: str | Path, target: Path, from_: str | None = None, to: str = "jsonl"
) -> Loaded:
    """Write the history in a file to another one; returns what was read. ``UserError``."""
    loaded = load(source, from_)
    write = FORMATS[to].write if to in FORMATS else None
    if write is None:
        raise UserError(f"--to {to}: expected one of {', '.join(written())}")
    try:
        write(loaded.history, target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}") from None
    return loaded
