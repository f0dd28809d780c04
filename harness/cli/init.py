"""``duress init``: a suite for a system that duress does not know yet."""

from __future__ import annotations

from pathlib import Path

import click

from ..new_suite import FILES, class_of, make


@click.command(
    epilog="""\b
Examples:
  duress init mystore                   makes the folder mystore
  cd mystore && duress run suite.py:Mystore"""
)
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to make (default: NAME).",
)
def command(name: str, into: Path | None) -> int:
    """Make a suite for your own system: it runs at once, and you fill it in.

    NAME is the system's, in lower case: letters, digits and dashes. Nothing is overwritten.
    """
    folder = make(name, into)
    click.echo(f"made {folder}: {', '.join(FILES.values())}\n")
    click.echo(f"  cd {folder}\n  duress run suite.py:{class_of(name)}\n")
    click.echo("Then fill in what is marked: see its README.md.")
    return 0
