"""Ways to make a trial smaller: each yields candidates, the boldest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from . import registry
from .attempts import Attempt
from .planned_fault import PlannedFault
from .spec import TrialSpec, with_schedule

Change = Callable[[Attempt], Iterator[TrialSpec]]

AFTER_S = 0.2
"""So long a trial goes on after its anomaly was seen."""

FEWEST_NODES = 3
SCRIPT = 500
"""From so few operations on they are taken away one by one."""

SHORTEST_S = 0.2
LEAD_S = 0.1
"""A fault strikes no earlier than this: there must be something to disturb."""

QUIET_S = 0.5
"""Between faults that are aimed anew: there must be somebody in the role."""

_replace = msgspec.structs.replace


def scheduled(spec: TrialSpec, faults: Sequence[PlannedFault]) -> TrialSpec:
    """The same trial with these faults."""
    return with_schedule(spec, faults)


def less_time(at: Attempt) -> Iterator[TrialSpec]:
    """End soon after the anomaly shows, without the faults that came later."""
    end_s = at.shown_by_s + AFTER_S
    if 0 < end_s < at.spec.time_limit_s - SHORTEST_S:
        faults = [fault for fault in _faults(at) if fault.at_s < end_s]
        yield _replace(scheduled(at.spec, faults), time_limit_s=round(end_s, 3))


def part_of_the_time(at: Attempt) -> Iterator[TrialSpec]:
    """End after a quarter, a half, … of the time: for what only shows when all is over."""
    for share in (0.25, 0.5, 0.75):
        end_s = round(at.spec.time_limit_s * share, 3)
        if end_s >= SHORTEST_S:
            faults = [fault for fault in _faults(at) if fault.at_s < end_s]
            yield _replace(scheduled(at.spec, faults), time_limit_s=end_s)


def last_faults(at: Attempt) -> Iterator[TrialSpec]:
    """Only the last one, two or four faults, from the beginning of a trial."""
    faults = _faults(at)
    for count in (1, 2, 4):
        if count < len(faults):
            kept = faults[-count:]
            by_s = max(0.0, kept[0].at_s - LEAD_S)
            time_limit_s = round(max(SHORTEST_S, at.spec.time_limit_s - by_s), 3)
            moved = [_sooner(fault, by_s) for fault in kept]
            yield _replace(scheduled(at.spec, moved), time_limit_s=time_limit_s)


def fewer_faults(at: Attempt) -> Iterator[TrialSpec]:
    """Without a half, a quarter, … of the faults."""
    faults = _faults(at)
    size = len(faults)
    while size >= 1:
        for start in range(0, len(faults), size):
            yield scheduled(at.spec, faults[:start] + faults[start + size :])
        size //= 2


def fewer_moves(at: Attempt) -> Iterator[TrialSpec]:
    """A partition that changes less often while it lasts."""
    for index, fault in enumerate(_faults(at)):
        moves = fault.parameters.get("moves")
        if moves is None:
            continue
        for start, size in _chunks(len(moves)):
            yield _with_parameters(at, index, moves=moves[:start] + moves[start + size :])


def fewer_nodes(at: Attempt) -> Iterator[TrialSpec]:
    """Without the last node (the others keep their names), or the last two."""
    nodes = at.spec.nodes
    for count in (len(nodes) - 2, len(nodes) - 1):
        if count < FEWEST_NODES:
            continue
        left = set(nodes[:count])
        faults = [kept for fault in _faults(at) if (kept := _among(fault, left)) is not None]
        yield _replace(scheduled(at.spec, faults), nodes=nodes[:count])


def fewer_targets(at: Attempt) -> Iterator[TrialSpec]:
    """A fault that spares one more node, or a cut that spares one's links."""
    for index, fault in enumerate(_faults(at)):
        for target in fault.targets:
            kept = _among(fault, set(fault.targets) - {target})
            if kept is not None:
                yield _with_fault(at, index, kept)


