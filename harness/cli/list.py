"""``duress list``: what there is, with one line of documentation each."""

from __future__ import annotations

import json
from typing import Any

import click

from .. import registry


@click.command(
    epilog="""\b
Examples:
  duress list systems
  duress list mutants --json"""
)
@click.argument("kind", type=click.Choice(registry.KINDS))
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
def command(kind: str, as_json: bool) -> int:
    """List what of a KIND there is."""
    rows = list(_mutants()) if kind == "mutants" else [_row(kind, n) for n in registry.names(kind)]
    if as_json:
        click.echo(json.dumps(rows))
        return 0
    for row in rows:
        click.secho(row["name"], bold=True, nl=False)
        click.echo(f"  {row['doc']}")
        for label in ("system", "anomaly", "workloads", "nemeses", "clusters", "clocks"):
            if row.get(label):
                value = row[label]
                click.echo(f"    {label}: {', '.join(value) if isinstance(value, list) else value}")
        for name, doc in row.get("options", {}).items():
            click.echo(f"    --set {name}=…  {doc}")
    return 0


def _row(kind: str, name: str) -> dict[str, Any]:
    thing = registry.load(kind, name)
    row: dict[str, Any] = {"name": name, "doc": registry.doc_line(thing)}
    for attribute in ("workloads", "nemeses", "clusters"):
        if kind == "systems" or (kind == "nemeses" and attribute == "clusters"):
            row[attribute] = list(getattr(thing, attribute, ()))
    if kind == "systems":
        row["clocks"] = list(getattr(thing, "clocks", ()))
    options = getattr(thing, "options", None)
    if isinstance(options, dict):
        row["options"] = dict(options)
    return row


def _mutants() -> Any:
    for mutant in registry.mutants():
        yield {
            "name": mutant.name,
            "system": mutant.system,
            "anomaly": mutant.anomaly,
            "doc": " ".join(mutant.doc.split()),
        }
