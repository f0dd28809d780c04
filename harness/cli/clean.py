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
  duress clean --all --set hosts=n1.example,n2.example"""
)
@click.option("--all", "all_", is_flag=True, help="Also what belongs to running trials.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="With --all: hosts=… and the other options of the cluster ssh; repeatable.",
)
def command(all_: bool, settings: tuple[str, ...]) -> int:
    """Remove containers, networks and rules of trials whose harness is dead.

    The namespaces of local clusters die with the harness; what may stay are empty control groups.
    Hosts reached by ssh clean themselves when a harness is gone for half a minute; --all --set
    hosts=… ends every trial there now.
    """
    removed, failures = leftovers.remove(all_, settings_of(settings))
    for line in removed:
        click.echo(f"removed {line}")
    if failures:
        raise InfrastructureError("; ".join(failures))
    if not removed:
        click.echo("nothing to clean")
    return 0
