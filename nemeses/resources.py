"""Lets what programs live on run short: the processor, memory, descriptors, processes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, ClassVar

import msgspec

from ..harness.errors import UserError
from ..harness.fault import Fault, Scene
from ..harness.option_values import real, whole
from ..harness.planned_fault import PlannedFault
from .process_fault import ProcessFault


class ResourceNemesis(ProcessFault):
    """What the four have in common: squeeze some nodes, relax them, start what has died of it."""

    package: ClassVar[str] = "resources"
    clusters: ClassVar[tuple[str, ...]] = ("local", "docker", "ssh")
    why_not: ClassVar[Mapping[str, str]] = {
        "sim": "simulated programs have no memory, descriptors or threads; a kill is what they see"
    }
    default_choices: ClassVar[list[str]] = [
        *("one", "minority", "primaries", "primaries", "followers")
    ]
    lasts_share: ClassVar[float] = 2 / 3
    amount_name: ClassVar[str] = ""
    """The parameter of a fault that says how much is left, if that is a question."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        for name, node in scene.cluster.nodes.items():
            if why := node.resources.reason_unavailable(self.name):
                raise UserError(f"{self.name}: {name}: {why}")

    async def plan(self, wish: Mapping[str, Any], fault_id: int) -> Fault | None:
        """Choose the nodes, and how little is left to them."""
        fault = await super().plan(wish, fault_id)
        if fault is None:
            return None
        random = self._scene.random
        amount = {self.amount_name: self._amount(random)} if self.amount_name else {}
        return Fault(fault_id, self.name, fault.targets, {**fault.parameters, **amount})

    def _amount(self, random: Random) -> float:
        """What a new fault leaves."""
        return 0

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Squeeze, and tell what was observed on each node."""
        amount = fault.parameters.get(self.amount_name, 0)
        if not isinstance(amount, int | float) or not math.isfinite(amount) or amount < 0:
            raise UserError(
                f"{self.name}: expected {self.amount_name} of at least 0 in the parameters of a "
                f"planned one, got {amount!r}"
            )
        nodes = self.nodes(fault)
        seen = await asyncio.gather(
            *(node.resources.squeeze(self.name, amount) for node in nodes.values())
        )
        return _told(dict(zip(nodes, seen, strict=True)))

    async def heal(self, fault: Fault) -> dict[str, Any]:
        """Relax, and start again whatever has died; no effect on what runs."""
        nodes = self.nodes(fault)
        before = await self.states(fault)
        seen = await asyncio.gather(*(node.resources.relax(self.name) for node in nodes.values()))
        system = self._scene.system
        await asyncio.gather(*(system.start(node) for node in nodes.values()))
        down = sorted(name for name, programs in before.items() if not programs)
        return {**_told(dict(zip(nodes, seen, strict=True))), **({"started": down} if down else {})}


class CpuNemesis(ResourceNemesis):
    """Some nodes get only a share of a processor: they do everything, and late."""

    name: ClassVar[str] = "cpu"
    clusters: ClassVar[tuple[str, ...]] = ("local", "docker", "ssh", "sim")
    amount_name: ClassVar[str] = "share"
    options: ClassVar[Mapping[str, str]] = {
        "cpu-targets": "comma-separated choices (default one,minority,primaries,followers)",
        "cpu-lasts": "mean seconds until it is over (default: two thirds of the interval)",
        "cpu-share": "the largest share of one processor that is left; down to 0.02 (0.3)",
    }
    strategies: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "uniform": {"cpu-targets": "one,minority,majority,some,all"},
        "aimed": {"cpu-targets": "primaries,primaries,followers,one"},
    }
    least: ClassVar[float] = 0.02

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._most = real(scene.options, "cpu-share", 0.3, low=self.least, high=1.0)

    def _amount(self, random: Random) -> float:
        return round(math.exp(random.uniform(math.log(self.least), math.log(self._most))), 4)

    @staticmethod
    def gentler(fault: PlannedFault) -> Iterator[PlannedFault]:
        """The same with more of the processor."""
        share = fault.parameters.get("share")
        if isinstance(share, int | float) and share < 0.4:
            more = {**fault.parameters, "share": round(2 * share, 4)}
            yield msgspec.structs.replace(fault, parameters=more)


class MemoryNemesis(ResourceNemesis):
    """Some nodes run out of memory: the largest program is killed, and the limit stays."""

    name: ClassVar[str] = "memory"
    amount_name: ClassVar[str] = "spare_mib"
    lasts_share: ClassVar[float] = 1 / 2
    options: ClassVar[Mapping[str, str]] = {
        "memory-targets": "comma-separated choices (default one,minority,primaries,followers)",
        "memory-lasts": "mean seconds until there is enough again and what died is started "
        "(default: half the interval)",
        "memory-spare-mib": "how much more a node may take than it had when it ran out (8)",
    }
    strategies: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "uniform": {"memory-targets": "one,minority,majority,some,all"},
        "aimed": {"memory-targets": "primaries,primaries,followers,one"},
    }

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._spare_mib = real(scene.options, "memory-spare-mib", 8.0, low=1.0, high=1e6)

    def _amount(self, random: Random) -> float:
        return self._spare_mib


class DescriptorsNemesis(ResourceNemesis):
    """Some nodes have no file descriptor free: no file opens, no connection is accepted."""

    name: ClassVar[str] = "descriptors"
    amount_name: ClassVar[str] = "spare"
    options: ClassVar[Mapping[str, str]] = {
        "descriptors-targets": "comma-separated choices (default one,minority,primaries,followers)",
        "descriptors-lasts": "mean seconds until it is over (default: two thirds of the interval)",
        "descriptors-spare": "how many more each process may open than it had (0)",
    }
    strategies: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "uniform": {"descriptors-targets": "one,minority,majority,some,all"},
        "aimed": {"descriptors-targets": "primaries,primaries,followers,one"},
    }

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._spare = whole(scene.options, "descriptors-spare", 0, 0, 1_000_000)

    def _amount(self, random: Random) -> float:
        return self._spare


class PidsNemesis(ResourceNemesis):
    """Some nodes have a full pid table: no process and no thread can be made."""

    name: ClassVar[str] = "pids"
    options: ClassVar[Mapping[str, str]] = {
        "pids-targets": "comma-separated choices (default one,minority,primaries,followers)",
        "pids-lasts": "mean seconds until it is over (default: two thirds of the interval)",
    }
    strategies: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "uniform": {"pids-targets": "one,minority,majority,some,all"},
        "aimed": {"pids-targets": "primaries,primaries,followers,one"},
    }

    @staticmethod
    def reason_unavailable(cluster: str) -> str | None:
        """Why it cannot be had on a kind of cluster on this machine, or ``None``."""
        if cluster != "local":
            return None  # of containers and hosts it is known once they are there
        from ..harness.cluster.program_resources import why_no_forks, why_no_groups

        why = why_no_groups("pids")
        return None if why is None else why_no_forks(why)


def _told(by_node: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """For the ledger: what keeps the limits, if it is the same everywhere, and what was seen."""
    backends = sorted({str(seen["backend"]) for seen in by_node.values() if "backend" in seen})
    rest = {
        name: {key: value for key, value in seen.items() if key != "backend"}
        for name, seen in by_node.items()
    }
    return {"backend": "; ".join(backends), "nodes": rest} if backends else {"nodes": rest}
