"""The layer's process: ``main(pid, directory)`` mounts it and serves until its input ends.

Orders come as JSON, one a line, on standard input, and are answered on standard output::

    → {"id": 1, "do": "trouble", …}         ← {"id": 1, "ok": …} | {"id": 1, "failed": text}

The first line says that it is mounted: ``{"ready": true}`` or ``{"failed": text}``. When the input
ends, its harness is gone, and so is this process; whoever waits for an answer of the disk is told
that it is not connected any more.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from . import copies, wire
from .mount import mount_over
from .requests import Requests
from .trouble import SYNC, WRITE, Trouble
from .volume import PROBE, Volume
from .wire import Request

LOOK_AGAIN_S = 0.02
"""After which it is looked again whether somebody who waits is being killed."""

BATCH = 64
_SIGKILL_BIT = 1 << (signal.SIGKILL - 1)


class Waiting(NamedTuple):
    """A request that is answered later; sorted by when."""

    due_s: float
    unique: int
    request: Request
    kind: str | None


class Server:
    """Answers the kernel on ``device``, and orders of the harness."""

    def __init__(self, device: int, volume: Volume) -> None:
        self._device = device
        self._volume = volume
        self._requests = Requests(volume)
        self._delayed: list[Waiting] = []
        self._parked: list[Waiting] = []
        self._interrupted: set[int] = set()
        self._holds = False
        self._is_over = False
        self._unread = b""

    # -- the loop ----------------------------------------------------------------------

    def serve(self) -> None:
        """Until the input ends or nothing is mounted any more."""
        for descriptor in (self._device, 0):
            os.set_blocking(descriptor, False)
        poll = select.poll()
        poll.register(self._device, select.POLLIN)
        poll.register(0, select.POLLIN)
        while not self._is_over:
            for descriptor, _ in poll.poll(self._timeout_ms()):
                if descriptor == 0:
                    self._hear()
                else:
                    self._take()
            self._perform_due()
            if self._interrupted:
                self._let_killed_go()

    def _timeout_ms(self) -> int | None:
        waits = [LOOK_AGAIN_S] if self._interrupted else []
        if self._delayed and not self._holds:
            waits.append(max(0.0, self._delayed[0].due_s - time.monotonic()))
        return int(min(waits) * 1000) + 1 if waits else None

    def _take(self) -> None:
        """Take some requests from the kernel."""
        for _ in range(BATCH):
            try:
                content = os.read(self._device, wire.BUFFER)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR):  # taken back while it was read
                    continue
                if error.errno == errno.ENODEV:  # unmounted
                    self._is_over = True
                    return
                raise
            self._hand_on(wire.request(content))

    def _hand_on(self, request: Request) -> None:
        if request.opcode in (wire.FORGET, wire.BATCH_FORGET):
            self._requests.forget(request)
            return
        if request.opcode == wire.INTERRUPT:
            self._interrupted.add(wire.INTERRUPT_IN.unpack_from(request.body)[0])
            return
        kind = self._requests.kind(request)
        if self._holds and kind is not None:
            if request.opcode == wire.WRITE and _is_written_back(request):
                size = wire.WRITE_IN.unpack_from(request.body)[2]  # too late for the disk
                self._say(wire.answer(request.unique, wire.written(size)))
            else:
                self._parked.append(Waiting(0.0, request.unique, request, kind))
            return
        trouble = self._requests.trouble
        if trouble.stalled and kind in (WRITE, SYNC) and not _is_written_back(request):
            self._parked.append(Waiting(0.0, request.unique, request, kind))
        elif kind is not None and (wait_s := trouble.wait_s(kind)):
            due_s = time.monotonic() + wait_s
            heapq.heappush(self._delayed, Waiting(due_s, request.unique, request, kind))
        else:
            self._say(self._requests.answer(request, kind))

    def _perform_due(self) -> None:
        while self._delayed and not self._holds and self._delayed[0].due_s <= time.monotonic():
            waiting = heapq.heappop(self._delayed)
            self._say(self._requests.answer(waiting.request, waiting.kind))

    def _say(self, answer: bytes) -> None:
        with contextlib.suppress(FileNotFoundError):  # nobody waits for it any more
            os.write(self._device, answer)

    def _let_killed_go(self) -> None:
        """Answer those that are being killed; ordinary signals interrupt no disk."""
        for queue in (self._parked, self._delayed):
            for waiting in [each for each in queue if each.unique in self._interrupted]:
                if _is_being_killed(waiting.request.pid):
                    queue.remove(waiting)
                    self._say(wire.answer(waiting.unique, error=errno.EINTR))
        heapq.heapify(self._delayed)
        self._interrupted &= {each.unique for each in (*self._parked, *self._delayed)}

    # -- orders ------------------------------------------------------------------------

    def _hear(self) -> None:
        content = os.read(0, 1 << 16)
        if not content:
            self._is_over = True
            return
        *lines, self._unread = (self._unread + content).split(b"\n")
        for line in lines:
            order = json.loads(line)
            answer: dict[str, Any] = {"id": order.get("id")}
            try:
                act: Callable[..., Any] = getattr(self, f"_do_{order['do']}")
                answer["ok"] = act(order)
            except Exception as error:
                answer["failed"] = f"{type(error).__name__}: {error}"
            tell(answer)

    def _do_trouble(self, order: dict[str, Any]) -> dict[str, int]:
        """Let the disk have other trouble; what the trouble before did."""
        before = self._requests.trouble.refused
        self._requests.trouble = Trouble(order["what"], Random(order["seed"]))
        parked, self._parked = self._parked, []
        for waiting in parked:
            self._hand_on(waiting.request)
        if not self._requests.trouble.delay_s:
            delayed, self._delayed = self._delayed, []
            for waiting in sorted(delayed):
                self._hand_on(waiting.request)
        return before

    def _do_refused(self, order: dict[str, Any]) -> dict[str, int]:
        return self._requests.trouble.refused

    def _do_hold(self, order: dict[str, Any]) -> dict[str, int]:
        """The power is gone: from now on nothing reaches the disk."""
        self._holds = True
        size, names = self._volume.unsynced()
        return {"bytes": size, "names": names}

    def _do_drop(self, order: dict[str, Any]) -> dict[str, int]:
        """The power is back: what was not synced is lost, or some of it is."""
        lost = self._volume.cut(order["survives"], order["sector_bytes"], Random(order["seed"]))
        self._release()
        return lost

    def _do_release(self, order: dict[str, Any]) -> None:
        """The power was not gone after all."""
        self._holds = False
        parked, self._parked = self._parked, []
        for waiting in parked:
            self._hand_on(waiting.request)

    def _release(self) -> None:
        self._holds = False
        waiting, self._parked, self._delayed = [*self._parked, *self._delayed], [], []
        for each in waiting:
            self._say(wire.answer(each.unique, error=errno.EIO))

    def _do_sync(self, order: dict[str, Any]) -> None:
        self._volume.sync_all()

    def _do_copy(self, order: dict[str, Any]) -> dict[str, int]:
        return copies.copy(self._volume, order["name"])

    def _do_restore(self, order: dict[str, Any]) -> dict[str, int]:
        done = copies.restore(self._volume, order["name"])
        copies.drop(self._volume, order["name"])
        return done

    def _do_flip(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        return copies.flip(self._volume, order["count"], Random(order["seed"]))

    def _do_cut_short(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        return copies.cut_short(self._volume, order["count"], Random(order["seed"]))


def _is_written_back(request: Request) -> bool:
    """Whether it is the kernel that writes pages of a mapping; a dying process waits for it."""
    if request.opcode != wire.WRITE:
        return False
    return bool(wire.WRITE_IN.unpack_from(request.body)[3] & wire.WRITE_CACHE)


def _is_being_killed(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            for line in file:
                if line.startswith(("SigPnd:", "ShdPnd:")) and int(line[7:], 16) & _SIGKILL_BIT:
                    return True
    except OSError:
        return True
    return False


def tell(answer: dict[str, Any]) -> None:
    """A line to the harness."""
    os.write(1, json.dumps(answer).encode() + b"\n")


def main(pid: int, directory: str) -> None:
    """Mount over a folder, seen by a process (0: by this one); serve."""
    import resource

    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.umask(0)
    try:
        device, below = mount_over(pid, directory)
    except OSError as error:
        tell({"failed": str(error)})
        return
    os.close(os.open(PROBE, os.O_CREAT | os.O_WRONLY, 0o666, dir_fd=below))
    volume = Volume(below)
    tell({"ready": True})
    Server(device, volume).serve()
    os.close(device)
    copies.clear(below)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
