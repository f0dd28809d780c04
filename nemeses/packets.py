"""Packets get lost, late, doubled, reordered or corrupted on some links; connections are reset."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, ClassVar

import msgspec

from ..harness.cluster import CLIENTS, Link, shaper
from ..harness.cluster.impairment import Impairment, Measured, Probing
from ..harness.errors import InfrastructureError, UserError
from ..harness.fault import Fault, Scene
from ..harness.option_values import real
from ..harness.planned_fault import ROLE, PlannedFault
from ..harness.system import HasPrimary
from . import packet_effects, packet_shapes
from .cadence import Cadence
from .packet_shapes import ABOUT, DEFAULT_FAULTS, FAULTS, PRIMARY, SHAPES
from .targets import choose, generally

FEW = Probing(20)
TRIES = 6
PAUSE_S = 0.05


class PacketsNemesis:
    """Disturbs packets between nodes and clients; besides partitions, if there are any."""

    name: ClassVar[str] = "packets"
    package: ClassVar[str] = "network"
    clusters: ClassVar[tuple[str, ...]] = ("local", "docker", "ssh", "sim", "stdio")
    options: ClassVar[Mapping[str, str]] = {
        "packets-faults": "comma-separated (default: all but cut): "
        + "; ".join(f"{name}: {what}" for name, what in FAULTS.items()),
        "packets-links": "comma-separated (default: all that the system allows): "
        + "; ".join(f"{name}: {what}" for name, what in ABOUT.items()),
        "packets-lasts": "mean seconds until it heals (default: the interval)",
        **packet_shapes.OPTIONS,
    }
    samples: ClassVar[Sequence[Mapping[str, str]]] = tuple(
        {"fault": fault, "links": "nodes"} for fault in FAULTS
    )
    role_aims: ClassVar[frozenset[str]] = frozenset({PRIMARY})
    strategies: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "uniform": {"packets-links": ",".join(SHAPES)},
        "aimed": {"packets-links": f"{PRIMARY},{PRIMARY},{PRIMARY},one,one-way,all"},
    }

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._nodes = sorted(scene.cluster.nodes)
        self._most = packet_shapes.strengths(scene.options)
        self._faults = _chosen(scene.options, "packets-faults", FAULTS) or list(DEFAULT_FAULTS)
        self._shapes = _chosen(scene.options, "packets-links", ABOUT, scene.system)
        self._shapes = self._shapes or self._default()
        self._silent: frozenset[Link] = frozenset()
        self._ended: dict[int, str | None] = {}
        self._done: dict[int, dict[str, int]] = {}

    @staticmethod
    def check_aim(aim: Mapping[str, Any]) -> None:
        """``UserError`` for an aim of a schedule that :meth:`plan` would not understand."""
        for word, known in (("fault", FAULTS), ("links", ABOUT)):
            if aim.get(word) not in known and not _is_role(word, aim.get(word)):
                raise UserError(
                    f"expected an aim with one of the {word} {', '.join(known)}; got {dict(aim)}"
                )

    @staticmethod
    def reason_unavailable(cluster: str) -> str | None:
        """Why it cannot be had on a kind of cluster on this machine, or ``None``."""
        return shaper.reason_hopeless() if cluster in ("local", "docker") else None

    def _default(self) -> list[str]:
        has_primary = isinstance(self._scene.system, HasPrimary)
        return [name for name in ABOUT if has_primary or name != PRIMARY]

    def generator(self) -> Cadence:
        """Disturbs about every interval, for about as long."""
        interval_s = float(self._scene.options["interval_s"])
        lasts_s = real(self._scene.options, "packets-lasts", interval_s)
        return Cadence(
            self.name, self._wish, self._scene.random, every_s=interval_s, lasts_s=lasts_s
        )

    def _wish(self, random: Random) -> dict[str, Any]:
        fault, links = random.choice(self._faults), random.choice(self._shapes)
        return {"kind": self.name, "fault": fault, "links": links}

    async def plan(self, wish: Mapping[str, Any], fault_id: int) -> Fault | None:
        """Draw links and strength; the primary is asked for now."""
        links = await self._links_of(wish["links"])
        if not links:
            return None
        impairment = packet_shapes.draw(wish["fault"], self._scene.random, self._most)
        return Fault(fault_id, self.name, _ends(links), _parameters(wish, links, impairment))

    async def _links_of(self, shape: str) -> frozenset[Link]:
        random, system = self._scene.random, self._scene.system
        if shape in SHAPES:
            return SHAPES[shape](self._nodes, random)
        if shape == PRIMARY and not isinstance(system, HasPrimary):
            return packet_shapes.one_node(self._nodes, random)
        found = await choose(self._scene, "primaries" if shape == PRIMARY else shape)
        return packet_shapes.around(self._nodes, [random.choice(found)] if found else [])

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Disturb, and see by numbered datagrams that the links are disturbed like this."""
        links, impairment = read(fault.parameters)
        packets = self._scene.cluster.network.packets
        if fault.parameters.get("fault") == "reset":
            return {"broken": await packets.reset(links)}
        # Where nothing passes even now, as through a firewall, nothing can be seen later.
        before = await packets.measure(links, Probing(5, patience_s=0.05))
        self._silent = frozenset(link for link, seen in before.items() if not seen.arrived)
        await packets.impair(dict.fromkeys(links, impairment))
        seen = await self._until_right(
            sorted(set(links) - self._silent),
            packet_effects.probing(impairment),
            lambda measured: packet_effects.first_wrong(impairment, measured),
        )
        if impairment.ports:
            others = await packets.measure(sorted(set(links) - self._silent), FEW)
            if why := packet_effects.first_unhealed(others):
                raise InfrastructureError(f"packets: of other ports than {impairment.ports}: {why}")
        return {"backend": packets.backend, **packet_effects.told(seen)}

    async def heal(self, fault: Fault) -> dict[str, Any]:
        """Let packets pass as ever, and see that they do.

        If they did so already, that is an ``InfrastructureError`` once they are healed.
        """
        links, _ = read(fault.parameters)
        packets = self._scene.cluster.network.packets
        if fault.id not in self._ended:
            self._ended[fault.id] = await packets.why_ended()
        done = await packets.impair({})
        self._done[fault.id] = done = done or self._done.get(fault.id, {})
        open_links = sorted(set(links) - self._silent)
        seen = await self._until_right(open_links, FEW, packet_effects.first_unhealed)
        if why := self._ended[fault.id]:
            raise InfrastructureError(f"packets: before it was healed: {why}")
        passed = {"passed": done} if any(done.values()) else {}
        return {"backend": packets.backend, **passed, **packet_effects.told(seen)}

    async def _until_right(
        self, links: Sequence[Link], probing: Probing, first_wrong: Any
    ) -> dict[Link, Measured]:
        """Measure; once more where a busy machine may be why it is not right."""
        packets = self._scene.cluster.network.packets
        why = None
        for attempt in range(TRIES):
            measured = await packets.measure(links, probing)
            why = first_wrong(measured)
            if why is None:
                return measured
            await asyncio.sleep(PAUSE_S * 2**attempt)
        raise InfrastructureError(f"packets ({packets.backend}): {why}, seen {TRIES} times")

    # -- for shrinking -------------------------------------------------------------------

    @staticmethod
    def gentler(fault: PlannedFault) -> Iterator[PlannedFault]:
        """Planned faults that do less of the same, the boldest first."""
        if not fault.parameters:
            return
        links, impairment = read(fault.parameters)
        for part in _parts(links):
            yield _changed(fault, part, impairment)
        for less in packet_shapes.gentler(impairment):
            yield _changed(fault, links, less)


