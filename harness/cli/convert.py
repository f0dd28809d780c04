"""``duress convert``: a history from one format to another."""

from __future__ import annotations

from pathlib import Path

import click

from ..formats import FORMATS
from ..formats.conversion import convert, written


@click.command(
    epilog="""\b
Examples:
  duress convert runs/latest/history.jsonl history.edn --to jepsen-edn
  duress convert store/latest/history.edn history.jsonl"""
)
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--from", "from_", type=click.Choice(list(FORMATS)), help="Default: found out.")
@click.option(
    "--to",
    type=click.Choice(written()),
    default="jsonl",
    show_default=True,
)
def command(source: Path, target: Path, from_: str | None, to: str) -> int:
    """Write the history in SOURCE to TARGET in another format."""
    loaded = convert(source, target, from_, to)
    for note in loaded.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{len(loaded.history)} operations to {target}")
    return 0
