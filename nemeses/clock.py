"""Makes the clocks of single nodes wrong; the machine's own clock is never touched."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, ClassVar

import msgspec

from ..harness.cluster.clocks import ClockReading, Disturbance
from ..harness.errors import InfrastructureError, UserError
from ..harness.fault import Fault, Scene
from ..harness.planned_fault import PlannedFault
from ..harness.system import TellsTime
from . import clock_shapes
from .clock_shapes import SHAPES
from .shaped_fault import ShapedFault

TOLERANCE_S = 0.002
"""How exactly a wall clock must show what it should, besides what its reading is exact to."""

MONOTONIC_TOLERANCE_S = 0.05
"""The same of a monotonic clock, which goes on between two readings."""

Readings = Mapping[str, Mapping[str, ClockReading]]
"""By node and program."""


class ClockNemesis(ShapedFault):
    """Clocks of some nodes are bumped, strobed, set back over a lease, drift, or skip seconds."""

    name: ClassVar[str] = "clock"
    shapes = SHAPES
    package: ClassVar[str] = "clock"
    clusters: ClassVar[tuple[str, ...]] = ("local", "docker", "ssh", "sim")
    default_choices: ClassVar[list[str]] = [
        *("one", "minority", "some", "all", "primaries", "primaries", "followers")
    ]
    lasts_share: ClassVar[float] = 2 / 3
    options: ClassVar[Mapping[str, str]] = {
        "clock-shapes": "comma-separated (default: all that mean something to the system); "
        + ", ".join(SHAPES),
        "clock-targets": "comma-separated choices (default: all but majority)",
        "clock-lasts": "mean seconds until the true time is back (default: two thirds of the "
        "interval)",
        "clock-max-s": "the largest step, strobe or skip in seconds (10)",
        "clock-lease-s": "the smallest step back of the shape back, in seconds (1)",
        "clock-max-drift": "the largest drift; 0.5: up to half as fast again, or as slow (0.5)",
    }
    samples: ClassVar[Sequence[Mapping[str, str]]] = tuple(
        {"targets": "one", "shape": shape} for shape in SHAPES
    )
    strategies: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "uniform": {"clock-targets": "one,minority,majority,some,all"},
        "aimed": {"clock-targets": "primaries,primaries,followers,followers,one"},
    }

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        if why := self.reason_unfit(type(scene.system), scene.options):
            raise UserError(why)
        self._limits = clock_shapes.limits(scene.options)
        self._shapes = _wanted(scene.options) or _fitting(scene.system)
        self._ineffective: dict[int, str] = {}
        self._took_effect: set[int] = set()
        self._changed_s: dict[str, float] = {}

    @staticmethod
    def reason_unfit(system: Any, options: Mapping[str, Any]) -> str | None:
        """Why a system's clocks cannot be disturbed like this, in a line, or ``None``."""
        clocks = getattr(system, "clocks", ())
        if not clocks:
            why = getattr(system, "why_no_clocks", None)
            return f"clock: {system.name}: " + (
                why or "its class does not say, as `clocks`, which ones its programs read"
            )
        for shape in _wanted(options):
            if SHAPES[shape].clock not in clocks:
                return (
                    f"clock-shapes: {shape} disturbs the {SHAPES[shape].clock} clock alone, and "
                    f"{system.name} reads only the {' and the '.join(clocks)} one; "
                    f"use {', '.join(_fitting(system))}"
                )
        return None

    async def plan(self, wish: Mapping[str, Any], fault_id: int) -> Fault | None:
        """Choose the nodes, and draw for each how its clocks go wrong."""
        fault = await super().plan(wish, fault_id)
        if fault is None:
            return None
        random, draw = self._scene.random, SHAPES[wish["shape"]].draw
        clocks = {node: draw(random, self._limits) for node in fault.targets}
        return Fault(fault_id, self.name, fault.targets, _parameters(wish["shape"], clocks))

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Disturb, and see on the nodes that their clocks are off by as much as they should be."""
        clocks = disturbances(fault.parameters)
        missing = [node for node in fault.targets if node not in clocks]
        if missing:
            raise UserError(f"clock: a planned one needs `clocks` in its parameters for {missing}")
        wanted = {node: clocks[node] for node in fault.targets}
        before = await self._read(wanted)
        seen = await self._become(wanted, before)
        self._took_effect.add(fault.id)
        return seen

    async def heal(self, fault: Fault) -> dict[str, Any]:
        """Give back the true time and rate, and see that the nodes have them.

        Only now can it be seen whether the clocks drifted as they should have: if they did not,
        that is an ``InfrastructureError`` once they are healed.
        """
        before = await self._read(fault.targets)
        clocks = disturbances(fault.parameters)
        if fault.id in self._took_effect and fault.id not in self._ineffective:
            was = {node: clocks[node] for node in fault.targets if node in clocks}
            self._ineffective[fault.id] = _first_wrong(was, {}, before)
        seen = await self._become(dict.fromkeys(fault.targets, Disturbance()), before)
        if why := self._ineffective.get(fault.id):
            raise InfrastructureError(f"clock: until it was healed: {why}")
        return seen

    async def _become(self, wanted: Mapping[str, Disturbance], before: Readings) -> dict[str, Any]:
        nodes = self._scene.cluster.nodes
        for name in wanted:
            if why := nodes[name].clocks.reason_unavailable():
                raise InfrastructureError(f"clock: {name}: {why}")
        await asyncio.gather(*(nodes[name].clocks.disturb(what) for name, what in wanted.items()))
        now_s = asyncio.get_running_loop().time()
        self._changed_s.update(dict.fromkeys(wanted, now_s))
        after = await self._read(wanted)
        if why := _first_wrong(wanted, before, after):
            raise InfrastructureError(f"clock: {why}")
        return {"clocks": {name: _told(each) for name, each in after.items()}}

    async def _read(self, names: Iterable[str]) -> Readings:
        nodes = self._scene.cluster.nodes
        names = list(names)
        system = self._scene.system
        found = await asyncio.gather(*(nodes[name].clocks.read() for name in names))
        seen = {name: dict(by_program) for name, by_program in zip(names, found, strict=True)}
        if isinstance(system, TellsTime):
            # It is told by our clock, from which that of another machine may differ by itself.
            machines = await asyncio.gather(*(nodes[name].clocks.machine() for name in names))
            told = await asyncio.gather(*(system.clock_reading(nodes[name]) for name in names))
            for name, machine, reading in zip(names, machines, told, strict=True):
                if reading is not None:
                    elapsed_s = asyncio.get_running_loop().time() - self._changed_s.get(name, 0.0)
                    seen[name][system.name] = reading._replace(
                        wall_off_s=reading.wall_off_s - machine.off_s,
                        elapsed_s=elapsed_s,
                        within_s=reading.within_s + machine.within_s,
                    )
        return seen

    # -- for searches and for shrinking --------------------------------------------------

    @staticmethod
    def vary(fault: PlannedFault, random: Random, kinds: Any) -> PlannedFault:
        """A planned fault that is larger, smaller, or the other way round on one node."""
        clocks = disturbances(fault.parameters)
        if not clocks:
            return fault
        node = random.choice(sorted(clocks))
        clocks[node] = clock_shapes.varied(random, clocks[node])
        return _with_clocks(fault, clocks)

    @staticmethod
    def gentler(fault: PlannedFault) -> Iterator[PlannedFault]:
        """Planned faults that do less of the same, the boldest first."""
        clocks = disturbances(fault.parameters)
        for node in fault.targets:
            for less in clock_shapes.gentler(clocks.get(node, Disturbance())):
                yield _with_clocks(fault, {**clocks, node: less})


def disturbances(parameters: Mapping[str, Any]) -> dict[str, Disturbance]:
    """What is wrong on each node, back from a fault's parameters; ``UserError`` if it is not."""
    found = {}
    try:
        for line in parameters.get("clocks", []):
            what = {name: value for name, value in line.items() if name != "node"}
            found[line["node"]] = msgspec.convert(what, Disturbance)
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"clock: cannot read the `clocks` of a planned fault: {error}") from None
    for node, what in found.items():
        if what.rate <= 0 or what.skip_s < 0 or what.period_s < 0:
            raise UserError(
                f"clock: {node}: expected a rate above 0 and skip_s and period_s of at least 0, "
                f"got {msgspec.to_builtins(what)}"
            )
    return found


