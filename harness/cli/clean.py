"""``duress clean``: heals and removes what a killed harness left behind."""

from __future__ import annotations

import click

from .. import registry


@click.command(
    epilog="""\b
Examples:
  duress clean          what belongs to harnesses that are dead
  duress clean --all    running trials' too"""
)
@click.option("--all", "all_", is_flag=True, help="Also what belongs to running trials.")
def command(all_: bool) -> int:
    """Remove containers, networks and rules of trials whose harness is dead.

    Local clusters need no cleaning: their namespaces die with the harness.
    """
    removed: list[str] = []
    for name in registry.names("clusters"):
        clean = getattr(registry.load("clusters", name), "clean", None)
        if clean is not None:
            removed += clean(all_)
    for line in removed:
        click.echo(f"removed {line}")
    if not removed:
        click.echo("nothing to clean")
    return 0
