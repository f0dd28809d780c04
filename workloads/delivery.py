"""Messages from node to node, and reads of what was delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.delivery import PointToPoint
from ..harness.checker import Checker
from ..harness.generator import Generator
from ..harness.option_values import share
from .messages import Messages, last_reading

PLACES = 60
"""Receivers are drawn by their place, of so many that all usual numbers of nodes divide it."""


def draw_send(random: Random, number: int) -> tuple[str, Any]:
    """A message to some node, maybe the one that it is handed to."""
    return "send", {"to": int(random.random() * PLACES), "message": number}


class DeliveryWorkload:
    """Unique messages between nodes: none lost, doubled, invented or overtaken."""

    name: ClassVar[str] = "delivery"
    options: ClassVar[Mapping[str, str]] = {
        "send-share": "share of operations that send; the others read (default 0.6)"
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {"send-share": ("0.9",)}

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._sends = share(options, "send-share", 0.6)

    def generator(self) -> Generator:
        """Send and read."""
        return Messages(draw_send, self._sends)

    def final_generator(self) -> Generator:
        """Read everything when all is done."""
        return last_reading()

    def checkers(self) -> Mapping[str, Checker]:
        """Perfect links in FIFO order."""
        return {"delivery": PointToPoint()}