def _parameters(shape: str, clocks: Mapping[str, Disturbance]) -> dict[str, Any]:
    lines = [{"node": node, **msgspec.to_builtins(clocks[node])} for node in sorted(clocks)]
    return {"shape": shape, "clocks": lines}


def _with_clocks(fault: PlannedFault, clocks: Mapping[str, Disturbance]) -> PlannedFault:
    changed = {**fault.parameters, **_parameters(fault.parameters.get("shape", ""), clocks)}
    return msgspec.structs.replace(fault, parameters=changed)


def _wanted(options: Mapping[str, Any]) -> list[str]:
    """The shapes that were asked for, checked; none if none were."""
    text = str(options.get("clock-shapes") or "")
    shapes = [shape.strip() for shape in text.split(",") if shape.strip()]
    for shape in shapes:
        if shape not in SHAPES:
            raise UserError(
                f"clock-shapes: no shape named {shape!r}; there are: {', '.join(SHAPES)}"
            )
    return shapes


def _fitting(system: Any) -> list[str]:
    """The shapes that disturb a clock which the system reads."""
    return [name for name, shape in SHAPES.items() if shape.clock in system.clocks]


def _first_wrong(wanted: Mapping[str, Disturbance], before: Readings, now: Readings) -> str:
    """What is not as it should be on some node, in a line; empty if all is."""
    for node, what in wanted.items():
        for program, reading in now[node].items():
            if why := _wrong(what, before.get(node, {}).get(program), reading):
                return f"{node}: {program}: {why}"
    return ""


def _wrong(what: Disturbance, before: ClockReading | None, now: ClockReading) -> str:
    """What a reading should have shown instead, if it should."""
    steady_s = what.step_s + what.skip_s + (what.rate - 1) * now.elapsed_s
    errors_s = [abs(now.wall_off_s - steady_s - flipped) for flipped in {0.0, what.strobe_s}]
    if min(errors_s) > TOLERANCE_S + now.within_s:
        return f"expected its wall clock off by {steady_s:.4f} s, observed {now.wall_off_s:.4f} s"
    if before is None or before.monotonic_off_s is None or now.monotonic_off_s is None:
        return ""
    expected_s = what.skip_s + (what.rate - 1) * now.elapsed_s
    gained_s = now.monotonic_off_s - before.monotonic_off_s
    if abs(gained_s - expected_s) > MONOTONIC_TOLERANCE_S:
        return f"expected its monotonic clock to gain {expected_s:.3f} s, observed {gained_s:.3f} s"
    return ""


def _told(readings: Mapping[str, ClockReading]) -> dict[str, float]:
    """For the ledger: by how many seconds each program's wall clock was off."""
    return {program: round(reading.wall_off_s, 4) for program, reading in readings.items()}
