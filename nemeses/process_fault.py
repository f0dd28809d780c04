"""What faults of whole nodes' processes have in common: whom they strike, and how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..harness.cluster import Node
from ..harness.errors import UserError
from ..harness.fault import Fault, Scene
from .cadence import Cadence
from .targets import CHOICES, choose, is_choice, wanted


class ProcessFault:
    """Chooses nodes by ``--set <name>-targets`` and heals after ``--set <name>-lasts`` seconds."""

    name: ClassVar[str]
    clusters: ClassVar[tuple[str, ...]] = ("local", "docker", "ssh", "sim", "stdio")
    role_aims: ClassVar[frozenset[str]] = frozenset({"primaries", "followers"})
    samples: ClassVar[Sequence[Mapping[str, str]]] = ({"targets": "one"},)
    default_choices: ClassVar[list[str]]
    lasts_share: ClassVar[float]
    """How long it lasts by default, as a share of the interval."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        chosen = scene.options.get(f"{self.name}-targets")
        self._choices = wanted(chosen, self.default_choices, scene.system)

    @classmethod
    def check_aim(cls, aim: Mapping[str, Any]) -> None:
        """``UserError`` for an aim of a schedule that :meth:`plan` would not understand."""
        if not is_choice(aim.get("targets")):
            raise UserError(
                f"expected an aim with one of the targets {', '.join(CHOICES)}; got {dict(aim)}"
            )

    def generator(self) -> Cadence:
        """Strikes about every interval."""
        options = self._scene.options
        every_s = float(options["interval_s"])
        lasts = options.get(f"{self.name}-lasts", every_s * self.lasts_share)
        try:
            lasts_s = float(lasts)
        except ValueError:
            raise UserError(f"{self.name}-lasts: expected seconds, got {lasts!r}") from None
        return Cadence(self.name, self._wish, self._scene.random, every_s=every_s, lasts_s=lasts_s)

    def _wish(self, random: Random) -> dict[str, Any]:
        return {"kind": self.name, "targets": random.choice(self._choices)}

    async def plan(self, wish: Mapping[str, Any], fault_id: int) -> Fault | None:
        """Choose the nodes."""
        targets = await choose(self._scene, wish["targets"])
        if not targets:
            return None
        return Fault(fault_id, self.name, targets, {"choice": wish["targets"]})

    def nodes(self, fault: Fault) -> dict[str, Node]:
        """The nodes that a fault strikes."""
        return {name: self._scene.cluster.nodes[name] for name in fault.targets}

    async def states(self, fault: Fault) -> dict[str, dict[str, str]]:
        """What runs on them, as observed."""
        return {name: await node.processes.running() for name, node in self.nodes(fault).items()}
