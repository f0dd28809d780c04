"""``duress hunt``: seed after seed on every core, until a promise is broken."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from typing import Any

import click
import msgspec

from .. import registry
from ..attempts import AttemptPool
from ..errors import InfrastructureError, UserError
from ..hunt import STRATEGIES, Hunt, by_moment_too, hunt, with_strategy
from ..spec import TrialSpec
from .one_trial import run_and_report
from .trial_options import (
    STORE,
    given_flags,
    settings_of,
    spec_of,
    trial_options,
)

DEFAULT_TRIALS = 1000


@click.command(
    epilog="""\b
Examples:
  duress hunt raft --mutant votes-twice
  duress hunt raft --budget-trials 10000 --seed 1
  duress hunt raft --minutes 10 --strategy aimed --set loss=0.01"""
)
@trial_options
@click.option(
    "--budget-trials",
    type=click.IntRange(1),
    help=f"Most trials (default: {DEFAULT_TRIALS}, or no limit with --minutes).",
)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Most minutes.")
@click.option("--jobs", type=click.IntRange(1, 512), help="Processes (default: one a core).")
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="mixed",
    show_default=True,
    help="uniform: faults that know nothing; aimed: at roles and at moments of the protocol; "
    "guided: aimed, then what led somewhere new, changed; default: as duress run; "
    "mixed: the last two.",
)
@STORE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("--quiet", is_flag=True, help="Print only the summary.")
def command(system: str, **flags: Any) -> int:
    """Run SYSTEM in virtual time with one seed after another until a promise is broken.

    Only the trial that broke it is kept, with its report. Exit code: 1 if there is one,
    0 if the budget ended before.
    """
    flags["cluster"] = flags["cluster"] or "sim"
    if flags["cluster"] != "sim":
        raise UserError(f"hunt: trials are run on sim, not on {flags['cluster']!r}")
    spec, usual = planned(system, flags, given_flags(flags))
    trials, minutes = flags["budget_trials"], flags["minutes"]
    if trials is None and minutes is None:
        trials = DEFAULT_TRIALS
    show = sys.stderr if flags["as_json"] else sys.stdout
    terminal = registry.load("reports", "terminal")
    with (
        AttemptPool(flags["jobs"]) as pool,
        terminal.ProgressLine(show, quiet=flags["quiet"]) as live,
    ):
        result = hunt(
            spec,
            pool,
            trials=trials,
            minutes=minutes,
            strategy=flags["strategy"],
            usual=usual,
            progress=lambda state: live.show(_so_far(state, trials)),
        )
    sign = terminal.GOOD if result.found is None else terminal.BAD
    terminal.say(show, sign, f" {_summary(result, spec.seed)}")
    if result.errors and len(result.errors) == result.trials:
        raise InfrastructureError(f"hunt: no trial could be run; {result.errors[0]}")
    outcome = None
    if result.found is not None:
        outcome = run_and_report(result.found.spec, flags["store_path"], show, True)
        if outcome.verdict.valid is not False:
            raise InfrastructureError(
                f"hunt: seed {result.found.spec.seed} broke a promise, but not when run again; "
                "duress run --twice shows where the runs differ"
            )
    if flags["as_json"]:
        click.echo(json.dumps(_as_json(result, outcome)))
    return 0 if result.found is None else 1


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


def _so_far(state: Hunt, trials: int | None) -> str:
    line = f"{state.trials}" + (f" of {trials}" if trials else "") + " trials"
    line += f", {_speed(state)}, {state.operations:,} operations, {state.wall_s:.0f} s"
    return line + _kept(state)


def _speed(state: Hunt) -> str:
    wall_s = max(state.wall_s, 1e-9)
    return f"{state.trials / wall_s * 60:.0f} a minute, {state.virtual_s / wall_s:.0f} x real time"


def _kept(state: Hunt) -> str:
    """What a guided hunt has to go on; nothing for others."""
    if not state.features:
        return ""
    return f", {state.schedules} schedules kept for {state.features} features"


def _summary(state: Hunt, first_seed: int) -> str:
    trials = "1 trial" if state.trials == 1 else f"{state.trials} trials"
    said = f"{trials} in {state.wall_s:.1f} s ({_speed(state)}): "
    if state.found is not None:
        said += f"seed {state.found.spec.seed} broke a promise: {', '.join(state.found.anomalies)}"
    elif state.features:
        said += f"no violation from the seed {first_seed} on"
    else:
        last = first_seed + state.trials - 1
        said += f"no violation with the seeds {first_seed} to {last}"
    said += _kept(state)
    if state.unknown:
        said += f"; {state.unknown} unknown"
    if state.errors:
        said += f"; {len(state.errors)} could not be run, the first: {state.errors[0]}"
    return said


def _as_json(state: Hunt, outcome: Any) -> dict[str, Any]:
    return {
        "found": state.found is not None,
        "seed": None if state.found is None else state.found.spec.seed,
        "anomalies": [] if state.found is None else state.found.anomalies,
        "run": None if outcome is None else outcome.folder,
        "trials": state.trials,
        "unknown": state.unknown,
        "schedules": state.schedules,
        "features": state.features,
        "errors": state.errors,
        "operations": state.operations,
        "virtual_s": state.virtual_s,
        "wall_s": round(state.wall_s, 3),
        "spec": None if state.found is None else msgspec.to_builtins(state.found.spec),
    }
