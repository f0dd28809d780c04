"""What is left of trials whose processes came to a sudden end: containers, networks, rules."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from .. import registry
from ..errors import InfrastructureError, UserError
from ..store import RunFolder


def cluster_of(folder: Path) -> str | None:
    """The kind of cluster of the trial in a run folder, if it got as far as to say so."""
    try:
        told = RunFolder(folder).read_json("trial.json", dict)
    except UserError:
        return None
    kind = told.get("cluster")
    return kind if kind in registry.names("clusters") else None


def remove(kinds: Iterable[str]) -> None:
    """Remove on this machine what dead processes left of these kinds of clusters.

    Living ones keep theirs. What cannot be removed now, the next ``duress clean`` does.
    """
    for kind in kinds:
        clean = getattr(registry.load("clusters", kind), "clean", None)
        if clean is not None:
            with contextlib.suppress(InfrastructureError):
                clean(False)
