"""The clocks of the programs on a host, changed by its agent. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

from .clock_account import PlainDisturbance
from .program_clocks import ProgramClocks
from .programs import Programs

if TYPE_CHECKING:
    from .host import Host


class Begun(NamedTuple):
    """A program that was started, as far as clocks care."""

    name: str
    clock: str | None


class _Here:
    """The host as the node on which clocks are read and set."""

    name = "host"

    def __init__(self, host: Host) -> None:
        self._host = host

    async def put(self, path: str, content: bytes) -> None:
        """Write a file."""
        self._host.put(path, content, 0o644)

    async def get(self, path: str) -> bytes:
        """Read a file."""
        return self._host.get(path)

    @property
    def processes(self) -> Programs:
        """What runs here."""
        return self._host.programs


class HostClocks:
    """``Clocks`` of the host's programs, with what goes over the wire as plain data."""

    def __init__(self, host: Host) -> None:
        self._clocks = ProgramClocks(_Here(host), host.living, host.programs.duty)

    def starting(self, name: str, clock: str | None) -> AbstractAsyncContextManager[None]:
        """A program is executed in there: it gets the clocks of the others."""
        return self._clocks.starting(Begun(name, clock))

    def reason_unavailable(self) -> str | None:
        """Why the clocks of some program are out of reach, or ``None``."""
        return self._clocks.reason_unavailable()

    async def disturb(self, disturbance: Mapping[str, Any]) -> None:
        """Let them be wrong from now on."""
        await self._clocks.disturb(PlainDisturbance(**disturbance))

    async def end(self) -> None:
        """Look after them no more. Idempotent."""
        await self._clocks.end()

    async def read(self) -> dict[str, list[Any]]:
        """What each running program sees that follows a file."""
        return {name: list(reading) for name, reading in (await self._clocks.read()).items()}

    @staticmethod
    def wall_s() -> float:
        """The host's own wall clock, which no fault touches."""
        return time.time()
