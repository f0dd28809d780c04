"""The network between programs on pipes: who is where, what is on its way, and what came of it.

Lines go through unchanged; of each only the envelope and the body's type are read. Whatever was
heard in one go is written in one go. There is no task for a message, and one timer for all that
are on their way.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop
from typing import Any

import msgspec

from ..cluster import CLIENTS
from ..cluster import Link as Ends
from ..simulation.latency import Latency
from ..simulation.settings import Settings
from ..simulation.trace import Trace
from . import envelope as envelopes
from .clock import LoopClock
from .complaints import Complaints
from .endpoint import Endpoint
from .envelope import READ, Envelope, NotAMessage
from .link import RoutedLink
from .pipes import MOST_LINE_BYTES, Pipes
from .services import Service

PROBE = "c0"
"""Under this name the harness itself speaks to nodes; by the protocol it must begin with a c."""

MOST_UNDER_WAY = 500_000
MOST_TRACED = 4_000_000
MOST_ASKED = 200_000
NOTHING = Latency("constant", 0.0, 0.0)


class Router:
    """All links of a cluster of programs. ``places`` are its nodes, then its services."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        nodes: Sequence[str],
        services: Mapping[str, Service],
        settings: Settings,
        trace: Trace | None,
        clock: LoopClock,
    ) -> None:
        self.clock, self.settings, self.trace = clock, settings, trace
        self.complaints = Complaints()
        self.heap: list[Any] = []
        self.sequence = itertools.count().__next__
        self.losses: Counter[str] = Counter()
        self.copies = 0
        self.lives: dict[str, Pipes] = {}
        self.clients: dict[str, Endpoint] = {}
        self.known_clients: set[str] = set()
        self.nodes = tuple(nodes)
        self._ends = {name: _NodeEnd(self, name) for name in nodes}
        self._ends |= {name: _ServiceEnd(self, name, each) for name, each in services.items()}
        self._client_end = _ClientEnd(self)
        self.links: dict[Ends, RoutedLink] = {}
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._due = float("inf")
        self._dirty: list[Pipes] = []
        self._traced = 0
        self._asked: dict[Any, int] = {}
        self._was_flooded = False
        self.is_over = self._flushes = False
        self.on_new_link: Any = lambda _link: None

    # -- what nodes say ----------------------------------------------------------------

    def heard(self, life: Pipes, data: bytes) -> None:
        """Whole lines of a program's output."""
        lines = data.split(b"\n")
        lines.pop()
        try:
            messages: Iterable[Envelope | None] = envelopes.decode_lines(data)
            if len(messages) != len(lines):  # type: ignore[arg-type]  # there are empty ones
                messages = self._one_by_one(life, lines)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            messages = self._one_by_one(life, lines)
        name, routes = life.name, life.routes
        for message, line in zip(messages, lines, strict=True):
            if message is None:
                continue
            link = routes.get(message.dest)
            if link is None or message.src != name:
                link = self._unusual(life, message, line)
                if link is None:
                    continue
            link.send(message, line)
        self.flush()

    def _one_by_one(self, life: Pipes, lines: Sequence[bytes]) -> list[Envelope | None]:
        found: list[Envelope | None] = []
        for line in lines:
            message = None
            try:
                message = envelopes.read_line(line) if line.strip() else None
            except NotAMessage as wrong:
                self.complain_of_line(life.name, wrong)
            found.append(message)
        return found

    def complain_of_line(self, node: str, wrong: NotAMessage) -> None:
        """A line was no message."""
        self.complain(
            "malformed-line",
            node,
            'printed a line on standard output that is no message: expected a JSON object {"src": '
            f'text, "dest": text, "body": {{…}}}}; {wrong}. Write logs to standard error ({READ})',
        )

    def _unusual(self, life: Pipes, message: Envelope, line: bytes) -> RoutedLink | None:
        """A first message to somebody, or one that should not be."""
        if message.src != life.name:
            self.complain(
                "wrong-source",
                life.name,
                f"sent a message with the wrong src: expected {life.name!r}, the node_id that init "
                f"gave it, got {message.src!r}: {envelopes.shown(line)} ({READ})",
            )
        link = self._link_from(life.name, message.dest)
        if link is None:
            known = ", ".join([*self._ends, "clients that wrote to it"])
            self.complain(
                "unknown-destination",
                life.name,
                f"sent a message to {message.dest!r}, whom there is not; there are: {known}. The "
                f"message: {envelopes.shown(line)} ({READ})",
            )
            return None
        life.routes[message.dest] = link
        return link

    def too_long(self, life: Pipes, begin: bytes) -> None:
        """A line was left out."""
        self.complain(
            "huge-line",
            life.name,
            f"printed a line of more than {MOST_LINE_BYTES >> 20} MiB, which was left out; it "
            f"begins {envelopes.shown(begin)} ({READ})",
        )

    def complain(self, kind: str, node: str, text: str) -> None:
        """Keep what a node did wrong for the verdict."""
        self.complaints.add(kind, node, self.clock.now, text)

    # -- links ---------------------------------------------------------------------------

    def _link_from(self, source: str, dest: str) -> RoutedLink | None:
        if dest in self._ends:
            return self.link(source, dest)
        if dest in self.known_clients:
            return self.link(source, PROBE if dest == PROBE else CLIENTS)
        return None

    def link(self, source: str, dest: str) -> RoutedLink:
        """The link between two ends: nodes, services, ``clients``, or the harness (``PROBE``)."""
        link = self.links.get((source, dest))
        if link is None:
            is_client = bool({source, dest} & {CLIENTS, PROBE})
            place = (_place(source), _place(dest))
            settings = self.settings
            latency = settings.latency or NOTHING
            if is_client:
                latency = NOTHING if PROBE in (source, dest) else settings.client_latency
            latency = settings.link_latency.get(place) or latency
            target = self._ends.get(dest, self._client_end)
            link = RoutedLink(self, place, latency, target, is_client or source == dest)
            self.links[source, dest] = link
            self.on_new_link(link)
        return link

    def post(self, source: str, dest: str, body: dict[str, Any]) -> None:
        """A message of a client or of a service."""
        if self.is_over:
            return
        line = envelopes.encode({"src": source, "dest": dest, "body": body})
        envelope = envelopes.read_line(line)
        end = source if source in self._ends or source == PROBE else CLIENTS
        if end in self._ends:
            to = dest if dest in self._ends else PROBE if dest == PROBE else CLIENTS
        else:
            to = dest
        self.link(end, to).send(envelope, line)
        if not self._flushes:  # together with what others post in this turn of the loop
            self._flushes = True
            self._loop.call_soon(self._flush_posted)

    def _flush_posted(self) -> None:
        self._flushes = False
        self.flush()

    def soon(self, source: str, dest: str, body: dict[str, Any]) -> None:
        """The same, but not before what is handled now has been counted and written down."""
        self._loop.call_soon(self.post, source, dest, body)

    # -- time ------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what was delivered, and see to what is on its way."""
        dirty, self._dirty = self._dirty, []
        for life in dirty:
            life.flush()
        if self.heap and self.heap[0][0] < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._due = self.heap[0][0]
            self._timer = self._loop.call_at(self.clock.began_s + self._due, self._arrivals)

    def _arrivals(self) -> None:
        self._due, self._timer = float("inf"), None
        heap, now = self.heap, self.clock.now
        while heap and heap[0][0] <= now:
            _, _, link, envelope, line, number = heappop(heap)
            link.arrive(envelope, line, number)
        self.flush()

    def write_to(self, life: Pipes, line: bytes) -> str | None:
        """Hand a line to a program; the cause if it is lost."""
        if not life.put(line):
            return "buffer-full"
        if not life.is_dirty:
            life.is_dirty = True
            self._dirty.append(life)
        return None

    def take_off(self, links: Iterable[Ends]) -> None:
        """Lose what is on its way on some links (by place)."""
        chosen = set(links)
        gone = [entry for entry in self.heap if entry[2].place in chosen]
        self.heap[:] = [entry for entry in self.heap if entry[2].place not in chosen]
        heapify(self.heap)
        for _, _, link, envelope, _, number in sorted(gone, key=lambda entry: entry[:2]):
            link.lose(envelope, number, "reset")

    def is_flooded(self, node: str) -> bool:
        """Whether nothing more can be under way; complained of once."""
        if len(self.heap) < MOST_UNDER_WAY:
            return False
        if not self._was_flooded:
            self._was_flooded = True
            self.complain(
                "flood",
                node,
                f"sent one more message when {MOST_UNDER_WAY} were on their way already; what is "
                f"too much is lost ({READ})",
            )
        return True

    # -- records ---------------------------------------------------------------------------

    def traced(self, envelope: Envelope, line: bytes) -> int:
        """Write down that a message was sent; its number."""
        if self.trace is None:
            return 0
        self._traced += 1
        if self._traced == MOST_TRACED:
            self.trace.happened("trace-full")
        if self._traced >= MOST_TRACED:
            return 0
        body: Any = envelopes.raw_body(line)
        # What a program does is caused by whatever it likes; a reply, surely by its request.
        asked = (envelope.dest, envelope.src, envelope.body.in_reply_to)
        self.trace.cause = self._asked.get(asked)
        return self.trace.sent(envelope.src, envelope.dest, body)

    def was_delivered(self, number: int, envelope: Envelope) -> None:
        """A message reached its receiver."""
        if not self.is_tracing or self.trace is None:
            return
        event = self.trace.delivered(number)
        if envelope.body.msg_id is not None:
            if len(self._asked) > MOST_ASKED:
                self._asked.clear()
            self._asked[envelope.src, envelope.dest, envelope.body.msg_id] = event

    @property
    def is_tracing(self) -> bool:
        """Whether messages are still written down."""
        return self.trace is not None and self._traced < MOST_TRACED

    def copied(self, number: int) -> None:
        """A message was doubled."""
        self.copies += 1
        if self.is_tracing and self.trace is not None:
            self.trace.copied(number)

    def lost(self, place: Ends, number: int, cause: str) -> None:
        """A message will not arrive."""
        if CLIENTS not in place:
            self.losses[cause] += 1
        if self.is_tracing and self.trace is not None:
            self.trace.dropped(number, cause)

    def happened(self, event: str, **fields: Any) -> None:
        """Something was done to a node or to the network."""
        if self.trace is not None:
            self.trace.happened(event, **fields)

    def close(self) -> None:
        """Nothing arrives any more."""
        self.is_over = True
        if self._timer is not None:
            self._timer.cancel()
        self.heap.clear()


