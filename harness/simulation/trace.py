"""``messages.jsonl``: every message and timer of a simulation, and what caused it.

One line an event, in order; ``id`` counts them, ``t`` is virtual nanoseconds since the cluster
was made, ``cause`` the delivery or timer in whose handler it happened::

    {"id":7,"t":1200,"e":"send","from":"n1","to":"n2","cause":5,"body":{…}}
    {"id":8,"t":5400,"e":"deliver","of":7}
    {"id":9,"t":5500,"e":"drop","of":6,"why":"cut"}      loss, cut, corrupt, reset, down, …
    {"id":10,"t":5600,"e":"copy","of":7}                 it will arrive once more
    {"id":11,"t":9000,"e":"timer","at":"n1","name":"election","cause":8}   set in handler 8
    {"id":12,"t":9100,"e":"kill","at":"n1"}              start, boot, pause, cut, impair, reset, …

Clients stand under the names that they give themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ..errors import UserError
from .loop import VirtualLoop

_encode = msgspec.json.Encoder().encode


class Trace:
    """Writes the events; ``cause`` is the id of the one that is being handled, if any."""

    def __init__(self, path: Path, loop: VirtualLoop) -> None:
        self.cause: int | None = None
        self._loop = loop
        self._next = 0
        self._file = path.open("wb", buffering=1 << 18)

    def sent(self, source: str, dest: str, body: dict[str, Any]) -> int:
        """A message leaves; returns its id."""
        fields: dict[str, Any] = {"from": source, "to": dest, "body": body}
        if self.cause is not None:
            fields["cause"] = self.cause
        try:
            return self._write("send", fields)
        except (TypeError, msgspec.MsgspecError) as error:
            raise UserError(
                f"simulation: {source} sent {dest} what is no plain JSON ({error}): {body!r:.300}"
            ) from None

    def copied(self, of: int) -> None:
        """A message was doubled."""
        self._write("copy", {"of": of})

    def delivered(self, of: int) -> int:
        """A message reaches its receiver; returns this event's id."""
        return self._write("deliver", {"of": of})

    def dropped(self, of: int, why: str) -> None:
        """A message, or one copy of it, never will."""
        self._write("drop", {"of": of, "why": why})

    def timer(self, node: str, name: str, cause: int | None) -> int:
        """A timer ran out; returns this event's id."""
        fields: dict[str, Any] = {"at": node, "name": name}
        if cause is not None:
            fields["cause"] = cause
        return self._write("timer", fields)

    def happened(self, event: str, **fields: Any) -> None:
        """Something was done to a node or to the network."""
        self._write(event, fields)

    def close(self) -> None:
        """Write what is buffered. Idempotent."""
        self._file.close()

    def _write(self, event: str, fields: dict[str, Any]) -> int:
        number = self._next
        self._next = number + 1
        line = {"id": number, "t": round(self._loop.now * 1e9), "e": event, **fields}
        self._file.write(_encode(line) + b"\n")
        return number
