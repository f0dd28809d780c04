"""A trial as data: all that is needed to run it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from .composition import FaultPhase
from .errors import UserError
from .planned_fault import PlannedFault


class TrialSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One system x workload x nemeses x cluster x seed.

    ``rate``            client operations per second over all processes; 0 is as fast as it goes.
    ``time_limit_s``    length of the main phase.
    ``settle_s``        quiet time after everything was healed, before the final reads.
    ``timeout_s``       after which an operation is indeterminate.
    ``interval_s``      mean time between the nemesis's actions.
    ``options``         ``--set`` pairs, for system, workload, nemeses and cluster alike.
    ``check_time_s``    budget of each checker.
    ``weights``         how often faults of each nemesis come relative to the others; empty: each
                        in a rhythm of its own. A nemesis without one has 1.
    ``fault_phases``    parts of the main phase with nemeses (some of ``nemeses``) and weights of
                        their own; empty: all of them all the time.
    ``schedule``        the faults and their times, in place of both; ``None``: the nemeses decide.
    ``operations``      numbers (from 0) of the client operations of the main phase that are
                        performed, in the order in which they are drawn; ``None``: all.
    ``shrunk``          whether ``duress shrink`` made it and found nothing more to take away.
    """

    system: str
    workload: str
    nemeses: list[str]
    cluster: str
    nodes: list[str]
    seed: int
    mutant: str | None = None
    concurrency: int
    rate: float = 100.0
    time_limit_s: float = 30.0
    settle_s: float = 2.0
    timeout_s: float = 5.0
    interval_s: float = 3.0
    options: dict[str, Any] = {}
    check_time_s: float = 60.0
    weights: dict[str, float] = {}
    fault_phases: list[FaultPhase] = []
    schedule: list[PlannedFault] | None = None
    operations: list[int] | None = None
    shrunk: bool = False


def validate(spec: TrialSpec) -> TrialSpec:
    """The same spec, or ``UserError`` that says which field is wrong."""
    for name, low in (("rate", 0.0), ("settle_s", 0.0)):
        if getattr(spec, name) < low:
            raise UserError(f"{name}: expected at least {low:g}, got {getattr(spec, name):g}")
    for name in ("time_limit_s", "timeout_s", "interval_s", "check_time_s"):
        if not getattr(spec, name) > 0:
            raise UserError(f"{name}: expected more than 0, got {getattr(spec, name):g}")
    if spec.concurrency < 1:
        raise UserError(f"concurrency: expected at least 1, got {spec.concurrency}")
    if not spec.nodes or len(set(spec.nodes)) != len(spec.nodes):
        raise UserError(f"nodes: expected distinct names, at least one, got {spec.nodes}")
    return spec


def with_schedule(spec: TrialSpec, faults: Sequence[PlannedFault]) -> TrialSpec:
    """The same trial with these faults, and with nothing that says which to draw."""
    return msgspec.structs.replace(
        spec, schedule=list(faults), nemeses=kinds_of(faults), weights={}, fault_phases=[]
    )


def kinds_of(faults: Sequence[PlannedFault]) -> list[str]:
    """The nemeses that a schedule needs, in the order of their first fault."""
    return list(dict.fromkeys(fault.kind for fault in faults))


def parse_concurrency(text: str, nodes: int) -> int:
    """``"10"``, or ``"2n"`` for twice the number of nodes."""
    number = text.removesuffix("n")
    try:
        value = float(number or 1)
    except ValueError:
        raise UserError(f"concurrency: expected a number such as 10 or 2n, got {text!r}") from None
    return int(value * nodes) if text.endswith("n") else int(value)
