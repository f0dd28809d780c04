"""``duress list``: what there is, with one line of documentation each."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import click

from .. import packages, registry
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
    rows = list(_mutants()) if kind == "mutants" else [_row(kind, n) for n in registry.names(kind)]
    if kind == "nemeses":
        rows = [row | _where(row["name"]) for row in rows]
    if as_json:
        click.echo(json.dumps(rows))
        return 0
    for row in rows:
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


def _where(nemesis: str) -> dict[str, Any]:
    """The package, where it works on this machine, and why it does not elsewhere."""
    kind = registry.load("nemeses", nemesis)
    reasons = {}
    for cluster in kind.clusters:
        why = _reason_no_cluster(cluster) or packages.reason_unusable(nemesis, cluster)
        if why is not None:
            reasons[cluster] = why
    works = [cluster for cluster in kind.clusters if cluster not in reasons]
    row: dict[str, Any] = {"package": packages.package_of(kind), "works_here": works}
    return row | ({"not_here": reasons} if reasons else {})


@cache
def _reason_no_cluster(name: str) -> str | None:
    return registry.load("clusters", name).reason_unavailable()


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
