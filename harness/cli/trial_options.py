"""The flags that describe a trial, shared by the commands that run some."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from .. import store, trial_flags
from ..spec import TrialSpec
from ..trial_flags import DEFAULTS, NODES_MAX
from ..trial_flags import defaults as defaults
from ..trial_flags import known_options as known_options
from ..trial_flags import settings_of as settings_of
from . import nemesis_help

PHASES = click.option(
    "--phases",
    metavar="PHASES",
    help="Faults that change in the course of the trial: 5:none,20:partition+kill,5:none; "
    "repeated until --time is over, if that is given too.",
)

SEED = click.option(
    "--seed", type=int, help="Seed of every random choice (default: a new one, printed)."
)

_OPTIONS = (
    click.option(
        "--on", "cluster", metavar="CLUSTER", help="Where nodes run: local, docker, ssh or sim."
    ),
    click.option("--nodes", type=click.IntRange(1, NODES_MAX), help="How many nodes."),
    click.option(
        *("--workload", "-w"),
        metavar="NAME",
        help="What clients do (default: the system's first).",
    ),
    click.option(
        "--nemesis",
        metavar="NAMES",
        help="Comma-separated names or packages, with weights if wanted: partition:3,process; "
        "'none' for none, 'help' for what there is (default: the system's).",
    ),
    PHASES,
    click.option(
        "--time",
        "time_limit_s",
        default=DEFAULTS["time_limit_s"],
        show_default=True,
        help="Seconds of load and faults.",
    ),
    click.option(
        "--rate",
        default=DEFAULTS["rate"],
        show_default=True,
        help="Operations per second in all; 0: no limit.",
    ),
    click.option(
        "--concurrency",
        default=DEFAULTS["concurrency"],
        show_default=True,
        help="Client processes; 2n: twice the nodes.",
    ),
    click.option(
        "--timeout",
        "timeout_s",
        default=DEFAULTS["timeout_s"],
        show_default=True,
        help="Seconds until an operation is unknown.",
    ),
    click.option(
        "--interval",
        "interval_s",
        default=DEFAULTS["interval_s"],
        show_default=True,
        help="Mean seconds between faults.",
    ),
    click.option(
        "--settle",
        "settle_s",
        default=DEFAULTS["settle_s"],
        show_default=True,
        help="Quiet seconds at the end.",
    ),
    SEED,
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
    return click.argument("system")(flag_options(command))


def flag_options(
    command: Callable[..., Any], without: Collection[Callable[..., Any]] = ()
) -> Callable[..., Any]:
    """Decorate a command with the flags alone, but for some of them."""
    for option in reversed(_OPTIONS):
        if option not in without:
            command = option(command)
    return command


def given_flags(flags: Collection[str]) -> set[str]:
    """Those of the current command's flags that are not defaults."""
    context = click.get_current_context()
    return {n for n in flags if context.get_parameter_source(n) is not ParameterSource.DEFAULT}


@contextlib.contextmanager
def help_answered() -> Iterator[None]:
    """``--nemesis help`` ends the command with what there is."""
    try:
        yield
    except trial_flags.NemesesAsked as asked:
        click.echo(nemesis_help.text(asked.system, asked.cluster, asked.options))
        raise click.exceptions.Exit(0) from None


def spec_of(system_name: str, flags: dict[str, Any], given: Collection[str]) -> TrialSpec:
    """As :func:`..trial_flags.spec_of`; ``--nemesis help`` is answered here."""
    with help_answered():
        return trial_flags.spec_of(system_name, flags, given)
