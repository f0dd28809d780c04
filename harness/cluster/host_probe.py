"""One end of a probe of links: datagrams that a host sends to others and hears from them."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence

from .packet_bytes import EXEMPT_TOS

_DATAGRAM = struct.Struct("!8sQ")  # magic, round
_MAGIC = b"duress\x00\x02"


class HostProbe:
    """A UDP socket of this host. Used on the event loop only."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXEMPT_TOS)
        self._socket.bind(("0.0.0.0", 0))
        self._heard: dict[int, set[str]] = {}

    @property
    def port(self) -> int:
        """Where it hears."""
        return self._socket.getsockname()[1]

    async def round(self, number: int, to: Sequence[tuple[str, int]], wait_s: float) -> list[str]:
        """Send to the others three times, and tell from which addresses this round was heard."""
        for _ in range(3):
            for address in to:
                try:
                    self._socket.sendto(_DATAGRAM.pack(_MAGIC, number), tuple(address))
                except OSError:
                    continue  # refused by a route or a filter: nothing passes, which is the answer
            await asyncio.sleep(wait_s / 3)
        self._listen()
        heard = self._heard.pop(number, set())
        self._heard = {turn: who for turn, who in self._heard.items() if turn > number}
        return sorted(heard)

    def _listen(self) -> None:
        while True:
            try:
                content, (address, _) = self._socket.recvfrom(64)
            except OSError:
                return
            if len(content) == _DATAGRAM.size:
                magic, turn = _DATAGRAM.unpack(content)
                if magic == _MAGIC:
                    self._heard.setdefault(turn, set()).add(address)

    def close(self) -> None:
        """Hear no more. Idempotent."""
        self._socket.close()
