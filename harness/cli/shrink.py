"""``duress shrink``: the smallest trial that breaks the same promise as a saved one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import msgspec

from .. import registry, store
from ..attempts import Attempt
from ..real_attempts import in_store, pool_for
from ..real_shrink import TRIES
from ..shrink import Shrunk
from ..shrunk_run import (
    MINUTES,
    REAL_MINUTES,
    SEEDS,
    confirm,
    link,
    repeats,
    shrunk,
    smallest_spec,
    spec_to_shrink,
    tries_of,
)
from .one_trial import hear_again, report, run_and_report
from .trial_options import STORE


@click.command(
    epilog="""\b
Examples:
  duress hunt raft --mutant commits-old-term && duress shrink latest
  duress shrink runs/2026… --minutes 10 --budget-trials 3000"""
)
@click.argument("run", default="latest")
@click.option(
    "--budget-trials", type=click.IntRange(1), default=3000, show_default=True, help="Most trials."
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help=f"Most minutes (default: {MINUTES:g}; for programs on stdio {REAL_MINUTES:g}).",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    help=f"With how many seeds each smaller trial is tried (default: {SEEDS}); for programs on "
    f"stdio, how often ({TRIES}).",
)
@click.option("--jobs", type=click.IntRange(1, 512), help="Processes (default: one a core).")
@STORE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("--quiet", is_flag=True, help="Print only the summary.")
def command(
    run: str,
    budget_trials: int,
    minutes: float | None,
    seeds: int | None,
    jobs: int | None,
    store_path: Path,
    as_json: bool,
    quiet: bool,
) -> int:
    """Reduce RUN, an invalid run on sim, while one of its anomalies remains.

    Faults, nodes, clients and time are taken away. Ends with a run folder of the smallest
    failing trial and its report. Exit code: 1, for it is invalid.

    A run of programs on stdio is reduced by running it again, several times each: its faults,
    its network and what clients ask repeat, what the programs do need not.
    """
    before = store.find(run, store_path)
    spec = spec_to_shrink(before)
    show = sys.stderr if as_json else sys.stdout

    terminal = registry.load("reports", "terminal")

    def progress(state: Shrunk, name: str) -> None:
        said = f"{state.wall_s:6.1f} s {state.trials:5} trials  {name:<15} "
        live.say((said, "dim"), size(state.smallest))

    with pool_for(spec, jobs, store_path) as pool:
        with terminal.ProgressLine(show, quiet=quiet) as live:
            result = shrunk(
                before,
                spec,
                pool,
                trials=budget_trials,
                minutes=minutes,
                seeds=seeds,
                progress=progress,
            )
        smallest = in_store(result.smallest, store_path)
    if smallest.folder:
        report(smallest.folder, show)
    else:
        outcome = run_and_report(smallest_spec(result), store_path, show, True)
        confirm(outcome)
        smallest = msgspec.structs.replace(smallest, folder=outcome.folder)
    link(before, smallest.folder)
    for label, attempt in (("before", result.before), ("after", result.smallest)):
        terminal.say(show, (f"  {label:<14}", "dim"), size(attempt))
    end = "nothing smaller fails" if result.complete else "the budget is spent"
    told = f"{result.trials} trials, {result.wall_s:.1f} s; {end}"
    terminal.say(show, ("  took          ", "dim"), told)
    if spec.cluster != "sim":
        said = (repeats(result, tries_of(seeds)), hear_again(smallest.spec, smallest))
        for label, words in zip(("repeats", "programs"), said, strict=True):
            terminal.say(show, (f"  {label:<14}", "dim"), words)
    if as_json:
        click.echo(json.dumps(_as_json(result, smallest.folder)))
    return 1


def size(attempt: Attempt) -> str:
    """How large a trial is, in words."""
    spec = attempt.spec
    faults = len(attempt.faults if spec.schedule is None else spec.schedule)
    counts = (
        (faults, "fault"),
        (attempt.operations, "operation"),
        (spec.concurrency, "client"),
        (len(spec.nodes), "node"),
    )
    said = [f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in counts]
    return f"{', '.join(said)}, {spec.time_limit_s:g} s"


def _as_json(result: Shrunk, folder: str) -> dict[str, object]:
    sizes = {
        name: {
            "faults": len(each.faults if each.spec.schedule is None else each.spec.schedule),
            "operations": each.operations,
            "clients": each.spec.concurrency,
            "nodes": len(each.spec.nodes),
            "time_limit_s": each.spec.time_limit_s,
        }
        for name, each in (("before", result.before), ("after", result.smallest))
    }
    return {
        **sizes,
        "anomalies": result.smallest.anomalies,
        "run": folder,
        "trials": result.trials,
        "wall_s": round(result.wall_s, 3),
        "complete": result.complete,
    }
