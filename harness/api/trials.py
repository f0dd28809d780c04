"""Single trials: run, find, judge again, repeat, shrink."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import msgspec

from .. import registry, said_again, trial
from .. import store as stores
from ..errors import InfrastructureError, UserError
from ..judged_again import judge_again
from ..one_trial import render
from ..planned_fault import PlannedFault
from ..replay import again, is_exact
from ..simulation.repeat import first_difference
from ..spec import TrialSpec
from ..store import DEFAULT_STORE, RunFolder
from .execution import Stop, beside_loop, run_in_store
from .execution import render as render_quietly
from .flags import Named, TrialFlags, spec_from
from .trial import Trial

if TYPE_CHECKING:
    from ..shrink import Shrunk

Run = Trial | str | Path
"""A trial; or a run folder, the beginning of its name, or ``latest``."""


def run(
    system: Named,
    *,
    trials: int = 1,
    schedule: str | Path | Sequence[PlannedFault] | None = None,
    by_role: bool = False,
    twice: bool = False,
    store: str | Path = DEFAULT_STORE,
    **flags: Unpack[TrialFlags],
) -> Trial:
    """Run a system on a cluster under faults and judge what its clients saw: ``duress run``.

    ``trials``    repeat with seed, seed + 1, … until one is not valid; that one is returned.
    ``schedule``  the faults to inject instead of drawing some: a file, or :attr:`Trial.schedule`.
    ``by_role``   aim those that followed a role at whoever is in it then.
    ``twice``     on sim: run again and compare, byte for byte (:attr:`Trial.difference`).
    ``store``     the folder in which run folders are made.

    What goes wrong in a trial is its outcome. Raises ``UserError`` for flags that make no sense,
    ``InfrastructureError`` where the cluster cannot be had at all.
    """
    spec = spec_from(system, flags, "run", schedule, by_role)
    if twice and spec.cluster != "sim":
        raise UserError(f"--twice: only trials on sim are repeatable; got {spec.cluster}")
    return _until_not_valid(spec, trials, Path(store), twice)


def _until_not_valid(spec: TrialSpec, trials: int, store: Path, twice: bool = False) -> Trial:
    done = None
    for number in range(max(trials, 1)):
        this = msgspec.structs.replace(spec, seed=spec.seed + number)
        done = Trial(run_in_store(this, store).path)
        if twice:
            done.difference = _difference_when_repeated(done)
        if not done.valid or done.difference is not None:
            break
    assert done is not None
    return done


def _difference_when_repeated(done: Trial) -> str | None:
    found, said = said_again.run_twice(done.spec, outcome_of(done))
    return None if found is None else said


def saved(run: Run = "latest", *, store: str | Path = DEFAULT_STORE) -> Trial:
    """A trial that was run before: by its folder, the beginning of its name, or ``latest``."""
    return run if isinstance(run, Trial) else Trial(_folder(run, store).path)


def report(run: Run = "latest", *, store: str | Path = DEFAULT_STORE) -> Trial:
    """Judge a saved run again with today's checkers, and render its reports: ``duress report``."""
    folder = _folder(run, store)
    judge_again(folder)
    problems: list[str] = []
    render(folder, io.StringIO(), problems.append, ("html", "junit"))
    if problems:
        raise InfrastructureError("; ".join(problems))
    return Trial(folder.path)


def replay(
    run: Run = "latest",
    *,
    on: Named | None = None,
    by_role: bool = False,
    trials: int = 1,
    store: str | Path = DEFAULT_STORE,
) -> Trial:
    """Repeat a saved run in a new run folder: ``duress replay``.

    On sim it is the same run again; where it is not, :attr:`Trial.difference` says how. Elsewhere
    the same faults strike at the same times: ``trials`` times at most, until one is not valid.
    """
    before = _folder(run, store)
    cluster = None if on is None else registry.name_of("clusters", on)
    spec = again(before, cluster, by_role)
    if not is_exact(spec, cluster, by_role):
        return _until_not_valid(spec, trials, Path(store))
    done = Trial(run_in_store(spec, Path(store)).path)
    found = first_difference(before.path, done.folder)
    done.difference = None if found is None else str(found)
    return done


def shrink(
    run: Run = "latest",
    *,
    budget_trials: int = 3000,
    minutes: float | None = None,
    seeds: int | None = None,
    jobs: int | None = None,
    progress: Callable[[Shrunk], object] | None = None,
    store: str | Path = DEFAULT_STORE,
) -> Trial:
    """Reduce an invalid run while one of its anomalies remains: ``duress shrink``.

    ``progress`` is called with each smaller trial that still fails.
    """
    from .. import shrunk_run
    from ..real_attempts import in_store, pool_for

    before, where = _folder(run, store), Path(store)
    spec = shrunk_run.spec_to_shrink(before)
    stop = Stop()
    heard = stop.heard_by(progress)

    def work() -> tuple[Shrunk, str]:
        with pool_for(spec, jobs_for(spec, jobs), where) as pool:
            result = shrunk_run.shrunk(
                before,
                spec,
                pool,
                trials=budget_trials,
                minutes=minutes,
                seeds=seeds,
                progress=lambda state, _: heard(state),
            )
            return result, in_store(result.smallest, where).folder

    result, folder = beside_loop(work, stop)
    if folder:  # a run in real time, which need not fail again
        render_quietly(RunFolder(Path(folder)))
    else:
        small = Trial(run_in_store(shrunk_run.smallest_spec(result), where).path)
        shrunk_run.confirm(outcome_of(small))
        folder = str(small.folder)
    shrunk_run.link(before, folder)
    return Trial(folder)


def outcome_of(done: Trial) -> trial.Outcome:
    """A trial as the functions of the harness know it."""
    return trial.Outcome(done.outcome, done.verdict, str(done.folder), done.error)


def jobs_for(spec: TrialSpec, jobs: int | None) -> int | None:
    """One process, this one, for what no other can find."""
    named = (spec.system, spec.workload, *spec.nemeses)
    return 1 if any(registry.is_only_here(name) for name in named) else jobs


def _folder(run: Run, where: str | Path) -> RunFolder:
    if isinstance(run, Trial):
        return RunFolder(run.folder)
    return stores.find(str(run), Path(where))
