"""What a campaign runs, as a file says it."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..errors import UserError
from ..spec import TrialSpec

MAX_TRIALS = 10_000_000


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a campaign ends, though not everything was run. Nothing given: after all of it.

    ``minutes``   of wall time, in all its sessions.
    ``trials``    at most so many.
    ``disk_mb``   for all run folders together: older valid runs are removed first, then those of
                  failures that are known from other runs; when nothing is left to remove, it ends.
    """

    minutes: float | None = None
    trials: int | None = None
    disk_mb: float = 2000.0


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a single trial may take.

    ``parallel``       trials at once; 0: one a core.
    ``minutes``        of wall time; one that takes longer is killed.
    ``memory_mb``      resident, of the trial with all its processes; one that has more is killed.
    ``retries``        how often a trial that could not be run (infrastructure) is run again.
    """

    parallel: int = 0
    minutes: float = 15.0
    memory_mb: float = 4000.0
    retries: int = 1


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """After what a campaign ends early.

    ``failures``        so many different failures (signatures) in all; 0: never.
    ``infrastructure``  so many trials in a row that could not be run; 0: never.
    """

    failures: int = 0
    infrastructure: int = 20


class Keep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which run folders stay.

    ``passes``    the newest so many valid ones.
    ``failures``  the first so many of each signature.
    ``unknown``   the newest so many that ended without a verdict.
    """

    passes: int = 5
    failures: int = 3
    unknown: int = 20


class Hooks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told of each new failure.

    ``command``  is run with the notice as JSON on its standard input.
    ``webhook``  is sent the same by HTTP POST.
    """

    command: list[str] = []
    webhook: str = ""


class Matrix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every system x mutant x workload x nemesis x cluster of the lists, with every seed.

    An empty list stands for what ``duress run`` would choose. ``nemeses`` are what ``--nemesis``
    takes; ``seeds`` a number (from 1), ``"5-20"`` or a list; ``flags`` those of ``duress run``
    (``nodes``, ``time``, ``rate``, …); ``settings`` its ``--set`` pairs.
    """

    systems: list[str]
    mutants: list[str] = []
    workloads: list[str] = []
    nemeses: list[str] = []
    clusters: list[str] = []
    seeds: int | str | list[int] = 1
    flags: dict[str, int | float | str] = {}
    settings: dict[str, str | int | float | bool] = {}


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A campaign. ``shrink``: whether a failure on sim is shrunk once it is found."""

    matrix: list[Matrix]
    name: str = ""
    shrink: bool = True
    shrink_minutes: float = 2.0
    budget: Budget = Budget()
    limits: Limits = Limits()
    stop: Stop = Stop()
    keep: Keep = Keep()
    hooks: Hooks = Hooks()


class Cell(msgspec.Struct, frozen=True):
    """One field of the matrix: all that its trials have in common."""

    system: str
    mutant: str | None
    workload: str | None
    nemesis: str | None
    cluster: str | None
    flags: dict[str, int | float | str]
    settings: dict[str, str]

    @property
    def subject(self) -> str:
        """The system, with its mutant if it has one."""
        return self.system + (f":{self.mutant}" if self.mutant else "")

    @property
    def name(self) -> str:
        """What tells it from the others of its plan, in a line."""
        words = [self.subject]
        words += [word for word in (self.workload, self.nemesis, self.cluster) if word]
        words += [f"{name}={value}" for name, value in sorted(self.flags.items())]
        words += [f"{name}={value}" for name, value in sorted(self.settings.items())]
        return " ".join(words)


class Planned(msgspec.Struct, frozen=True):
    """A trial with its number in the plan and the name of its cell."""

    number: int
    cell: str
    spec: TrialSpec


Make = Callable[[Cell, int], TrialSpec]
"""Makes the spec of a cell's trial with a seed; ``UserError`` if there is none."""

FLAGS = ("nodes", "time", "rate", "concurrency", "timeout", "interval", "settle")


def read(path: Path) -> Plan:
    """The plan of a TOML file; ``UserError`` names the file and the place."""
    try:
        told = tomllib.loads(path.read_text())
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not TOML: {error}") from None
    try:
        plan = msgspec.convert(told, Plan)
        return checked(plan if plan.name else msgspec.structs.replace(plan, name=path.stem))
    except (msgspec.ValidationError, UserError) as error:
        raise UserError(f"{path}: {error}") from None