def read(parameters: Mapping[str, Any]) -> tuple[list[Link], Impairment]:
    """Links and impairment, back from a fault's parameters; ``UserError`` if they are not there."""
    try:
        links = [(str(source), str(target)) for source, target in parameters["links"]]
        impairment = msgspec.convert(parameters.get("impairment", {}), Impairment)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            "packets: a planned one needs `links` [[from, to], …] and an `impairment` in its "
            f"parameters: {error}"
        ) from None
    return links, impairment


def _parameters(
    wish: Mapping[str, Any], links: frozenset[Link], impairment: Impairment
) -> dict[str, Any]:
    return {
        "fault": wish["fault"],
        "shape": wish["links"],
        "links": sorted(map(list, links)),
        "impairment": msgspec.to_builtins(impairment),
    }


def _changed(fault: PlannedFault, links: Sequence[Link], impairment: Impairment) -> PlannedFault:
    parameters = {
        **fault.parameters,
        "links": sorted(map(list, links)),
        "impairment": msgspec.to_builtins(impairment),
    }
    targets = _ends(links)
    return msgspec.structs.replace(fault, targets=targets, parameters=parameters)


def _parts(links: Sequence[Link]) -> Iterator[list[Link]]:
    """Each half of the links, unless there is only one."""
    middle = len(links) // 2
    if middle:
        yield sorted(links)[:middle]
        yield sorted(links)[middle:]


def _ends(links: Any) -> list[str]:
    return sorted({end for link in links for end in link} - {CLIENTS})


def _is_role(word: str, value: object) -> bool:
    return word == "links" and isinstance(value, str) and value.startswith(ROLE)


def _chosen(
    options: Mapping[str, Any], name: str, known: Mapping[str, str], system: Any = None
) -> list[str]:
    words = [word.strip() for word in str(options.get(name) or "").split(",") if word.strip()]
    if system is not None:  # roles as the system calls them
        words = [word if word in known else generally(word, system) for word in words]
        words = [PRIMARY if word == "primaries" else word for word in words]
    for word in words:
        if word not in known and not word.startswith(ROLE):
            raise UserError(f"{name}: there is no {word!r}; there are: {', '.join(known)}")
    return words
