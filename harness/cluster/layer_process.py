"""The process of :mod:`..disk_layer` for one node, from the side of who started it.

Standard library only: on a host that is reached by ssh, the agent starts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..errors import InfrastructureError

ANSWER_TIMEOUT_S = 60.0
START_TIMEOUT_S = 10.0
END_TIMEOUT_S = 2.0

_ROOM = str(Path(__file__).parents[1])
"""Where the layer's package is to be found; inside the bundle, on a host."""

_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); from disk_layer.server import main; "
    "main(int(sys.argv[2]), sys.argv[3])"
)


def reason_unavailable() -> str | None:
    """Why the layer cannot be had on this machine and what to do, or ``None``."""
    device = Path("/dev/fuse")
    if not device.exists():
        return (
            "there is no /dev/fuse on this machine: load the kernel's module fuse (modprobe fuse), "
            "or give the container you are in the device (docker run --device /dev/fuse)"
        )
    try:
        with device.open("rb+", buffering=0):
            return None
    except OSError as error:
        return f"/dev/fuse cannot be opened ({error.strerror}): run as root, or chmod 666 /dev/fuse"


class LayerProcess:
    """Starts it, asks it, ends it. Used on one event loop."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._last = 0
        self._unread = b""

    @property
    def pid(self) -> int:
        """Its pid; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    async def start(self, pid: int, directory: str) -> None:
        """Mount it over a folder as process ``pid`` (0: this one) sees it."""
        self._process = subprocess.Popen(  # noqa: ASYNC220 - it does not wait, and reaps nothing
            [sys.executable, "-I", "-S", "-c", _PROGRAM, _ROOM, str(pid), directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        loop = asyncio.get_running_loop()
        ready = self._answers[0] = loop.create_future()
        loop.add_reader(self._process.stdout.fileno(), self._hear)
        try:
            await asyncio.wait_for(ready, START_TIMEOUT_S)
        except (asyncio.TimeoutError, InfrastructureError) as error:  # noqa: UP041 - for 3.9
            self.close()
            why = str(error) or f"not mounted within {START_TIMEOUT_S:g} s"
            raise InfrastructureError(f"{self._place}: {why}") from None

    async def ask(self, order: dict[str, Any]) -> Any:
        """Have it carry out an order; ``InfrastructureError`` says why it did not."""
        if self._process is None or self._process.stdin is None:
            raise InfrastructureError(f"{self._place}: the disk's layer is not mounted")
        number = self._last = self._last + 1
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            self._process.stdin.write(json.dumps({**order, "id": number}).encode() + b"\n")
            self._process.stdin.flush()
            return await asyncio.wait_for(answer, ANSWER_TIMEOUT_S)
        except asyncio.TimeoutError:  # noqa: UP041 - before 3.11 it is no OSError
            raise InfrastructureError(
                f"{self._place}: the disk's layer did not answer {order['do']!r} within "
                f"{ANSWER_TIMEOUT_S:g} s"
            ) from None
        except OSError:
            raise InfrastructureError(f"{self._place}: the disk's layer has ended") from None
        finally:
            self._answers.pop(number, None)

    def hang_up(self) -> None:
        """Let it end by itself soon; whoever waits for the disk is told that it is gone."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):  # it has ended already
                self._process.stdin.close()

    def close(self) -> None:
        """End it: the mount goes with its namespace. Idempotent."""
        self.hang_up()
        process, self._process = self._process, None
        if process is None or process.stdout is None:
            return
        asyncio.get_running_loop().remove_reader(process.stdout.fileno())
        process.stdout.close()
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._abandon()

    def _hear(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        content = os.read(descriptor, 1 << 16)
        if not content:
            asyncio.get_running_loop().remove_reader(descriptor)
            self._abandon()
            return
        *lines, self._unread = (self._unread + content).split(b"\n")
        for line in lines:
            told = json.loads(line)
            answer = self._answers.get(told.get("id", 0))
            if answer is None or answer.done():
                continue
            if "failed" in told:
                answer.set_exception(InfrastructureError(f"{self._place}: {told['failed']}"))
            else:
                answer.set_result(told.get("ok"))

    def _abandon(self) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(
                    InfrastructureError(f"{self._place}: the disk's layer has ended")
                )
                answer.exception()  # nobody has to wait for it
