"""A suite for a system that duress does not know yet, made of templates."""

from __future__ import annotations

import re
from pathlib import Path

from .errors import UserError

FILES = {
    "suite.py": "suite.py",
    "server.py": "server.py",
    "workload.py": "workload.py",
    "README.md": "README.md",
    "github/duress.yml": ".github/workflows/duress.yml",
}
"""Templates, and where they go below the new folder."""

_TEMPLATES = Path(__file__).resolve().parents[1] / "fixtures" / "new_suite"


def class_of(name: str) -> str:
    """The class of a system: ``MyStore`` of ``my-store``."""
    return "".join(word.capitalize() for word in name.split("-"))


def make(name: str, into: Path | None = None) -> Path:
    """Make it in a folder (default: ``name``), which is returned. Nothing is overwritten."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UserError(f"init {name!r}: expected a name like mystore or my-store-2")
    folder = into or Path(name)
    there = [path for path in FILES.values() if (folder / path).exists()]
    if there:
        raise UserError(f"init: {folder / there[0]} is there already; nothing was written")
    try:
        for template, path in FILES.items():
            text = (_TEMPLATES / f"{template}.template").read_text()
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text.replace("__NAME__", name).replace("__CLASS__", class_of(name)))
    except OSError as error:
        raise UserError(f"init: cannot write {error.filename}: {error.strerror}") from None
    return folder
