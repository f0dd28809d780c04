"""Troubles of the disks of single nodes, from a power cut to a bit that is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..harness.cluster import Node
from ..harness.cluster.disks import LAYER, DiskReading, DiskTrouble
from ..harness.errors import InfrastructureError, UserError
from ..harness.fault import Fault, Scene
from . import disk_shapes
from .disk_shapes import SHAPES
from .shaped_fault import ShapedFault


class DiskNemesis(ShapedFault):
    """Disks lose what was not synced, are full, fail, are slow or stall; if asked to, they rot."""

    name: ClassVar[str] = "disk"
    shapes = SHAPES
    package: ClassVar[str] = "disk"
    clusters: ClassVar[tuple[str, ...]] = ("local", "docker", "ssh", "sim")
    needs: ClassVar[Mapping[str, str]] = {"disk": LAYER}
    """Options of the cluster that it cannot do without."""
    default_choices: ClassVar[list[str]] = [
        *("one", "one", "minority", "majority", "all", "primaries", "followers")
    ]
    lasts_share: ClassVar[float] = 1 / 3
    options: ClassVar[Mapping[str, str]] = {
        "disk-faults": "comma-separated; expected to be survived and the default: "
        f"{','.join(disk_shapes.DEFAULT)}; only if a system promises to survive what is wrong with "
        "synced data: bit-flip,truncate,rollback",
        "disk-targets": "comma-separated choices (default: all but some)",
        "disk-lasts": "mean seconds until it is healed (default: a third of the interval)",
        "disk-survives": "what a power cut leaves of what was not synced, drawn from: the first "
        "part (prefix), with holes in it (torn), nothing (lost) (prefix,torn,lost)",
        "disk-sector": "bytes that reach the disk together or not at all (512)",
        "disk-free": "most bytes that still fit on a full disk (4096)",
        "disk-delay-ms": "the longest mean delay of a slow disk (100)",
        "disk-error-share": "how many requests of a failing disk fail (0.5)",
        "disk-error-on": "which ones: read, write, sync (write,sync)",
        "disk-failed-sync": "what became of data whose sync failed: a later sync writes it (kept), "
        "or none does, and a power cut shows it, as on Linux (lost) (kept)",
        "disk-rollback-s": "mean age of the copy that a rollback goes back to (1)",
        "disk-damage": "bits that are flipped, or files that are cut short, at a time (1)",
    }
    samples: ClassVar[Sequence[Mapping[str, str]]] = tuple(
        {"targets": "one", "shape": shape} for shape in SHAPES
    )
    strategies: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "uniform": {"disk-targets": "one,minority,majority,some,all"},
        "aimed": {"disk-targets": "primaries,primaries,followers,followers,one,all"},
    }

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._limits = disk_shapes.limits(scene.options)
        self._shapes = disk_shapes.wanted(scene.options)
        self._lasting: dict[str, dict[int, DiskTrouble]] = {}
        for name, node in scene.cluster.nodes.items():
            if why := node.disk.reason_unavailable():
                raise UserError(f"disk: {name}: {why}")

    @staticmethod
    def reason_unavailable(cluster: str) -> str | None:
        """Why it cannot be had on a kind of cluster on this machine, or ``None``."""
        if cluster not in ("local", "docker"):
            return None  # of hosts it is known once they are there
        from ..harness.cluster import layer_process

        return layer_process.reason_unavailable()

    async def plan(self, wish: Mapping[str, Any], fault_id: int) -> Fault | None:
        """Choose the nodes, and draw how bad it is."""
        fault = await super().plan(wish, fault_id)
        if fault is None:
            return None
        random, shape = self._scene.random, wish["shape"]
        drawn = SHAPES[shape].draw(random, self._limits)
        parameters = {"shape": shape, **drawn, "seed": random.randrange(10**9)}
        return Fault(fault_id, self.name, fault.targets, parameters)

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Do it to all of the nodes, and see on each that it had the effect."""
        lasting = disk_shapes.trouble(fault.parameters)
        nodes = self.nodes(fault)
        if fault.parameters["shape"] == "rollback":
            await self._copy(fault)

        async def one(name: str, node: Node) -> Any:
            if lasting is not None:
                self._lasting.setdefault(name, {})[fault.id] = lasting
                return await self._let_be_wrong(node, fault)
            return await self._strike(node, fault)

        seen = await asyncio.gather(*(one(name, node) for name, node in nodes.items()))
        backends = sorted({node.disk.backend for node in nodes.values()})
        return {"backend": ", ".join(backends), "disks": dict(zip(nodes, seen, strict=True))}

    async def heal(self, fault: Fault) -> dict[str, Any]:
        """Take away what lasted, see that the disk does its work, start what does not run."""

        async def one(name: str, node: Node) -> Any:
            if self._lasting.get(name, {}).pop(fault.id, None) is None:
                return {}
            met = await node.disk.trouble(self._now(name), _seed(fault, name))
            if self._now(name) == DiskTrouble():
                _check_healthy(node, await node.disk.probe(DiskTrouble()))
            return met

        nodes = self.nodes(fault)
        met = await asyncio.gather(*(one(name, node) for name, node in nodes.items()))
        await asyncio.gather(*(self._scene.system.start(node) for node in nodes.values()))
        return {"started": fault.targets, "met": dict(zip(nodes, met, strict=True))}

    def _now(self, name: str) -> DiskTrouble:
        """All that is wrong with a node's disk, of every fault that lasts; the last one's word
        counts where two say something."""
        merged: dict[str, Any] = {}
        for trouble in self._lasting.get(name, {}).values():
            for field in trouble.__struct_fields__:
                if (value := getattr(trouble, field)) != getattr(DiskTrouble(), field):
                    merged[field] = value
        return DiskTrouble(**merged)

    async def _let_be_wrong(self, node: Node, fault: Fault) -> dict[str, Any]:
        now = self._now(node.name)
        await node.disk.trouble(now, _seed(fault, node.name))
        reading = await node.disk.probe(now)
        if why := _missing(now, reading):
            raise InfrastructureError(f"disk {fault.parameters['shape']}: {node.name}: {why}")
        took = {} if reading.took_s is None else {"took_s": round(reading.took_s, 4)}
        return {"probe": reading.error or ("stalled" if not took else "written"), **took}

    async def _strike(self, node: Node, fault: Fault) -> Any:
        told, disk, seed = fault.parameters, node.disk, _seed(fault, node.name)
        if told["shape"] == "power-cut":
            seen = await disk.cut_power(told["survives"], told["sector_bytes"], seed)
        elif told["shape"] == "rollback":
            seen = await disk.restore(_copy_of(fault))
        else:
            seen = list(await disk.damage(told["shape"], told["count"], seed))
            if not seen:
                raise InfrastructureError(
                    f"disk {told['shape']}: {node.name}: nothing is stored that could be damaged"
                )
        if running := await node.processes.running():
            raise InfrastructureError(f"disk: {node.name}: still running: {sorted(running)}")
        return seen

    async def _copy(self, fault: Fault) -> None:
        disks = [node.disk for node in self.nodes(fault).values()]
        await asyncio.gather(*(disk.copy(_copy_of(fault)) for disk in disks))
        await asyncio.sleep(float(fault.parameters["age_s"]))


def _copy_of(fault: Fault) -> str:
    return f"copy-{fault.id}"


def _seed(fault: Fault, node: str) -> str:
    return f"{fault.parameters.get('seed', 0)}/{node}"


def _missing(now: DiskTrouble, reading: DiskReading) -> str:
    """What the probe should have met and did not, in a line; empty if it did."""
    if now.stalled:
        return "" if reading.took_s is None else f"a write ended after {reading.took_s:.3f} s"
    if now.error_share:
        return "" if reading.error == "EIO" else f"expected EIO, met {reading.error or 'no error'}"
    if now.free_bytes is not None:
        met = reading.error or "no error"
        return "" if met == "ENOSPC" else f"expected ENOSPC, met {met}"
    if now.delay_s and (reading.took_s or 0.0) < now.delay_s:
        return f"expected at least {now.delay_s:.3f} s for a synced write, took {reading.took_s} s"
    return ""


def _check_healthy(node: Node, reading: DiskReading) -> None:
    if reading.error or reading.took_s is None:
        met = reading.error or "no end"
        raise InfrastructureError(f"disk: {node.name}: a write met {met} after it was healed")
