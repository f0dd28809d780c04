"""Messages of the kernel's packet queues (linux/netfilter/nfnetlink_queue.h): pure.

Standard library only: this is also run on hosts reached by ssh.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

NETLINK_NETFILTER = 12
SOL_NETLINK, NETLINK_NO_ENOBUFS = 270, 5

_SUBSYSTEM = 3
_PACKET, _VERDICT, _CONFIG = 0, 1, 2
_NLMSG_ERROR = 2
_REQUEST, _ACK = 1, 4
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_BIND, _UNBIND = 1, 2
_COPY_PACKET = 2
_FAIL_OPEN, _GSO = 1, 4
_ALL_FLAGS = 0xFFFFFFFF & (_FAIL_OPEN | _GSO)
_PACKET_HEADER, _VERDICT_HEADER, _PAYLOAD = 1, 2, 10

ACCEPT, DROP = b"\0\0\0\1", b"\0\0\0\0"

HEAD_BYTES = 64
"""Enough of a packet for its addresses, length and ports."""
WHOLE_BYTES = 0xFFFF
HELD_MOST = 32_768
"""Packets that one queue holds; later ones pass as they are."""


class Queued(NamedTuple):
    """A packet that waits for a verdict: its queue, its name there, and its first bytes."""

    queue: int
    name: bytes
    packet: bytes


class Answer(NamedTuple):
    """The kernel's answer to a configuration: 0 or an ``errno``."""

    sequence: int
    error: int


def bind(queue: int, sequence: int) -> bytes:
    """Ask for a queue."""
    return _config(queue, sequence, _attribute(1, struct.pack("!BBH", _BIND, 0, 2)))


def unbind(queue: int, sequence: int) -> bytes:
    """Give a queue back; what it holds is dropped."""
    return _config(queue, sequence, _attribute(1, struct.pack("!BBH", _UNBIND, 0, 2)))


def tune(queue: int, sequence: int, *, whole: bool, merged: bool, fail_open: bool) -> bytes:
    """Say what is wanted of packets: whole or only their heads; merged ones as they are or in
    pieces as on the wire; ``fail_open`` lets pass what there is no room for.
    """
    flags = (_FAIL_OPEN if fail_open else 0) | (_GSO if merged else 0)
    copied = WHOLE_BYTES if whole else HEAD_BYTES
    return _config(
        queue,
        sequence,
        _attribute(2, struct.pack("!IB", copied, _COPY_PACKET))
        + _attribute(3, struct.pack("!I", HELD_MOST))
        + _attribute(4, struct.pack("!I", _ALL_FLAGS))
        + _attribute(5, struct.pack("!I", flags)),
    )


def verdict(queue: int, name: bytes, what: bytes, packet: bytes | None = None) -> bytes:
    """What becomes of a packet, and by which other it is replaced."""
    body = _attribute(_VERDICT_HEADER, what + name)
    if packet is not None:
        body += _attribute(_PAYLOAD, packet)
    return _message(_VERDICT, queue, 0, _REQUEST, body)


def parse(content: bytes | memoryview) -> Iterator[Queued | Answer]:
    """What one datagram from the kernel says."""
    at = 0
    while at + 16 <= len(content):
        length, kind, _, sequence, _ = _HEADER.unpack_from(content, at)
        if length < 16:
            return
        if kind == _NLMSG_ERROR:
            yield Answer(sequence, -struct.unpack_from("=i", content, at + 16)[0])
        elif kind == _SUBSYSTEM << 8 | _PACKET:
            yield _queued(content, at, at + length)
        at += (length + 3) & ~3


def _queued(content: bytes | memoryview, at: int, end: int) -> Queued:
    queue = content[at + 18] << 8 | content[at + 19]
    name = packet = b""
    at += 20
    while at + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(content, at)
        if length < 4:
            break
        if kind == _PACKET_HEADER:
            name = bytes(content[at + 4 : at + 8])
        elif kind == _PAYLOAD:
            packet = bytes(content[at + 4 : at + length])
        at += (length + 3) & ~3
    return Queued(queue, name, packet)


def _config(queue: int, sequence: int, attributes: bytes) -> bytes:
    return _message(_CONFIG, queue, sequence, _REQUEST | _ACK, attributes)


def _message(kind: int, queue: int, sequence: int, flags: int, attributes: bytes) -> bytes:
    body = struct.pack("!BBH", 0, 0, queue) + attributes
    return _HEADER.pack(16 + len(body), _SUBSYSTEM << 8 | kind, flags, sequence, 0) + body


def _attribute(kind: int, content: bytes) -> bytes:
    padding = b"\0" * (-len(content) % 4)
    return _ATTRIBUTE.pack(4 + len(content), kind) + content + padding