def checked(plan: Plan) -> Plan:
    """The same; ``UserError`` where a value makes no sense."""
    if not plan.matrix or any(not part.systems for part in plan.matrix):
        raise UserError("matrix: expected at least one [[matrix]] with systems")
    if "/" in plan.name or plan.name.startswith("."):
        raise UserError(f"name: expected the name of a folder, got {plan.name!r}")
    for part in plan.matrix:
        seeds_of(part.seeds)
        for flag in part.flags:
            if flag not in FLAGS:
                raise UserError(f"flags: {flag!r} is none; there are {', '.join(FLAGS)}")
    if plan.hooks.webhook and not plan.hooks.webhook.startswith(("http://", "https://")):
        raise UserError(f"hooks.webhook: expected an http address, got {plan.hooks.webhook!r}")
    for where, name, value, low in (
        ("limits", "minutes", plan.limits.minutes, 0.0),
        ("limits", "memory_mb", plan.limits.memory_mb, 0.0),
        ("budget", "disk_mb", plan.budget.disk_mb, 0.0),
        ("budget", "minutes", 1 if plan.budget.minutes is None else plan.budget.minutes, 0.0),
    ):
        if not value > low:
            raise UserError(f"{where}.{name}: expected more than {low:g}, got {value:g}")
    for where, value in (
        ("limits.parallel", plan.limits.parallel),
        ("limits.retries", plan.limits.retries),
        ("stop.failures", plan.stop.failures),
        ("stop.infrastructure", plan.stop.infrastructure),
        ("keep.passes", plan.keep.passes),
        ("keep.failures", plan.keep.failures - 1),
        ("keep.unknown", plan.keep.unknown),
    ):
        if value < 0:
            low = 1 if where == "keep.failures" else 0
            raise UserError(f"{where}: expected at least {low}, got {value + low}")
    return plan


def seeds_of(told: int | str | list[int]) -> list[int]:
    """``3`` -> 1, 2, 3; ``"5-7"`` -> 5, 6, 7; a list as it is."""
    if isinstance(told, list):
        found = told
    else:
        first, _, last = str(told).partition("-") if isinstance(told, str) else ("1", "", str(told))
        if not (first.isdigit() and last.isdigit()):
            raise UserError(f'seeds: expected a number, "5-20" or a list, got {told!r}')
        found = list(range(int(first), int(last) + 1)) if int(last) < MAX_TRIALS else []
    if not found or len(set(found)) != len(found):
        raise UserError(f"seeds: expected some, each once, got {told!r}")
    return found


def cells(plan: Plan) -> list[Cell]:
    """The fields of the matrix, in the order of the file; ``UserError`` if two are the same."""
    found: dict[str, Cell] = {}
    for cell, _ in _parts(plan):
        if cell.name in found:
            raise UserError(f"matrix: {cell.name!r} is in it twice")
        found[cell.name] = cell
    return list(found.values())


def trials(plan: Plan, make: Make) -> Iterator[Planned]:
    """All trials. Every cell's first seed comes before any cell's second, so that one that ends
    early has tried everything."""
    rows = [(cell, seeds_of(part.seeds)) for cell, part in _parts(plan)]
    number = 0
    for turn in range(max(len(seeds) for _, seeds in rows)):
        for cell, seeds in rows:
            if turn < len(seeds):
                yield Planned(number, cell.name, make(cell, seeds[turn]))
                number += 1


def digest(plan: Plan) -> str:
    """By which a plan is known again: what it runs, not how, nor how much of it."""
    return hashlib.sha256(msgspec.json.encode([plan.name, plan.matrix])).hexdigest()[:16]


def _parts(plan: Plan) -> Iterator[tuple[Cell, Matrix]]:
    for part in plan.matrix:
        settings = {name: _text(value) for name, value in part.settings.items()}
        for system in part.systems:
            for mutant in part.mutants or [None]:
                for workload in part.workloads or [None]:
                    for nemesis in part.nemeses or [None]:
                        for cluster in part.clusters or [None]:
                            where = (workload, nemesis, cluster)
                            yield Cell(system, mutant, *where, part.flags, settings), part


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def flag_words(flags: Mapping[str, int | float | str]) -> dict[str, Any]:
    """The flags by the names that :class:`TrialSpec` and the command line's parameters have."""
    renamed = {"time": "time_limit_s", "timeout": "timeout_s"}
    renamed |= {"interval": "interval_s", "settle": "settle_s"}
    return {renamed.get(name, name): value for name, value in flags.items()}
