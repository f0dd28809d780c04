"""Speak with the first process of a local node (local_init.py): start programs, hear of ends."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InfrastructureError

_PROGRAM = Path(__file__).with_name("local_init.py")
_MESSAGE_MAX = 1 << 18


class Started(NamedTuple):
    """A program that was executed. ``pid`` as the node sees it; ``ended`` gives its status."""

    identity: int
    pid: int
    ended: asyncio.Future[int]


class NodeControl:
    """The harness's end of a node's control socket. Used on the event loop only."""

    def __init__(self, name: str, control: socket.socket) -> None:
        self._name = name
        self._socket = control
        self._loop = asyncio.get_running_loop()
        self._identities = itertools.count(1)
        self._answers: dict[int, asyncio.Future[int]] = {}
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._pid = 0
        self._furnished = False
        self._ready: asyncio.Future[int] = self._loop.create_future()
        control.setblocking(False)
        self._descriptor = control.fileno()
        self._loop.add_reader(self._descriptor, self._hear)

    async def ready(self) -> int:
        """The pid of the node's first process, once the node is furnished."""
        return await self._ready

    async def start(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
        log: str | None,
        descriptors: Sequence[int] = (),
    ) -> Started:
        """Have a program executed in a session of its own.

        Its output goes to the end of the file ``log``, or if that is None its input, output
        and error are the three ``descriptors``. Raises ``InfrastructureError`` if it cannot
        be executed.
        """
        identity = next(self._identities)
        request = {"start": identity, "argv": list(argv), "env": dict(env), "cwd": cwd, "log": log}
        answer = self._answers[identity] = self._loop.create_future()
        ended = self._ends[identity] = self._loop.create_future()
        try:
            socket.send_fds(self._socket, [json.dumps(request).encode()], list(descriptors))
        except OSError as error:
            self._answers.pop(identity)
            self._ends.pop(identity)
            raise self._gone(error.strerror) from None
        try:
            return Started(identity, await answer, ended)
        except asyncio.CancelledError:
            self.stop(identity)
            raise

    def stop(self, identity: int) -> None:
        """SIGKILL a program's session if it still runs."""
        try:
            self._socket.send(json.dumps({"stop": identity}).encode())
        except OSError as error:
            raise self._gone(error.strerror) from None

    def close(self) -> None:
        """Let go of the node, whose first process then ends. Idempotent."""
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._descriptor)
        self._socket.close()
        self._abandon(self._gone("it was taken down"))

    def _hear(self) -> None:
        while True:
            try:
                content = self._socket.recv(_MESSAGE_MAX)
            except BlockingIOError:
                return
            except OSError:
                content = b""
            if not content:
                self._loop.remove_reader(self._descriptor)
                self._abandon(self._gone("its first process has ended"))
                return
            self._understand(json.loads(content))

    def _understand(self, message: dict[str, Any]) -> None:
        match message:
            case {"node": int(pid)}:
                self._pid = pid
            case {"failed": str(reason)}:
                self._fail(self._ready, InfrastructureError(f"node {self._name}: {reason}"))
            case {"started": int(identity), "pid": int(pid)}:
                self._settle(self._answers.pop(identity), pid)
            case {"refused": int(identity), "reason": str(reason)}:
                self._ends.pop(identity)
                self._fail(self._answers.pop(identity), InfrastructureError(reason))
            case {"ended": int(identity), "status": int(status)}:
                self._settle(self._ends.pop(identity), status)
            case {"ready": True}:
                self._furnished = True
        if self._pid and self._furnished:  # two processes told, in either order
            self._settle(self._ready, self._pid)

    def _abandon(self, error: InfrastructureError) -> None:
        for waited in (self._ready, *self._answers.values(), *self._ends.values()):
            self._fail(waited, error)
        self._answers.clear()
        self._ends.clear()

    def _gone(self, why: str | None) -> InfrastructureError:
        return InfrastructureError(f"node {self._name}: does not listen any more ({why})")

    @staticmethod
    def _settle(waited: asyncio.Future[int], value: int) -> None:
        if not waited.done():
            waited.set_result(value)

    @staticmethod
    def _fail(waited: asyncio.Future[int], error: InfrastructureError) -> None:
        if not waited.done():
            waited.set_exception(error)
            waited.exception()  # nobody has to wait for it


async def launch(hosts: Mapping[str, Path]) -> dict[str, NodeControl]:
    """Fork the first process of each node (``hosts``: the file of its /etc/hosts, by node).

    They may not be furnished yet: wait for ``ready()``. Raises ``InfrastructureError``.
    """
    plan: list[dict[str, object]] = []
    controls: dict[str, NodeControl] = {}
    theirs: list[socket.socket] = []
    complaints = os.memfd_create("duress-launch")
    try:
        for name, file in hosts.items():
            ours, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            theirs.append(other)
            controls[name] = NodeControl(name, ours)
            plan.append({"name": name, "hosts": str(file), "control": other.fileno()})
        launcher = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", str(_PROGRAM), json.dumps(plan)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=complaints,
            pass_fds=[other.fileno() for other in theirs],
            start_new_session=True,
        )
        try:
            status = await launcher.wait()
        except asyncio.CancelledError:
            launcher.kill()
            await launcher.wait()
            raise
        if status != 0:
            text = os.pread(complaints, 4096, 0).decode(errors="replace").strip()
            last = text.splitlines()[-1] if text else "it printed nothing"
            raise InfrastructureError(f"local cluster: launcher ended with {status}: {last}")
    except BaseException:
        for control in controls.values():
            control.close()
        raise
    finally:
        for other in theirs:
            other.close()
        os.close(complaints)
    return controls
