"""The process through which the packets of impaired links go, where the kernel has no netem.

One process serves all nodes of a cluster: it was given, for each of their network namespaces, a
netlink socket and a raw socket that belong there for good. The rules of iptables that send packets
to its queues let them pass when nobody serves a queue, so that no link hangs when this process
dies. It ends when its standard input does.

Requests and answers are JSON, one a line::

    → {"lanes": [[socket, queue, rule], …]}     exactly these links, from now on
    ← {"ok": {"packets": …, "lost": …, …}}      what was done by the lanes before | {"failed": why}

Standard library only: this is also run on hosts reached by ssh.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import os
import select
import signal
import socket
import sys
import time
from random import Random
from typing import Any

from . import packet_bytes
from . import queue_messages as messages
from .packet_lane import CORRUPT, GARBLE, Lane

RECEIVE_BUFFER = 8 << 20
AT_ONCE = 256
"""Packets read from one socket before others have their turn."""

_SO_RCVBUFFORCE = 33
_ACK_S = 2.0


class QueueEnd:
    """The queues of one network namespace, and their lanes."""

    def __init__(self, queues: socket.socket, raw: socket.socket, later: Later) -> None:
        self.queues = queues
        self._raw = raw
        self._later = later
        self.lanes: dict[int, Lane] = {}
        self._ports: dict[int, frozenset[int]] = {}
        self._verdicts = bytearray()
        self._buffer = bytearray(1 << 17)
        self._view = memoryview(self._buffer)
        self._sequence = itertools.count(1)
        self._answers: dict[int, int] = {}
        queues.setblocking(False)
        try:
            queues.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except OSError:  # not in a user namespace: then as much as there may be
            queues.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        queues.setsockopt(messages.SOL_NETLINK, messages.NETLINK_NO_ENOBUFS, 1)

    def become(self, lanes: dict[int, Lane]) -> None:
        """Serve exactly these queues. Packets of other ones pass at once."""
        for queue in sorted(self.lanes.keys() - lanes.keys()):
            del self.lanes[queue]
        gone = [queue for queue in self._ports if queue not in lanes]
        self._later.release(self, frozenset(gone))
        self.flush()
        for queue in gone:
            self._configure(messages.unbind(queue, next(self._sequence)))
            del self._ports[queue]
        for queue, lane in sorted(lanes.items()):
            if queue not in self._ports:
                self._configure(messages.bind(queue, next(self._sequence)))
            self._ports[queue] = frozenset(lane.rule.get("ports", ()))
            self.lanes[queue] = lane
            self._configure(
                messages.tune(
                    queue,
                    next(self._sequence),
                    whole=lane.changes_packets,
                    merged=not (lane.changes_packets or lane.is_slow),
                    fail_open=not lane.is_cut,
                )
            )

    def read(self) -> None:
        """Take what is queued and settle what can be settled at once."""
        for _ in range(AT_ONCE):
            try:
                length = self.queues.recv_into(self._buffer)
            except OSError:  # nothing more is there, or not for us
                break
            now_s = time.monotonic()
            for message in messages.parse(self._view[:length]):
                if isinstance(message, messages.Answer):
                    self._answers[message.sequence] = message.error
                else:
                    self.settle(message, now_s)
        self.flush()

    def settle(self, queued: messages.Queued, now_s: float) -> None:
        """Decide at once or later what becomes of a packet."""
        queue, name, packet = queued
        lane = self.lanes.get(queue)
        ports = self._ports.get(queue)
        if (
            lane is None
            or len(packet) < 20
            or packet[1] == packet_bytes.EXEMPT_TOS
            or (ports and not packet_bytes.has_port(packet, ports))
        ):
            self._say(queue, name, messages.ACCEPT, None)
            return
        passages = lane.passages(now_s, packet_bytes.length_of(packet))
        if not passages:
            self._say(queue, name, messages.DROP, None)
            return
        first, *copies = passages
        for copy in copies:
            self._later.add(copy.due_s, self, queue, None, packet_bytes.exempt(packet))
        changed = None
        if first.change == CORRUPT:
            changed = packet_bytes.corrupted(packet, self._later.random)
        elif first.change == GARBLE:
            changed = packet_bytes.garbled(packet, self._later.random)
        if first.due_s <= now_s:
            self._say(queue, name, messages.ACCEPT, changed)
        else:
            self._later.add(first.due_s, self, queue, name, changed)

    def pass_on(self, queue: int, name: bytes | None, packet: bytes | None) -> None:
        """Let a packet go that was held; without a name, one that was made here."""
        if name is not None:
            self._say(queue, name, messages.ACCEPT, packet)
        elif packet is not None:
            with contextlib.suppress(OSError):  # no room in a buffer: then there is no copy
                self._raw.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))

    def _say(self, queue: int, name: bytes, what: bytes, packet: bytes | None) -> None:
        self._verdicts += messages.verdict(queue, name, what, packet)
        if len(self._verdicts) > 32_768:
            self.flush()

    def flush(self) -> None:
        """Tell the kernel what was settled."""
        if self._verdicts:
            content, self._verdicts = bytes(self._verdicts), bytearray()
            with contextlib.suppress(OSError):  # about packets that are gone with their queue
                self.queues.send(content)

    def _configure(self, request: bytes) -> None:
        sequence = int.from_bytes(request[8:12], sys.byteorder)
        self.queues.send(request)
        deadline = time.monotonic() + _ACK_S
        while sequence not in self._answers:
            ready, _, _ = select.select([self.queues], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise OSError(0, "the kernel does not answer")
            self.read()
        error = self._answers.pop(sequence)
        if error:
            raise OSError(error, os.strerror(error))


class Later:
    """Packets that are held until their time has come."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed).random
        self._held: list[tuple[float, int, QueueEnd, int, bytes | None, bytes | None]] = []
        self._number = itertools.count()

    @property
    def next_s(self) -> float | None:
        """When the next one is due."""
        return self._held[0][0] if self._held else None

    def add(
        self, due_s: float, end: QueueEnd, queue: int, name: bytes | None, packet: bytes | None
    ) -> None:
        """Hold a packet."""
        heapq.heappush(self._held, (due_s, next(self._number), end, queue, name, packet))

    def release_due(self, now_s: float) -> None:
        """Let go what is due."""
        ends = {}
        while self._held and self._held[0][0] <= now_s:
            _, _, end, queue, name, packet = heapq.heappop(self._held)
            end.pass_on(queue, name, packet)
            ends[id(end)] = end
        for end in ends.values():
            end.flush()

    def release(self, end: QueueEnd, queues: frozenset[int]) -> None:
        """Let go all packets of some queues, in the order in which they were due."""
        kept = []
        for entry in sorted(self._held):
            if entry[2] is end and entry[3] in queues:
                end.pass_on(entry[3], entry[4], entry[5])
            else:
                kept.append(entry)
        self._held = kept


