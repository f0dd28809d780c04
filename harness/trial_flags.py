"""The flags that describe a trial, whoever gives them, and the trial that they describe."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import composition, packages, registry, schedule
from .composition import FaultPhase
from .errors import UserError
from .planned_fault import PlannedFault
from .spared import Bounds
from .spec import TrialSpec, kinds_of, parse_concurrency, validate

HELP = "help"

DEFAULTS: Mapping[str, Any] = {
    "cluster": None,
    "nodes": None,
    "workload": None,
    "nemesis": None,
    "phases": None,
    "time_limit_s": 30.0,
    "rate": 150.0,
    "concurrency": "2n",
    "timeout_s": 5.0,
    "interval_s": 3.0,
    "settle_s": 2.0,
    "seed": None,
    "mutant": None,
    "settings": (),
}
"""What the flags are where they are not given, by parameter."""

NODES_MAX = 99


class NemesesAsked(UserError):
    """``--nemesis help``: what there is for this system on this cluster is what was asked for."""

    def __init__(self, system: Any, cluster: str, options: Mapping[str, Any]) -> None:
        super().__init__("--nemesis help: lists what there is, on the command line")
        self.system, self.cluster, self.options = system, cluster, options


def defaults() -> dict[str, Any]:
    """:data:`DEFAULTS`, to be changed at will."""
    return dict(DEFAULTS)


def spec_of(system_name: str, flags: dict[str, Any], given: Collection[str]) -> TrialSpec:
    """The trial that the flags describe; ``given`` are those that are not defaults."""
    options = settings_of(flags["settings"])
    conditions: dict[str, Any] = {}
    conditions_given: frozenset[str] = frozenset()
    if flags["mutant"]:
        mutant = _mutant(system_name, flags["mutant"])
        system_name = mutant.system
        options = {**mutant.options, **options}
        conditions = dict(mutant.conditions.get("options", {}))
        conditions_given = frozenset(mutant.conditions)
        flags = flags | {n: v for n, v in mutant.conditions.items() if n in flags.keys() - given}
    system = registry.load("systems", system_name)
    cluster = flags["cluster"] or system.clusters[0]
    if cluster not in system.clusters:
        raise UserError(f"{system_name} runs on {', '.join(system.clusters)}, not on {cluster!r}")
    workload = flags["workload"] or system.workloads[0]
    if workload not in system.workloads and ".py:" not in workload:  # one's own one may try
        raise UserError(
            f"{system_name} supports the workloads {', '.join(system.workloads)}, not {workload!r}"
        )
    faults = _schedule(flags.get("schedule"))
    for flag in ("nemesis", "phases"):
        if faults is not None and flag in given:
            raise UserError(f"--{flag}: the schedule says which faults there are; give only one")
    if flags["nemesis"] == HELP:
        raise NemesesAsked(system, cluster, options)
    if flags.get("by_role"):
        if faults is None:
            raise UserError("--by-role: re-aims the faults of a --schedule; give one")
        faults = schedule.by_role(faults)
    chosen = _chosen(flags, given, cluster, system, options)
    if faults is not None:
        chosen = _Chosen(kinds_of(faults))
    nemeses = chosen.nemeses
    _check_nemeses(nemeses, cluster, system, options)
    known = known_options(system, workload, cluster, nemeses)
    for name in options:
        if name not in known:
            close = registry.did_you_mean(name, known)
            raise UserError(
                f"--set {name}: no such option here{close}; there are: {', '.join(known)}"
            )
    options = {**{name: conditions[name] for name in conditions if name in known}, **options}
    count = flags["nodes"] or system.nodes
    concurrency = flags["concurrency"]
    if "concurrency" not in given and "concurrency" not in conditions_given:
        concurrency = getattr(system, "concurrency", concurrency)
    first = getattr(system, "first_node", 1)
    nodes = [f"n{i + first}" for i in range(count)]
    schedule.check(faults or [], nodes)
    Bounds.of(options, count)
    return validate(
        TrialSpec(
            system=system_name,
            mutant=flags["mutant"],
            workload=workload,
            nemeses=nemeses,
            cluster=cluster,
            nodes=nodes,
            seed=secrets.randbelow(2**31) if flags["seed"] is None else flags["seed"],
            concurrency=parse_concurrency(concurrency, count),
            rate=flags["rate"],
            time_limit_s=chosen.time_limit_s or flags["time_limit_s"],
            settle_s=flags["settle_s"],
            timeout_s=flags["timeout_s"],
            interval_s=flags["interval_s"],
            options=options,
            weights=chosen.weights,
            fault_phases=chosen.phases,
            schedule=faults,
        )
    )


def _schedule(given: Path | Sequence[PlannedFault] | None) -> list[PlannedFault] | None:
    if given is None:
        return None
    return schedule.read(given) if isinstance(given, Path) else list(given)


@dataclass(frozen=True)
class _Chosen:
    """What ``--nemesis`` and ``--phases`` say."""

    nemeses: list[str]
    weights: dict[str, float] = field(default_factory=dict)
    phases: list[FaultPhase] = field(default_factory=list)
    time_limit_s: float | None = None


def _chosen(
    flags: Mapping[str, Any],
    given: Collection[str],
    cluster: str,
    system: Any,
    options: Mapping[str, Any],
) -> _Chosen:
    def members(name: str) -> list[str]:
        return packages.members(name, cluster, system, options)

    if not flags.get("phases"):
        wanted = packages.DEFAULT if flags["nemesis"] is None else flags["nemesis"]
        return _Chosen(*composition.nemeses_of(wanted, members))
    if "nemesis" in given:
        raise UserError("--nemesis: the phases say which faults there are; give only one")
    phases = composition.phases_of(flags["phases"], members)
    if "time_limit_s" in given:
        phases = composition.repeated(phases, flags["time_limit_s"])
    total_s = round(sum(phase.lasts_s for phase in phases), 9)
    return _Chosen(composition.every_nemesis(phases), {}, phases, total_s)


def settings_of(pairs: Sequence[str]) -> dict[str, str]:
    """The ``--set`` pairs by name."""
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UserError(f"--set {pair}: expected NAME=VALUE")
        settings[name] = value
    return settings


def _mutant(system: str, name: str) -> Any:
    mine = [mutant for mutant in registry.mutants() if mutant.system == system]
    for mutant in mine:
        if mutant.name == name:
            return mutant
    known = ", ".join(mutant.name for mutant in mine) or "none"
    raise UserError(f"{system} has no mutant named {name!r}; there are: {known}")


def _check_nemeses(
    nemeses: Sequence[str], cluster: str, system: Any, options: Mapping[str, Any]
) -> None:
    for name in nemeses:
        if why := packages.reason_unusable(name, cluster, system, options):
            raise UserError(why)


def known_options(system: Any, workload: str, cluster: str, nemeses: Sequence[str]) -> list[str]:
    """The names that ``--set`` takes in a trial of these."""
    takers = [system, registry.load("workloads", workload), registry.load("clusters", cluster)]
    takers += [registry.load("checkers", "availability"), Bounds]
    takers += [registry.load("nemeses", name) for name in nemeses]
    return sorted({name for taker in takers for name in getattr(taker, "options", ())})
