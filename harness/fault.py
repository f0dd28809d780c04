"""Faults as data, and what turns them into effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Protocol

import msgspec

from .cluster import Cluster
from .generator import Generator
from .system import System


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fault: plain data, so that a schedule can be saved, edited and replayed.

    ``id``          counts up within a trial; the heal names the same id.
    ``kind``        the nemesis that injects it: ``partition``, ``kill``, …
    ``targets``     node names, sorted.
    ``parameters``  by kind; for a partition ``shape`` and ``cut``, a list of directed links.
    """

    id: int
    kind: str
    targets: list[str] = []
    parameters: dict[str, Any] = {}


@dataclass(frozen=True)
class Scene:
    """What a nemesis may touch."""

    cluster: Cluster
    system: System
    random: Random
    options: Mapping[str, Any]


class Nemesis(Protocol):
    """Injects and heals one kind of fault. Made as ``Kind(scene)``."""

    name: ClassVar[str]
    clusters: ClassVar[Sequence[str]]
    """Kinds of cluster on which it works."""
    options: ClassVar[Mapping[str, str]]
    """The options it takes, with one line of documentation each."""

    # Optional: ``package`` names the group it belongs to (``network``, ``process``, …);
    # ``reason_unavailable(cluster)`` (static) says, cheaply, why it cannot be had on that kind
    # of cluster on this machine; ``check_aim(aim)`` (static) raises ``UserError`` for an aim of a
    # schedule that ``plan`` would not understand; ``role_aims`` are the aims that follow roles;
    # ``reason_unfit(system_kind, options)`` (static) says why it means nothing to a system;
    # ``gentler(planned_fault)`` (static) yields faults that do less of the same, for shrinking.

    def generator(self) -> Generator:
        """Operations ``inject`` and ``heal`` for the nemesis process, without end.

        An ``inject`` carries ``{"kind": …, …}`` as its value: what to do, with targets
        that may be symbolic (``"one"``, ``"primaries"``).
        """
        ...

    async def plan(self, wish: Mapping[str, Any], fault_id: int) -> Fault | None:
        """Turn a wish into a fault with concrete targets (``None``: not possible now)."""
        ...

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Make it so, and check the effect (``InfrastructureError``). Returns what was seen."""
        ...

    async def heal(self, fault: Fault) -> dict[str, Any]:
        """Undo it and check. Idempotent; works for faults that were half injected."""
        ...
