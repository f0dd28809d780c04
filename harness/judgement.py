"""What judges a trial's history: its workload's checkers, how available it was, and vacuity."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from . import registry, vacuity
from .checker import Checker
from .history import History
from .spec import TrialSpec
from .verdict import Verdict
from .workload import Workload

AVAILABILITY = "availability"
"""The checker that judges every workload's history."""


def judge_history(spec: TrialSpec, workload: Workload, history: History) -> Mapping[str, Verdict]:
    """Every checker's verdict; one that crashes is unknown, with the reason."""
    parts: dict[str, Verdict] = {}
    for name, checker in {**workload.checkers(), AVAILABILITY: availability_of(spec)}.items():
        try:
            parts[name] = checker.check(history, {"time_limit_s": spec.check_time_s})
        except Exception as error:
            parts[name] = Verdict(
                valid="unknown", reason=f"the checker failed: {type(error).__name__}: {error}"
            )
    parts["vacuity"] = vacuity.check(history, spec.nemeses)
    return parts


def availability_of(spec: TrialSpec) -> Checker:
    """What measures every trial, whatever its workload; ``UserError`` for its options."""
    kind = registry.load("checkers", AVAILABILITY)
    return kind.from_options(those_of(kind, spec.options))


def workload_of(spec: TrialSpec) -> Workload:
    """The trial's workload, which may ask for what the system promises."""
    kind, system = registry.load("workloads", spec.workload), registry.load("systems", spec.system)
    defaults = getattr(system, "workload_defaults", {}).get(spec.workload, {})
    options = {**defaults, **those_of(kind, spec.options)}
    if "promised-level" in kind.options and hasattr(system, "promised_level"):
        level = system.promised_level(those_of(system, spec.options))
        options = {"promised-level": level, **options}
    return kind(options, spec.concurrency, Random(f"{spec.seed}/workload"))


def those_of(kind: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a system or a workload declares to take."""
    return {name: value for name, value in options.items() if name in kind.options}
