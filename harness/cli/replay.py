"""``duress replay``: a saved run once more."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from .. import store
from ..one_trial import prepare
from ..replay import again, is_exact
from ..simulation.repeat import first_difference
from . import interruption
from .one_trial import run_and_report
from .trial_options import BY_ROLE, STORE


@click.command(
    epilog="""\b
Examples:
  duress replay latest
  duress replay runs/2026… --on docker      a failure found on sim, in containers
  duress replay latest --on local --by-role --trials 20"""
)
@click.argument("run", default="latest")
@click.option("--on", "cluster", metavar="CLUSTER", help="Where (default: where it ran).")
@BY_ROLE
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Where chance has a part: repeat until one is invalid.",
)
@STORE
@click.option("--quiet", is_flag=True, help="Print only the summary.")
def command(
    run: str, cluster: str | None, by_role: bool, trials: int, store_path: Path, quiet: bool
) -> int:
    """Repeat RUN (a folder, the beginning of its name, or 'latest') in a new run folder.

    On sim it is the same run, which is checked. Elsewhere the same faults strike at the same
    times; what clients and nodes do meanwhile is up to the machine.
    """
    before = store.find(run, store_path)
    spec = again(before, cluster, by_role)
    exact = is_exact(spec, cluster, by_role)
    interruption.listen()
    prepare(spec)
    outcome = None
    for number in range(trials):
        seeded = spec if exact else msgspec.structs.replace(spec, seed=spec.seed + number)
        outcome = run_and_report(seeded, store_path, sys.stdout, quiet)
        if exact:
            _compare(before.path, Path(outcome.folder))
        if exact or outcome.outcome != "valid":
            break
    assert outcome is not None
    return outcome.exit_code


def _compare(before: Path, after: Path) -> None:
    difference = first_difference(before, after)
    if difference is None:
        click.echo("the same, byte for byte")
    else:
        click.echo(f"not the same as then (was the code changed?): {difference}")
