"""``duress doctor``: what this machine can do, and what to do where it cannot."""

from __future__ import annotations

import json

import click

from .. import registry

CLOCKS = "clocks of other programs than duress's own nodes, for the nemesis clock"


@click.command(
    epilog="""\b
Examples:
  duress doctor
  duress doctor --json"""
)
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
def command(as_json: bool) -> int:
    """Say which kinds of cluster and which faults work here, and why the others do not."""
    from ..cluster import vdso

    rows = []
    for name in registry.names("clusters"):
        reason = registry.load("clusters", name).reason_unavailable()
        rows.append({"name": name, "usable": reason is None, "reason": reason})
    reason = vdso.reason_unavailable()
    rows.append({"name": CLOCKS, "usable": reason is None, "reason": reason})
    if as_json:
        click.echo(json.dumps(rows))
    else:
        for row in rows:
            mark = "ok" if row["usable"] else "--"
            click.echo(f"{mark}  {row['name']}" + (f": {row['reason']}" if row["reason"] else ""))
    return 0 if all(row["usable"] for row in rows) else 3
