"""Connections from the harness to our own nodes: one request at a time, Maelstrom's envelope.

A cluster that can ``connect`` (a simulated one) is asked to; for all others, a connection is
TCP to the node's address, one JSON line a message.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any, Protocol, runtime_checkable

from . import Cluster

CONNECT_TIMEOUT_S = 1.0
MAX_LINE_BYTES = 16 << 20

PROBE = "probe"
"""The source under which the harness itself asks nodes how they are: no client of the workload."""


class Connection(Protocol):
    """A reliable, ordered connection to one process."""

    @property
    def is_open(self) -> bool:
        """False once the other side was seen to hang up."""
        ...

    async def request(self, source: str, dest: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a body and wait for the one that answers it; ``OSError`` if the connection ends.

        Whatever fails here, the request may have been executed. One request at a time.
        """
        ...

    def close(self) -> None:
        """Hang up."""
        ...


@runtime_checkable
class Connecting(Protocol):
    """A cluster with a way of its own to reach the processes on its nodes."""

    async def connect(self, node: str, port: int) -> Connection:
        """Connect to a port of a node; ``OSError`` as a socket would raise it."""
        ...


async def connect(cluster: Cluster, node: str, port: int) -> Connection:
    """Connect to a node; ``OSError`` if that fails or takes more than :data:`CONNECT_TIMEOUT_S`."""
    if isinstance(cluster, Connecting):
        return await cluster.connect(node, port)
    return await LineConnection.open((cluster.nodes[node].address, port))


class LineConnection:
    """A :class:`Connection` over TCP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = itertools.count(1)

    @classmethod
    async def open(cls, address: tuple[str, int]) -> LineConnection:
        """Connect to a host and port."""
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(*address, limit=MAX_LINE_BYTES)
        return cls(reader, writer)

    @property
    def is_open(self) -> bool:
        """False once the other side was seen to hang up."""
        return not self._reader.at_eof() and not self._writer.is_closing()

    async def request(self, source: str, dest: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a line and read lines until one answers it."""
        msg_id = next(self._ids)
        message = {"src": source, "dest": dest, "body": {**body, "msg_id": msg_id}}
        self._writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        while True:
            line = await self._reader.readline()
            if not line.endswith(b"\n"):
                raise ConnectionResetError("the node closed the connection")
            try:
                answer = json.loads(line)["body"]
                if answer.get("in_reply_to") == msg_id:
                    return answer
            except (ValueError, KeyError, TypeError, AttributeError):
                raise ConnectionError(f"expected a message, got {line[:200]!r}") from None

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