def _place(end: str) -> str:
    return CLIENTS if end == PROBE else end


class _NodeEnd:
    """Where a link ends at a node."""

    def __init__(self, router: Router, name: str) -> None:
        self._router, self._name = router, name

    def take(self, envelope: Envelope, line: bytes) -> str | None:
        """Hand it to the program that runs there now, if one does."""
        life = self._router.lives.get(self._name)
        if life is None or not life.is_open:
            return "down"
        return self._router.write_to(life, line)


class _ServiceEnd:
    """Where it ends at a service."""

    def __init__(self, router: Router, name: str, service: Service) -> None:
        self._router, self._name, self._service = router, name, service

    def take(self, envelope: Envelope, line: bytes) -> str | None:
        """Answer."""
        try:
            body = envelopes.body_of(line)
        except NotAMessage as wrong:
            self._router.complain_of_line(envelope.src, wrong)
            return "malformed"
        answer = self._service.answer(envelope.src, body)
        if answer is not None:
            reply = {**answer, "in_reply_to": body.get("msg_id")}
            self._router.soon(self._name, envelope.src, reply)
        return None


class _ClientEnd:
    """Where it ends at one of the clients."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def take(self, envelope: Envelope, line: bytes) -> str | None:
        """Hand it to the one that it is for."""
        endpoint = self._router.clients.get(envelope.dest)
        if endpoint is None:
            return "client-gone"
        try:
            wrong = endpoint.take(envelope, line)
        except NotAMessage as odd:
            self._router.complain_of_line(envelope.src, odd)
            return "malformed"
        if wrong:
            kind, text = wrong
            self._router.complain(kind, envelope.src, f"{text} ({READ})")
        return None
