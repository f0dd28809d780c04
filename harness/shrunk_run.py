"""A run that is to be shrunk, and the run of what remains of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from . import real_shrink, registry
from .attempts import AttemptPool
from .errors import InfrastructureError, UserError
from .real_attempts import CLUSTERS
from .shrink import Shrinker, Shrunk
from .spec import TrialSpec
from .store import RunFolder

if TYPE_CHECKING:
    from .trial import Outcome

SEEDS, MINUTES = 2, 3.0
REAL_MINUTES = 10.0
"""Where trials take real time."""


def spec_to_shrink(before: RunFolder) -> TrialSpec:
    """The trial of a saved run; ``UserError`` if it cannot be shrunk."""
    spec = before.read_json("trial.json", TrialSpec)
    if spec.cluster not in ("sim", *CLUSTERS):
        raise UserError(
            "shrink: only runs on sim can be repeated exactly, and those of programs on stdio by "
            f"and large; not on {spec.cluster}"
        )
    return spec


def shrunk(
    before: RunFolder,
    spec: TrialSpec,
    pool: AttemptPool,
    *,
    trials: int,
    minutes: float | None,
    seeds: int | None,
    progress: Callable[[Shrunk, str], None],
) -> Shrunk:
    """Reduce the trial of a saved run. ``minutes`` and ``seeds``: ``None`` for the usual ones."""
    if spec.cluster == "sim":
        simulated = Shrinker(
            pool, trials=trials, minutes=minutes or MINUTES, seeds=seeds or SEEDS, progress=progress
        )
        return simulated.shrink(spec)
    tries = tries_of(seeds)
    real = real_shrink.RealShrinker(
        pool, trials=trials, minutes=minutes or REAL_MINUTES, seeds=tries, progress=progress
    )
    return real.shrink_run(real_shrink.attempt_of(before, spec))


def tries_of(seeds: int | None) -> int:
    """How often a smaller trial is tried in real time."""
    return seeds or real_shrink.TRIES


def smallest_spec(result: Shrunk) -> TrialSpec:
    """The trial to be kept with its report."""
    return msgspec.structs.replace(result.smallest.spec, shrunk=result.complete)


def confirm(outcome: Outcome) -> None:
    """``InfrastructureError`` unless the smallest trial failed when it was run to be kept."""
    if outcome.verdict.valid is not False:
        raise InfrastructureError("shrink: the smallest failing trial was right when run again")


def repeats(result: Shrunk, tries: int) -> str:
    """What of a smallest trial in real time can be relied on, in words."""
    return (
        "the faults, the network's schedule and what clients ask; not what programs do: the trial "
        f"failed at least {min(real_shrink.FAILURES, tries)} times in {tries} tries"
    )


def link(before: RunFolder, after: str) -> None:
    """Let the reports of both runs tell of each other, where they lie in one store."""
    small = RunFolder(Path(after))
    if small.path.resolve().parent != before.path.resolve().parent:
        return
    before.write_json("shrunk.json", {"run": small.path.name})
    info = small.read_json("trial.json")
    small.write_json("trial.json", {**info, "shrunk_from": before.path.resolve().name})
    for folder in (before, small):
        registry.load("reports", "html")(folder.path)
