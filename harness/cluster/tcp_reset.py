"""Break open TCP connections of this network namespace (sock_diag(7)).

The kernel aborts the local end, whose program is told so, and sends the other end a reset. Standard
library only: this is also run on hosts reached by ssh.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Collection
from typing import NamedTuple

from ..errors import InfrastructureError

_NETLINK_SOCK_DIAG = 4
_BY_FAMILY, _DESTROY = 20, 21
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP = 1, 4, 0x300
_HEADER = struct.Struct("=IHHII")
_QUERY = struct.Struct("=BBBBI")  # family, protocol, extensions, padding, states
_STATES = sum(1 << state for state in range(1, 12)) & ~(1 << 6 | 1 << 7 | 1 << 10)
"""All but TIME_WAIT, CLOSE and LISTEN, of which nobody would be told."""

_IDENTITY = struct.Struct("!HH16s16s")  # ports and addresses, then interface and cookie
_MESSAGE = struct.Struct("=BBBB")  # family, state, timer, retransmissions


class Connection(NamedTuple):
    """An open connection: this side's port, the other's address and port; what names it."""

    port: int
    peer: str
    peer_port: int
    family: int
    identity: bytes


def connections(peers: Collection[str], ours: int = 0) -> list[Connection]:
    """Open connections with these IPv4 addresses, except those of the local port ``ours``."""
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):  # a socket of IPv6 may speak IPv4
        query = _QUERY.pack(family, socket.IPPROTO_TCP, 0, 0, _STATES) + b"\0" * 48
        for body in _asked(_BY_FAMILY, _REQUEST | _DUMP, query):
            seen = _connection(body)
            if seen is not None and seen.peer in peers and not (ours and seen.port == ours):
                found.append(seen)
    return found


def reset(peers: Collection[str], ours: int = 0) -> int:
    """Break them; how many there were. ``InfrastructureError`` if the kernel does not do it."""
    broken: list[Connection] = []
    for each in connections(peers, ours):
        query = _QUERY.pack(each.family, socket.IPPROTO_TCP, 0, 0, _STATES) + each.identity
        try:
            _asked(_DESTROY, _REQUEST | _ACK, query)
            broken.append(each)
        except OSError as error:
            if error.errno == errno.ENOENT:
                continue  # it has just ended by itself
            raise InfrastructureError(
                f"reset of connections: the kernel refuses: {error.strerror}; "
                "it needs CONFIG_INET_DIAG_DESTROY and CAP_NET_ADMIN"
            ) from error
    if left := {each.identity for each in broken}.intersection(
        each.identity for each in connections(peers, ours)
    ):
        raise InfrastructureError(f"reset of connections: {len(left)} of {len(broken)} live on")
    return len(broken)


def _connection(body: bytes) -> Connection | None:
    family, _, _, _ = _MESSAGE.unpack_from(body)
    identity = body[4:52]
    port, peer_port, _, peer = _IDENTITY.unpack_from(identity)
    if family == socket.AF_INET:
        address = socket.inet_ntoa(peer[:4])
    elif peer[:12] == b"\0" * 10 + b"\xff\xff":
        address = socket.inet_ntoa(peer[12:])
    else:
        return None
    return Connection(port, address, peer_port, family, identity)


def _asked(kind: int, flags: int, body: bytes) -> list[bytes]:
    """The bodies of the kernel's answers; ``OSError`` if it refuses."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as asked:
        asked.settimeout(2)
        asked.send(_HEADER.pack(16 + len(body), kind, flags, 1, 0) + body)
        found: list[bytes] = []
        while True:
            content = asked.recv(1 << 18)
            at = 0
            while at + 16 <= len(content):
                length, its_kind, _, _, _ = _HEADER.unpack_from(content, at)
                if its_kind == _ERROR:
                    number = -struct.unpack_from("=i", content, at + 16)[0]
                    if number:
                        raise OSError(number, os.strerror(number))
                    return found
                if its_kind == _DONE:
                    return found
                found.append(content[at + 16 : at + length])
                at += (length + 3) & ~3
