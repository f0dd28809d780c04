"""Programs on pipes: started, signalled and reaped; found again whatever they forked into."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shlex
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ..cluster import Process, pids
from ..cluster.programs import MARK, Programs
from ..errors import InfrastructureError
from .leftovers import HARNESS_MARK, harness
from .pipes import Pipes

if TYPE_CHECKING:
    from .node import PipeNode
    from .router import Router

NODE_MARK = "DURESS_NODE"
"""Set in the environment of a node's programs and, by inheritance, of their children."""

_PR_SET_PDEATHSIG = 1
MOST_LOG_BYTES = 64 << 20
LOOK_AT_LOG_S = 0.5
END_S = 0.5
"""A program that has closed its output, and has not ended so much later, goes on without it."""


class PipeProcesses(Programs):
    """The one program of a node. When the harness dies, by whatever signal, so does it."""

    def __init__(self, node: PipeNode, router: Router, mark: str) -> None:
        super().__init__(node.name, self.living)
        self._node, self._router, self._mark = node, router, mark
        self._loop = asyncio.get_running_loop()
        self._life: _Life | None = None
        self._namespace = pids.namespace(os.getpid())
        self._is_wanted = False

    @property
    def life(self) -> _Life | None:
        """The program that was started last."""
        return self._life

    async def start(self, process: Process) -> None:
        """Start a program and return once it was executed. No effect if it runs already."""
        if process.name in self.states():
            return
        self._let_go()
        node = self._node
        environment = {**os.environ, **(process.env or {})}
        environment |= {MARK: process.name, NODE_MARK: self._mark, HARNESS_MARK: harness()}
        cwd = process.cwd or node.directory
        Path(cwd).mkdir(parents=True, exist_ok=True)
        Path(process.log).parent.mkdir(parents=True, exist_ok=True)
        self.begin(process.name)
        try:
            with Path(process.log).open("ab") as log:  # noqa: ASYNC230 - at once
                child = subprocess.Popen(  # noqa: ASYNC220 - executed at once, never waited for
                    list(process.argv),
                    cwd=cwd,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    bufsize=0,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,
                )
        except OSError as error:
            self.forget(process.name)
            raise InfrastructureError(
                f"node {node.name}: cannot start {shlex.join(process.argv)[:200]} in {cwd}: "
                f"{error.strerror}"
            ) from None
        self.began(process.name, pids.look(child.pid))
        self._is_wanted = True
        self._life = _Life(self, child, Path(process.log))
        self._router.lives[node.name] = self._life.pipes
        self._router.happened("start", at=node.name)

    async def kill(self, *names: str, graceful_s: float = 0) -> None:
        """As of every node; what was not written yet is lost."""
        self._is_wanted = False
        await super().kill(*names, graceful_s=graceful_s)
        self._let_go()
        self._router.happened("kill", at=self._node.name)

    async def pause(self) -> None:
        """As of every node."""
        await super().pause()
        self._router.happened("pause", at=self._node.name)

    async def resume(self) -> None:
        """As of every node."""
        await super().resume()
        self._router.happened("resume", at=self._node.name)

    def living(self) -> list[pids.Seen]:
        """The program, all that descends from it or shares its session, and bearers of its mark."""
        leader = self._life.leader if self._life is not None else None
        if leader is None:
            return []
        among = [each for each in pids.members(self._namespace) if each.started >= leader.started]
        marked = [
            each.pid for each in among if pids.environment_has(each.pid, NODE_MARK, self._mark)
        ]
        if any(each.pid == leader.pid and each.started == leader.started for each in among):
            marked.append(leader.pid)
        return pids.family(marked, among)

    def ended(self, life: _Life, status: int) -> None:
        """A program is over."""
        if self._router.lives.get(self._node.name) is life.pipes:
            del self._router.lives[self._node.name]
        if life is self._life and self._is_wanted:
            self._is_wanted = False
            self._router.happened("kill", at=self._node.name)
            self._router.complain(
                "crashed-node",
                self._node.name,
                f"the program ended by itself, {ending(status)}{said_last(life.log)}",
            )

    def silenced(self, life: _Life) -> None:
        """A program goes on, but will never say anything again."""
        if life is self._life and self._is_wanted:
            self._router.complain(
                "closed-output",
                self._node.name,
                "the program closed its standard output but goes on: expected it to be open until "
                f"the program ends{said_last(life.log)}",
            )

    def too_much_logged(self) -> None:
        """The log was cut."""
        self._router.complain(
            "log-flood",
            self._node.name,
            f"wrote more than {MOST_LOG_BYTES >> 20} MiB to standard error within "
            f"{LOOK_AT_LOG_S:g} s or without a restart; what was there was thrown away",
        )

    def _let_go(self) -> None:
        if self._life is not None:
            self._life.close()

    async def decided(self) -> None:
        """Return once nothing more is to be complained of, of all that happened so far."""
        if self._life is not None and self._is_wanted:
            await self._life.decided()

    def end(self) -> None:
        """Kill what there is, without waiting; nothing is complained of. Idempotent."""
        self._is_wanted = False
        for seen in self.living():
            pids.send(seen, signal.SIGKILL)
        self._let_go()


