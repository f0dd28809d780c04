"""Which node leads, as far as the network can tell: the one that the others hear most from.

Whoever leads sends to all others, and they answer nobody else; so in protocols with a leader that
is the leader, and in others it is as good a node to strike as any. What was lost on the way does
not count: one that was cut off is no leader any more, whatever it thinks.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence

from .router import Router

WINDOW_S = 1.0
"""Over about so long the messages are counted."""

LEAST_S = 0.25
"""Over less than this nothing is said."""

SAMPLE_S = 0.05


class Busiest:
    """Counts what reached other nodes, whenever it is asked."""

    def __init__(self, router: Router, nodes: Sequence[str]) -> None:
        self._router, self._nodes = router, frozenset(nodes)
        self._samples: deque[tuple[float, Counter[str]]] = deque()

    async def now(self) -> list[str]:
        """The node from which most messages reached others of late; empty if there were none.

        Takes a moment the first time, and when it was not asked for long.
        """
        sample = self._sample()
        since = self._since(sample[0])
        if since is None:
            await asyncio.sleep(LEAST_S)
            sample = self._sample()
            since = self._since(sample[0]) or self._samples[0]
        late = sample[1] - since[1]
        return [max(sorted(late), key=late.__getitem__)] if late else []

    def _sample(self) -> tuple[float, Counter[str]]:
        now_s = self._router.clock.now
        while self._samples and self._samples[0][0] < now_s - WINDOW_S:
            self._samples.popleft()
        if not self._samples or now_s - self._samples[-1][0] >= SAMPLE_S:
            self._samples.append((now_s, self._heard()))
            return self._samples[-1]
        return now_s, self._heard()

    def _since(self, now_s: float) -> tuple[float, Counter[str]] | None:
        oldest = self._samples[0]
        return oldest if now_s - oldest[0] >= LEAST_S * 0.9 else None

    def _heard(self) -> Counter[str]:
        heard: Counter[str] = Counter()
        for (source, dest), link in self._router.links.items():
            if source != dest and source in self._nodes and dest in self._nodes:
                heard[source] += sum(link.delivered.values())
        return heard
