"""``duress shrink``: the smallest trial that breaks the same promise as a saved one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import msgspec

from .. import registry, store
from ..attempts import Attempt, AttemptPool
from ..errors import InfrastructureError, UserError
from ..shrink import Shrinker, Shrunk
from ..spec import TrialSpec
from .one_trial import run_and_report
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
    default=3.0,
    show_default=True,
    help="Most minutes.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=2,
    show_default=True,
    help="With how many seeds each smaller trial is tried.",
)
@click.option("--jobs", type=click.IntRange(1, 512), help="Processes (default: one a core).")
@STORE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("--quiet", is_flag=True, help="Print only the summary.")
def command(
    run: str,
    budget_trials: int,
    minutes: float,
    seeds: int,
    jobs: int | None,
    store_path: Path,
    as_json: bool,
    quiet: bool,
) -> int:
    """Reduce RUN, an invalid run on sim, while one of its anomalies remains.

    Faults, nodes, clients and time are taken away. Ends with a run folder of the smallest
    failing trial and its report. Exit code: 1, for it is invalid.
    """
    before = store.find(run, store_path)
    spec = before.read_json("trial.json", TrialSpec)
    if spec.cluster != "sim":
        raise UserError(f"shrink: only runs on sim can be repeated exactly, not on {spec.cluster}")
    show = sys.stderr if as_json else sys.stdout

    terminal = registry.load("reports", "terminal")

    def progress(state: Shrunk, name: str) -> None:
        said = f"{state.wall_s:6.1f} s {state.trials:5} trials  {name:<15} "
        live.say((said, "dim"), size(state.smallest))

    with AttemptPool(jobs) as pool, terminal.ProgressLine(show, quiet=quiet) as live:
        shrinker = Shrinker(
            pool, trials=budget_trials, minutes=minutes, seeds=seeds, progress=progress
        )
        result = shrinker.shrink(spec)
    smallest = msgspec.structs.replace(result.smallest.spec, shrunk=result.complete)
    outcome = run_and_report(smallest, store_path, show, True)
    if outcome.verdict.valid is not False:
        raise InfrastructureError("shrink: the smallest failing trial was right when run again")
    _link(before, outcome.folder)
    for label, attempt in (("before", result.before), ("after", result.smallest)):
        terminal.say(show, (f"  {label:<14}", "dim"), size(attempt))
    end = "nothing smaller fails" if result.complete else "the budget is spent"
    told = f"{result.trials} trials, {result.wall_s:.1f} s; {end}"
    terminal.say(show, ("  took          ", "dim"), told)
    if as_json:
        click.echo(json.dumps(_as_json(result, outcome.folder)))
    return 1


def _link(before: store.RunFolder, after: str) -> None:
    """Let the reports of both runs tell of each other, where they lie in one store."""
    small = store.RunFolder(Path(after))
    if small.path.resolve().parent != before.path.resolve().parent:
        return
    before.write_json("shrunk.json", {"run": small.path.name})
    info = small.read_json("trial.json")
    small.write_json("trial.json", {**info, "shrunk_from": before.path.resolve().name})
    for folder in (before, small):
        registry.load("reports", "html")(folder.path)


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
