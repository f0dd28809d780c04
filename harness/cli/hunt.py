"""``duress hunt``: seed after seed on every core, until a promise is broken."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
import msgspec

from .. import registry
from ..errors import UserError
from ..hunt import (
    DEFAULT_TRIALS,
    STRATEGIES,
    Hunt,
    confirm,
    hunt,
    planned,
    refuse_if_none_ran,
)
from ..real_attempts import CLUSTERS, in_store, pool_for
from .maelstrom_flags import MaelstromCommand, maelstrom_options, translated
from .one_trial import report, run_and_report
from .trial_options import STORE, given_flags, help_answered, trial_options

REAL_STRATEGIES = ("default", "uniform", "aimed")
"""Those that need not look into the protocol."""


@click.command(
    cls=MaelstromCommand,
    epilog="""\b
Examples:
  duress hunt raft --mutant votes-twice
  duress hunt raft --budget-trials 10000 --seed 1
  duress hunt raft --minutes 10 --strategy aimed --set loss=0.01
  duress hunt lin-kv --node ./my-node --nemesis partition,kill --minutes 10""",
)
@trial_options
@maelstrom_options
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

    With --node, run the program so in real time, one trial a core.

    Only the trial that broke it is kept, with its report. Exit code: 1 if there is one,
    0 if the budget ended before.
    """
    system, flags, given = asked(system, flags, given_flags(flags))
    with help_answered():
        spec, usual = planned(system, flags, given)
    store_path = flags["store_path"]
    trials, minutes = flags["budget_trials"], flags["minutes"]
    if trials is None and minutes is None:
        trials = DEFAULT_TRIALS
    show = sys.stderr if flags["as_json"] else sys.stdout
    terminal = registry.load("reports", "terminal")
    with pool_for(spec, flags["jobs"], store_path) as pool:
        with terminal.ProgressLine(show, quiet=flags["quiet"]) as live:
            result = hunt(
                spec,
                pool,
                trials=trials,
                minutes=minutes,
                strategy=flags["strategy"],
                usual=usual,
                progress=lambda state: live.show(_so_far(state, trials)),
            )
        outcome: Any = None if result.found is None else in_store(result.found, store_path)
    sign = terminal.GOOD if result.found is None else terminal.BAD
    terminal.say(show, sign, f" {_summary(result, spec.seed)}")
    refuse_if_none_ran(result)
    if outcome is not None and outcome.folder:
        report(outcome.folder, show)
    elif result.found is not None:
        outcome = run_and_report(result.found.spec, flags["store_path"], show, True)
        confirm(result, outcome)
    if flags["as_json"]:
        click.echo(json.dumps(_as_json(result, outcome)))
    return 0 if result.found is None else 1


def asked(
    system: str, flags: dict[str, Any], given: set[str]
) -> tuple[str, dict[str, Any], set[str]]:
    """The system and its flags, Maelstrom's in our words. ``UserError``: not to be hunted so."""
    has_program = flags["node"] is not None
    flags["cluster"] = flags["cluster"] or (CLUSTERS[0] if has_program else "sim")
    if flags["cluster"] not in (CLUSTERS if has_program else ("sim",)):
        raise UserError(f"hunt: trials are run on sim, not on {flags['cluster']!r}")
    system, flags, given = translated(system, flags, given)
    if "trials" in given:  # --test-count
        flags["budget_trials"] = flags["trials"]
    if not has_program:
        return system, flags, given
    if "strategy" not in given:
        flags["strategy"] = "default"
    if flags["strategy"] not in REAL_STRATEGIES:
        raise UserError(
            f"--strategy {flags['strategy']}: looks into simulated protocols; with --node there "
            f"are: {', '.join(REAL_STRATEGIES)}"
        )
    if flags["strategy"] != "default" and "nemesis" not in given:
        raise UserError(f"--strategy {flags['strategy']}: of which faults? Say --nemesis")
    return system, flags, given


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
