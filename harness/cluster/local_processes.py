"""The programs of a local node: started by its first process, signalled from outside."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import InfrastructureError
from . import Process, pids

if TYPE_CHECKING:
    from .local_node import LocalNode

MARK = "DURESS_PROCESS"
"""Set in the environment of every started program and, by inheritance, of its children."""


class LocalProcesses:
    """The long-running programs of a node, found by its pid namespace."""

    def __init__(self, node: LocalNode) -> None:
        self._node = node
        self._namespace = ""
        self._init_pid = 0
        self._leaders: dict[str, pids.Seen | None] = {}  # None: being started, or ended at once

    def attach(self, init_pid: int) -> None:
        """Learn which pid namespace is the node's, and its process that is never touched."""
        self._init_pid = init_pid
        self._namespace = pids.namespace(init_pid)
        self._leaders.clear()

    async def start(self, process: Process) -> None:
        """Start a program and return once it was executed. No effect if it runs already."""
        if process.name in await self.running():
            return
        node = self._node
        self._leaders[process.name] = None
        environment = {**_strings(process.env), MARK: process.name}
        log = posixpath.join(node.directory, process.log)
        cwd = process.cwd or node.directory
        try:
            started = await node.control.start(process.argv, environment, cwd, log)
        except InfrastructureError as error:
            del self._leaders[process.name]
            raise InfrastructureError(
                f"node {node.name}: cannot start {process.name} "
                f"({shlex.join(process.argv)[:200]}) in {cwd}, log {log}: {error}"
            ) from None
        for seen in self.living():
            if _pid_on_node(seen.pid) == started.pid:
                self._leaders[process.name] = seen
        await node.clocks.started(process)

    async def kill(self, *names: str, graceful_s: float = 0) -> None:
        """SIGKILL programs with all their children, or all that is on the node; wait for it."""
        if names:

            def find() -> list[pids.Seen]:
                living = self.living()
                return sorted({seen for name in names for seen in self._family(name, living)})
        else:
            find = self.living
        await pids.kill(self._node.name, find, graceful_s)
        for name in names or tuple(self._leaders):
            self._leaders.pop(name, None)

    async def pause(self) -> None:
        """SIGSTOP every program on the node; checked for effect."""
        await pids.pause(self._node.name, self.living)

    async def resume(self) -> None:
        """SIGCONT every program on the node; checked for effect."""
        await pids.resume(self._node.name, self.living)

    async def running(self) -> dict[str, str]:
        """Programs that were started and still live: ``running`` or ``paused``."""
        living = self.living()
        states: dict[str, str] = {}
        for name in self._leaders:
            if family := self._family(name, living):
                paused = all(seen.stopped for seen in family)
                states[name] = "paused" if paused else "running"
        return states

    def living(self) -> list[pids.Seen]:
        """Everything on the node but its first process and the harness's own commands."""
        _ = self._node.control  # a node that is down has none
        found = pids.members(self._namespace, [self._init_pid])
        commands = self._node.commands()
        if not commands:
            return found
        ours = pids.family((s.pid for s in found if _pid_on_node(s.pid) in commands), found)
        spared = {seen.pid for seen in ours}
        return [seen for seen in found if seen.pid not in spared]

    def _family(self, name: str, living: list[pids.Seen]) -> list[pids.Seen]:
        """The program, its session, its descendants, and who else carries its mark."""
        kin = [seen.pid for seen in living if pids.environment_has(seen.pid, MARK, name)]
        leader = self._leaders.get(name)
        if leader is not None:  # it may be dead, and its session not; its pid may be another's
            kin.append(leader.pid)
            living = [s for s in living if s.pid != leader.pid or s.started == leader.started]
        return pids.family(kin, living)


def _pid_on_node(pid: int) -> int:
    """The pid of a process as its own pid namespace counts; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            for line in file:
                if line.startswith("NSpid:"):
                    return int(line.split()[-1])
    except OSError:
        pass
    return 0


def _strings(env: Mapping[str, str] | None) -> dict[str, str]:
    return {key: str(value) for key, value in (env or {}).items()}
