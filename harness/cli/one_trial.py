"""One trial as commands run it: watched, interruptible, reported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .. import one_trial, registry, store
from ..events import Listener
from ..one_trial import replay_command as replay_command
from ..said_again import hear_again as hear_again
from ..said_again import run_twice as run_twice
from ..spec import TrialSpec
from . import interruption


def run_and_report(spec: TrialSpec, store_path: Path, show: Any, quiet: bool) -> Any:
    """Run a trial in a new folder of the store, watch it, render and summarise it."""
    from .. import trial

    folder = one_trial.new_folder(spec, store_path)
    view = registry.load("reports", "terminal")
    with view.listen(spec, show, quiet=quiet) as listener:
        outcome = run_to_its_end(trial, spec, folder, [listener])
    render(folder, show)
    view.summarise(folder.path, show)
    if outcome.error and not folder.file("verdict.json").is_file():  # no room for it
        click.echo(f"duress: {outcome.error}", err=True)
    return outcome


def report(path: str, show: Any) -> None:
    """Render and summarise a run that is in the store already."""
    folder = store.RunFolder(Path(path))
    render(folder, show)
    registry.load("reports", "terminal").summarise(folder.path, show)


def run_to_its_end(
    trial: Any, spec: TrialSpec, folder: store.RunFolder, listeners: Sequence[Listener]
) -> Any:
    """Run the event loop; the first SIGINT or SIGTERM cancels, later ones are ignored."""
    try:
        return one_trial.run_to_its_end(trial, spec, folder, listeners)
    finally:
        interruption.listen()  # the loop has given the signals back


def render(folder: store.RunFolder, show: Any) -> None:
    """Write every report of a run; one that fails is no reason to lose the others."""
    one_trial.render(folder, show, lambda why: click.echo(f"duress: {why}", err=True))
