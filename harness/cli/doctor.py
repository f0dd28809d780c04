"""``duress doctor``: what this machine can do, and what to do where it cannot."""

from __future__ import annotations

import json

import click
import msgspec

from .. import abilities, registry
from ..errors import UserError
from ..fault_matrix import FAILED


@click.command(
    epilog="""\b
Examples:
  duress doctor
  duress doctor --json
  duress doctor --faults                    each fault tried on sim, local and docker
  duress doctor --faults --on ssh --set hosts=n1.example,n2.example,n3.example"""
)
@click.option("--faults", is_flag=True, help="Try every fault: a minute for each kind of cluster.")
@click.option("--on", "clusters", metavar="CLUSTERS", help="With --faults: where, comma-separated.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="With --faults: hosts=… and other options of the trials; repeatable.",
)
@click.option("--markdown", is_flag=True, help="With --faults: print the table for a page.")
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
def command(
    faults: bool, clusters: str | None, settings: tuple[str, ...], markdown: bool, as_json: bool
) -> int:
    """Say which kinds of cluster and which faults work here, and why the others do not."""
    if faults:
        return _try_faults(clusters, settings, markdown, as_json)
    if clusters or settings or markdown:
        raise UserError("--on, --set and --markdown go with --faults")
    rows = abilities.rows()
    if as_json:
        click.echo(json.dumps(rows))
    else:
        for row in rows:
            mark = "ok" if row["usable"] else "--"
            click.echo(f"{mark}  {row['name']}" + (f": {row['reason']}" if row["reason"] else ""))
        click.echo("Which faults work: duress doctor --faults tries them all.")
    return 0 if all(row["usable"] for row in rows) else 3


def _try_faults(
    wanted: str | None, settings: tuple[str, ...], markdown: bool, as_json: bool
) -> int:
    from . import fault_trials

    known = registry.names("clusters")
    where = ["sim", "local", "docker"]
    if any(setting.startswith("hosts=") for setting in settings):
        where.append("ssh")
    if wanted:
        where = wanted.split(",")
    if strange := [name for name in where if name not in known]:
        raise UserError(f"--on: no kind of cluster {strange[0]!r}; there are: {', '.join(known)}")
    cells = fault_trials.matrix(where, settings, lambda line: click.echo(line, err=True))
    if as_json:
        click.echo(msgspec.json.encode(cells).decode())
    else:
        click.echo(fault_trials.as_text(cells, markdown))
    return 3 if any(cell.status == FAILED for cell in cells) else 0
