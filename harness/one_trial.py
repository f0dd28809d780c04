"""One trial as every way to ask for one runs it: interruptible, and with its reports."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import composition, registry, store
from .composition import NOTHING
from .events import Listener
from .spec import TrialSpec
from .title import label_of
from .trial_flags import defaults, known_options

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals of which the first cancels a trial, which then heals and removes what it made."""

REPORTS = ("html", "junit", "github")


def replay_command(spec: TrialSpec) -> str:
    """The command line that runs the same trial again."""
    default = defaults()
    system = registry.load("systems", spec.system)
    first, last, said = _own_words(system, spec)
    words = ["duress", "run", *first, "--seed", str(spec.seed), "--nodes", str(len(spec.nodes))]
    words += [] if last is not None else ["--workload", spec.workload]
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
    known = known_options(system, spec.workload, spec.cluster, spec.nemeses)
    for name, value in spec.options.items():
        if (
            name in known and name not in said
        ):  # a hunt may have drawn some for nemeses that this trial has not
            words += ["--set", f"{name}={value}"]
    return shlex.join([*words, *(last or [])])


def _own_words(system: Any, spec: TrialSpec) -> tuple[list[str], list[str] | None, frozenset[str]]:
    """How a command line says the system: first, last (``None``: with ``--workload``), and the
    options that need not be said any more."""
    if (words := getattr(system, "as_command", None)) is not None:
        return words(spec.workload, spec.options)
    return [spec.system, "--on", spec.cluster], None, frozenset()


def command_again(spec: TrialSpec, folder: store.RunFolder) -> str:
    """The command line that runs it again, by its flags or, with a schedule, by its folder."""
    if spec.schedule is None:
        return replay_command(spec)
    return shlex.join(["duress", "replay", str(folder.path)])


def new_folder(spec: TrialSpec, store_path: Path) -> store.RunFolder:
    """A new run folder of the store, by whose name one knows what was run."""
    label = label_of(spec) + (f"-{spec.mutant}" if spec.mutant else "")
    return store.create(store_path, label)


def prepare(spec: TrialSpec) -> None:
    """Whatever the kind of cluster needs before it; once a process. May fork."""
    ready = getattr(registry.load("clusters", spec.cluster), "prepare", None)
    if ready is not None:
        ready(registry.load("systems", spec.system).image)


def run_to_its_end(
    trial: Any, spec: TrialSpec, folder: store.RunFolder, listeners: Sequence[Listener]
) -> Any:
    """Run the event loop; the first SIGINT, SIGTERM or SIGHUP cancels, later ones are ignored.

    Afterwards they do what they do by default.
    """

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

        for number in ENDING:
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, stop)
        return await trial.run(spec, folder, listeners, command_again(spec, folder))

    make_loop = getattr(registry.load("clusters", spec.cluster), "event_loop", None)
    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(story())


def render(
    folder: store.RunFolder,
    show: Any,
    warn: Callable[[str], None],
    names: Sequence[str] = REPORTS,
) -> None:
    """Write every report of a run; one that fails is no reason to lose the others.

    ``show``: the stream to which the report for GitHub speaks, where it runs.
    """
    further: dict[str, tuple[Any, ...]] = {"github": (show, os.environ)}
    for name in names:
        try:
            registry.load("reports", name)(folder.path, *further.get(name, ()))
        except Exception as error:
            warn(f"the {name} report failed: {type(error).__name__}: {error}")
