"""The whole of ``duress prove``: which mutants of which systems, with what budget, and doing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from . import registry
from .attempts import Trials
from .errors import UserError
from .hunt import planned
from .prove import Case, Detection, Innocence, acquit, detect
from .spec import TrialSpec
from .system import Mutant
from .trial_flags import defaults, spec_of

QUICK = {"hunts": 1, "trials": 300, "minutes": 3.0, "clean_trials": 12, "time_limit_s": 12.0}
QUICK_INTERVAL_S = 1.5
"""As many faults in shorter trials."""

FULL = {"hunts": 5, "trials": 2000, "minutes": 3.0, "clean_trials": 2000, "time_limit_s": 30.0}
REAL = {"hunts": 1, "trials": 8, "minutes": 3.0, "clean_trials": 2, "time_limit_s": 10.0}
"""On real processes, where a trial lasts as long as it says."""

REAL_SAMPLE = 2
"""Mutants of each system that are hunted there unless more are asked for."""


@dataclass(frozen=True)
class ProofPlan:
    """What is tried. ``limits``: as :data:`FULL`; ``trial``: flags of every trial."""

    cluster: str
    systems: list[str]
    planted: list[Mutant]
    limits: Mapping[str, Any]
    trial: Mapping[str, Any]


@dataclass
class Proof:
    """What came of it. ``left_out``: why a mutant was not tried, a line for each."""

    detections: list[Detection] = field(default_factory=list)
    clean: list[Innocence] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def is_proven(self) -> bool:
        """Every mutant was found as expected, and no right version was accused."""
        found = all(each.is_as_expected for each in self.detections)
        return found and all(each.is_clean for each in self.clean)


@dataclass(frozen=True)
class Heard:
    """Who is told how far it is: of what begins, of what is known of it so far, and at its end."""

    begins: Callable[[str], None] = lambda _: None
    so_far: Callable[[Detection | Innocence], None] = lambda _: None
    done: Callable[[Detection | Innocence], None] = lambda _: None
    left_out: Callable[[str], None] = lambda _: None


def plan(
    systems: Sequence[str],
    cluster: str,
    *,
    quick: bool,
    mutants: Sequence[str],
    sample: int | None,
    seed: int,
    wanted: Mapping[str, Any],
) -> ProofPlan:
    """What the flags ask for; ``wanted`` are the limits, ``None`` for the usual ones."""
    usual = REAL if cluster != "sim" else QUICK if quick else FULL
    limits = {name: usual[name] if wanted[name] is None else wanted[name] for name in usual}
    chosen = systems_of(systems, cluster)
    if sample is None and cluster != "sim" and not mutants:
        sample = REAL_SAMPLE
    planted = planted_in(chosen, mutants, sample, seed) if limits["hunts"] else []
    trial: dict[str, Any] = {"seed": seed, "time_limit_s": limits["time_limit_s"]}
    if quick:
        trial["interval_s"] = QUICK_INTERVAL_S
    return ProofPlan(cluster, chosen, planted, limits, trial)


def run(
    plan: ProofPlan, pool: Trials, *, shrink: bool = False, heard: Heard | None = None
) -> Proof:
    """Hunt every mutant, then try the right versions."""
    heard = heard or Heard()
    proof, limits = Proof(), plan.limits
    for mutant in plan.planted:
        try:
            case = _case(mutant, plan.cluster, plan.trial)
        except UserError as unfit:
            if plan.cluster == "sim":
                raise
            proof.left_out.append(f"{mutant.system}:{mutant.name}: not tried: {unfit}")
            heard.left_out(proof.left_out[-1])
            continue
        heard.begins(f"hunting {mutant.system}:{mutant.name}")
        found = detect(
            case,
            pool,
            hunts=limits["hunts"],
            trials=limits["trials"],
            minutes=limits["minutes"],
            shrink=shrink,
            progress=heard.so_far,
        )
        proof.detections.append(found)
        heard.done(found)
    if limits["clean_trials"]:
        for system in plan.systems:
            specs = _right_versions(system, plan.cluster, plan.trial)
            heard.begins(f"trying {system} without a mutant")
            result = acquit(
                system, specs, pool, trials=limits["clean_trials"], progress=heard.so_far
            )
            proof.clean.append(result)
            heard.done(result)
    return proof


def systems_of(wanted: Sequence[str], cluster: str) -> list[str]:
    """Those that were asked for, or all of ours that run there."""
    # Those without the simulation are other people's, and have no mutants.
    able = [
        name
        for name in registry.names("systems")
        if {cluster, "sim"} <= set(registry.load("systems", name).clusters)
    ]
    for name in wanted:
        if name not in able:
            known = ", ".join(able)
            raise UserError(f"prove: {name!r} does not run on {cluster}; there are: {known}")
    return list(wanted) or able


def planted_in(
    systems: Sequence[str], names: Sequence[str], sample: int | None, seed: int
) -> list[Mutant]:
    """The mutants that are asked for, by system; a sample is the same for the same seed."""
    everyone = [mutant for mutant in registry.mutants() if mutant.system in systems]
    known = {mutant.name for mutant in everyone}
    for name in names:
        if name not in known:
            raise UserError(f"--mutant {name}: there is no such mutant of {', '.join(systems)}")
    asked = [mutant for mutant in everyone if not names or mutant.name in names]
    if sample is None:
        return asked
    random = Random(f"{seed}/sample")
    some: list[Mutant] = []
    for system in systems:
        mine = [mutant for mutant in asked if mutant.system == system]
        some += random.sample(mine, min(sample, len(mine)))
    return some


def _flags(cluster: str, **changes: Any) -> dict[str, Any]:
    return {**defaults(), "cluster": cluster, "settings": (), "mutant": None, **changes}


def _case(mutant: Mutant, cluster: str, trial: Mapping[str, Any]) -> Case:
    strategy = "mixed" if cluster == "sim" else "default"
    flags = _flags(cluster, **trial, mutant=mutant.name, strategy=strategy)
    trials = planned(mutant.system, flags, {"cluster", "seed"})
    anomalies = (mutant.anomaly, *getattr(mutant, "or_else", ()))
    return Case(mutant.system, mutant.name, anomalies, *trials)


def _right_versions(system: str, cluster: str, trial: Mapping[str, Any]) -> list[TrialSpec]:
    flags = _flags(cluster, **trial)
    return [
        spec_of(system, {**flags, "workload": workload}, {"cluster", "seed", "workload"})
        for workload in registry.load("systems", system).workloads
    ]
