"""``duress init``: a suite for a system that duress does not know yet."""

from __future__ import annotations

import re
from pathlib import Path

import click

from ..errors import UserError

FILES = {
    "suite.py": "suite.py",
    "server.py": "server.py",
    "workload.py": "workload.py",
    "README.md": "README.md",
    "github/duress.yml": ".github/workflows/duress.yml",
}
"""Templates, and where they go below the new folder."""

_TEMPLATES = Path(__file__).resolve().parents[2] / "fixtures" / "new_suite"


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
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UserError(f"init {name!r}: expected a name like mystore or my-store-2")
    folder = into or Path(name)
    class_name = "".join(word.capitalize() for word in name.split("-"))
    there = [path for path in FILES.values() if (folder / path).exists()]
    if there:
        raise UserError(f"init: {folder / there[0]} is there already; nothing was written")
    try:
        for template, path in FILES.items():
            text = (_TEMPLATES / f"{template}.template").read_text()
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text.replace("__NAME__", name).replace("__CLASS__", class_name))
    except OSError as error:
        raise UserError(f"init: cannot write {error.filename}: {error.strerror}") from None
    click.echo(f"made {folder}: {', '.join(FILES.values())}\n")
    click.echo(f"  cd {folder}\n  duress run suite.py:{class_name}\n")
    click.echo("Then fill in what is marked: see its README.md.")
    return 0
