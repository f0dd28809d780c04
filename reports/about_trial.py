"""What was tested, in the words of its own documentation, and the commands that go on from here."""

from __future__ import annotations

import inspect
import shlex
from pathlib import Path
from typing import Any

from ..harness import registry
from ..harness.errors import UserError
from . import words
from .run_folder import Run

ABOUT_LENGTH = 1200


def about_mutant(run: Run) -> dict[str, str] | None:
    """The bug that was planted on purpose, as its documentation has it; ``None`` if none was."""
    mutant, system = run.spec.get("mutant"), run.spec.get("system")
    if not mutant or not system:
        return None
    for known in _registered("mutants", system) or ():
        if getattr(known, "name", None) == mutant:
            return {
                "name": words.line(str(mutant), 80),
                "anomaly": words.line(str(getattr(known, "anomaly", "")), 80),
                "text": _doc(known),
            }
    return None


def about(run: Run, kind: str) -> str:
    """The first line of what a ``systems`` or ``workloads`` entry says of itself."""
    name = run.spec.get({"systems": "system", "workloads": "workload"}[kind])
    thing = _registered(kind, name) if name else None
    return words.line(registry.doc_line(thing), 300) if thing is not None else ""


def commands(run: Run) -> list[tuple[str, str]]:
    """What each does, and what to type; as one would from where the run's folder was named."""
    folder = shlex.quote(_path(run.folder.resolve()))
    given = run.spec.get("command")
    is_sim = run.spec.get("cluster") == "sim"
    is_stdio = run.spec.get("cluster") == "stdio"
    is_invalid = run.verdict is not None and run.verdict.valid is False
    found = []
    if is_sim:
        same = "Replay it: the same trial, operation by operation"
        found.append((same, f"duress replay {folder}"))
    elif (run.folder / "schedule.json").is_file():
        found.append(("Run it again with the same faults", f"duress replay {folder}"))
    if (is_sim or is_stdio) and is_invalid:
        smallest = "Shrink it to the smallest trial that fails alike"
        found.append((smallest, f"duress shrink {folder}"))
    if (run.folder / "messages.jsonl").is_file():
        drawn = "Draw the messages of a moment: two times in seconds"
        found.append((drawn, f"duress report {folder} --window 1.0-1.5"))
    if isinstance(given, str) and not given.startswith("duress replay"):
        is_check = given.startswith("duress check ")
        again = "Run it from its settings, without this folder"
        what = "Judge the same file again" if is_check else again
        found.append((what, words.line(given, 2000)))
    if (run.folder / "history.jsonl").is_file() and run.spec.get("seed") is not None:
        found.append(("Judge the same history again", f"duress report {folder}"))
    return found


def _path(folder: Path) -> str:
    """As short as works from where the report was made."""
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def _registered(kind: str, name: str) -> Any:
    """Only what is installed is loaded: a run's folder may come from anywhere."""
    if name not in registry.names(kind):
        return None
    try:
        return registry.load(kind, name)
    except UserError:
        return None


def _doc(thing: Any) -> str:
    text = getattr(thing, "doc", None) or inspect.getdoc(thing) or ""
    paragraphs = [" ".join(part.split()) for part in str(text).split("\n\n")]
    return words.printable("\n".join(paragraphs), ABOUT_LENGTH)
