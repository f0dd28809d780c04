"""A value is changed and watched: does every watcher see every change, in order?

A client watches for a while, does something else, and goes on watching where it stopped. In the
end, when everything is healed, everyone watches until it has seen all (Jepsen's ``watch`` of etcd).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.watch_order import WatchOrder
from ..harness.checker import Checker
from ..harness.generator import Generator
from ..harness.option_values import real, share
from .drawn import Drawn, by_everyone


class WatchWorkload:
    """Changes of one value and watchers of it: none misses one, or sees it too late or twice."""

    name: ClassVar[str] = "watch"
    options: ClassVar[Mapping[str, str]] = {
        "watch-share": "share of operations that watch (default 0.3)",
        "longest-watch": "seconds for which one of them does so at most (default 1)",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {"longest-watch": ("0.1",)}

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._watches = share(options, "watch-share", 0.3)
        self._longest_ms = real(options, "longest-watch", 1.0, 0.001, 3.0) * 1000

    def _draw(self, random: Random, number: int) -> tuple[str, Any]:
        if random.random() < self._watches:
            return "watch", {"for_ms": 1 + int(random.random() * self._longest_ms)}
        return "write", {"value": number}

    def generator(self) -> Generator:
        """Changes and watches by whoever is free."""
        return Drawn(self._draw)

    def final_generator(self) -> Generator:
        """Everyone watches until it has seen everything."""
        return by_everyone("catch-up")

    def checkers(self) -> Mapping[str, Checker]:
        """The events of every watcher."""
        return {"watch-order": WatchOrder()}
