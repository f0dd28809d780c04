"""``duress run``: one trial, or several until one fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shlex
import signal
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from click.core import ParameterSource

from .. import registry, store
from ..errors import UserError
from ..events import Listener
from ..spec import TrialSpec, parse_concurrency, validate

NOTHING = "none"


@click.command(
    epilog="""\b
Examples:
  duress run raft
  duress run raft --mutant forgets-vote --trials 10
  duress run raft --nemesis pause --time 120 --seed 7
  duress run etcd --on docker --nodes 5 --nemesis partition,kill --time 60
  duress run etcd --on docker --set reads=serializable
  duress run my_suite.py:MyStore --on local"""
)
@click.argument("system")
@click.option("--on", "cluster", metavar="CLUSTER", help="Where nodes run: local or docker.")
@click.option("--nodes", type=click.IntRange(1, 99), help="How many nodes.")
@click.option("--workload", metavar="NAME", help="What clients do (default: the system's first).")
@click.option(
    "--nemesis", metavar="NAMES", help="Comma-separated; 'none' for none (default: the system's)."
)
@click.option(
    "--time", "time_limit_s", default=30.0, show_default=True, help="Seconds of load and faults."
)
@click.option(
    "--rate", default=150.0, show_default=True, help="Operations per second in all; 0: no limit."
)
@click.option(
    "--concurrency", default="2n", show_default=True, help="Client processes; 2n: twice the nodes."
)
@click.option(
    "--timeout",
    "timeout_s",
    default=5.0,
    show_default=True,
    help="Seconds until an operation is unknown.",
)
@click.option(
    "--interval", "interval_s", default=3.0, show_default=True, help="Mean seconds between faults."
)
@click.option(
    "--settle", "settle_s", default=2.0, show_default=True, help="Quiet seconds at the end."
)
@click.option("--seed", type=int, help="Seed of every random choice (default: a new one, printed).")
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Repeat with seed, seed+1, … until one is invalid.",
)
@click.option("--mutant", metavar="NAME", help="Plant this bug (see: duress list mutants).")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the system, workload, nemesis or cluster; repeatable.",
)
@click.option(
    "--store",
    "store_path",
    default=store.DEFAULT_STORE,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of run folders.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("--quiet", is_flag=True, help="Print only the summary.")
def command(system: str, **flags: Any) -> int:
    """Run SYSTEM (a name or path.py:Class) and judge what its clients saw."""
    context = click.get_current_context()
    given = {n for n in flags if context.get_parameter_source(n) is not ParameterSource.DEFAULT}
    spec = spec_of(system, flags, given)
    kind = registry.load("clusters", spec.cluster)
    prepare = getattr(kind, "prepare", None)
    if prepare is not None:
        prepare(registry.load("systems", spec.system).image)  # may fork: nothing runs yet
    show = sys.stderr if flags["as_json"] else sys.stdout
    number, outcome = 0, None
    while outcome is None or (outcome.outcome == "valid" and number < flags["trials"]):
        this = msgspec.structs.replace(spec, seed=spec.seed + number)
        number += 1
        if flags["trials"] > 1 and not flags["quiet"]:
            click.echo(f"trial {number} of at most {flags['trials']}, seed {this.seed}", file=show)
        outcome = _one_trial(this, flags, show)
    if flags["as_json"]:
        click.echo(json.dumps(_as_json(this, outcome) | {"trials": number}))
    return outcome.exit_code


def spec_of(system_name: str, flags: dict[str, Any], given: Collection[str]) -> TrialSpec:
    """The trial that the flags describe; ``given`` are those that are not defaults."""
    options = _settings(flags["settings"])
    conditions: dict[str, Any] = {}
    if flags["mutant"]:
        mutant = _mutant(system_name, flags["mutant"])
        system_name = mutant.system
        options = {**mutant.options, **options}
        conditions = dict(mutant.conditions.get("options", {}))
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
    wanted = flags["nemesis"]
    nemeses = list(system.nemeses) if wanted is None else wanted.split(",")
    nemeses = [name.strip() for name in nemeses if name.strip() not in ("", NOTHING)]
    _check_nemeses(nemeses, cluster)
    takers = [system, registry.load("workloads", workload), registry.load("clusters", cluster)]
    known = _known_options(takers, nemeses)
    for name in options:
        if name not in known:
            raise UserError(f"--set {name}: no such option here; there are: {', '.join(known)}")
    options = {**{name: conditions[name] for name in conditions if name in known}, **options}
    count = flags["nodes"] or system.nodes
    return validate(
        TrialSpec(
            system=system_name,
            mutant=flags["mutant"],
            workload=workload,
            nemeses=nemeses,
            cluster=cluster,
            nodes=[f"n{i + 1}" for i in range(count)],
            seed=secrets.randbelow(2**31) if flags["seed"] is None else flags["seed"],
            concurrency=parse_concurrency(flags["concurrency"], count),
            rate=flags["rate"],
            time_limit_s=flags["time_limit_s"],
            settle_s=flags["settle_s"],
            timeout_s=flags["timeout_s"],
            interval_s=flags["interval_s"],
            options=options,
        )
    )


def _settings(pairs: Sequence[str]) -> dict[str, str]:
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


def _check_nemeses(nemeses: Sequence[str], cluster: str) -> None:
    for name in nemeses:
        clusters = registry.load("nemeses", name).clusters
        if cluster not in clusters:
            raise UserError(
                f"the nemesis {name!r} works on {', '.join(clusters)}, not on {cluster}"
            )


def _known_options(takers: Sequence[Any], nemeses: Sequence[str]) -> list[str]:
    everyone = [*takers, *(registry.load("nemeses", name) for name in nemeses)]
    return sorted({name for taker in everyone for name in getattr(taker, "options", ())})


def replay_command(spec: TrialSpec) -> str:
    """The command line that runs the same trial again."""
    defaults = {parameter.name: parameter.default for parameter in command.params}
    words = ["duress", "run", spec.system, "--on", spec.cluster, "--seed", str(spec.seed)]
    words += ["--nodes", str(len(spec.nodes)), "--workload", spec.workload]
    words += ["--nemesis", ",".join(spec.nemeses) or NOTHING]
    words += ["--concurrency", str(spec.concurrency)]
    for field, flag in (
        ("time_limit_s", "--time"),
        ("rate", "--rate"),
        ("timeout_s", "--timeout"),
        ("interval_s", "--interval"),
        ("settle_s", "--settle"),
    ):
        value = getattr(spec, field)
        if value != defaults[field]:
            words += [flag, f"{value:g}"]
    if spec.mutant:
        words += ["--mutant", spec.mutant]
    for name, value in spec.options.items():
        words += ["--set", f"{name}={value}"]
    return shlex.join(words)


def _one_trial(spec: TrialSpec, flags: dict[str, Any], show: Any) -> Any:
    from .. import trial

    label = f"{Path(spec.system.split(':')[0]).stem}" + (f"-{spec.mutant}" if spec.mutant else "")
    folder = store.create(flags["store_path"], label)
    view = registry.load("reports", "terminal")
    with view.listen(spec, show, quiet=flags["quiet"]) as listener:
        outcome = _run_to_its_end(trial, spec, folder, [listener])
    _render(folder)
    view.summarise(folder.path, show)
    return outcome


def _run_to_its_end(
    trial: Any, spec: TrialSpec, folder: store.RunFolder, listeners: Sequence[Listener]
) -> Any:
    """Run the event loop; the first SIGINT or SIGTERM cancels, later ones are ignored."""

    async def story() -> Any:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        cancelled = False

        def stop() -> None:
            nonlocal cancelled
            if not cancelled:
                cancelled = True
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, stop)
        return await trial.run(spec, folder, listeners, replay_command(spec))

    make_loop = getattr(registry.load("clusters", spec.cluster), "event_loop", None)
    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(story())


def _render(folder: store.RunFolder) -> None:
    for name in ("html", "junit"):
        try:
            registry.load("reports", name)(folder.path)
        except Exception as error:
            click.echo(
                f"duress: the {name} report failed: {type(error).__name__}: {error}", err=True
            )


def _as_json(spec: TrialSpec, outcome: Any) -> dict[str, Any]:
    vacuity = outcome.verdict.parts.get("vacuity")
    counts = vacuity.statistics.get("outcomes", {}) if vacuity else {}
    return {
        "valid": outcome.verdict.valid,
        "anomalies": msgspec.to_builtins(outcome.verdict.anomalies),
        "reason": outcome.verdict.reason,
        "outcome": outcome.outcome,
        "run": outcome.folder,
        "seed": spec.seed,
        "ops": {
            kind: sum(by_type.get(kind, 0) for by_type in counts.values())
            for kind in ("ok", "fail", "info")
        },
    }
