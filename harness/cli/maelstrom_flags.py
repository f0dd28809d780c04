"""``duress run WORKLOAD --node PROGRAM``: Maelstrom's words for a trial, turned into ours.

``duress run -w WORKLOAD --bin PROGRAM``, which is how they stand there, means the same.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from .. import registry
from ..errors import UserError

SYSTEM = "maelstrom"

DISTRIBUTIONS = ("constant", "uniform", "exponential")

_OPTIONS = (
    click.option(
        "--node",
        "--bin",
        "node",
        metavar="PROGRAM",
        help="A program that speaks Maelstrom's protocol; SYSTEM is a workload then, and what "
        "follows -- goes to the program. The flags below are for this.",
    ),
    click.option("--node-count", type=click.IntRange(1, 99), help="As --nodes."),
    click.option("--time-limit", type=float, help="As --time."),
    click.option("--latency", metavar="MS", help="Mean latency between nodes; or as for --set."),
    click.option(
        "--latency-dist", type=click.Choice(DISTRIBUTIONS), help="Its distribution (constant)."
    ),
    click.option("--nemesis-interval", type=float, help="As --interval."),
    click.option("--topology", metavar="NAME", help="Whom nodes of a broadcast are to talk to."),
    click.option("--key-count", metavar="N", help="As --set key-count=N."),
    click.option("--max-txn-length", metavar="N", help="As --set max-length=N."),
    click.option("--max-writes-per-key", metavar="N", help="As --set max-writes-per-key=N."),
    click.option("--consistency-models", metavar="LEVEL", help="As --set level=LEVEL."),
    click.option("--availability", metavar="SHARE", help="As --set min-share=SHARE."),
    click.option("--test-count", type=click.IntRange(1), help="As --trials."),
    click.option("--log-stderr", is_flag=True, help="Taken; logs are always kept."),
    click.option("--log-net-send", is_flag=True, help="Taken; messages are always kept."),
    click.option("--log-net-recv", is_flag=True, help="Taken; messages are always kept."),
    click.argument("arguments", nargs=-1),
)

_RENAMED = {
    "node_count": "nodes",
    "time_limit": "time_limit_s",
    "nemesis_interval": "interval_s",
    "test_count": "trials",
}
"""Flags that another one means the same as."""

_SETTINGS = {
    "key_count": "key-count",
    "max_txn_length": "max-length",
    "max_writes_per_key": "max-writes-per-key",
    "consistency_models": "level",
}
"""Flags that are options of ``--set``."""

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        ("--ssh-private-key", "--username", "--password", "--no-ssh", "--strict-host-key-checking"),
        "programs run on this machine, without ssh",
    ),
    "--nodes-file": "nodes are called n0, n1, …; say how many with --node-count",
    "--tarball": "a program is what --node names",
    "--leave-db-running": "nothing outlives a trial; the run folder keeps what programs wrote",
    "--logging-json": "events are JSON already: messages.jsonl, history.jsonl, --json",
}
"""Flags of Maelstrom and Jepsen that can mean nothing here, and what to do instead."""

ONLY_WITH_NODE = (
    *_RENAMED,
    *_SETTINGS,
    *("latency", "latency_dist", "topology", "availability", "log_stderr", "log_net_send"),
    *("log_net_recv", "arguments"),
)


class MaelstromCommand(click.Command):
    """A command that is also understood as Maelstrom has it: ``-w WORKLOAD --bin PROGRAM``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the workload where SYSTEM stands, if there is a program to run it with."""
        return super().parse_args(ctx, rearranged(args))


def rearranged(args: Sequence[str]) -> list[str]:
    """``-w echo --bin ./x`` as ``echo --bin ./x``. ``UserError`` for flags that mean nothing."""
    end = args.index("--") if "--" in args else len(args)
    mine, rest = list(args[:end]), list(args[end:])
    names = [word.partition("=")[0] for word in mine]
    for name in names:
        if name in REFUSED:
            raise UserError(f"{name}: means nothing here: {REFUSED[name]}")
    if not {"--node", "--bin"} & set(names):
        return [*mine, *rest]
    for at, name in enumerate(names):
        if name in ("-w", "--workload"):
            _, equals, value = mine[at].partition("=")
            taken = 1 if equals else 2
            if not equals:
                value = mine[at + 1] if at + 1 < len(mine) else ""
            return [value, *mine[:at], *mine[at + taken :], *rest] if value else [*mine, *rest]
    return [*mine, *rest]


def maelstrom_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with ``--node`` and the flags that go with it."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def translated(
    system: str, flags: Mapping[str, Any], given: set[str]
) -> tuple[str, dict[str, Any], set[str]]:
    """The system, flags and given ones as ``spec_of`` takes them; unchanged without ``--node``."""
    if flags["node"] is None:
        for name in ONLY_WITH_NODE:
            if flags[name]:
                flag = "--" if name == "arguments" else f"--{name.replace('_', '-')}"
                raise UserError(f"{flag}: is for --node PROGRAM, which was not given")
        return system, dict(flags), given
    flags, given = dict(flags), set(given)
    for name, ours in _RENAMED.items():
        if flags[name] is not None:
            if ours in given:
                raise UserError(f"--{name.replace('_', '-')}: was given under its other name, too")
            flags[ours] = flags[name]
            given.add(ours)
    workload, options = _workload(system, flags)
    known = getattr(registry.load("workloads", workload), "options", {})
    for name, ours in _SETTINGS.items():
        if flags[name] and ours not in known:
            flag = f"--{name.replace('_', '-')}"
            raise UserError(f"{flag}: means nothing for the workload {system}; leave it out")
    settings = [f"node={shlex.join(program_of(flags['node'], flags['arguments']))}"]
    settings += [f"{name}={value}" for name, value in options.items()]
    if "," in (flags["consistency_models"] or ""):
        raise UserError(
            f"--consistency-models {flags['consistency_models']}: expected one, the strongest of "
            "them: it implies those that are weaker"
        )
    settings += [f"{ours}={flags[name]}" for name, ours in _SETTINGS.items() if flags[name]]
    settings += _network(flags)
    if flags["topology"]:
        settings.append(f"topology={flags['topology']}")
    if flags["availability"]:
        settings.append(f"min-share={_availability(flags['availability'])}")
    flags["settings"] = (*settings, *flags["settings"])
    flags["workload"] = workload
    return SYSTEM, flags, given | {"workload"}


def _workload(name: str, flags: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """What SYSTEM names: one of Maelstrom's workloads, or one of ours."""
    kind = registry.load("systems", SYSTEM)
    if flags["arguments"] and flags["arguments"][0] in kind.dialects:
        twice = " and ".join(dict.fromkeys((name, flags["arguments"][0])))
        raise UserError(
            f"which workload? Expected one, got {twice} twice"
            if name == twice
            else f"which workload? Expected one, got {twice}"
        )
    if name in kind.dialects:
        return kind.dialects[name]
    if name in kind.workloads or ".py:" in name:
        return name, {}
    known = [*kind.dialects, *(each for each in kind.workloads if each not in kind.dialects)]
    close = registry.did_you_mean(name, known)
    raise UserError(f"no workload named {name!r} for --node{close}; there are: {', '.join(known)}")


