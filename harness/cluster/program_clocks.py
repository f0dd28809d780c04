"""The clocks of real programs: of those that follow a file, and of those that ask the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import Process, pids, vdso
from .clocks import ClockReading, Disturbance
from .followed_clocks import FollowedClocks
from .patched_clocks import PatchedClocks

if TYPE_CHECKING:
    from . import Node


class ProgramClocks:
    """``Clocks`` of one node, which is told of every program that was started on it.

    ``find`` finds its processes. A program that follows no file has the clocks of its processes
    changed, and nobody here can see what it makes of them: its system may (``TellsTime``).
    """

    def __init__(self, node: Node, find: Callable[[], list[pids.Seen]]) -> None:
        self._files: dict[str, str] = {}
        self._others: set[str] = set()
        self._followed = FollowedClocks(node, self._files)
        self._patched = PatchedClocks(node.name, find)

    async def started(self, process: Process) -> None:
        """A program has begun: give it the clocks that the node has."""
        if process.clock is not None:
            self._files[process.name] = process.clock
        else:
            self._others.add(process.name)
            await self._patched.tell()

    def reason_unavailable(self) -> str | None:
        """Why some program's clocks are out of reach, or ``None``."""
        if self._others and (why := vdso.reason_unavailable()):
            return f"{', '.join(sorted(self._others))} asks the machine for the time: {why}"
        return None

    async def disturb(self, disturbance: Disturbance) -> None:
        """Let them be wrong from now on."""
        if self._files:
            await self._followed.disturb(disturbance)
        if self._others:
            await self._patched.disturb(disturbance)

    async def read(self) -> dict[str, ClockReading]:
        """What each running program that follows a file says that it sees."""
        return await self._followed.read()
