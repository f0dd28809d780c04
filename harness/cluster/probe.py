"""Find out which links really pass packets: small datagrams between sockets inside the nodes.

A socket belongs for good to the network namespace in which it was made. So a thread
enters a node's namespace, makes a UDP socket there and ends; afterwards the harness
sends and receives as that node, without any program on the node and without changing
namespace again. Packets take the same way as those of the system under test.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from ..errors import InfrastructureError
from . import Link
from .packet_bytes import EXEMPT_TOS

_CLONE_NEWNET = 0x40000000
_DATAGRAM = struct.Struct("!8sQHH")  # magic, round, sender's and receiver's index
_MAGIC = b"duress\x00\x01"

FIRST_TRIES = 8
"""Of a probe before any fault, whose failure ends the trial: six seconds in all."""

Result = TypeVar("Result")


def run_in_netns(pid: int, function: Callable[[], Result]) -> Result:
    """Call ``function`` in the network namespace of process ``pid``, in a thread of its own.

    Blocks until it returned; what it raises is raised here. A namespace that cannot be
    entered is an ``InfrastructureError``.
    """
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def enter_and_call() -> None:
        try:
            _enter_netns(pid)
            outcome.append(function())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=enter_and_call, name=f"netns-of-{pid}")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def _enter_netns(pid: int) -> None:
    path = f"/proc/{pid}/ns/net"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise InfrastructureError(
            f"network namespace {path}: cannot be entered ({error.strerror}); "
            "is the process alive, and may this user enter it?"
        ) from error


class LinkProbe:
    """Probes all directed links between named ends.

    ``addresses``: the IPv4 address of each end; ``netns_pids``: a process in the network
    namespace of each end (``os.getpid()`` for the harness itself). The sockets are made
    at once, so construct it where blocking for some milliseconds is allowed.
    """

    def __init__(self, addresses: Mapping[str, str], netns_pids: Mapping[str, int]) -> None:
        self._addresses = dict(addresses)
        self._names = sorted(self._addresses)
        self._sockets: dict[str, socket.socket] = {}
        self._round = 0
        self._turn = asyncio.Lock()
        try:
            for name in self._names:
                self.reopen(name, netns_pids[name])
        except BaseException:
            self.close()
            raise

    def reopen(self, name: str, pid: int) -> None:
        """Make the socket of an end anew, after its network namespace was made anew.

        Not while :meth:`probe` runs.
        """
        address = self._addresses[name]

        def open_socket() -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            try:
                made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXEMPT_TOS)
                made.bind((address, 0))
            except OSError as error:
                made.close()
                raise InfrastructureError(
                    f"probe of {name}: cannot bind {address} in the network namespace of "
                    f"process {pid} ({error.strerror}); does the node have that address?"
                ) from error
            return made

        made = run_in_netns(pid, open_socket)
        previous = self._sockets.pop(name, None)
        if previous is not None:
            previous.close()
        self._sockets[name] = made

    def close(self) -> None:
        """Close the sockets. Idempotent."""
        for opened in self._sockets.values():
            opened.close()
        self._sockets.clear()

    def links(self) -> frozenset[Link]:
        """All directed links between the ends."""
        return frozenset((a, b) for a in self._names for b in self._names if a != b)

    async def probe(
        self, expected_cut: frozenset[Link] = frozenset(), *, wait_s: float = 0.025, tries: int = 4
    ) -> frozenset[Link]:
        """The directed links on which nothing arrived.

        Links expected to be open end the wait as soon as all of them have answered, and are
        tried ``tries`` times, for ``wait_s`` and then twice as long each time, before they count
        as dead: a busy machine is not a partition. Links expected to be cut (``expected_cut``;
        others in it are ignored) get the full ``wait_s``.
        """
        async with self._turn:
            return await self._probe(expected_cut & self.links(), wait_s, tries)

    async def _probe(
        self, expected_cut: frozenset[Link], wait_s: float, tries: int
    ) -> frozenset[Link]:
        loop = asyncio.get_running_loop()
        self._round += 1
        silent = set(self.links())
        progress = asyncio.Event()
        watched = {name: opened.fileno() for name, opened in self._sockets.items()}

        def receive(name: str) -> None:
            silent.difference_update(self._arrived(name))
            progress.set()

        for name, descriptor in watched.items():
            loop.add_reader(descriptor, receive, name)
        try:
            patience_ends = loop.time() + wait_s
            for attempt in range(tries):
                self._send(silent)
                attempt_ends = loop.time() + wait_s * 2**attempt
                while silent - expected_cut and await _wait_until(progress, attempt_ends):
                    pass
                for name in watched:  # a late event loop must not make a link look dead
                    receive(name)
                if not silent - expected_cut:
                    break
            while silent and await _wait_until(progress, patience_ends):
                pass
            for name in watched:
                receive(name)
        finally:
            for descriptor in watched.values():
                loop.remove_reader(descriptor)
        return frozenset(silent)

    def _send(self, links: set[Link]) -> None:
        index = {name: position for position, name in enumerate(self._names)}
        for source, target in sorted(links):
            datagram = _DATAGRAM.pack(_MAGIC, self._round, index[source], index[target])
            try:
                self._sockets[source].sendto(datagram, self._sockets[target].getsockname())
            except OSError:
                continue  # refused by a route or a firewall: nothing passes, which is the answer

    def _arrived(self, name: str) -> list[Link]:
        arrived: list[Link] = []
        while True:
            try:
                content, (address, _port) = self._sockets[name].recvfrom(64)
            except OSError:
                return arrived  # nothing more is there
            if len(content) != _DATAGRAM.size:
                continue
            magic, turn, sender, receiver = _DATAGRAM.unpack(content)
            if (
                (magic, turn) == (_MAGIC, self._round)
                and sender < len(self._names)
                and receiver < len(self._names)
                and self._names[receiver] == name
                and self._addresses[self._names[sender]] == address
            ):
                arrived.append((self._names[sender], name))


async def _wait_until(progress: asyncio.Event, deadline: float) -> bool:
    """Whether something arrived before ``deadline`` (the loop's time)."""
    progress.clear()
    remaining_s = deadline - asyncio.get_running_loop().time()
    if remaining_s <= 0:
        return False
    try:
        async with asyncio.timeout(remaining_s):
            await progress.wait()
    except TimeoutError:
        return False
    return True
