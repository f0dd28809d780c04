"""Looks for a violation: the same trial with seed after seed, until one is found."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from . import registry
from .attempts import Attempt, Trials
from .errors import InfrastructureError
from .guided import Guided
from .spec import TrialSpec
from .trial_flags import settings_of, spec_of

if TYPE_CHECKING:
    from .trial import Outcome

STRATEGIES = ("mixed", "default", "uniform", "aimed", "guided")
"""``default``: faults as in ``duress run``. ``uniform`` and ``aimed`` are what the nemeses declare,
``guided`` begins with aimed ones and goes on with those that led somewhere new, changed. ``mixed``
is guided, where every other trial that begins anew is a default one.
"""

KNOWING = ("mixed", "aimed", "guided")
"""Those whose faults depend on what the protocol does."""

DEFAULT_TRIALS = 1000
"""Where neither trials nor minutes are bounded."""

BY_MOMENT = "ambush"
"""The nemesis that strikes at moments of the protocol."""


@dataclass
class Hunt:
    """How far a hunt is, and what it found.

    ``virtual_s``  simulated seconds of load so far; ``wall_s`` real ones,
    ``cpu_s``      of the processors' work.
    ``unknown``    trials that say nothing, such as those without any fault.
    ``schedules``, ``features``  of a guided hunt: how many are kept, and what they reached.
    """

    trials: int = 0
    operations: int = 0
    virtual_s: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    unknown: int = 0
    schedules: int = 0
    features: int = 0
    errors: list[str] = field(default_factory=list)
    found: Attempt | None = None


def hunt(
    spec: TrialSpec,
    pool: Trials,
    *,
    trials: int | None = None,
    minutes: float | None = None,
    strategy: str = "default",
    usual: TrialSpec | None = None,
    progress: Callable[[Hunt], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Hunt:
    """Try trial after trial; stop at the first violation or the budget's end.

    Those are the seeds from ``spec.seed`` on, to which guided strategies add trials of their own.
    Which trial is found does not depend on how many processes there are. ``usual`` is the
    trial of ``duress run``, for ``mixed``.
    """
    state, began = Hunt(), clock()

    def may_go_on(number: int) -> bool:
        return (trials is None or number < trials) and not _over(minutes, clock() - began)

    def trial(number: int) -> TrialSpec:
        if usual is not None and number % 2 == 0:
            return fresh(usual, "default", number)
        return fresh(spec, strategy, number)

    come = _guided if strategy in ("guided", "mixed") else _one_after_another
    for each in come(trial, pool, may_go_on, state):
        state.trials += 1
        state.operations += each.operations
        state.cpu_s += each.cpu_s
        state.virtual_s += spec.time_limit_s
        state.wall_s = clock() - began
        if each.error is not None and not each.failed:
            state.errors.append(f"seed {each.spec.seed}: {each.error}")
        elif each.outcome == "unknown":
            state.unknown += 1
        if each.failed:
            state.found = each
        progress(state)
        if state.found is not None or _over(minutes, clock() - began):
            break
    return state


def fresh(spec: TrialSpec, strategy: str, number: int) -> TrialSpec:
    """The trial with the ``number``-th seed.

    Faults get into each other's way: a partition keeps nodes from the election in which they
    could be struck. So where nemeses are of both sorts, by the clock and by moments, a trial has
    those of one sort or of both (Groce et al., "Swarm Testing", ISSTA 2012); the seed decides.
    """
    seed = spec.seed + number
    nemeses = spec.nemeses
    usual = [name for name in nemeses if name != BY_MOMENT]
    if strategy in KNOWING and usual and usual != nemeses:
        nemeses = Random(f"{seed}/swarm").choice([[BY_MOMENT], usual, nemeses])
    return msgspec.structs.replace(spec, seed=seed, nemeses=nemeses)


def _one_after_another(
    trial: Callable[[int], TrialSpec],
    pool: Trials,
    may_go_on: Callable[[int], bool],
    state: Hunt,
) -> Iterator[Attempt]:
    def specs() -> Iterator[TrialSpec]:
        number = 0
        while may_go_on(number):
            yield trial(number)
            number += 1

    yield from pool.run(specs())


def _guided(
    trial: Callable[[int], TrialSpec],
    pool: Trials,
    may_go_on: Callable[[int], bool],
    state: Hunt,
) -> Iterator[Attempt]:
    search = Guided(trial)
    number = 0
    while may_go_on(number):
        done = []
        wanted = iter(search.next_round())

        def specs(wanted: Iterator[TrialSpec] = wanted) -> Iterator[TrialSpec]:
            nonlocal number
            while may_go_on(number) and (each := next(wanted, None)) is not None:
                number += 1
                yield each

        for each in pool.run(specs(), watched=True):
            done.append(each)
            yield each
        search.learn(done)
        state.schedules, state.features = len(search.corpus), len(search.reached)


def _over(minutes: float | None, spent_s: float) -> bool:
    return minutes is not None and spent_s >= minutes * 60


def with_strategy(spec: TrialSpec, strategy: str, kept: Mapping[str, Any]) -> TrialSpec:
    """The same trial with faults drawn by a strategy, but for the options that are ``kept``.

    Of what a mutant takes for granted about faults, nothing is left but for ``default``.
    """
    if strategy == "default":
        return spec
    options = {name: value for name, value in spec.options.items() if name not in _fault_options()}
    drawn = "aimed" if strategy in KNOWING else strategy
    for name in spec.nemeses:
        declared = getattr(registry.load("nemeses", name), "strategies", {})
        options.update(declared.get(drawn, {}))
    return msgspec.structs.replace(spec, options={**options, **kept})


def by_moment_too(spec: TrialSpec, strategy: str) -> TrialSpec:
    """The same trial, with the nemesis that a strategy which knows the protocol adds."""
    if strategy not in KNOWING or BY_MOMENT in spec.nemeses:
        return spec
    return msgspec.structs.replace(spec, nemeses=[*spec.nemeses, BY_MOMENT])


def _fault_options() -> set[str]:
    """The options that some nemesis takes."""
    known = registry.names("nemeses")
    return {option for name in known for option in registry.load("nemeses", name).options}


def planned(
    system: str, flags: dict[str, Any], given: Collection[str]
) -> tuple[TrialSpec, TrialSpec | None]:
    """The first trial, in which the strategy decides about faults where nothing was said; and, for
    ``mixed``, the one of ``duress run``.
    """
    strategy = flags["strategy"]
    spec = usual = spec_of(system, flags, given)
    if strategy == "default":
        return spec, None
    if "interval_s" not in given:
        spec = msgspec.structs.replace(spec, interval_s=flags["interval_s"])
    if not {"nemesis", "phases"} & set(given):
        nemeses = list(registry.load("systems", spec.system).nemeses)
        spec = by_moment_too(msgspec.structs.replace(spec, nemeses=nemeses), strategy)
    spec = with_strategy(spec, strategy, settings_of(flags["settings"]))
    return spec, usual if strategy == "mixed" else None


def refuse_if_none_ran(state: Hunt) -> None:
    """``InfrastructureError`` for a hunt of which no trial could be run."""
    if state.errors and len(state.errors) == state.trials:
        raise InfrastructureError(f"hunt: no trial could be run; {state.errors[0]}")


def confirm(state: Hunt, outcome: Outcome) -> None:
    """``InfrastructureError`` unless the trial that was found failed when it was run to be kept."""
    if state.found is not None and outcome.verdict.valid is not False:
        raise InfrastructureError(
            f"hunt: seed {state.found.spec.seed} broke a promise, but not when run again; "
            "duress run --twice shows where the runs differ"
        )
