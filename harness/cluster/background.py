"""Work that goes on beside the rest until somebody ends it. Standard library only."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """At most one task, which :meth:`end` cancels. Made and used on one event loop."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    @property
    def is_begun(self) -> bool:
        """Whether it was begun and not ended since (it may have failed by itself)."""
        return self._task is not None

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Let it go on; what went on before is to be ended first."""
        self._task = asyncio.ensure_future(work)

    async def end(self) -> BaseException | None:
        """Cancel it and wait until it is over; of what it had failed before, if it had."""
        task, self._task = self._task, None
        if task is None:
            return None
        task.cancel()
        await asyncio.wait([task])
        return None if task.cancelled() else task.exception()
