"""Looks for a violation: the same trial with seed after seed, until one is found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from . import registry
from .attempts import Attempt, AttemptPool
from .spec import TrialSpec

STRATEGIES = ("default", "uniform", "aimed")
"""``default``: faults as in ``duress run``. The others are what the nemeses declare."""


@dataclass
class Hunt:
    """How far a hunt is, and what it found.

    ``virtual_s``  simulated seconds of load so far; ``wall_s`` real ones.
    ``unknown``    trials that say nothing, such as those without any fault.
    """

    trials: int = 0
    operations: int = 0
    virtual_s: float = 0.0
    wall_s: float = 0.0
    unknown: int = 0
    errors: list[str] = field(default_factory=list)
    found: Attempt | None = None


def hunt(
    spec: TrialSpec,
    pool: AttemptPool,
    *,
    trials: int | None = None,
    minutes: float | None = None,
    progress: Callable[[Hunt], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Hunt:
    """Try the seeds from ``spec.seed`` on; stop at the first violation or the budget's end.

    The seed that is found does not depend on how many processes there are.
    """
    state, began = Hunt(), clock()

    def specs() -> Iterator[TrialSpec]:
        number = 0
        while (trials is None or number < trials) and not _over(minutes, clock() - began):
            yield msgspec.structs.replace(spec, seed=spec.seed + number)
            number += 1

    for each in pool.run(specs()):
        state.trials += 1
        state.operations += each.operations
        state.virtual_s += spec.time_limit_s
        state.wall_s = clock() - began
        if each.error is not None and not each.failed:
            state.errors.append(f"seed {each.spec.seed}: {each.error}")
        elif each.outcome == "unknown":
            state.unknown += 1
        if each.failed:
            state.found = each
        progress(state)
        if state.found is not None or _over(minutes, clock() - began):
            break
    return state


def _over(minutes: float | None, spent_s: float) -> bool:
    return minutes is not None and spent_s >= minutes * 60


def with_strategy(spec: TrialSpec, strategy: str, kept: Mapping[str, Any]) -> TrialSpec:
    """The same trial with faults drawn by a strategy, but for the options that are ``kept``."""
    options = dict(spec.options)
    for name in spec.nemeses:
        declared = getattr(registry.load("nemeses", name), "strategies", {})
        options.update(declared.get(strategy, {}))
    return msgspec.structs.replace(spec, options={**options, **kept})
