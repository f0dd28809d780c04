"""Where run folders are: in the store, or in a campaign; and at which address."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import run_files, run_names
from .live_run import LiveRuns


@dataclass(frozen=True)
class RunPlace:
    """``base`` is what addresses of its runs begin with; ``trail`` are the addresses and names of
    the pages above a run's."""

    store: Path
    base: str
    trail: tuple[tuple[str, str], ...]
    live: LiveRuns

    @classmethod
    def of_store(cls, store: Path) -> RunPlace:
        """The runs that the list is of."""
        return cls(store, "/runs", (("/", "Runs"),), LiveRuns(store))

    @property
    def prefix(self) -> str:
        """What stands before the names of its runs in the list."""
        return "" if self.is_store else f"{self.base.removeprefix('/')}/"

    @property
    def is_store(self) -> bool:
        """Whether its runs are those of the store, and not of a campaign."""
        return self.base == "/runs"

    def folder(self, slug: str) -> Path:
        """The folder of a run; ``OSError`` if there is none of that name, or a link."""
        return run_files.real_folder(self.store, run_names.decoded(slug))
