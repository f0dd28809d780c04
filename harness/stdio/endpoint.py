"""A client's end of the network: requests, and the replies to them."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from .envelope import Envelope, body_of, shown

if TYPE_CHECKING:
    from .router import Router


class Endpoint:
    """One name on the network; a :class:`~..cluster.connection.Connection` to all nodes."""

    def __init__(self, router: Router, name: str) -> None:
        self.name = name
        self._router = router
        self._ids = itertools.count(1).__next__
        self._newest = 0
        self._awaited: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loop = asyncio.get_running_loop()
        router.clients[name] = self
        router.known_clients.add(name)

    @property
    def is_open(self) -> bool:
        """Until it is closed."""
        return self._router.clients.get(self.name) is self

    async def request(self, source: str, dest: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a body and wait for the one that replies to it, however long that takes."""
        return await self.ask(dest, body)

    def ask(self, dest: str, body: dict[str, Any]) -> asyncio.Future[dict[str, Any]]:
        """The same; it is under way when this returns."""
        msg_id = self._newest = self._ids()
        answer = self._awaited[msg_id] = self._loop.create_future()
        answer.add_done_callback(lambda _: self._awaited.pop(msg_id, None))
        self._router.post(self.name, dest, {**body, "msg_id": msg_id})
        return answer

    def take(self, envelope: Envelope, line: bytes) -> str | None:
        """A message for this client; what is wrong with it, if anything is."""
        number = envelope.body.in_reply_to
        answer = self._awaited.get(number)  # type: ignore[arg-type]
        if answer is not None:
            if not answer.done():
                answer.set_result(body_of(line))
            return None
        if type(number) is int and 0 < number <= self._newest:
            return None  # late, or once more
        return (
            f"sent client {self.name} a message that answers none of its requests: expected "
            f"in_reply_to to be the msg_id of a request (1 to {self._newest}), got {number!r}: "
            f"{shown(line)}"
        )

    def close(self) -> None:
        """Hear no more. Idempotent."""
        if self.is_open:
            del self._router.clients[self.name]
        for answer in list(self._awaited.values()):
            answer.cancel()
