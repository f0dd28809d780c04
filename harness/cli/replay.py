"""``duress replay``: a saved run once more."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from .. import registry, schedule, store
from ..errors import UserError
from ..simulation.repeat import first_difference
from ..spec import TrialSpec, with_schedule
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
    exact = spec.cluster == "sim" and cluster in (None, "sim") and not by_role
    interruption.listen()
    prepare = getattr(registry.load("clusters", spec.cluster), "prepare", None)
    if prepare is not None:
        prepare(registry.load("systems", spec.system).image)
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


def again(folder: store.RunFolder, cluster: str | None, by_role: bool = False) -> TrialSpec:
    """What to run: the same on sim, else with the faults that took effect as a schedule."""
    spec = folder.read_json("trial.json", TrialSpec)
    wanted = cluster or spec.cluster
    if wanted == spec.cluster == "sim" and not by_role:
        return spec
    system = registry.load("systems", spec.system)
    if wanted not in system.clusters:
        raise UserError(f"{spec.system} runs on {', '.join(system.clusters)}, not on {wanted!r}")
    faults = schedule.read(folder.file(schedule.FILE))
    faults = schedule.by_role(faults) if by_role else faults
    schedule.check(faults, spec.nodes)
    options = _fitting(spec, system, wanted)
    spec = msgspec.structs.replace(with_schedule(spec, faults), cluster=wanted, options=options)
    if wanted != "sim":
        # The few operations that sufficed at exact moments; here more of them meet the moment.
        spec = msgspec.structs.replace(spec, operations=None)
    return spec


def _fitting(spec: TrialSpec, system: Any, cluster: str) -> dict[str, Any]:
    """The options that mean something on the other cluster."""
    takers = [registry.load("clusters", cluster), registry.load("workloads", spec.workload), system]
    known = {name for taker in takers for name in getattr(taker, "options", ())}
    return {name: value for name, value in spec.options.items() if name in known}


def _compare(before: Path, after: Path) -> None:
    difference = first_difference(before, after)
    if difference is None:
        click.echo("the same, byte for byte")
    else:
        click.echo(f"not the same as then (was the code changed?): {difference}")
