"""Changes to a fault schedule, for a search that lives on them.

All are pure: a schedule, a ``Random`` and what is known of the system give another schedule. What
is left of a change makes sense (:func:`~.schedule.check`): faults of a kind do not overlap.

A nemesis that can do more with its own faults than to name other nodes has ``vary(fault, random,
kinds)``, which gives a changed one, and ``draw(nodes, random, kinds)``, which gives targets and
parameters of a new one; ``kinds`` are the kinds of messages that the protocol sends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

from . import registry, schedule
from .planned_fault import PlannedFault

Faults = list[PlannedFault]

MOST_FAULTS = 64
SHORTEST_S = 0.01
LEAD_S = 0.2
"""No fault strikes earlier."""

_replace = msgspec.structs.replace


@dataclass(frozen=True)
class Ground:
    """What changes have to go by: names of nodes, length, kinds of messages, kinds of faults."""

    nodes: Sequence[str]
    time_limit_s: float
    messages: Sequence[tuple[str, Mapping[str, bool]]]
    kinds: Sequence[str]


def mutate(faults: Sequence[PlannedFault], random: Random, ground: Ground) -> Faults:
    """One to four changes.

    Faults after the earliest change that once followed a role follow it again, whoever has it
    by then. Those before stay as they struck, so that the trial is the same up to there.
    """
    before = sorted(faults, key=_at)
    changed = list(before)
    for _ in range(random.choice([1, 1, 2, 3, 4])):
        changed = random.choice(OPERATORS)(changed, random, ground)
    changed = tidy(changed, ground.time_limit_s)
    same = 0
    while same < min(len(before), len(changed)) and before[same] == changed[same]:
        same += 1
    return changed[:same] + schedule.by_role(changed[same:])


def splice(first: Faults, second: Faults, random: Random, ground: Ground) -> Faults:
    """The first one's faults up to a moment, the second one's from then on."""
    at_s = random.uniform(0, ground.time_limit_s)
    head = [fault for fault in first if fault.at_s < at_s]
    tail = [fault for fault in second if fault.at_s >= at_s]
    return tidy(head + schedule.by_role(tail), ground.time_limit_s)


def tidy(faults: Sequence[PlannedFault], time_limit_s: float) -> Faults:
    """In order, within the trial, each ended when the next one of its kind begins."""
    kept: Faults = []
    last: dict[str, int] = {}
    for fault in sorted(faults, key=_at)[:MOST_FAULTS]:
        at_s = max(fault.at_s, LEAD_S)
        if at_s >= time_limit_s:
            continue
        earlier = last.get(fault.kind)
        if earlier is not None:
            until_s = kept[earlier].until_s
            if at_s - kept[earlier].at_s < 2 * SHORTEST_S:
                continue
            if until_s is None or until_s >= at_s:
                kept[earlier] = _replace(kept[earlier], until_s=round(at_s - SHORTEST_S / 2, 6))
        until_s = fault.until_s
        if until_s is not None:
            until_s = max(until_s, round(at_s + SHORTEST_S, 6))
        last[fault.kind] = len(kept)
        kept.append(_replace(fault, at_s=round(at_s, 6), until_s=until_s))
    return kept


# -- single changes ------------------------------------------------------------------


def shift(faults: Faults, random: Random, ground: Ground) -> Faults:
    """One fault strikes earlier or later and lasts as long."""

    def moved(fault: PlannedFault) -> PlannedFault:
        by_s = random.choice([0.05, 0.5, 5.0]) * random.uniform(-1, 1)
        return _moved(fault, max(LEAD_S, fault.at_s + by_s))

    return _with_one(faults, random, moved)


def stretch(faults: Faults, random: Random, ground: Ground) -> Faults:
    """One fault lasts longer or shorter."""

    def stretched(fault: PlannedFault) -> PlannedFault:
        lasts_s = _end(fault, ground) - fault.at_s
        until_s = fault.at_s + lasts_s * random.choice([0.1, 0.5, 0.8, 1.3, 2.0])
        return _replace(fault, until_s=round(until_s, 6))

    return _with_one(faults, random, stretched)


def retarget(faults: Faults, random: Random, ground: Ground) -> Faults:
    """One fault strikes other nodes: two of them change places in it."""

    def renamed(fault: PlannedFault) -> PlannedFault:
        if len(ground.nodes) < 2 or not fault.targets:
            return fault
        one, other = random.sample(list(ground.nodes), 2)
        names = {one: other, other: one}
        return _replace(
            fault,
            targets=sorted(names.get(target, target) for target in fault.targets),
            parameters=_renamed(fault.parameters, names),
            aim={},
        )

    return _with_one(faults, random, renamed)


def duplicate(faults: Faults, random: Random, ground: Ground) -> Faults:
    """One fault strikes once more, at another time."""
    if not faults:
        return draw(faults, random, ground)
    copied = random.choice(faults)
    near = random.random() < 0.5
    at_s = _end(copied, ground) + random.random() if near else random.random() * ground.time_limit_s
    return [*faults, _moved(copied, max(LEAD_S, at_s))]


def drop(faults: Faults, random: Random, ground: Ground) -> Faults:
    """One fault less."""
    if not faults:
        return faults
    at = random.randrange(len(faults))
    return faults[:at] + faults[at + 1 :]


def vary(faults: Faults, random: Random, ground: Ground) -> Faults:
    """One fault changes in what is particular to its kind."""

    def varied(fault: PlannedFault) -> PlannedFault:
        change = getattr(registry.load("nemeses", fault.kind), "vary", None)
        return fault if change is None else change(fault, random, list(ground.messages))

    able = [f for f in faults if hasattr(registry.load("nemeses", f.kind), "vary")]
    chosen = random.choice(able) if able else None
    return [varied(fault) if fault is chosen else fault for fault in faults]


def draw(faults: Faults, random: Random, ground: Ground) -> Faults:
    """A new fault, of a kind that can be drawn."""
    able = [k for k in ground.kinds if hasattr(registry.load("nemeses", k), "draw")]
    if not able or not ground.messages:
        return faults
    kind = random.choice(able)
    nemesis = registry.load("nemeses", kind)
    targets, parameters = nemesis.draw(list(ground.nodes), random, list(ground.messages))
    at_s = random.uniform(LEAD_S, ground.time_limit_s)
    until_s = at_s + random.uniform(0.1, 4.0)
    return [*faults, PlannedFault(kind, round(at_s, 6), round(until_s, 6), targets, parameters)]


OPERATORS: Sequence[Callable[[Faults, Random, Ground], Faults]] = (
    shift,
    stretch,
    retarget,
    duplicate,
    drop,
    vary,
    vary,
    draw,
)


def _with_one(
    faults: Faults, random: Random, change: Callable[[PlannedFault], PlannedFault]
) -> Faults:
    if not faults:
        return faults
    at = random.randrange(len(faults))
    return [*faults[:at], change(faults[at]), *faults[at + 1 :]]


def _moved(fault: PlannedFault, at_s: float) -> PlannedFault:
    until_s = None if fault.until_s is None else round(fault.until_s + at_s - fault.at_s, 6)
    return _replace(fault, at_s=round(at_s, 6), until_s=until_s)


def _end(fault: PlannedFault, ground: Ground) -> float:
    return ground.time_limit_s if fault.until_s is None else fault.until_s


def _renamed(what: Any, names: Mapping[str, str]) -> Any:
    """Plain data with nodes renamed wherever they stand."""
    if isinstance(what, str):
        return names.get(what, what)
    if isinstance(what, list | tuple):
        return [_renamed(each, names) for each in what]
    if isinstance(what, dict):
        return {name: _renamed(value, names) for name, value in what.items()}
    return what


def _at(fault: PlannedFault) -> float:
    return fault.at_s