def fewer_clients(at: Attempt) -> Iterator[TrialSpec]:
    """Half the processes, or one less; half the operations a second."""
    spec = at.spec
    for concurrency in sorted({spec.concurrency // 2, spec.concurrency - 1}):
        if concurrency >= 1 and concurrency != spec.concurrency:
            yield _replace(spec, concurrency=concurrency)
    if spec.rate > 2:
        for share in (0.25, 0.5, 0.8):
            yield _replace(spec, rate=max(1.0, round(spec.rate * share, 1)))


def shorter_faults(at: Attempt) -> Iterator[TrialSpec]:
    """Each healed earlier."""
    for index, fault in enumerate(_faults(at)):
        lasts_s = _lasts_s(at, fault)
        for share in (0.25, 0.5, 0.75):
            if lasts_s * (1 - share) > 0.1:
                shorter = round(fault.at_s + lasts_s * share, 3)
                yield _with_fault(at, index, _replace(fault, until_s=shorter))


def gentler_faults(at: Attempt) -> Iterator[TrialSpec]:
    """Each doing less of the same, where its nemesis knows how."""
    for index, fault in enumerate(_faults(at)):
        lessen = getattr(registry.load("nemeses", fault.kind), "gentler", None)
        for less in lessen(fault) if lessen is not None else ():
            yield _with_fault(at, index, less)


def earlier_faults(at: Attempt) -> Iterator[TrialSpec]:
    """Less waiting before a fault: it and all after it, and the end, come sooner."""
    faults = _faults(at)
    for index, fault in enumerate(faults):
        quiet_from_s = LEAD_S
        for before in faults[:index]:
            quiet_from_s = max(quiet_from_s, before.until_s or before.at_s)
        idle_s = fault.at_s - quiet_from_s
        for share in (0.9, 0.5):
            by_s = round(idle_s * share, 3)
            if by_s < 0.2 or at.spec.time_limit_s - by_s < SHORTEST_S:
                continue
            moved = [each if i < index else _sooner(each, by_s) for i, each in enumerate(faults)]
            yield _replace(
                scheduled(at.spec, moved), time_limit_s=round(at.spec.time_limit_s - by_s, 3)
            )


def aimed_anew(at: Attempt) -> Iterator[TrialSpec]:
    """One of the faults, or two in a row, of a short trial, aimed again at whoever has the role.

    For failures that many faults had a part in: concrete cuts name nodes that have another role
    once an earlier fault is gone, but what a fault was aimed at stays.
    """
    by_aim: dict[bytes, tuple[float, PlannedFault]] = {}
    for fault in _faults(at):
        if fault.aim:
            aim = msgspec.json.encode([fault.kind, fault.aim])
            lasts_s = _lasts_s(at, fault)
            if aim not in by_aim or lasts_s > by_aim[aim][0]:
                by_aim[aim] = lasts_s, fault
    for lasts_s, fault in reversed(by_aim.values()):
        for times in (1, 2):
            faults = [
                _replace(fault.aimed_anew(), at_s=start_s, until_s=round(start_s + lasts_s, 3))
                for start_s in (round(LEAD_S + i * (lasts_s + QUIET_S), 3) for i in range(times))
            ]
            time_limit_s = round((faults[-1].until_s or 0) + QUIET_S, 3)
            if time_limit_s < at.spec.time_limit_s * 0.8:
                yield _replace(scheduled(at.spec, faults), time_limit_s=time_limit_s)


def fewer_operations(at: Attempt) -> Iterator[TrialSpec]:
    """Without a half, a quarter, … of the clients' operations, where there are few."""
    kept = list(range(at.operations)) if at.spec.operations is None else at.spec.operations
    if len(kept) <= SCRIPT:
        for start, size in _chunks(len(kept)):
            yield _replace(at.spec, operations=kept[:start] + kept[start + size :])


def smaller_workload(at: Attempt) -> Iterator[TrialSpec]:
    """Fewer keys, say: what the workload declares to make for smaller histories."""
    declared = getattr(registry.load("workloads", at.spec.workload), "smaller", {})
    for name, values in declared.items():
        for value in values:
            if at.spec.options.get(name) == value:
                break  # the ones that follow are larger
            yield _replace(at.spec, options={**at.spec.options, name: value})


MANY_SEEDS = 40
"""For short trials whose faults strike nodes by name, whichever of them leads."""

SOME_SEEDS = 8
"""For changes that make for other elections, say, than the ones that the faults were good for."""


class Pass(NamedTuple):
    """A change, and with at least how many seeds its candidates are tried.

    ``quick`` is how many if trials are quick already: see :data:`SCRIPT`.
    """

    name: str
    change: Change
    seeds: int = 1
    quick: int = 1


AIM = Pass("aimed anew", aimed_anew, MANY_SEEDS, MANY_SEEDS)
"""Tried first, for it can do away with nearly everything."""

PASSES: Sequence[Pass] = (
    Pass("less time", less_time),
    Pass("last faults", last_faults, MANY_SEEDS, MANY_SEEDS),
    Pass("fewer faults", fewer_faults),
    Pass("fewer clients", fewer_clients, quick=MANY_SEEDS),
    Pass("smaller workload", smaller_workload, quick=SOME_SEEDS),
    Pass("fewer nodes", fewer_nodes, quick=MANY_SEEDS),
    Pass("fewer moves", fewer_moves),
    Pass("earlier faults", earlier_faults, quick=SOME_SEEDS),
    Pass("fewer targets", fewer_targets),
    Pass("shorter faults", shorter_faults),
    Pass("gentler faults", gentler_faults),
    Pass("fewer operations", fewer_operations, quick=SOME_SEEDS),
)
"""In this order, for what makes a trial quicker makes all that comes later quicker too."""


REAL_PASSES: Sequence[Pass] = (
    Pass("less time", less_time),
    Pass("fewer faults", fewer_faults),
    Pass("last faults", last_faults),
    Pass("part of the time", part_of_the_time),
    Pass("fewer nodes", fewer_nodes),
    Pass("fewer clients", fewer_clients),
    Pass("fewer moves", fewer_moves),
    Pass("fewer targets", fewer_targets),
    Pass("shorter faults", shorter_faults),
    Pass("earlier faults", earlier_faults),
    Pass("gentler faults", gentler_faults),
)
"""For trials that take real time, and do not fail each time: the boldest changes only."""


def _faults(at: Attempt) -> list[PlannedFault]:
    return sorted(at.spec.schedule or [], key=lambda fault: fault.at_s)


def _lasts_s(at: Attempt, fault: PlannedFault) -> float:
    limit_s = at.spec.time_limit_s
    return round(
        (limit_s if fault.until_s is None else min(fault.until_s, limit_s)) - fault.at_s, 3
    )


def _chunks(count: int) -> Iterator[tuple[int, int]]:
    size = count
    while size >= 1:
        yield from ((start, size) for start in range(0, count, size))
        size //= 2


def _with_fault(at: Attempt, index: int, fault: PlannedFault) -> TrialSpec:
    faults = _faults(at)
    return scheduled(at.spec, [*faults[:index], fault, *faults[index + 1 :]])


def _with_parameters(at: Attempt, index: int, **changes: object) -> TrialSpec:
    fault = _faults(at)[index]
    parameters = {**fault.parameters, **changes}
    if parameters.get("moves") == []:
        del parameters["moves"]
    return _with_fault(at, index, _replace(fault, parameters=parameters))


def _sooner(fault: PlannedFault, by_s: float) -> PlannedFault:
    until_s = None if fault.until_s is None else round(fault.until_s - by_s, 9)
    return _replace(fault, at_s=round(fault.at_s - by_s, 9), until_s=until_s)


def _among(fault: PlannedFault, nodes: set[str]) -> PlannedFault | None:
    """What is left of a fault if only these nodes are struck; ``None`` if nothing is."""
    targets = [target for target in fault.targets if target in nodes]
    parameters = dict(fault.parameters)
    if "cut" in parameters:
        parameters["cut"] = _links_among(parameters["cut"], nodes)
        if "moves" in parameters:
            parameters["moves"] = [
                {**move, "cut": _links_among(move["cut"], nodes)} for move in parameters["moves"]
            ]
        if not parameters["cut"] and not any(m["cut"] for m in parameters.get("moves", [])):
            return None
    return _replace(fault, targets=targets, parameters=parameters) if targets else None


def _links_among(links: Sequence[Sequence[str]], nodes: set[str]) -> list[list[str]]:
    return [list(link) for link in links if set(link) <= nodes]
