"""Two systems that do to a campaign what a broken one may do; for ``overnight.py``."""

from __future__ import annotations

import asyncio
import signal
import time

from duress.fixtures.systems.raft import RaftSystem

BITE_BYTES = 10 << 20


class Hangs(RaftSystem):
    """Raft, of which nothing is heard once it is up, not even when it is asked to end."""

    async def ready(self) -> None:
        """Never."""
        await super().ready()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)  # noqa: ASYNC251 - that is what is wrong with it


class Eats(RaftSystem):
    """Raft, for which ever more memory is taken once it is up."""

    async def ready(self) -> None:
        """Never."""
        await super().ready()
        hoard = []
        while True:
            hoard.append(b"\1" * BITE_BYTES)
            await asyncio.sleep(0.1)