class Worker:
    """All queues of a cluster, and the requests about them."""

    def __init__(self, seed: str, sockets: list[tuple[socket.socket, socket.socket]]) -> None:
        self._later = Later(seed)
        self._ends = [QueueEnd(queues, raw, self._later) for queues, raw in sockets]
        self._said = b""

    def serve(self) -> None:
        """Until standard input ends."""
        sockets = {end.queues: end for end in self._ends}
        while True:
            due_s = self._later.next_s
            patience_s = None if due_s is None else max(0.0, due_s - time.monotonic())
            ready, _, _ = select.select([0, *sockets], [], [], patience_s)
            self._later.release_due(time.monotonic())
            for each in ready:
                if isinstance(each, socket.socket):
                    sockets[each].read()
                elif not self._obey():
                    return

    def _obey(self) -> bool:
        content = os.read(0, 1 << 20)
        if not content:
            return False
        *lines, self._said = (self._said + content).split(b"\n")
        for line in lines:
            try:
                answer: dict[str, Any] = {"ok": self._become(json.loads(line)["lanes"])}
            except OSError as error:
                answer = {"failed": error.strerror or str(error)}
            os.write(1, json.dumps(answer).encode() + b"\n")
        return True

    def _become(self, wanted: list[Any]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for end in self._ends:
            for lane in end.lanes.values():
                for name, number in lane.counts.items():
                    counts[name] = counts.get(name, 0) + number
        lanes: list[dict[int, Lane]] = [{} for _ in self._ends]
        for place, queue, rule in wanted:
            lanes[place][queue] = Lane(rule, self._later.random)
        for end, its in zip(self._ends, lanes):  # noqa: B905 - 3.9
            end.become(its)
        return counts


def main() -> None:
    """``SEED`` and pairs of inherited descriptors: netlink socket, raw socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    seed, *descriptors = sys.argv[1:]
    sockets = [socket.socket(fileno=int(number)) for number in descriptors]
    worker = Worker(seed, list(zip(sockets[::2], sockets[1::2])))  # noqa: B905 - 3.9
    os.write(1, b'{"ok": {}}\n')
    worker.serve()
