"""``duress list``: what there is, with one line of documentation each."""

from __future__ import annotations

import json
from typing import Any

import click

from .. import inventory, packages, registry
from ..spared import Bounds

LABELS = (
    "system", "anomaly", "workloads", "nemeses", "package", "clusters", "clocks", "works_here",
)  # fmt: skip


@click.command(
    epilog="""\b
Examples:
  duress list systems
  duress list nemeses
  duress list mutants --json"""
)
@click.argument("kind", type=click.Choice(registry.KINDS))
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
def command(kind: str, as_json: bool) -> int:
    """List what of a KIND there is."""
    found = inventory.rows(kind)
    if as_json:
        click.echo(json.dumps(found))
        return 0
    for row in found:
        _show(row)
    if kind == "nemeses":
        _show_packages()
    return 0


def _show(row: dict[str, Any]) -> None:
    click.secho(row["name"], bold=True, nl=False)
    click.echo(f"  {row['doc']}")
    for label in LABELS:
        if value := row.get(label):
            said = ", ".join(value) if isinstance(value, list) else value
            click.echo(f"    {label.replace('_', ' ')}: {said}")
    for cluster, why in row.get("not_here", {}).items():
        click.echo(f"    not on {cluster} here: {why}")
    for name, doc in row.get("options", {}).items():
        click.echo(f"    --set {name}=…  {doc}")


def _show_packages() -> None:
    click.echo()
    for name, members in packages.packages().items():
        click.echo(f"package {name}: {', '.join(members)}")
    click.echo(f"package {packages.DEFAULT}: what a system must survive")
    click.echo(f"package {packages.ALL}: all that can be had for a system and a cluster")
    click.echo("For all of them together:")
    for name, doc in Bounds.options.items():
        click.echo(f"    --set {name}=…  {doc}")
