"""When faults come: each nemesis in its rhythm, some more often, not too many at once, in phases.

Pure generators for the nemesis process, over those of the nemeses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast, runtime_checkable

import msgspec

from .composition import FaultPhase
from .errors import UserError
from .fault import Nemesis
from .fault_control import HEAL, INJECT
from .generator import PENDING, Context, Generator, any_
from .generator.core import Answer, moved
from .generator.idle import Idle
from .operation import NEMESIS, Operation
from .planned_fault import PlannedFault
from .schedule import Scheduled
from .spared import Bounds


@runtime_checkable
class Paced(Protocol):
    """A generator of faults that can come more rarely: what weights need."""

    @property
    def cycle_s(self) -> float:
        """Mean seconds from one fault to the next."""
        ...

    def paced(self, cycle_s: float) -> Generator:
        """The same in another rhythm; each fault lasts as long as before."""
        ...


def together(
    nemeses: Mapping[str, Nemesis], weights: Mapping[str, float], bounds: Bounds
) -> Generator | None:
    """The faults of all these nemeses, side by side; ``None`` if there are none."""
    if not nemeses:
        return None
    generators = {name: each.generator() for name, each in nemeses.items()}
    if weights:
        generators = weighed(generators, weights)
    if bounds.most is None:
        return any_(*generators.values(), Idle())
    chances = tuple(weights.get(name, 1.0) for name in generators)
    return AtMost(bounds.most, tuple(generators.values()), chances)


def weighed(
    generators: Mapping[str, Generator], weights: Mapping[str, float]
) -> dict[str, Generator]:
    """Faults of each kind exactly as often, relative to the others, as the weights say.

    None comes more often than it would by itself; at least one comes as often.
    ``UserError`` for a generator without a rhythm.
    """
    cycles: dict[str, float] = {}
    for name, generator in generators.items():
        if not isinstance(generator, Paced):
            raise UserError(f"{name}: has no rhythm of its own, so that it cannot have a weight")
        cycles[name] = generator.cycle_s
    unit_s = max(cycle_s * weights.get(name, 1.0) for name, cycle_s in cycles.items())
    return {
        name: cast(Paced, generator).paced(unit_s / weights.get(name, 1.0))
        for name, generator in generators.items()
    }


class AtMost(Generator):
    """Side by side, but no fault begins while ``most`` are active: those due wait.

    Where several wait, chance decides by their weights.
    """

    __slots__ = ("_active", "_chances", "_most", "_parts")

    def __init__(
        self,
        most: int,
        parts: tuple[Generator, ...],
        chances: tuple[float, ...],
        active: tuple[Any, ...] = (),
    ) -> None:
        self._most = most
        self._parts = parts
        self._chances = chances
        self._active = active  # the kind of each active fault

    def op(self, context: Context) -> Answer:
        """The soonest of what may happen; never exhausted."""
        if not context.free & context.nemesis_mask:
            return PENDING, self
        is_full = len(self._active) >= self._most
        soonest: list[tuple[int, Operation, Generator | None]] = []
        for at, part in enumerate(self._parts):
            answer = part.op(context)
            step = None if answer is None else answer[0]
            if answer is None or not isinstance(step, Operation):
                continue
            if is_full and step.f == INJECT:
                continue
            if not soonest or step.time <= soonest[0][1].time:
                if soonest and step.time < soonest[0][1].time:
                    soonest.clear()
                soonest.append((at, step, answer[1]))
        if not soonest:
            return PENDING, self
        chances = [self._chances[at] for at, _, _ in soonest]
        chosen = context.random.choices(soonest, chances)[0] if len(soonest) > 1 else soonest[0]
        at, step, successor = chosen
        parts = (*self._parts[:at], successor or Idle(), *self._parts[at + 1 :])
        return step, AtMost(self._most, parts, self._chances, self._active)

    def update(self, context: Context, event: Operation) -> Generator:
        """Counts what began and what is over."""
        parts = tuple(part.update(context, event) or Idle() for part in self._parts)
        active = self._active_after(event)
        if active == self._active and parts == self._parts:
            return self
        return AtMost(self._most, parts, self._chances, active)

    def _active_after(self, event: Operation) -> tuple[Any, ...]:
        if event.process != NEMESIS:
            return self._active
        value = event.value if isinstance(event.value, dict) else {}
        kind = value.get("kind")
        if event.f == INJECT and event.type == "invoke":
            return (*self._active, kind)
        left_out = event.f == INJECT and event.error is None and "id" not in value
        if left_out and kind in self._active:
            at = len(self._active) - 1 - self._active[::-1].index(kind)
            return self._active[:at] + self._active[at + 1 :]
        if event.f == HEAL and event.type == "invoke":
            # What comes next is asked for when this is complete, and not before.
            return tuple(each for each in self._active if kind is not None and each != kind)
        return self._active


class Phases(Generator):
    """One generator after the other, each for its time; all is healed in between.

    ``parts`` are pairs of an end, in nanoseconds since the trial began, and a generator (``None``:
    quiet), whose time begins with its phase.
    """

    __slots__ = ("_at", "_begin", "_parts")

    def __init__(
        self, parts: Sequence[tuple[int, Generator | None]], begin: int, at: int = 0
    ) -> None:
        self._parts = parts
        self._begin = begin
        self._at = at

    def op(self, context: Context) -> Answer:
        """What the phase has to do before its end, then the heal; pending for ever in the end."""
        if not context.free & context.nemesis_mask:
            return PENDING, self
        end, inner = self._parts[self._at]
        if inner is not None and context.time < end:
            answer = inner.op(context.with_time(max(0, context.time - self._begin)))
            step = None if answer is None else answer[0]
            if answer is not None and step is not None and step is not PENDING:
                time = step.time + self._begin
                if time < end:
                    return moved(step, time), self._with(answer[1])
        if self._at + 1 == len(self._parts):
            return PENDING, self
        heal = Operation(
            -1, max(context.time, end), NEMESIS, "invoke", HEAL, {"phase": self._at + 1}
        )
        return heal, Phases(self._parts, end, self._at + 1)

    def update(self, context: Context, event: Operation) -> Generator:
        """Told to the generator of the phase, in its time."""
        inner = self._parts[self._at][1]
        if inner is None or inner.ignores_updates:
            return self
        time = max(0, event.time - self._begin)
        successor = inner.update(
            context.with_time(max(0, context.time - self._begin)),
            msgspec.structs.replace(event, time=time),
        )
        return self if successor is inner else self._with(successor)

    def _with(self, inner: Generator | None) -> Phases:
        end, _ = self._parts[self._at]
        parts = (*self._parts[: self._at], (end, inner), *self._parts[self._at + 1 :])
        return Phases(parts, self._begin, self._at)


def in_phases(
    phases: Sequence[FaultPhase], nemeses: Mapping[str, Nemesis], bounds: Bounds, begin: int
) -> Phases:
    """The phases from a moment on, with those of their nemeses that there are."""
    parts: list[tuple[int, Generator | None]] = []
    end_s = 0.0
    for phase in phases:
        end_s += phase.lasts_s
        mine = {name: nemeses[name] for name in phase.nemeses if name in nemeses}
        end = begin + round(end_s * 1e9)
        parts.append((end, together(mine, phase.weights, bounds)))
    return Phases(tuple(parts), begin)


def of_schedule(faults: Sequence[PlannedFault]) -> Generator:
    """Faults that were decided before, and then nothing more."""
    return any_(Scheduled(faults), Idle())
