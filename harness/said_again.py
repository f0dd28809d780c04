"""What a trial on sim or on pipes says when it is run again, or told the same again."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from pathlib import Path
from typing import Any

from . import registry, store
from .errors import InfrastructureError
from .spec import TrialSpec


def run_twice(spec: TrialSpec, outcome: Any) -> tuple[Any, str]:
    """Run a trial on sim again, in a process that hashes differently; the difference, in words."""
    from .simulation import repeat

    if outcome.error is not None:
        raise InfrastructureError(f"a trial that failed cannot be repeated: {outcome.error}")
    first = Path(outcome.folder)
    with tempfile.TemporaryDirectory(prefix="duress-twice-") as name:
        second = store.RunFolder(Path(name))
        (second.path / "nodes").mkdir()
        repeat.run_again(spec, second)
        difference = repeat.first_difference(first, second.path)
    if difference is not None:
        return difference, f"NOT REPEATABLE: {difference}"
    return None, f"repeatable: {digest(first)}"


def hear_again(spec: TrialSpec, outcome: Any) -> str:
    """Feed every program on pipes with what it heard; whether it says the same, in words."""
    from .stdio import twice

    first = Path(outcome.folder)
    kind = registry.load("systems", spec.system)
    programs = {node: kind.program(spec.options, spec.seed, node) for node in spec.nodes}
    command = programs[spec.nodes[0]][0]
    environments = {node: environment for node, (_, environment) in programs.items()}
    before = twice.transcripts(first / "messages.jsonl", spec.nodes)
    found = asyncio.run(twice.compare(before, command, environments))
    if found:
        return f"not deterministic: {'; '.join(map(str, found[:3]))}"
    count = sum(len(each.heard) for each in before.values())
    said = sum(len(each.said) for each in before.values())
    return (
        f"deterministic here: when they heard the same {count} messages at the same times, the "
        f"programs said the same {said} messages again"
    )


def digest(folder: Path) -> str:
    """SHA-256 of what must be equal between two runs of a seed."""
    from .simulation.repeat import COMPARED

    total = hashlib.sha256()
    for name in COMPARED:
        path = folder / name
        total.update(path.read_bytes() if path.exists() else b"")
    return total.hexdigest()
