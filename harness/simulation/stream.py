"""A client's connection to a simulated process: like TCP, reliable and in order while it lasts.

A cut link delays what is on it until it is healed and the sender has tried again; the death of
the process resets the connection, which the client learns as soon as a packet gets through.
What a client sent before it hung up still arrives.
"""

from __future__ import annotations

import asyncio
from collections import deque
from heapq import heappush
from random import Random
from typing import TYPE_CHECKING, Any

from ..cluster import CLIENTS
from ..cluster.connection import CONNECT_TIMEOUT_S, PROBE

if TYPE_CHECKING:
    from .life import Life
    from .network import SimNetwork

Message = dict[str, Any]

RESEND_S = 0.2
"""After a link is healed, when the next retransmission of a connection finds that out."""

_RESET = object()


class Stream:
    """Both ends of one connection: ``request`` at the client's, ``send`` at the process's."""

    def __init__(self, network: SimNetwork, life: Life, number: int, random: Random) -> None:
        self.life = life
        self._network = network
        self._loop = network.loop
        self._trace = network.trace
        self._name = f"{life.place}:{number}"
        self._table = network.settings.client_latency.table()
        self._random = random.random
        self._up_due = self._down_due = 0.0
        self._held_up: deque[Any] = deque()
        self._held_down: deque[Any] = deque()
        self._is_closed = False
        self._was_reset = False
        self._is_torn = False
        self._port = life.program.listen[1]
        self._ids = 0
        self._awaited = 0
        self._answer: asyncio.Future[dict[str, Any]] | None = None
        self._source = ""
        self._traffic = network.clients
        self._route = ""
        network.join(self)

    # -- the client's end ------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """False once either side was seen to hang up."""
        return not (self._is_closed or self._was_reset)

    @property
    def is_over(self) -> bool:
        """Nothing can happen on it any more."""
        if self._was_reset:
            return True
        return self._is_closed and not self._held_up and self._up_due < self._loop.now

    async def request(self, source: str, dest: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a body and wait for the one that answers it (see ``Connection``)."""
        if not self.is_open:
            raise ConnectionResetError("the node closed the connection")
        if source != self._source:
            self._source, self._route = source, f"{source}@{self._name}"
            self._traffic = self._network.probes if source == PROBE else self._network.clients
            self.life.routes[self._route] = self
        self._ids += 1
        self._awaited = self._ids
        self._answer = self._loop.create_future()
        self._traffic.requests[body.get("type")] += 1
        message = {
            "src": self._route,
            "dest": dest,
            "body": {**body, "msg_id": self._ids},
        }
        number = 0
        if self._trace is not None:
            number = self._trace.sent(source, dest, message["body"])
        late_s = self._network.packets.late_s((CLIENTS, self.life.place), self._port, body)
        due = self._up_due = max(self._up_due, self._loop.now + self._delay_s() + late_s)
        heappush(self._loop.heap, (due, self._loop.sequence(), self._arrive_up, (number, message)))
        return await self._answer

    def close(self) -> None:
        """Hang up; what was sent before still arrives. Idempotent."""
        self._is_closed = True
        self._answer = None
        self.life.routes.pop(self._route, None)

    def _arrive_up(self, what: tuple[int, Message]) -> None:
        life = self.life
        if self._is_torn:
            self._drop(what, "reset")
        elif self._held_up or self._network.blocks(CLIENTS, life.place, self._port):
            self._held_up.append(what)
        elif not life.is_alive:
            self._drop(what, "down")
            self._to_client(_RESET)
        else:
            self._find(what)

    def _find(self, what: tuple[int, Message]) -> None:
        """The process takes a request out of its buffer, if it can."""
        life = self.life
        if life.is_running:
            self._traffic.received[what[1]["body"].get("type")] += 1
            life.handle(*what)
        elif not life.is_alive:
            self._lose(what)
        elif not life.wait(self._find, what, self._lose):
            self._drop(what, "buffer-full")

    def _lose(self, what: tuple[int, Message]) -> None:
        self._drop(what, "down")

    # -- the process's end -----------------------------------------------------------

    def send(self, message: Message) -> None:
        """An answer of the process."""
        self._traffic.answers[message["body"].get("type")] += 1
        number = 0
        if self._trace is not None:
            number = self._trace.sent(message["src"], self._source, message["body"])
        self._to_client((number, message))
        self._network.was_sent(self.life.place, CLIENTS, message["body"])

    def peer_died(self) -> None:
        """The process is gone: the kernel tells the client."""
        self.life.routes.pop(self._route, None)
        self._to_client(_RESET)

    def reset(self) -> None:
        """Both ends are told at once that it is broken; what is on its way is lost."""
        self._is_torn = True
        self.life.routes.pop(self._route, None)
        for held in (self._held_up, self._held_down):
            while held:
                if (what := held.popleft()) is not _RESET:
                    self._drop(what, "reset")
        self._break()

    def _break(self) -> None:
        self._was_reset = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the node closed the connection"))

    def _to_client(self, what: Any) -> None:
        body = None if what is _RESET else what[1]["body"]
        late_s = self._network.packets.late_s((self.life.place, CLIENTS), self._port, body)
        due = self._down_due = max(self._down_due, self._loop.now + self._delay_s() + late_s)
        heappush(self._loop.heap, (due, self._loop.sequence(), self._arrive_down, what))

    def _arrive_down(self, what: Any) -> None:
        if self._is_torn:
            if what is not _RESET:
                self._drop(what, "reset")
            return
        if self._held_down or self._network.blocks(self.life.place, CLIENTS, self._port):
            self._held_down.append(what)
            return
        answer = self._answer
        if what is _RESET:
            self._break()
            return
        number, message = what
        body = message["body"]
        if self._is_closed:
            self._drop(what, "client-gone")
            return
        self._traffic.received[body.get("type")] += 1
        if self._trace is not None:
            self._trace.delivered(number)
        if answer is not None and body.get("in_reply_to") == self._awaited and not answer.done():
            answer.set_result(body)

    # -- what both share -------------------------------------------------------------

    def links_changed(self) -> None:
        """Links were cut or healed: what is held up is tried again a little later."""
        if self._held_up:
            self._loop.at(self._loop.now + RESEND_S, self._resend_up)
        if self._held_down:
            self._loop.at(self._loop.now + RESEND_S, self._resend_down)

    def _resend_up(self, _: Any) -> None:
        if not self._network.blocks(CLIENTS, self.life.place, self._port):
            held, self._held_up = self._held_up, deque()
            for what in held:
                self._arrive_up(what)

    def _resend_down(self, _: Any) -> None:
        if not self._network.blocks(self.life.place, CLIENTS, self._port):
            held, self._held_down = self._held_down, deque()
            for what in held:
                self._arrive_down(what)

    def _delay_s(self) -> float:
        return self._table[int(self._random() * len(self._table))]

    def _drop(self, what: tuple[int, Message], cause: str) -> None:
        self._traffic.lost[what[1]["body"].get("type")] += 1
        if self._trace is not None:
            self._trace.dropped(what[0], cause)


async def connect(
    network: SimNetwork, place: str, port: int, number: int, random: Random
) -> Stream:
    """Open a connection from the clients to a port of a node; ``OSError`` as a socket would."""
    table = network.settings.client_latency.table()
    delay_s = table[int(random.random() * len(table))]
    if network.blocks(CLIENTS, place, port) or network.blocks(place, CLIENTS, port):
        await asyncio.sleep(CONNECT_TIMEOUT_S)
        raise TimeoutError(f"{place}:{port} does not answer")
    links = ((CLIENTS, place), (place, CLIENTS))
    late_s = sum(network.packets.late_s(link, port, None) for link in links)
    if late_s > CONNECT_TIMEOUT_S:
        await asyncio.sleep(CONNECT_TIMEOUT_S)
        raise TimeoutError(f"{place}:{port} does not answer")
    await asyncio.sleep(2 * delay_s + late_s)
    life = network.find(place, port)
    if life is None:
        raise ConnectionRefusedError(f"{place}:{port} refuses connections")
    return Stream(network, life, number, random)
