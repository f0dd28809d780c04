"""Trials on real processes, one after the other, of which only what came out is kept."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from . import registry, store, trial
from .attempts import Attempt, came_out
from .spec import TrialSpec


class RealTrials:
    """Runs attempts as an :class:`~.attempts.AttemptPool` does, on the cluster of each spec.

    ``run``: as :func:`.one_trial.run_to_its_end`.
    """

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run

    def prepare(self, cluster: str, systems: Iterable[str]) -> None:
        """Make the images that the systems need. May fork, so before anything runs."""
        prepare = getattr(registry.load("clusters", cluster), "prepare", None)
        if prepare is not None:
            for image in dict.fromkeys(registry.load("systems", name).image for name in systems):
                prepare(image)

    def run(self, specs: Iterable[TrialSpec], watched: bool = False) -> Iterator[Attempt]:
        """Attempts in the order of the specs. ``KeyboardInterrupt`` after one was interrupted."""
        for spec in specs:
            began = time.perf_counter()
            with tempfile.TemporaryDirectory(prefix="duress-attempt-") as name:
                folder = store.create(Path(name), "prove")
                outcome = self._run(trial, spec, folder, [])
                if outcome.outcome == "interrupted":
                    raise KeyboardInterrupt
                yield came_out(spec, folder, outcome, time.perf_counter() - began)
