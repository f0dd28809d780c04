"""An aimed partition: each new primary is cut off at once, and the one before it let back in.

A primary that is deposed before it replicated anything comes back to power, over and over, with
whatever it alone had written. That is how the Raft paper's Figure 8 comes about: an entry of an
old term reaches a majority, and yet a node without it can be elected. Protocols that reason
"a majority has it" instead of "a majority has it in this term" lose acknowledged writes here;
a right one is merely unavailable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random

from ..harness.cluster import Link
from ..harness.system import HasPrimary

POLL_S = 0.002
"""How often to look for a new primary: below the time of one replication round."""

STRIKES = 3
"""An established primary, its successor before it replicated anything, and the first one again
when it has replicated some of what it had; then the successor is left to rule a majority with
what nobody else has. One round more would give the first one its majority back.
"""

LATE_S = (0.03, 0.09)
"""How late the third strike comes: time for some of what the primary has, but not for all."""


def only_together(nodes: Sequence[str], group: Sequence[str]) -> frozenset[Link]:
    """The cut under which a group is connected and every other node is alone."""
    return frozenset(
        (a, b) for a in nodes for b in nodes if a != b and not (a in group and b in group)
    )


class Leapfrog:
    """Strikes again and again; knows whom it struck last."""

    def __init__(
        self,
        nodes: Sequence[str],
        cut: Callable[[frozenset[Link]], Awaitable[None]],
        system: HasPrimary,
        random: Random,
    ) -> None:
        self._nodes = nodes
        self._cut = cut
        self._system = system
        self._random = random
        self._began = asyncio.get_running_loop().time()
        self._struck: str | None = None
        self.strikes: list[dict[str, object]] = []

    async def run(self) -> None:
        """Strike, then leave things as they are."""
        while len(self.strikes) < STRIKES:
            primary = await self._next_primary()
            if len(self.strikes) + 1 == STRIKES:
                await asyncio.sleep(self._random.uniform(*LATE_S))
            await self._cut(self.aim(primary))

    def aim(self, primary: str) -> frozenset[Link]:
        """The cut that strikes a primary.

        It is alone; a bare majority with the one struck before in it stays together.

        All of a bare majority must agree to an election, so that its winner has what any
        of them has: the deposed one's log wins if it is ahead.
        """
        back = [] if self._struck is None else [self._struck]
        others = [node for node in self._nodes if node != primary and node not in back]
        size = len(self._nodes) // 2 + 1 - len(back)
        group = back + self._random.sample(others, min(size, len(others)))
        self._struck = primary
        after_s = asyncio.get_running_loop().time() - self._began
        self.strikes.append(
            {"after_s": round(after_s, 4), "primary": primary, "together": sorted(group)}
        )
        return only_together(self._nodes, group)

    async def _next_primary(self) -> str:
        while True:
            for primary in (await self._system.primaries())[:1]:
                if primary != self._struck:
                    return primary
            await asyncio.sleep(POLL_S)
