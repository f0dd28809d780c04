"""Run folders that tests made: those of failures stay, those of passes make room."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

FILE = "pytest.json"
"""In a run folder that a test made: which test, and how it ended."""


def remember(folder: Path, test: str, result: str) -> None:
    """Say in a run folder which test made it; ``result``: ``passed`` or ``failed``."""
    text = json.dumps({"test": test, "result": result})
    with contextlib.suppress(OSError):  # a folder of which nothing is said, stays
        (folder / FILE).write_text(f"{text}\n")


def rotate(store: Path, keep: int) -> None:
    """Of the folders whose tests passed, remove all but the newest so many."""
    made = (path.parent for path in store.glob(f"*/{FILE}"))
    passed = sorted(p for p in made if not p.is_symlink() and '"passed"' in _text(p / FILE))
    for folder in passed[: max(len(passed) - keep, 0)]:
        shutil.rmtree(folder, ignore_errors=True)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # another session has just removed it
        return ""
