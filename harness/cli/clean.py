"""``duress clean``: heals and removes what a killed harness left behind."""

from __future__ import annotations

import click

from .. import leftovers
from ..errors import InfrastructureError
from .trial_options import settings_of


@click.command(
    epilog="""\b
Examples:
  duress clean          what belongs to harnesses that are dead
  duress clean --all    running trials' too
  duress clean --all --on ssh --set hosts=n1.example,n2.example"""
)
@click.option(
    "--on", metavar="CLUSTERS", help="Only of these kinds of cluster, comma-separated [all]."
)
@click.option("--all", "all_", is_flag=True, help="Also what belongs to running trials.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="With --all: hosts=… and the other options of the cluster ssh; repeatable.",
)
def command(on: str | None, all_: bool, settings: tuple[str, ...]) -> int:
    """Remove containers, networks and rules of trials whose harness is dead.

    The namespaces of local clusters die with the harness; what may stay are empty control groups.
    Hosts reached by ssh clean themselves when a harness is gone for half a minute; --all --on
    ssh --set hosts=… ends every trial there now, and lets those on this machine go on.
    """
    removed, failures = leftovers.remove(
        all_, settings_of(settings), () if on is None else on.split(",")
    )
    for line in removed:
        click.echo(f"removed {line}")
    if failures:
        raise InfrastructureError("; ".join(failures))
    if not removed:
        click.echo("nothing to clean")
    return 0
