"""A client's end of the network: requests, and the replies to them."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from .envelope import Envelope, body_of, encode, shown

if TYPE_CHECKING:
    from .router import Router

REMEMBERED = 16
"""So many replies are kept, to be compared with those that come once more."""

Answer = asyncio.Future[dict[str, Any]]
Wrong = tuple[str, str]
"""The kind of a complaint, and the sentence."""


class Endpoint:
    """One name on the network; a :class:`~..cluster.connection.Connection` to all nodes."""

    def __init__(self, router: Router, name: str) -> None:
        self.name = name
        self._router = router
        self._ids = itertools.count(1).__next__
        self._newest = 0
        self._awaited: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._answers: dict[int, dict[str, Any]] = {}
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

    def take(self, envelope: Envelope, line: bytes) -> Wrong | None:
        """A message for this client; what is wrong with it, if anything is."""
        number = envelope.body.in_reply_to
        answer = self._awaited.get(number)  # type: ignore[arg-type]
        if answer is not None and not answer.done():
            self._take_answer(number, answer, body_of(line))  # type: ignore[arg-type]
            return None
        if type(number) is int and 0 < number <= self._newest:
            return self._late_or_once_more(number, line)
        return (
            "unasked-reply",
            f"sent client {self.name} a message that answers none of its requests: expected "
            f"in_reply_to to be the msg_id of a request (1 to {self._newest}), got {number!r}: "
            f"{shown(line)}",
        )

    def _take_answer(self, number: int, answer: Answer, body: dict[str, Any]) -> None:
        answer.set_result(body)
        self._answers[number] = body
        if len(self._answers) > REMEMBERED:
            del self._answers[next(iter(self._answers))]

    def _late_or_once_more(self, number: int, line: bytes) -> Wrong | None:
        before = self._answers.get(number)
        if before is None:
            return None  # late, or so old that nobody remembers
        again = body_of(line)
        if {**again, "msg_id": None} == {**before, "msg_id": None}:
            self._router.complaints.doubled_replies += 1
            return None
        return (
            "contradictory-reply",
            f"replied twice to request {number} of client {self.name}, and not the same: expected "
            f"one reply, got first {_shown(before)}, then {_shown(again)}",
        )

    def close(self) -> None:
        """Hear no more. Idempotent."""
        if self.is_open:
            del self._router.clients[self.name]
        for answer in list(self._awaited.values()):
            answer.cancel()


def _shown(body: dict[str, Any]) -> str:
    return shown(encode(body))
