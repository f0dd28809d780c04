"""The programs of a local node: started by its first process, signalled from outside."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import InfrastructureError
from . import Process, pids
from .programs import MARK, Programs

if TYPE_CHECKING:
    from .local_node import LocalNode


class LocalProcesses(Programs):
    """The long-running programs of a node, found by its pid namespace."""

    def __init__(self, node: LocalNode) -> None:
        super().__init__(node.name, self.living)
        self._node = node
        self._namespace = ""
        self._init_pid = 0

    def attach(self, init_pid: int) -> None:
        """Learn which pid namespace is the node's, and its process that is never touched."""
        self._init_pid = init_pid
        self._namespace = pids.namespace(init_pid)
        self.forget()

    async def start(self, process: Process) -> None:
        """Start a program and return once it was executed. No effect if it runs already."""
        if process.name in self.states():
            return
        node = self._node
        self.begin(process.name)
        environment = {**_strings(process.env), MARK: process.name}
        log = posixpath.join(node.directory, process.log)
        cwd = process.cwd or node.directory
        await node.disk.starting()
        async with node.clocks.starting(process):
            try:
                started = await node.control.start(process.argv, environment, cwd, log)
            except InfrastructureError as error:
                self.forget(process.name)
                raise InfrastructureError(
                    f"node {node.name}: cannot start {process.name} "
                    f"({shlex.join(process.argv)[:200]}) in {cwd}, log {log}: {error}"
                ) from None
            for seen in self.living():
                if pid_on_node(seen.pid) == started.pid:
                    self.began(process.name, seen)
            await node.resources.started()

    def living(self) -> list[pids.Seen]:
        """Everything on the node but its first process and the harness's own commands."""
        _ = self._node.control  # a node that is down has none
        found = pids.members(self._namespace, [self._init_pid])
        return self._node.commands.spare(found, self._init_pid)


def pid_on_node(pid: int) -> int:
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
