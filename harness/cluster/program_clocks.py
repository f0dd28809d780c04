"""The clocks of real programs: of those that follow a file, and of those that ask the machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from . import pids, vdso
from .clock_account import ClockReading, MachineClock, Wrongness
from .duty_cycle import DutyCycle
from .followed_clocks import FollowedClocks, Place
from .patched_clocks import PatchedClocks


class Begun(Protocol):
    """A program that was started: its name, and the file that its clocks follow, if they do."""

    @property
    def name(self) -> str: ...  # noqa: D102 - as in Process
    @property
    def clock(self) -> str | None: ...  # noqa: D102


class ProgramClocks:
    """``Clocks`` of one node, which is told of every program that was started on it.

    ``find`` finds its processes, ``duty`` stops them at times. A program that follows no file has
    the clocks of its processes changed, and nobody here can see what it makes of them: its system
    may (``TellsTime``).
    """

    def __init__(
        self, node: Place, find: Callable[[], list[pids.Seen]], duty: DutyCycle | None = None
    ) -> None:
        self._files: dict[str, str] = {}
        self._others: set[str] = set()
        self._followed = FollowedClocks(node, self._files)
        self._patched = PatchedClocks(node.name, find, duty)

    @asynccontextmanager
    async def starting(self, process: Begun) -> AsyncIterator[None]:
        """A program is executed in here: it gets the clocks that the node has."""
        if process.clock is not None:
            yield
            self._files[process.name] = process.clock
        else:
            async with self._patched.starting():
                yield
                self._others.add(process.name)

    def reason_unavailable(self) -> str | None:
        """Why some program's clocks are out of reach, or ``None``."""
        if self._others and (why := vdso.reason_unavailable()):
            return f"{', '.join(sorted(self._others))} asks the machine for the time: {why}"
        return None

    async def disturb(self, disturbance: Wrongness) -> None:
        """Let them be wrong from now on."""
        if self._files:
            await self._followed.disturb(disturbance)
        if self._others:
            await self._patched.disturb(disturbance)

    async def end(self) -> None:
        """Look after them no more. Idempotent."""
        await self._patched.end()

    async def read(self) -> dict[str, ClockReading]:
        """What each running program that follows a file says that it sees."""
        return await self._followed.read()

    async def machine(self) -> MachineClock:
        """Ours: it is the same machine."""
        return MachineClock()
