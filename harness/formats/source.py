"""Files as bytes and text: gzip seen through, every failure a one-line :class:`UserError`."""

from __future__ import annotations

import gzip
import io
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

from ..errors import UserError

GZIP_MAGIC = b"\x1f\x8b"

DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a damaged gzip stream raises; ``EOFError`` if it was only cut short."""


def open_binary(path: str | Path) -> io.BufferedReader | gzip.GzipFile:
    """Open a file for reading, through gzip if it starts like one. :class:`UserError` if it cannot.

    Raises nothing of :data:`DAMAGED` itself; reading the stream may.
    """
    try:
        mode = Path(path).stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # it is opened more than once
            raise UserError(f"{path}: cannot be read: not a regular file; save it to one first")
        file = Path(path).open("rb")  # noqa: SIM115 - handed to the caller
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read: {reason}") from None
    try:
        magic = file.peek(2)[:2]
    except OSError as error:
        file.close()
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if magic != GZIP_MAGIC:
        return file
    file.close()
    return gzip.GzipFile(path, "rb")


def is_packed(path: str | Path) -> bool:
    """Whether the file is a gzip stream. :class:`UserError` if it cannot be read."""
    with open_binary(path) as file:
        return isinstance(file, gzip.GzipFile)


def read_bytes(path: str | Path) -> bytes:
    """The whole file, unpacked."""
    try:
        with open_binary(path) as file:
            return file.read()
    except DAMAGED as error:
        raise UserError(f"{path}: the gzip stream is damaged: {error}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


def read_text(path: str | Path) -> str:
    """The whole file as text (UTF-8, a byte-order mark dropped)."""
    data = read_bytes(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8 text: byte 0x{data[error.start]:02x}") from None


def head(path: str | Path, size_bytes: int = 65536) -> bytes:
    """The first bytes of the file, unpacked; fewer if the stream is damaged early."""
    parts = bytearray()
    with open_binary(path) as file:
        try:
            while len(parts) < size_bytes:
                part = file.read1(min(8192, size_bytes - len(parts)))
                if not part:
                    break
                parts += part
        except DAMAGED:
            pass
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    return bytes(parts)


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, stripped, with their number from 1."""
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped:
            yield number, stripped


def excerpt(value: object, length: int = 60) -> str:
    """A value as one short line for an error message."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= length else text[: length - 1] + "…"
