"""The flags that describe a trial, shared by the commands that run some."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from .. import registry, schedule, store
from ..errors import UserError
from ..planned_fault import PlannedFault
from ..spec import TrialSpec, parse_concurrency, validate

NOTHING = "none"

_OPTIONS = (
    click.option(
        "--on", "cluster", metavar="CLUSTER", help="Where nodes run: local, docker or sim."
    ),
    click.option("--nodes", type=click.IntRange(1, 99), help="How many nodes."),
    click.option(
        "--workload", metavar="NAME", help="What clients do (default: the system's first)."
    ),
    click.option(
        "--nemesis",
        metavar="NAMES",
        help="Comma-separated; 'none' for none (default: the system's).",
    ),
    click.option(
        "--time",
        "time_limit_s",
        default=30.0,
        show_default=True,
        help="Seconds of load and faults.",
    ),
    click.option(
        "--rate",
        default=150.0,
        show_default=True,
        help="Operations per second in all; 0: no limit.",
    ),
    click.option(
        "--concurrency",
        default="2n",
        show_default=True,
        help="Client processes; 2n: twice the nodes.",
    ),
    click.option(
        "--timeout",
        "timeout_s",
        default=5.0,
        show_default=True,
        help="Seconds until an operation is unknown.",
    ),
    click.option(
        "--interval",
        "interval_s",
        default=3.0,
        show_default=True,
        help="Mean seconds between faults.",
    ),
    click.option(
        "--settle", "settle_s", default=2.0, show_default=True, help="Quiet seconds at the end."
    ),
    click.option(
        "--seed", type=int, help="Seed of every random choice (default: a new one, printed)."
    ),
    click.option("--mutant", metavar="NAME", help="Plant this bug (see: duress list mutants)."),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="An option of the system, workload, nemesis or cluster; repeatable.",
    ),
)

STORE = click.option(
    "--store",
    "store_path",
    default=store.DEFAULT_STORE,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of run folders.",
)

BY_ROLE = click.option(
    "--by-role",
    is_flag=True,
    help="Aim faults that followed the primary at whoever it is then, not at the nodes named.",
)


def trial_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with ``SYSTEM`` and every flag that :func:`spec_of` reads."""
    for option in reversed((click.argument("system"), *_OPTIONS)):
        command = option(command)
    return command


def defaults() -> dict[str, Any]:
    """What the flags are where they are not given, by parameter."""
    probe = click.command()(trial_options(lambda: None))
    # What click calls the lack of a default differs between its versions; this does not.
    return {str(each.name): each.to_info_dict().get("default") for each in probe.params}


def given_flags(flags: Collection[str]) -> set[str]:
    """Those of the current command's flags that are not defaults."""
    context = click.get_current_context()
    return {n for n in flags if context.get_parameter_source(n) is not ParameterSource.DEFAULT}


def spec_of(system_name: str, flags: dict[str, Any], given: Collection[str]) -> TrialSpec:
    """The trial that the flags describe; ``given`` are those that are not defaults."""
    options = settings_of(flags["settings"])
    conditions: dict[str, Any] = {}
    conditions_given: frozenset[str] = frozenset()
    if flags["mutant"]:
        mutant = _mutant(system_name, flags["mutant"])
        system_name = mutant.system
        options = {**mutant.options, **options}
        conditions = dict(mutant.conditions.get("options", {}))
        conditions_given = frozenset(mutant.conditions)
        flags = flags | {n: v for n, v in mutant.conditions.items() if n in flags.keys() - given}
    system = registry.load("systems", system_name)
    cluster = flags["cluster"] or system.clusters[0]
    if cluster not in system.clusters:
        raise UserError(f"{system_name} runs on {', '.join(system.clusters)}, not on {cluster!r}")
    workload = flags["workload"] or system.workloads[0]
    if workload not in system.workloads:
        raise UserError(
            f"{system_name} supports the workloads {', '.join(system.workloads)}, not {workload!r}"
        )
    faults = schedule.read(flags["schedule"]) if flags.get("schedule") else None
    if faults is not None and "nemesis" in given:
        raise UserError("--nemesis: the schedule says which faults there are; give only one")
    if flags.get("by_role"):
        if faults is None:
            raise UserError("--by-role: re-aims the faults of a --schedule; give one")
        faults = schedule.by_role(faults)
    nemeses = _nemeses(flags["nemesis"], system) if faults is None else kinds_of(faults)
    _check_nemeses(nemeses, cluster, system, options)
    takers = [system, registry.load("workloads", workload), registry.load("clusters", cluster)]
    takers.append(registry.load("checkers", "availability"))
    known = _known_options(takers, nemeses)
    for name in options:
        if name not in known:
            raise UserError(f"--set {name}: no such option here; there are: {', '.join(known)}")
    options = {**{name: conditions[name] for name in conditions if name in known}, **options}
    count = flags["nodes"] or system.nodes
    concurrency = flags["concurrency"]
    if "concurrency" not in given and "concurrency" not in conditions_given:
        concurrency = getattr(system, "concurrency", concurrency)
    nodes = [f"n{i + 1}" for i in range(count)]
    schedule.check(faults or [], nodes)
    return validate(
        TrialSpec(
            system=system_name,
            mutant=flags["mutant"],
            workload=workload,
            nemeses=nemeses,
            cluster=cluster,
            nodes=nodes,
            seed=secrets.randbelow(2**31) if flags["seed"] is None else flags["seed"],
            concurrency=parse_concurrency(concurrency, count),
            rate=flags["rate"],
            time_limit_s=flags["time_limit_s"],
            settle_s=flags["settle_s"],
            timeout_s=flags["timeout_s"],
            interval_s=flags["interval_s"],
            options=options,
            schedule=faults,
        )
    )


def kinds_of(faults: Sequence[PlannedFault]) -> list[str]:
    """The nemeses that a schedule needs, in the order of their first fault."""
    return list(dict.fromkeys(fault.kind for fault in faults))


def _nemeses(wanted: str | None, system: Any) -> list[str]:
    names = list(system.nemeses) if wanted is None else wanted.split(",")
    return [name.strip() for name in names if name.strip() not in ("", NOTHING)]


def settings_of(pairs: Sequence[str]) -> dict[str, str]:
    """The ``--set`` pairs by name."""
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UserError(f"--set {pair}: expected NAME=VALUE")
        settings[name] = value
    return settings


def _mutant(system: str, name: str) -> Any:
    mine = [mutant for mutant in registry.mutants() if mutant.system == system]
    for mutant in mine:
        if mutant.name == name:
            return mutant
    known = ", ".join(mutant.name for mutant in mine) or "none"
    raise UserError(f"{system} has no mutant named {name!r}; there are: {known}")


def _check_nemeses(
    nemeses: Sequence[str], cluster: str, system: Any, options: Mapping[str, Any]
) -> None:
    for name in nemeses:
        nemesis = registry.load("nemeses", name)
        if cluster not in nemesis.clusters:
            raise UserError(
                f"the nemesis {name!r} works on {', '.join(nemesis.clusters)}, not on {cluster}"
            )
        reason_unfit = getattr(nemesis, "reason_unfit", None)
        if reason_unfit is not None and (why := reason_unfit(system, options)):
            raise UserError(why)


def _known_options(takers: Sequence[Any], nemeses: Sequence[str]) -> list[str]:
    everyone = [*takers, *(registry.load("nemeses", name) for name in nemeses)]
    return sorted({name for taker in everyone for name in getattr(taker, "options", ())})
