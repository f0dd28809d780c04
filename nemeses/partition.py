"""Partitions: which directed links drop every packet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..harness.cluster import CLIENTS, Link
from ..harness.errors import InfrastructureError, UserError
from ..harness.fault import Fault, Scene
from ..harness.planned_fault import ROLE
from ..harness.system import HasPrimary
from .cadence import Cadence
from .leapfrog import Leapfrog
from .targets import choose, generally

Cut = frozenset[Link]

POLL_S = 0.004
"""How often an aimed partition looks for a new primary: well below a replication round."""

WAIT_FOR_PRIMARY_S = 3.0


def between(left: Sequence[str], right: Sequence[str]) -> Cut:
    """Both directions of every link between two groups."""
    return one_way(left, right) | one_way(right, left)


def one_way(senders: Sequence[str], receivers: Sequence[str]) -> Cut:
    """Every link from one group to another, that direction only."""
    return frozenset((a, b) for a in senders for b in receivers if a != b)


def halves(nodes: Sequence[str], random: Random) -> Cut:
    """Two groups of (nearly) equal size."""
    shuffled = random.sample(nodes, len(nodes))
    middle = len(nodes) // 2
    return between(shuffled[:middle], shuffled[middle:])


def isolated(nodes: Sequence[str], alone: Sequence[str]) -> Cut:
    """Some nodes against all others."""
    return between(alone, [node for node in nodes if node not in alone])


def one_node(nodes: Sequence[str], random: Random) -> Cut:
    """A random node against all others."""
    return isolated(nodes, [random.choice(nodes)])


def minority_third(nodes: Sequence[str], random: Random) -> Cut:
    """A random set smaller than a third (at least one node) against all others."""
    return isolated(nodes, random.sample(nodes, max(1, (len(nodes) - 1) // 3)))


def bridge(nodes: Sequence[str], random: Random) -> Cut:
    """Two halves that cannot see each other, and one node that sees both."""
    shuffled = random.sample(nodes, len(nodes))
    middle = (len(nodes) - 1) // 2
    return between(shuffled[1 : 1 + middle], shuffled[1 + middle :])


def majorities_ring(nodes: Sequence[str], random: Random) -> Cut:
    """Every node sees a majority, no two see the same one (nodes on a shuffled ring)."""
    ring = random.sample(nodes, len(nodes))
    size = len(ring)
    reach = -(-(size // 2) // 2)  # neighbours on each side that make up a majority
    links = set()
    for at, node in enumerate(ring):
        for other_at, other in enumerate(ring):
            distance = min((at - other_at) % size, (other_at - at) % size)
            if distance > reach:
                links.add((node, other))
    return frozenset(links)


def half_deaf(nodes: Sequence[str], random: Random) -> Cut:
    """One direction only: a random group still hears the others, but is not heard."""
    group = random.sample(nodes, random.randint(1, max(1, len(nodes) // 2)))
    return one_way(group, [node for node in nodes if node not in group])


RANDOM_SHAPES: Mapping[str, Callable[[Sequence[str], Random], Cut]] = {
    "halves": halves,
    "one": one_node,
    "minority-third": minority_third,
    "bridge": bridge,
    "majorities-ring": majorities_ring,
    "one-way": half_deaf,
}

WITH_OTHERS: Mapping[str, str] = {
    "clients": "If asked for: all clients against a random group of nodes, which see each other.",
    "services": "If asked for, on stdio: some services against a random group of nodes.",
}
"""Shapes of links with what is no node."""

SHAPES = {
    **{name: (make.__doc__ or "").strip() for name, make in RANDOM_SHAPES.items()},
    "flapping": "Two halves, cut and healed several times a second.",
    "primary": "The primary against all others.",
    "primary-pair": "The primary and one other node against the rest.",
    "new-primary": "Aimed: waits for the next election and cuts the winner off at once.",
    "leapfrog": "Aimed: cuts each new primary off and lets the one before it back in.",
    **WITH_OTHERS,
}

_AROUND = ("new-{}", "{}-pair", "{}")
"""How shapes are called after a role."""

ROLE_SHAPES = ("primary", "primary-pair", "new-primary", "leapfrog")
"""Those that follow the primary."""


class PartitionNemesis:
    """Cuts links between nodes, atomically, and probes that exactly those are cut."""

    name: ClassVar[str] = "partition"
    package: ClassVar[str] = "network"
    clusters: ClassVar[tuple[str, ...]] = ("local", "docker", "ssh", "sim", "stdio")
    options: ClassVar[Mapping[str, str]] = {
        "partition-shapes": "comma-separated shapes (default: all that the system allows); "
        + ", ".join(SHAPES),
        "partition-lasts": "mean seconds until it heals (default: the interval)",
        "flap-period": "seconds of one cut and heal of a flapping partition (default 0.2)",
    }

    samples: ClassVar[Sequence[Mapping[str, str]]] = tuple(
        {"shape": shape} for shape in SHAPES if shape not in WITH_OTHERS
    )
    role_aims: ClassVar[frozenset[str]] = frozenset(ROLE_SHAPES)
    strategies: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "uniform": {"partition-shapes": ",".join([*RANDOM_SHAPES, "flapping"])},
        "aimed": {
            "partition-shapes": "primary,primary,primary-pair,primary-pair,new-primary,"
            "new-primary,leapfrog,leapfrog,one,one-way"
        },
    }

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._nodes = sorted(scene.cluster.nodes)
        self._moving: asyncio.Task[None] | None = None
        self._leapfrog: Leapfrog | None = None
        self._moves: list[dict[str, Any]] = []
        self._began = 0.0
        shapes = scene.options.get("partition-shapes")
        words = [s.strip() for s in str(shapes).split(",")] if shapes else self._default()
        self._shapes = [_generally(word, scene.system) for word in words]
        for shape in self._shapes:
            if shape not in SHAPES and not shape.startswith(ROLE):
                raise UserError(
                    f"partition-shapes: no shape named {shape!r}; there are: {', '.join(SHAPES)}"
                )
        if "services" in self._shapes and not getattr(scene.cluster, "services", ()):
            raise UserError(
                f"partition-shapes: services: there are none on {scene.cluster.kind}; they are "
                "what programs on stdio may ask"
            )

    @staticmethod
    def check_aim(aim: Mapping[str, Any]) -> None:
        """``UserError`` for an aim of a schedule that :meth:`plan` would not understand."""
        shape = aim.get("shape")
        if shape not in SHAPES and not str(shape).startswith(ROLE):
            raise UserError(
                f"expected an aim with one of the shapes {', '.join(SHAPES)}; got {dict(aim)}"
            )

    def _default(self) -> list[str]:
        declared = getattr(self._scene.system, "partition_shapes", None)
        if declared is not None:
            return list(declared)
        has_primary = isinstance(self._scene.system, HasPrimary)
        usual = [s for s in SHAPES if s not in WITH_OTHERS]
        return [s for s in usual if has_primary or s not in ROLE_SHAPES]

    def generator(self) -> Cadence:
        """Cuts about every interval, for about as long."""
        interval_s = float(self._scene.options["interval_s"])
        lasts_s = float(self._scene.options.get("partition-lasts", interval_s))
        return Cadence(
            self.name, self._wish, self._scene.random, every_s=interval_s, lasts_s=lasts_s
        )

    def _wish(self, random: Random) -> dict[str, Any]:
        return {"kind": self.name, "shape": random.choice(self._shapes)}

    async def plan(self, wish: Mapping[str, Any], fault_id: int) -> Fault | None:
        """Draw the links of a shape; aimed shapes ask (or wait) for the primary."""
        shape = wish["shape"]
        self._leapfrog = None  # of a plan that came to nothing
        cut = await self._cut_of(shape)
        if not cut:
            return None
        touched = sorted({end for link in cut for end in link} & set(self._nodes))
        parameters: dict[str, Any] = {"shape": shape, "cut": sorted(map(list, cut))}
        if shape == "flapping":
            parameters["period_s"] = float(self._scene.options.get("flap-period", 0.2))
        return Fault(fault_id, self.name, touched, parameters)

    async def _cut_of(self, shape: str) -> Cut:
        random = self._scene.random
        if shape in RANDOM_SHAPES:
            return RANDOM_SHAPES[shape](self._nodes, random)
        if shape == "flapping":
            return halves(self._nodes, random)
        if shape in WITH_OTHERS:
            return self._with_others(shape, random)
        if shape.startswith(ROLE):
            found = await choose(self._scene, shape)
            return isolated(self._nodes, [random.choice(found)]) if found else frozenset()
        if not isinstance(self._scene.system, HasPrimary):
            return one_node(self._nodes, random)
        primaries = await self._scene.system.primaries()
        if shape == "new-primary":
            primaries = await self._next_primary(self._scene.system, frozenset(primaries))
        if not primaries:
            return frozenset()
        primary = random.choice(sorted(primaries))
        if shape == "leapfrog":
            self._leapfrog = Leapfrog(self._nodes, self._move, self._scene.system, random)
            return self._leapfrog.aim(primary)
        alone = [primary]
        others = [node for node in self._nodes if node != primary]
        if shape == "primary-pair" and others:
            alone.append(random.choice(others))
        return isolated(self._nodes, alone)

    def _with_others(self, shape: str, random: Random) -> Cut:
        """A random group of nodes against clients or services; no link where there are none."""
        others = [CLIENTS]
        if shape == "services":
            others = list(getattr(self._scene.cluster, "services", ()))
            others = sorted(random.sample(others, random.randint(1, len(others)))) if others else []
        group = sorted(random.sample(self._nodes, random.randint(1, len(self._nodes))))
        return between(group, others)

    async def _next_primary(self, system: HasPrimary, known: frozenset[str]) -> list[str]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WAIT_FOR_PRIMARY_S
        while loop.time() < deadline:
            new = [node for node in await system.primaries() if node not in known]
            if new:
                return new
            await asyncio.sleep(POLL_S)
        return []

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Cut, and see that exactly these links are dead."""
        cut = cut_of(fault)
        await self._set(cut)
        self._moves, self._began = [], asyncio.get_running_loop().time()
        moves = fault.parameters.get("moves")
        period_s = fault.parameters.get("period_s")
        if moves is not None:
            self._moving = asyncio.ensure_future(self._follow(moves))
        elif period_s:
            self._moving = asyncio.ensure_future(self._flap(cut, period_s))
        elif self._leapfrog is not None:
            self._moving = asyncio.ensure_future(self._leapfrog.run())
        return {"dead": len(cut)}

    async def heal(self, fault: Fault) -> dict[str, Any]:
        """Let every link live again, and see that they do."""
        if self._moving is not None:
            self._moving.cancel()
            await asyncio.wait([self._moving])
            self._moving = None
        strikes = self._leapfrog.strikes if self._leapfrog else []
        self._leapfrog = None
        await self._set(frozenset())
        seen: dict[str, Any] = {"dead": 0}
        if strikes:
            seen["strikes"] = strikes
        if self._moves:
            seen["moves"] = self._moves
        return seen

    async def _set(self, cut: Cut) -> None:
        network = self._scene.cluster.network
        await network.cut(cut)
        dead = await network.probe()
        if dead != cut:
            raise InfrastructureError(
                f"partition: expected {len(cut)} dead links, observed {len(dead)}; "
                f"open although cut: {_names(cut - dead)}; dead although open: {_names(dead - cut)}"
            )

    async def _flap(self, cut: Cut, period_s: float) -> None:
        while True:
            await asyncio.sleep(period_s / 2)
            await self._move(frozenset())
            await asyncio.sleep(period_s / 2)
            await self._move(cut)

    async def _follow(self, moves: Sequence[Mapping[str, Any]]) -> None:
        loop = asyncio.get_running_loop()
        for move in moves:
            await asyncio.sleep(max(0.0, self._began + move["after_s"] - loop.time()))
            await self._move(_links(move["cut"]))

    async def _move(self, cut: Cut) -> None:
        """Change a cut while it lasts, and remember it for the schedule."""
        after_s = asyncio.get_running_loop().time() - self._began
        await self._scene.cluster.network.cut(cut)
        self._moves.append({"after_s": round(after_s, 6), "cut": sorted(map(list, cut))})


def cut_of(fault: Fault) -> Cut:
    """The links of a partition fault, back from plain data."""
    if "cut" not in fault.parameters:
        raise UserError("partition: a planned one needs its cut in the parameters, got none")
    return _links(fault.parameters["cut"])


def _generally(word: str, system: object) -> str:
    """A shape that is called after a role as the system calls it: ``new-coordinator``."""
    for pattern in _AROUND:
        before, after = pattern.split("{}")
        if word in SHAPES or not (word.startswith(before) and word.endswith(after)):
            continue
        role = generally(word[len(before) : len(word) - len(after)], system)
        if role == "primaries":
            return pattern.format("primary")
        if role.startswith(ROLE) and pattern == "{}":
            return role
    return word


def _links(pairs: Sequence[Sequence[str]]) -> Cut:
    return frozenset((a, b) for a, b in pairs)


def _names(links: Cut) -> str:
    return ", ".join(f"{a}->{b}" for a, b in sorted(links)[:6]) or "none"
