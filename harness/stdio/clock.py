"""Time since a cluster was made, on the event loop's clock."""

from __future__ import annotations

import asyncio


class LoopClock:
    """``now`` in seconds from 0.0 on, for what in simulations goes by a virtual loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.began_s = loop.time()
        self._time = loop.time

    @property
    def now(self) -> float:
        """Seconds since the cluster was made."""
        return self._time() - self.began_s
