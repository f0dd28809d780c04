"""``duress prove``: every planted bug hunted, every right version left in peace?"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from .. import proof, registry
from ..attempts import AttemptPool, Trials
from ..errors import UserError
from ..prove import Detection, Innocence
from ..real_trials import RealTrials
from .kill_matrix import as_json, as_markdown, clean_line, detection_line, show_matrix
from .one_trial import run_to_its_end


@click.command(
    epilog="""\b
Examples:
  duress prove --quick
  duress prove raft two-phase-commit --shrink
  duress prove raft --mutant votes-twice --hunts 9 --clean-trials 0
  duress prove --on docker --sample 1
  duress prove --clean-trials 0 --hunts 9 --json > matrix.json"""
)
@click.argument("systems", nargs=-1)
@click.option("--quick", is_flag=True, help="One hunt each and few clean trials: minutes.")
@click.option(
    "--on",
    "cluster",
    type=click.Choice(["sim", "local", "docker"]),
    default="sim",
    show_default=True,
    help="On local and docker: a sample, on real processes.",
)
@click.option("--mutant", "mutants", multiple=True, metavar="NAME", help="Only this; repeatable.")
@click.option(
    "--sample", type=click.IntRange(1), help="So many mutants of each system [all; 2 if not sim]."
)
@click.option(
    "--hunts", type=click.IntRange(0), help="Hunts for each mutant [5; quick, real: 1]; 0: none."
)
@click.option(
    "--budget-trials", type=click.IntRange(1), help="Most trials a hunt [2000; quick 300; real 8]."
)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Most minutes a hunt [3].")
@click.option(
    "--time",
    "time_limit_s",
    type=click.FloatRange(0, min_open=True),
    help="Seconds of load of a trial, unless a mutant asks for others [30; quick 12; real 10].",
)
@click.option(
    "--clean-trials",
    type=click.IntRange(0),
    help="Trials of each right version [2000; quick 12; real 2].",
)
@click.option("--shrink", is_flag=True, help="On sim: say how small the smallest failing trial is.")
@click.option("--seed", type=int, default=0, show_default=True, help="The first seed.")
@click.option("--jobs", type=click.IntRange(1, 512), help="Processes (default: one a core).")
@click.option("--json", "print_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("--markdown", is_flag=True, help="Print the tables as Markdown at the end.")
def command(
    systems: tuple[str, ...],
    quick: bool,
    cluster: str,
    mutants: tuple[str, ...],
    sample: int | None,
    print_json: bool,
    markdown: bool,
    **flags: Any,
) -> int:
    """Hunt every mutant of SYSTEMS (default: all that run there), and try the right versions.

    Prints the kill matrix: how often each planted bug was found, whether by the anomaly that it
    must show, the median trials and seconds until then; and false alarms. Exit code 1 if a mutant
    was missed or found by another anomaly, or if a right version was accused.
    """
    plan = proof.plan(
        systems,
        cluster,
        quick=quick,
        mutants=mutants,
        sample=sample,
        seed=flags["seed"],
        wanted={**flags, "trials": flags["budget_trials"]},
    )
    show = sys.stderr if print_json or markdown else sys.stdout
    terminal = registry.load("reports", "terminal")
    with (
        _trials(cluster, plan.systems, flags["jobs"]) as pool,
        terminal.ProgressLine(show) as live,
    ):
        done = proof.run(plan, pool, shrink=flags["shrink"], heard=_told_on(live, terminal))
    show_matrix(show, plan.systems, done.detections, done.clean)
    if print_json:
        click.echo(json.dumps(as_json(done.detections, done.clean)))
    if markdown:
        click.echo(as_markdown(done.detections, done.clean))
    return 0 if done.is_proven else 1


def _told_on(live: Any, terminal: Any) -> proof.Heard:
    """Shows how far it is, and says what is known of each."""

    def line(each: Detection | Innocence) -> str:
        return detection_line(each) if isinstance(each, Detection) else clean_line(each)

    def so_far(each: Detection | Innocence) -> None:
        live.show(f"{'hunting' if isinstance(each, Detection) else 'trying'} {line(each)}")

    def done(each: Detection | Innocence) -> None:
        good = each.is_as_expected if isinstance(each, Detection) else each.is_clean
        live.say(terminal.GOOD if good else terminal.BAD, f" {line(each)}")

    return proof.Heard(live.show, so_far, done, lambda why: live.say(f"  {why}"))


@contextlib.contextmanager
def _trials(cluster: str, systems: Sequence[str], jobs: int | None) -> Iterator[Trials]:
    if cluster == "sim":
        with AttemptPool(jobs) as pool:
            yield pool
        return
    if jobs is not None:
        raise UserError(f"--jobs: trials on {cluster} run one after the other")
    trials = RealTrials(run_to_its_end)
    trials.prepare(cluster, systems)
    yield trials
