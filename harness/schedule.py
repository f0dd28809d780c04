"""The faults of a trial as data with times, which can be read, edited and run again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from . import registry
from .errors import UserError
from .events import FaultChanged
from .generator import PENDING, Context, Generator
from .operation import NEMESIS, Operation
from .planned_fault import ROLE, PlannedFault

FILE = "schedule.json"


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``schedule.json`` holds."""

    faults: list[PlannedFault]


def read(path: Path) -> list[PlannedFault]:
    """The faults of a schedule file; ``UserError`` names the file and what is wrong."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Schedule).faults
    except OSError as error:
        raise UserError(f"{path}: cannot read the schedule: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise UserError(f"{path}: {error}") from None


def of_ledger(changes: Iterable[FaultChanged]) -> list[PlannedFault]:
    """The faults that took effect, with every concrete cut of those that moved."""
    began: dict[int, float] = {}
    aims: dict[int, dict[str, Any]] = {}
    planned: dict[int, PlannedFault] = {}
    for change in changes:
        fault, at_s = change.fault, change.time / 1e9
        if change.state == "injecting":
            began[fault.id] = at_s
            aims[fault.id] = change.seen.get("aim", {})
        elif change.state == "injected":
            planned[fault.id] = PlannedFault(
                fault.kind,
                began[fault.id],
                None,
                fault.targets,
                dict(fault.parameters),
                aims[fault.id],
            )
        elif change.state == "healed" and fault.id in planned:
            parameters = planned[fault.id].parameters
            if "moves" in change.seen:
                parameters = {n: v for n, v in parameters.items() if n != "period_s"}
                parameters["moves"] = change.seen["moves"]
            planned[fault.id] = msgspec.structs.replace(
                planned[fault.id], until_s=_healing_began(began, fault.id), parameters=parameters
            )
        elif change.state == "healing":
            began[-fault.id] = at_s
    return list(planned.values())


def _healing_began(began: Mapping[int, float], fault_id: int) -> float | None:
    return began.get(-fault_id)


def by_role(faults: Iterable[PlannedFault]) -> list[PlannedFault]:
    """The same faults; those that followed a role (the primary, say) do so again.

    Which aims are roles is what a nemesis declares in its attribute ``role_aims``.
    """
    found = []
    for fault in faults:
        roles = getattr(registry.load("nemeses", fault.kind), "role_aims", frozenset())
        aims = [aim for aim in fault.aim.values() if isinstance(aim, str)]
        follows = any(aim in roles or aim.startswith(ROLE) for aim in aims)
        found.append(fault.aimed_anew() if follows else fault)
    return found


def check(faults: Sequence[PlannedFault], nodes: Sequence[str]) -> None:
    """``UserError`` for times or nodes that make no sense, or two faults of a kind at once."""
    free_at: dict[str, float] = {}
    for fault in sorted(faults, key=lambda fault: fault.at_s):
        where = f"schedule: {fault.kind} at {fault.at_s:g} s"
        if fault.at_s < 0:
            raise UserError(f"{where}: expected a time of at least 0")
        if fault.until_s is not None and fault.until_s < fault.at_s:
            raise UserError(f"{where}: expected until_s not before that, got {fault.until_s:g}")
        if fault.at_s < free_at.get(fault.kind, 0):
            raise UserError(f"{where}: the {fault.kind} before it is not healed by then")
        if not fault.is_concrete and not fault.aim:
            raise UserError(f'{where}: expected targets, or an aim such as {{"targets": "one"}}')
        if not fault.is_concrete:
            _check_aim(fault, where)
        free_at[fault.kind] = float("inf") if fault.until_s is None else fault.until_s
        unknown = sorted({*fault.targets, *_nodes_of(fault)} - set(nodes))
        if unknown:
            raise UserError(f"{where}: no node {unknown[0]!r}; there are: {', '.join(nodes)}")


def _check_aim(fault: PlannedFault, where: str) -> None:
    check_aim = getattr(registry.load("nemeses", fault.kind), "check_aim", None)
    if check_aim is None:
        raise UserError(f"{where}: it cannot be aimed; expected targets")
    try:
        check_aim(fault.aim)
    except UserError as wrong:
        raise UserError(f"{where}: {wrong}") from None


def _nodes_of(fault: PlannedFault) -> Iterator[str]:
    cuts = [fault.parameters.get("cut", [])]
    cuts += [move.get("cut", []) for move in fault.parameters.get("moves", [])]
    try:
        for cut in cuts:
            for sender, receiver in cut:
                yield from (sender, receiver)
    except (TypeError, ValueError):
        raise UserError(
            f"schedule: {fault.kind} at {fault.at_s:g} s: expected cuts as lists of [from, to]"
        ) from None


class Scheduled(Generator):
    """Operations ``inject`` and ``heal`` at the times of a schedule; then it is exhausted."""

    __slots__ = ("_at", "_steps")

    def __init__(self, faults: Sequence[PlannedFault]) -> None:
        steps: list[tuple[int, int, str, dict[str, Any]]] = []
        for fault in faults:
            value = {"kind": fault.kind, **fault.aim}
            if fault.is_concrete:
                value.update(targets=fault.targets, parameters=fault.parameters)
                value.update({"aim": fault.aim} if fault.aim else {})
            steps.append((_ns(fault.at_s), 1, "inject", value))
            if fault.until_s is not None:
                steps.append((_ns(fault.until_s), 0, "heal", {"kind": fault.kind}))
        self._steps = sorted(steps, key=lambda step: step[:2])
        self._at = 0

    def op(self, context: Context) -> Any:
        """The next step, at its time or as soon after it as the one before is complete."""
        if self._at == len(self._steps):
            return None
        if not context.free & context.nemesis_mask:
            return PENDING, self
        due, _, f, value = self._steps[self._at]
        successor = Scheduled.__new__(Scheduled)
        successor._steps = self._steps
        successor._at = self._at + 1
        return Operation(-1, max(context.time, due), NEMESIS, "invoke", f, value), successor


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
