"""Workloads: what clients do, and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar, Protocol

from .checker import Checker
from .generator import Generator


class Workload(Protocol):
    """Made as ``Kind(options, concurrency, random)``; options are checked (``UserError``)."""

    name: ClassVar[str]
    options: ClassVar[Mapping[str, str]]
    """The options it takes, with one line of documentation each."""

    # ``smaller`` (optional): options by name with values that make for smaller histories, the
    # smallest first; ``duress shrink`` tries them.

    def generator(self) -> Generator:
        """The clients' operations during the main phase; the trial limits rate and time."""
        ...

    def final_generator(self) -> Generator | None:
        """What the clients do after everything was healed (final reads), if anything."""
        ...

    def checkers(self) -> Mapping[str, Checker]:
        """Who judges the history, by name."""
        ...


class WorkloadKind(Protocol):
    """The constructor of a workload."""

    def __call__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> Workload:
        """A workload for so many client processes."""
        ...