def program_of(program: str, arguments: Sequence[str]) -> list[str]:
    """The command line, with paths that do not depend on where it is run.

    ``UserError`` if there is no such program, or it is not executable.
    """
    if os.sep in program or Path(program).is_file():
        path = Path(program).absolute()
        if not path.is_file():
            raise UserError(f"--node {program}: no such file")
        if not os.access(path, os.X_OK):
            raise UserError(f"--node {program}: is not executable; try chmod +x {program}")
        found = str(path)
    else:
        found = shutil.which(program) or ""
        if not found:
            raise UserError(f"--node {program}: no such program in this folder or on the PATH")
    words = [str(Path(word).absolute()) if _is_file(word) else word for word in arguments]
    return [found, *words]


def _is_file(word: str) -> bool:
    try:
        return bool(word) and Path(word).is_file()
    except OSError:
        return False


def _network(flags: Mapping[str, Any]) -> list[str]:
    text, kind = flags["latency"], flags["latency_dist"]
    if text is None:
        if kind is not None:
            raise UserError("--latency-dist: needs a mean: --latency MS")
        return []
    if ":" in text:
        if kind is not None:
            raise UserError(f"--latency {text}: names a distribution already; leave the other out")
        return [f"latency={text}"]
    try:
        mean = float(text)
    except ValueError:
        raise UserError(f"--latency: expected milliseconds, got {text!r}") from None
    if kind == "uniform":
        return [f"latency=uniform:0:{2 * mean:g}"]
    return [f"latency={kind or 'constant'}:{mean:g}"]


def _availability(text: str) -> str:
    return "1" if text == "total" else text
