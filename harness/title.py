"""What a trial's system is called where people read of it."""

from __future__ import annotations

from pathlib import Path

from . import registry
from .spec import TrialSpec


def title_of(spec: TrialSpec) -> str:
    """The system's name; where it is any program at all, that of the program, and of its task."""
    title = getattr(registry.load("systems", spec.system), "title", None)
    return spec.system if title is None else title(spec.workload, spec.options)


def label_of(spec: TrialSpec) -> str:
    """The beginning of it, fit for the name of a folder."""
    if getattr(registry.load("systems", spec.system), "title", None) is None:
        return Path(spec.system.split(":")[0]).stem
    stem = Path(title_of(spec).rpartition(" as ")[0]).stem
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in stem) or "program"
