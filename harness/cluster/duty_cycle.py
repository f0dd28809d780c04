"""A node whose programs stand still for a part of every tenth of a second.

That is how a quota of processor time looks to a program that has used it up, without a control
group. Standard library only: this runs on hosts reached by ssh, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from .background import Background

PERIOD_S = 0.1


class DutyCycle:
    """``stop`` and ``go`` let all programs of the node stand still and go on, now.

    What else stops them holds it meanwhile: from ``holding`` to ``releasing``, if somebody wants
    them to stand still; with the ``lock``, for as long as nothing may change.
    """

    def __init__(
        self, stop: Callable[[], object], go: Callable[[], object], period_s: float = PERIOD_S
    ) -> None:
        self._stop = stop
        self._go = go
        self._period_s = period_s
        self._share = 1.0
        self._is_held = False
        self._ticking = Background()
        self.lock = asyncio.Lock()

    @property
    def is_ticking(self) -> bool:
        """Whether programs that stand still now will go on by themselves."""
        return self._ticking.is_begun and not self._is_held

    @property
    def is_held(self) -> bool:
        """Whether somebody else stops them."""
        return self._is_held

    async def squeeze(self, share: float) -> None:
        """Let them go for ``share`` of the time."""
        self._share = share
        if not self._ticking.is_begun:
            self._ticking.begin(self._tick())

    async def relax(self) -> None:
        """Let them go, unless they are held. Idempotent."""
        if self._ticking.is_begun:
            await self._ticking.end()  # had it failed, so does what follows
            await self._unless_held(self._go)

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[None]:
        """They are stopped in here, and nothing of this changes until :meth:`releasing`."""
        async with self.lock:
            self._is_held = True
            yield

    @asynccontextmanager
    async def releasing(self) -> AsyncIterator[None]:
        """They go on in here; from then on it does, too."""
        async with self.lock:
            yield
            self._is_held = False

    async def _tick(self) -> None:
        while True:
            await self._unless_held(self._stop)
            await asyncio.sleep(self._period_s * (1 - self._share))
            await self._unless_held(self._go)
            await asyncio.sleep(self._period_s * self._share)

    async def _unless_held(self, change: Callable[[], object]) -> None:
        async with self.lock:
            if not self._is_held:
                change()
