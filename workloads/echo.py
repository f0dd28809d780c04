"""Nodes say back what they are told: the first thing to try with a new program.

Source: Maelstrom's workload ``echo``.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from ..checkers.echo import Echo
from ..harness.checker import Checker
from ..harness.generator import Generator
from .drawn import Drawn


class EchoWorkload:
    """Every node answers with what it was told."""

    name: ClassVar[str] = "echo"
    options: ClassVar[Mapping[str, str]] = {}

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        pass

    def generator(self) -> Generator:
        """Something else each time, by whoever is free."""
        return Drawn(lambda _random, number: ("echo", f"Please echo {number}"))

    def final_generator(self) -> Generator | None:
        """None: nothing is kept."""
        return None

    def checkers(self) -> Mapping[str, Checker]:
        """Whether it came back unchanged."""
        return {"echo": Echo()}
