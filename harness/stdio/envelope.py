"""What nodes write: one message a line, of which the router reads no more than it must."""

from __future__ import annotations

from typing import Any

import msgspec

Number = int | str | float | None
"""Message ids are whole numbers by the protocol; nodes among each other may use others."""

READ = "docs/maelstrom.md, “What a node says”"


class Body(msgspec.Struct, gc=False):
    """The three fields of a body that routing and counting need; all others are left out."""

    type: str = ""
    msg_id: Number = None
    in_reply_to: Number = None


class Envelope(msgspec.Struct, gc=False):
    """A message as ``{"src": …, "dest": …, "body": {…}}``; other fields are ignored."""

    src: str
    dest: str
    body: Body


class _WithBody(msgspec.Struct, gc=False):
    body: msgspec.Raw


_decoder = msgspec.json.Decoder(Envelope)
decode_lines = _decoder.decode_lines
"""Every line of a block of bytes; ``msgspec.MsgspecError`` or ``ValueError`` if one is odd."""

_decode = _decoder.decode
_raw = msgspec.json.Decoder(_WithBody).decode
_plain = msgspec.json.Decoder(dict[str, Any]).decode
encode = msgspec.json.Encoder().encode


class NotAMessage(ValueError):
    """A line that is no message; the text says which field was expected, and what was there."""


def read_line(line: bytes) -> Envelope:
    """One line; :class:`NotAMessage` names what is wrong."""
    try:
        return _decode(line)
    except (msgspec.ValidationError, UnicodeDecodeError) as wrong:
        where = str(wrong).replace("$", "message").replace("`", "")
        raise NotAMessage(f"{where}; got {shown(line)}") from None
    except (msgspec.MsgspecError, RecursionError) as wrong:
        raise NotAMessage(f"it is no JSON ({wrong}); got {shown(line)}") from None


def raw_body(line: bytes) -> msgspec.Raw:
    """The body of a message, as it stands there."""
    return _raw(line).body


def body_of(line: bytes) -> dict[str, Any]:
    """The body of a message, as plain data; :class:`NotAMessage` where it cannot be read."""
    try:
        return _plain(line)["body"]
    except (msgspec.MsgspecError, ValueError, RecursionError) as wrong:
        raise NotAMessage(f"its body cannot be read ({wrong}); got {shown(line)}") from None


def shown(line: bytes, most: int = 160) -> str:
    """A line as short text."""
    text = line[: most + 1].decode("utf-8", "replace").strip()
    return repr(text if len(text) <= most else text[:most] + "…")
