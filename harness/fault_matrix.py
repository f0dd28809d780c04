"""Which fault works on which kind of cluster here, by trying each and reading what was observed.

Every nemesis names the faults it has as ``samples`` (aims of a schedule). They are injected one
after the other in a trial of its own for each cluster; one counts as working if its nemesis saw the
effect, and then saw it gone. A nemesis without samples is an error, so that none is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from . import packages, registry
from .errors import UserError
from .planned_fault import PlannedFault

WORKS, NOT_APPLICABLE, UNAVAILABLE, FAILED = "works", "not applicable", "unavailable", "failed"

FIRST_S, APART_S, LASTS_S = 1.0, 0.3, 0.15
"""When the first fault of a trial comes (something must have been stored), and the others."""

KILL_FIRST = {"shape": "new-primary"}
"""An aim that waits for an election, which this sees to."""


class Sample(msgspec.Struct, frozen=True):
    """One fault to be tried."""

    nemesis: str
    aim: dict[str, Any]

    @property
    def fault(self) -> str:
        """What to call it: ``kill``, ``clock drift``."""
        words = [str(v) for k, v in self.aim.items() if k in ("fault", "shape", "change")]
        return " ".join([self.nemesis, *words])


class Cell(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a fault on a kind of cluster.

    ``status``  ``works``, ``not applicable`` (nowhere on such clusters), ``unavailable`` (not on
                this machine) or ``failed``; ``reason`` says why of all but the first.
    ``seen``    what the nemesis observed when it was ``injected``, and when it was ``healed``.
    """

    fault: str
    cluster: str
    status: str
    reason: str = ""
    seen: dict[str, Any] = {}


def samples() -> list[Sample]:
    """Every fault of every registered nemesis, in an order in which they can be tried."""
    found = []
    for name in registry.names("nemeses"):
        aims = getattr(registry.load("nemeses", name), "samples", None)
        if not aims:
            raise UserError(
                f"the nemesis {name!r} has no samples: name its faults in the class attribute "
                '`samples`, such as ({"targets": "one"},)'
            )
        found += [Sample(name, dict(aim)) for aim in aims]
    return sorted(found, key=_turn)


def _turn(sample: Sample) -> int:
    """Those aimed at a primary first, while there is one; what damages data last."""
    roles = getattr(registry.load("nemeses", sample.nemesis), "role_aims", frozenset())
    if roles & {value for value in sample.aim.values() if isinstance(value, str)}:
        return 1 if sample.aim == KILL_FIRST else 0
    return 3 if sample.aim.get("shape") in ("bit-flip", "truncate") else 2


def without_trying(sample: Sample, cluster: str, system: Any) -> Cell | None:
    """What is known of it beforehand, if that settles it."""
    nemesis = registry.load("nemeses", sample.nemesis)
    why = packages.reason_unusable(sample.nemesis, cluster, system)
    if cluster not in nemesis.clusters:
        why = getattr(nemesis, "why_not", {}).get(cluster, why)
        return Cell(sample.fault, cluster, NOT_APPLICABLE, str(why))
    return None if why is None else Cell(sample.fault, cluster, UNAVAILABLE, why)


def schedule_of(wanted: Sequence[Sample]) -> list[PlannedFault]:
    """One after the other. The nemesis process takes its time, so later ones may come late."""
    faults, at_s = [], FIRST_S
    for sample in wanted:
        if sample.aim == KILL_FIRST:
            faults.append(_planned(Sample("kill", {"targets": "primaries"}), at_s, LASTS_S + 0.1))
            at_s += 0.01
        faults.append(_planned(sample, at_s, LASTS_S))
        at_s += APART_S
    return faults


def _planned(sample: Sample, at_s: float, lasts_s: float) -> PlannedFault:
    until_s = round(at_s + lasts_s, 3)
    return PlannedFault(sample.nemesis, round(at_s, 3), until_s, aim=sample.aim)


def observed(
    ledger: Iterable[Mapping[str, Any]], wanted: Sequence[Sample], cluster: str
) -> dict[str, Cell]:
    """By fault, what a trial's ledger says of those that were tried."""
    aims: dict[int, Any] = {}
    seen: dict[int, dict[str, Any]] = {}
    found: dict[str, Cell] = {}
    names = {(each.nemesis, msgspec.json.encode(each.aim)): each.fault for each in wanted}
    for line in ledger:
        fault, state = line["fault"], line["state"]
        identity = fault["id"]
        if state == "injecting":
            aims[identity] = line.get("seen", {}).get("aim", {})
        name = names.get((fault["kind"], msgspec.json.encode(aims.get(identity, {}))))
        if name is None:
            continue
        if state == "injected":
            seen[identity] = line.get("seen", {})
        elif state == "healed" and identity in seen:
            both = {"injected": seen[identity], "healed": line.get("seen", {})}
            _keep_better(found, _judged(name, cluster, both))
        elif state == "failed":
            why = re.sub(r"^n\d+: ", "", str(line.get("seen", {}).get("error", "")))
            _keep_better(found, Cell(name, cluster, FAILED, why))
    return found


def _keep_better(found: dict[str, Cell], cell: Cell) -> None:
    """Once seen is seen: a fault may be tried several times."""
    if cell.status == WORKS or cell.fault not in found:
        found[cell.fault] = cell


def _judged(name: str, cluster: str, seen: dict[str, Any]) -> Cell:
    """By what was seen when it was ``injected`` and when it was ``healed``."""
    reason = ""
    if not seen["injected"]:
        reason = "its nemesis does not tell what it observed"
    elif seen["injected"].get("reached") is False:
        reason = "the change was not reached in time"
    elif seen["healed"].get("struck") == 0:
        reason = "nothing went into its traps"
    return Cell(name, cluster, FAILED if reason else WORKS, reason, seen)
