"""Clocks of programs that ask the machine for the time, changed inside of their processes."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ..errors import InfrastructureError
from . import pids, vdso
from .background import Background
from .clock_account import Account, Wrongness
from .duty_cycle import DutyCycle

LEAD_S = 0.1
"""All processes go by what they are told from the same moment on, which lies so far ahead."""

COARSE_S = 0.02
"""By so much the coarse clocks of the kernel may lag behind, and so begin to be wrong later."""

STOP_TIMEOUT_S = 5.0

TELL_S = 1.0
"""Processes that begin while others are told are told as well, for so long."""

AGAIN_S = 0.2
"""So often it is looked for processes that are new or have executed something else."""

SOON_S = 0.005
"""After a program was started it is looked first so soon, then ever less often: it may be a wrapper
of what will serve."""


class PatchedClocks:
    """The clocks of one node's processes, which ``find`` finds and ``duty`` stops at times.

    Processes that come later get the same clocks, for as long as these are wrong.
    """

    def __init__(
        self, node: str, find: Callable[[], list[pids.Seen]], duty: DutyCycle | None = None
    ) -> None:
        self._node = node
        self._find = find
        self._duty = duty
        self._account = Account()
        self._wall, self._monotonic = vdso.Wrong(), vdso.Wrong()
        self._telling = asyncio.Lock()
        self._watching = Background()
        self._starting = 0

    async def disturb(self, disturbance: Wrongness) -> None:
        """Let them be wrong, and return once they are."""
        await self.end()
        began_s = asyncio.get_running_loop().time() + LEAD_S
        true_wall_s = time.time() + LEAD_S
        self._account.begin(disturbance, began_s)
        rate_off = round((disturbance.rate - 1) * 2**32)
        self._wall = vdso.Wrong(
            _ns(true_wall_s),
            _ns(disturbance.step_s + disturbance.skip_s),
            rate_off,
            _ns(disturbance.strobe_s),
            _ns(disturbance.period_s / 2),
        )
        self._monotonic = vdso.Wrong(_ns(began_s), _ns(self._account.ahead_s), rate_off)
        await self._tell()
        self._watch()
        left_s = began_s + COARSE_S - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, left_s))

    @asynccontextmanager
    async def starting(self) -> AsyncIterator[None]:
        """A program is executed in here: it gets the clocks of the others, once it is."""
        self._starting += 1
        try:
            yield
        finally:
            self._starting -= 1
        await self.end()
        await self._tell()
        self._watch(SOON_S)

    async def end(self) -> None:
        """Look for newcomers no more; raises what had gone wrong with one. Idempotent."""
        if (failed := await self._watching.end()) is not None:
            raise failed

    def _watch(self, first_s: float = AGAIN_S) -> None:
        now_right = self._wall._replace(began_ns=0), self._monotonic._replace(began_ns=0)
        if now_right != (vdso.Wrong(), vdso.Wrong()) and not self._watching.is_begun:
            self._watching.begin(self._go_on_telling(first_s))

    async def _go_on_telling(self, pause_s: float) -> None:
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, AGAIN_S)
            if not self._starting:  # what a newcomer is at first is not what it will be
                await self._tell()

    async def _tell(self) -> None:
        """Let all processes that there are have these clocks.

        Of a program that starts processes without end, those of the last moment may be left out.
        """
        if self._wall == vdso.Wrong():
            return
        deadline_s = asyncio.get_running_loop().time() + TELL_S
        told: set[tuple[int, int]] = set()
        async with self._telling:
            while fresh := [s for s in self._find() if (s.pid, s.started) not in told]:
                for seen in fresh:
                    told.add((seen.pid, seen.started))
                    await self._tell_one(seen)
                if asyncio.get_running_loop().time() > deadline_s:
                    return

    async def _tell_one(self, seen: pids.Seen) -> None:
        """Unless it ends meanwhile. While it executes something else, again."""
        deadline_s = asyncio.get_running_loop().time() + STOP_TIMEOUT_S
        while (why := await self._why_not_changed(seen)) is not None:
            if asyncio.get_running_loop().time() > deadline_s:
                raise InfrastructureError(
                    f"{self._node}: {seen.command}: its clocks cannot be changed: {why}"
                )
            await asyncio.sleep(pids.POLL_S / 4)

    async def _why_not_changed(self, seen: pids.Seen) -> str | None:
        try:
            await self._change(seen)
        except ProcessLookupError as error:
            return str(error) if pids.still(seen) else None
        return None

    async def _change(self, seen: pids.Seen) -> None:
        with vdso.Process(seen.pid) as process:
            if not process.is_prepared and self._duty is not None:
                async with self._duty.lock:  # it would let it go on in the middle
                    await self._prepare(seen, process)
            elif not process.is_prepared:
                await self._prepare(seen, process)
            process.set(self._wall, self._monotonic)

    async def _prepare(self, seen: pids.Seen, process: vdso.Process) -> None:
        """Stop it, unless it is, for as long as its code changes: some milliseconds."""
        deadline_s = asyncio.get_running_loop().time() + STOP_TIMEOUT_S
        while True:
            now = _still(seen)
            if not now.stopped:
                pids.send(seen, signal.SIGSTOP)
            try:
                await self._until_stopped(seen, deadline_s)
                if not process.is_inside():
                    process.prepare()
                    return
            finally:
                if not now.stopped:
                    pids.send(seen, signal.SIGCONT)
            await asyncio.sleep(pids.POLL_S)  # let it go on to somewhere else
            if asyncio.get_running_loop().time() > deadline_s:
                raise InfrastructureError(
                    f"{self._node}: {seen.command} (process {seen.pid}) is in the vDSO all the time"
                )

    async def _until_stopped(self, seen: pids.Seen, deadline_s: float) -> None:
        while not (now := _still(seen)).stopped:
            if asyncio.get_running_loop().time() > deadline_s:
                raise InfrastructureError(
                    f"{self._node}: {seen.command} (process {seen.pid}) did not stop for its "
                    f"clocks to be changed; it is in state {now.state}"
                )
            await asyncio.sleep(pids.POLL_S / 4)


def _still(seen: pids.Seen) -> pids.Seen:
    if (now := pids.still(seen)) is None:
        raise ProcessLookupError(f"process {seen.pid} is gone")
    return now


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
