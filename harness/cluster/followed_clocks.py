"""Clocks of programs that follow a file: they set their own clocks by what it says.

Works on every kind of cluster, while a program is stopped, and over its restarts; needs neither
rights nor a certain machine, but a program that was written for it (those of
``fixtures/runtime/`` are; the file is described in their ``clock.py``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Protocol

from ..errors import InfrastructureError
from .clock_account import Account, ClockReading, Wrongness

ANSWER_TIMEOUT_S = 5.0
POLL_S = 0.005


class Place(Protocol):
    """A node, as far as its clocks need it (``Node``, or the host of an agent)."""

    name: str

    async def put(self, path: str, content: bytes) -> None:
        """Write a file."""
        ...

    async def get(self, path: str) -> bytes:
        """Read a file; ``FileNotFoundError`` if there is none."""
        ...

    @property
    def processes(self) -> Any:
        """What runs there: ``await processes.running()`` tells."""
        ...


class FollowedClocks:
    """The clocks of one node's programs; ``files`` are those they follow, by program."""

    def __init__(self, node: Place, files: Mapping[str, str]) -> None:
        self._node = node
        self._files = files
        self._number = 0
        self._account = Account()

    async def disturb(self, disturbance: Wrongness) -> None:
        """Let them be wrong from now on."""
        self._account.begin(disturbance, _machine_s())
        await self._say()

    async def read(self) -> dict[str, ClockReading]:
        """What each of the running programs answers."""
        if not self._number:
            return {}
        await self._say()  # the same again, to be answered again
        found = await asyncio.gather(*(self._answer(program) for program in self._files))
        return {
            program: reading
            for program, reading in zip(self._files, found)  # noqa: B905 - hosts may have 3.9
            if reading is not None
        }

    async def _say(self) -> None:
        self._number += 1
        what = self._account.disturbance
        said = json.dumps(
            {
                "number": self._number,
                "began_s": self._account.began_s,
                "ahead_s": self._account.ahead_s,
                "rate": what.rate,
                "wall_s": what.step_s + what.skip_s,
                "strobe_s": what.strobe_s,
                "period_s": what.period_s,
            }
        ).encode()
        for path in dict.fromkeys(self._files.values()):
            await self._node.put(path, said)

    async def _answer(self, program: str) -> ClockReading | None:
        """What it answered to the last change; ``None`` if it is stopped or does not run."""
        deadline_s = _machine_s() + ANSWER_TIMEOUT_S
        while True:
            seen = await self._seen(self._files[program])
            if seen.get("number") == self._number:
                return ClockReading(**{name: seen[name] for name in ClockReading._fields})
            if (await self._node.processes.running()).get(program) != "running":
                return None
            if _machine_s() > deadline_s:
                raise InfrastructureError(
                    f"{self._node.name}: {program} did not answer in {ANSWER_TIMEOUT_S:g} s what "
                    f"its clocks show; expected {self._files[program]}.seen with number "
                    f"{self._number}, got {seen.get('number')}"
                )
            await asyncio.sleep(POLL_S)

    async def _seen(self, path: str) -> dict[str, Any]:
        try:
            return json.loads(await self._node.get(path + ".seen"))
        except (FileNotFoundError, ValueError):
            return {}


def _machine_s() -> float:
    """The machine's monotonic clock: by that one the event loop goes, and so do the programs."""
    return asyncio.get_running_loop().time()
