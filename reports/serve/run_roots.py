"""Where run folders are: in the store, and in every campaign; and what they are called there.

A run of the store goes by the name of its folder, one of a campaign by
``campaigns/NAME/TIME/runs/RUN``; both are what its address ends with.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...harness.campaign.ledger import FILE as LEDGER
from . import run_names

RUNS = "runs"
PREFIX = "campaigns/"
"""What names of runs of campaigns begin with."""


@dataclass(frozen=True)
class Root:
    """A folder of run folders. ``prefix`` stands before the names of its runs, ``campaign`` is
    ``NAME/TIME``, or empty."""

    folder: str
    prefix: str = ""
    campaign: str = ""


def roots(store: Path, campaigns: Path | None) -> list[Root]:
    """The store, then the campaigns that have a ledger, the newest first; links are left out."""
    found = [Root(str(store))]
    for name in _folders(str(campaigns)) if campaigns is not None else ():
        for time in _folders(f"{campaigns}/{name}")[::-1]:
            folder = f"{campaigns}/{name}/{time}"
            if _is(f"{folder}/{LEDGER}", stat.S_ISREG) and _is(f"{folder}/{RUNS}", stat.S_ISDIR):
                about = f"{run_names.encoded(name)}/{run_names.encoded(time)}"
                found.append(Root(f"{folder}/{RUNS}", f"{PREFIX}{about}/{RUNS}/", about))
    return found


def changed_ns(store: Path, campaigns: Path | None, known: list[Root]) -> tuple[int, ...]:
    """Times by which one sees that runs or campaigns have come or gone."""
    names = _folders(str(campaigns)) if campaigns is not None else []
    above = [str(campaigns)] if campaigns is not None else []
    above += [f"{campaigns}/{name}" for name in names]
    return tuple(_time(path) for path in (str(store), *above, *(root.folder for root in known)))


def folders(root: Root) -> Iterator[str]:
    """Names of what could be run folders, the newest first."""
    yield from _folders(root.folder)[::-1]


def place_of(slug: str) -> tuple[str, str, str]:
    """The campaign's name and time (empty for the store) and the run, as parts of addresses.

    Raises :class:`.run_names.BadName`.
    """
    parts = slug.split("/")
    if len(parts) == 1:
        return "", "", run_names.encoded(run_names.decoded(slug))
    if len(parts) != 5 or f"{parts[0]}/" != PREFIX or parts[3] != RUNS:
        raise run_names.BadName(f"{slug[:80]}: expected the name of a run")
    name, time, run = (run_names.encoded(run_names.decoded(parts[at])) for at in (1, 2, 4))
    return name, time, run


def address_of(slug: str) -> str:
    """Of a run's page."""
    return f"/{slug}" if slug.startswith(PREFIX) else f"/runs/{slug}"


def _folders(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(
                entry.name
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            )
    except OSError:
        return []


def _is(path: str, kind: object) -> bool:
    try:
        return bool(kind(os.lstat(path).st_mode))  # type: ignore[operator]
    except OSError:
        return False


def _time(path: str) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return -2
