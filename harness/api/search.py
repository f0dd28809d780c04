"""Many trials: hunts for a violation, the measure of duress itself, findings shown again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from .. import hunt as hunting
from .. import proof, rediscovery, registry
from ..attempts import AttemptPool
from ..errors import UserError
from ..finding import Finding
from ..hunt import Hunt
from ..proof import Proof
from ..real_attempts import CLUSTERS, in_store, pool_for
from ..real_trials import RealTrials
from ..rediscovery import Outcome as Rediscovered
from ..spec import TrialSpec
from ..store import DEFAULT_STORE, RunFolder
from ..trial_flags import DEFAULTS
from .execution import Stop, beside_loop, render, run_in_folder, run_in_store
from .flags import Named, TrialFlags, given
from .trial import Trial
from .trials import jobs_for, outcome_of

if TYPE_CHECKING:
    from ..prove import Detection, Innocence

Strategy = Literal["mixed", "default", "uniform", "aimed", "guided"]


@dataclass(frozen=True)
class Hunted:
    """What came of a hunt. ``found``: the trial that broke a promise, with its report."""

    found: Trial | None
    state: Hunt
    """How much was tried: ``trials``, ``unknown``, ``errors``, ``operations``, ``wall_s``, …"""

    @property
    def trials(self) -> int:
        """How many trials it took."""
        return self.state.trials


def hunt(
    system: Named,
    *,
    budget_trials: int | None = None,
    minutes: float | None = None,
    jobs: int | None = None,
    strategy: Strategy | None = None,
    progress: Callable[[Hunt], object] | None = None,
    store: str | Path = DEFAULT_STORE,
    **flags: Unpack[TrialFlags],
) -> Hunted:
    """Try seed after seed on sim, on every core, until a promise is broken: ``duress hunt``.

    ``strategy``  ``mixed`` unless given; for programs on ``stdio``, in real time, ``default``.
    ``progress``  is called after each trial with how far it is.
    """
    said = given(flags, "hunt", ("budget_trials", "minutes", "jobs", "strategy", "store"))
    is_real = said.setdefault("cluster", "sim") in CLUSTERS
    if said["cluster"] != "sim" and not is_real:
        raise UserError(f"hunt: trials are run on sim, not on {said['cluster']!r}")
    strategy = strategy or ("default" if is_real else "mixed")
    if is_real and strategy in ("mixed", "guided"):
        raise UserError(f"--strategy {strategy}: looks into simulated protocols")
    if strategy not in hunting.STRATEGIES:
        raise UserError(
            f"Invalid value for '--strategy': {strategy!r} is not one of "
            f"{', '.join(map(repr, hunting.STRATEGIES))}."
        )
    whole = {**DEFAULTS, **said, "strategy": strategy}
    spec, usual = hunting.planned(registry.name_of("systems", system), whole, set(said))
    if budget_trials is None and minutes is None:
        budget_trials = hunting.DEFAULT_TRIALS

    stop = Stop()

    def work() -> tuple[Hunt, str]:
        with pool_for(spec, jobs_for(spec, jobs), Path(store)) as pool:
            state = hunting.hunt(
                spec,
                pool,
                trials=budget_trials,
                minutes=minutes,
                strategy=strategy,
                usual=usual,
                progress=stop.heard_by(progress),
            )
            kept = None if state.found is None else in_store(state.found, Path(store))
            return state, "" if kept is None else kept.folder

    state, folder = beside_loop(work, stop)
    hunting.refuse_if_none_ran(state)
    if state.found is None:
        return Hunted(None, state)
    if folder:
        render(RunFolder(Path(folder)))
        return Hunted(Trial(folder), state)
    found = Trial(run_in_store(state.found.spec, Path(store)).path)
    hunting.confirm(state, outcome_of(found))
    return Hunted(found, state)


def prove(
    *systems: str,
    quick: bool = False,
    on: str = "sim",
    mutants: Sequence[str] = (),
    sample: int | None = None,
    hunts: int | None = None,
    budget_trials: int | None = None,
    minutes: float | None = None,
    time: float | None = None,
    clean_trials: int | None = None,
    shrink: bool = False,
    seed: int = 0,
    jobs: int | None = None,
    progress: Callable[[Detection | Innocence], object] | None = None,
) -> Proof:
    """Hunt every planted bug of systems, and try the right versions: ``duress prove``.

    ``progress`` is called with each mutant and each right version, when it is done.
    """
    wanted = {
        "hunts": hunts,
        "trials": budget_trials,
        "minutes": minutes,
        "clean_trials": clean_trials,
        "time_limit_s": time,
    }
    plan = proof.plan(
        systems, on, quick=quick, mutants=mutants, sample=sample, seed=seed, wanted=wanted
    )
    stop = Stop()
    heard = proof.Heard(so_far=stop.heard_by(None), done=stop.heard_by(progress))

    def simulated() -> Proof:
        with AttemptPool(jobs) as pool:
            return proof.run(plan, pool, shrink=shrink, heard=heard)

    if on == "sim":
        return beside_loop(simulated, stop)
    if jobs is not None:
        raise UserError(f"--jobs: trials on {on} run one after the other")
    return proof.run(plan, RealTrials(run_in_folder), shrink=shrink, heard=heard)


def findings(*names: str, system: str | Sequence[str] = ()) -> list[Finding]:
    """What is known about real systems, and controls: ``duress rediscover --list``."""
    return rediscovery.chosen(names, [system] if isinstance(system, str) else system)


def rediscover(
    *names: str,
    system: str | Sequence[str] = (),
    seed: int = 0,
    progress: Callable[[str], object] | None = None,
    store: str | Path = DEFAULT_STORE,
) -> list[Rediscovered]:
    """Show findings again, all of them if none is named: ``duress rediscover``.

    ``progress`` hears in a line what is tried. Needs the clusters of these systems.
    """
    wanted = findings(*names, system=system)
    specs = {each.name: rediscovery.first_trial(each, seed) for each in wanted}
    for spec in specs.values():
        if why := registry.load("clusters", spec.cluster).reason_unavailable():
            raise UserError(f"rediscover: {spec.system} needs the cluster {spec.cluster}: {why}")

    def run(spec: TrialSpec) -> object:
        return outcome_of(Trial(run_in_store(spec, Path(store)).path))

    outcomes: list[Rediscovered] = []
    for each in wanted:
        outcomes.append(
            rediscovery.tried(each, specs[each.name], run, progress or (lambda _: None))
        )
        rediscovery.remember(outcomes[-1], Path(store))
    return outcomes