class _Life:
    """One execution of a node's program."""

    def __init__(self, processes: PipeProcesses, child: subprocess.Popen[bytes], log: Path) -> None:
        assert child.stdin is not None and child.stdout is not None
        self.log = log
        self.leader = pids.look(child.pid)
        self._processes, self._child = processes, child
        router = processes._router
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[int] = self._loop.create_future()
        stdin, stdout = os.dup(child.stdin.fileno()), os.dup(child.stdout.fileno())
        child.stdin.close()
        child.stdout.close()
        name = processes._node.name
        self.pipes = Pipes(
            self._loop, name, stdin, stdout, router.heard, router.too_long, self._output_ended
        )
        self._silence: asyncio.TimerHandle | None = None
        self._decided = asyncio.Event()
        self._decided.set()
        self._handle = os.pidfd_open(child.pid)
        self._loop.add_reader(self._handle, self._ended)
        self._watch = self._loop.call_later(LOOK_AT_LOG_S, self._look_at_log)

    def _ended(self) -> None:
        status = self._child.poll()
        if status is None:
            return
        self._loop.remove_reader(self._handle)
        self._watch.cancel()
        if not self.over.done():
            self.over.set_result(status)
        self._processes.ended(self, status)

    def _output_ended(self, _: Pipes) -> None:
        if not self.over.done():
            self._decided.clear()
            self._silence = self._loop.call_later(END_S, self._has_it_ended)

    def _has_it_ended(self) -> None:
        self._decided.set()
        if not self.over.done():
            self._processes.silenced(self)

    async def decided(self) -> None:
        """Return once it is known whether a program that has closed its output goes on."""
        await self._decided.wait()

    def _look_at_log(self) -> None:
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > MOST_LOG_BYTES:
                os.truncate(self.log, 0)
                self._processes.too_much_logged()
        self._watch = self._loop.call_later(LOOK_AT_LOG_S, self._look_at_log)

    def close(self) -> None:
        """Let go of the pipes, and of the program if it is over. Idempotent."""
        self.pipes.close()
        self._watch.cancel()
        if self._silence is not None:
            self._silence.cancel()
            self._decided.set()
        if self._handle >= 0:
            self._ended()
            self._loop.remove_reader(self._handle)
            os.close(self._handle)
            self._handle = -1


def ending(status: int) -> str:
    """How a program ended, in words."""
    if status < 0:
        return f"by {signal.Signals(-status).name}"
    return f"with exit status {status}"


def said_last(log: Path, most: int = 300) -> str:
    """The end of what it wrote to standard error, for a sentence."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            text = file.read().decode("utf-8", "replace").strip()
    except OSError:
        text = ""
    if not text:
        return "; it wrote nothing to standard error"
    last = " | ".join(line.strip() for line in text.splitlines()[-4:] if line.strip())
    return f"; the end of its standard error: {last[-most:]}"


_prctl = None


def _die_with_parent() -> None:
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


with contextlib.suppress(OSError, AttributeError):
    _prctl = ctypes.CDLL(None, use_errno=True).prctl
