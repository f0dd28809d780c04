"""One trial as commands run it: watched, interruptible, reported."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shlex
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .. import composition, registry, store
from ..composition import NOTHING
from ..errors import InfrastructureError
from ..events import Listener
from ..spec import TrialSpec
from . import interruption
from .trial_options import defaults, known_options


def replay_command(spec: TrialSpec) -> str:
    """The command line that runs the same trial again."""
    default = defaults()
    words = ["duress", "run", spec.system, "--on", spec.cluster, "--seed", str(spec.seed)]
    words += ["--nodes", str(len(spec.nodes)), "--workload", spec.workload]
    if spec.fault_phases:
        words += ["--phases", composition.phases_said(spec.fault_phases)]
    else:
        words += ["--nemesis", composition.said(spec.nemeses, spec.weights) or NOTHING]
    words += ["--concurrency", str(spec.concurrency)]
    for field, flag in (
        ("time_limit_s", "--time"),
        ("rate", "--rate"),
        ("timeout_s", "--timeout"),
        ("interval_s", "--interval"),
        ("settle_s", "--settle"),
    ):
        value = getattr(spec, field)
        if value != default[field] and not (flag == "--time" and spec.fault_phases):
            words += [flag, f"{value:g}"]
    if spec.mutant:
        words += ["--mutant", spec.mutant]
    system = registry.load("systems", spec.system)
    known = known_options(system, spec.workload, spec.cluster, spec.nemeses)
    for name, value in spec.options.items():
        if name in known:  # a hunt may have drawn some for nemeses that this trial has not
            words += ["--set", f"{name}={value}"]
    return shlex.join(words)


def run_and_report(spec: TrialSpec, store_path: Path, show: Any, quiet: bool) -> Any:
    """Run a trial in a new folder of the store, watch it, render and summarise it."""
    from .. import trial

    label = f"{Path(spec.system.split(':')[0]).stem}" + (f"-{spec.mutant}" if spec.mutant else "")
    folder = store.create(store_path, label)
    view = registry.load("reports", "terminal")
    with view.listen(spec, show, quiet=quiet) as listener:
        outcome = run_to_its_end(trial, spec, folder, [listener])
    render(folder, show)
    view.summarise(folder.path, show)
    if outcome.error and not folder.file("verdict.json").is_file():  # no room for it
        click.echo(f"duress: {outcome.error}", err=True)
    return outcome


def run_twice(spec: TrialSpec, outcome: Any) -> tuple[Any, str]:
    """Run a trial on sim again, in a process that hashes differently; the difference, in words."""
    from ..simulation import repeat

    if outcome.error is not None:
        raise InfrastructureError(f"a trial that failed cannot be repeated: {outcome.error}")
    first = Path(outcome.folder)
    with tempfile.TemporaryDirectory(prefix="duress-twice-") as name:
        second = store.RunFolder(Path(name))
        (second.path / "nodes").mkdir()
        repeat.run_again(spec, second)
        difference = repeat.first_difference(first, second.path)
    if difference is not None:
        return difference, f"NOT REPEATABLE: {difference}"
    return None, f"repeatable: {digest(first)}"


def hear_again(spec: TrialSpec, outcome: Any) -> str:
    """Feed every program on pipes with what it heard; whether it says the same, in words."""
    from ..stdio import twice

    first = Path(outcome.folder)
    kind = registry.load("systems", spec.system)
    programs = {node: kind.program(spec.options, spec.seed, node) for node in spec.nodes}
    command = programs[spec.nodes[0]][0]
    environments = {node: environment for node, (_, environment) in programs.items()}
    before = twice.transcripts(first / "messages.jsonl", spec.nodes)
    found = asyncio.run(twice.compare(before, command, environments))
    if found:
        return f"not deterministic: {'; '.join(map(str, found[:3]))}"
    count = sum(len(each.heard) for each in before.values())
    said = sum(len(each.said) for each in before.values())
    return (
        f"deterministic here: when they heard the same {count} messages at the same times, the "
        f"programs said the same {said} messages again"
    )


def digest(folder: Path) -> str:
    """SHA-256 of what must be equal between two runs of a seed."""
    from ..simulation.repeat import COMPARED

    total = hashlib.sha256()
    for name in COMPARED:
        path = folder / name
        total.update(path.read_bytes() if path.exists() else b"")
    return total.hexdigest()


def run_to_its_end(
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
        return await trial.run(spec, folder, listeners, _again(spec, folder))

    make_loop = getattr(registry.load("clusters", spec.cluster), "event_loop", None)
    try:
        with asyncio.Runner(loop_factory=make_loop) as runner:
            return runner.run(story())
    finally:
        interruption.listen()  # the loop has given the signals back


def render(folder: store.RunFolder, show: Any) -> None:
    """Write every report of a run; one that fails is no reason to lose the others."""
    further: dict[str, tuple[Any, ...]] = {"github": (show, os.environ)}
    for name in ("html", "junit", "github"):
        try:
            registry.load("reports", name)(folder.path, *further.get(name, ()))
        except Exception as error:
            click.echo(
                f"duress: the {name} report failed: {type(error).__name__}: {error}", err=True
            )


def _again(spec: TrialSpec, folder: store.RunFolder) -> str:
    if spec.schedule is None:
        return replay_command(spec)
    return shlex.join(["duress", "replay", str(folder.path)])
