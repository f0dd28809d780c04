"""Messages from each node to all, and reads of what was delivered.

Whoever reads at a node makes known what that had delivered by then; a message that is broadcast
there later must come after it everywhere, if the order that is promised is causal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.broadcast import ORDERS, Broadcast
from ..harness.checker import Checker
from ..harness.generator import Generator
from ..harness.option_values import one_of, share
from .messages import Messages, last_reading


def draw_broadcast(random: Random, number: int) -> tuple[str, Any]:
    """A message to all."""
    return "broadcast", number


class BroadcastWorkload:
    """Unique messages to all nodes: validity, agreement, integrity, and the promised order."""

    name: ClassVar[str] = "broadcast"
    options: ClassVar[Mapping[str, str]] = {
        "send-share": "share of operations that broadcast; the others read (default 0.3)",
        "order": f"to judge by: {', '.join(ORDERS)} (default: what the system promises, or fifo)",
        "promised-level": "what the system promises; said by the system itself",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {"send-share": ("0.7",)}

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._sends = share(options, "send-share", 0.3)
        promised = options.get("promised-level") or "fifo"
        self._order = one_of(options, "order", promised, list(ORDERS))

    def generator(self) -> Generator:
        """Broadcast and read."""
        return Messages(draw_broadcast, self._sends)

    def final_generator(self) -> Generator:
        """Read everything when all is done."""
        return last_reading()

    def checkers(self) -> Mapping[str, Checker]:
        """Uniform reliable broadcast in the promised order."""
        return {"broadcast": Broadcast(self._order)}
