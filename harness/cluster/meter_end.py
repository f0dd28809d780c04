"""One end of a measurement of links: numbered datagrams that it sends, and those that it hears.

Standard library only: this is also run on hosts reached by ssh.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_MAGIC = b"duress\x00\x03"
_HEAD = struct.Struct("!8sQId")  # magic, round, number, when it was sent
_CHECK = struct.Struct("!I")
LEAST_SIZE = _HEAD.size + _CHECK.size
RECEIVE_BUFFER = 4 << 20
QUIET_S = 0.02
"""After the last datagram has arrived, how long copies of it are waited for."""


class Arrival(NamedTuple):
    """A datagram that was heard: who sent it, which of this round's it is (-1 if its content is
    not what was sent), when it was sent and heard, and its size."""

    source: str
    number: int
    sent_s: float
    heard_s: float
    size: int


class MeterEnd:
    """A UDP socket of this network namespace; hears at ``port``."""

    def __init__(self) -> None:
        self._socket = _socket(0)
        self._from: dict[int, socket.socket] = {}

    @property
    def port(self) -> int:
        """Where it hears."""
        return self._socket.getsockname()[1]

    def fileno(self) -> int:
        """For ``select``."""
        return self._socket.fileno()

    def open(self, port: int) -> None:
        """Be able to send from a port. ``OSError`` if another program has it."""
        if port and port not in self._from:
            self._from[port] = _socket(port)

    def send(self, turn: int, number: int, size: int, to: tuple[str, int], port: int = 0) -> None:
        """Send one, from ``port`` if that is one that was opened."""
        head = _HEAD.pack(_MAGIC, turn, number, time.monotonic())
        content = head + b"\0" * max(0, size - LEAST_SIZE)
        with contextlib.suppress(OSError):  # refused by a route or a filter: then it is lost
            self._from.get(port, self._socket).sendto(
                content + _CHECK.pack(zlib.crc32(content)), to
            )

    def heard(self, turn: int) -> list[Arrival]:
        """What of a round has arrived since the last call."""
        found = []
        while True:
            try:
                content, (address, _) = self._socket.recvfrom(1 << 16)
            except OSError:
                return found  # nothing more is there
            now_s = time.monotonic()
            if len(content) < LEAST_SIZE:
                continue
            whole = _CHECK.unpack(content[-4:])[0] == zlib.crc32(content[:-4])
            magic, its_turn, number, sent_s = _HEAD.unpack_from(content)
            if not whole:
                found.append(Arrival(address, -1, now_s, now_s, len(content)))
            elif magic == _MAGIC and its_turn == turn:
                found.append(Arrival(address, number, sent_s, now_s, len(content)))

    def close(self) -> None:
        """Idempotent."""
        for each in (self._socket, *self._from.values()):
            each.close()


def checksum_errors(netns_of: int | str = "self") -> int:
    """UDP datagrams with a wrong checksum, ever, in the network namespace of a process."""
    text = Path(f"/proc/{netns_of}/net/snmp").read_text("ascii")
    names, values = (line.split()[1:] for line in text.splitlines() if line.startswith("Udp:"))
    return int(dict(zip(names, values)).get("InCsumErrors", 0))  # noqa: B905 - 3.9


class Round(NamedTuple):
    """What is sent: ``datagrams`` of ``size`` bytes on each link, ``gap_s`` apart, from
    ``port`` if it is not 0; and how long after the last one those that are missing are awaited.
    """

    turn: int
    datagrams: int
    size: int
    gap_s: float
    patience_s: float
    port: int


def exchange(
    what: Round,
    sends: Sequence[tuple[MeterEnd, tuple[str, int]]],
    hearers: Mapping[str, MeterEnd],
    expected: int,
) -> dict[str, list[Arrival]]:
    """Send to these addresses, and tell what these ends heard; blocks until it is over.

    It is over when ``expected`` datagrams were heard, or when patience ends.
    """
    arrivals: dict[str, list[Arrival]] = {name: [] for name in hearers}
    names = {end: name for name, end in hearers.items()}

    def hear(until_s: float) -> bool:
        ready, _, _ = select.select(list(names), [], [], max(0.0, until_s - time.monotonic()))
        for end in ready:
            arrivals[names[end]] += end.heard(what.turn)
        return bool(ready)

    began_s = time.monotonic()
    for number in range(what.datagrams):
        for end, address in sends:
            end.send(what.turn, number, what.size, address, what.port)
        next_s = began_s + what.gap_s * (number + 1)
        while hear(next_s) and time.monotonic() < next_s:
            pass
    ends_s = time.monotonic() + what.patience_s
    while (now_s := time.monotonic()) < ends_s:
        missing = expected - sum(map(len, arrivals.values()))
        if not hear(ends_s if missing > 0 else min(ends_s, now_s + QUIET_S)) and missing <= 0:
            break
    return arrivals


def _socket(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        made.bind(("0.0.0.0", port))
    except OSError:
        made.close()
        raise
    return made
