"""Names of run folders and of the files in them, as they stand in addresses.

A name is any sequence of bytes that a file system allows. In addresses and in the index it is
percent-encoded, so that what a request means never depends on how somebody decoded it.
"""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote_to_bytes

from .. import words

MADE_BY_US = re.compile(r"\d{8}T\d{6}-.+")
"""What :func:`duress.harness.store.create` calls a run folder."""

NAME_MAX_BYTES = 255


class BadName(ValueError):
    """An address that names nothing that could be in a run folder."""


def encoded(name: str) -> str:
    """A name as one part of an address."""
    return quote(os.fsencode(name), safe="")


def decoded(part: str) -> str:
    """One part of an address as a file's name.

    Raises :class:`BadName` for what is no name: empty, ``.``, ``..``, with a slash or a NUL in it
    (encoded or not), or longer than file systems allow.
    """
    name = unquote_to_bytes(part)
    if name in (b"", b".", b"..") or b"/" in name or b"\0" in name or len(name) > NAME_MAX_BYTES:
        raise BadName(f"{words.line(part, 80)}: expected the name of a file or folder")
    return os.fsdecode(name)


def shown(name: str) -> str:
    """A name as a person sees it, whatever bytes it is made of."""
    return words.line(os.fsencode(name).decode("utf-8", "replace"), 200)
