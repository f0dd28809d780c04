"""``duress report``: judges and renders a saved run again, without running it again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .. import registry, store
from ..errors import UserError
from ..judged_again import judge_again as judge_again
from .one_trial import render
from .trial_options import STORE


@click.command(
    epilog="""\b
Examples:
  duress report                 the latest run
  duress report runs/2026…      another one
  duress report --window 3-3.5  with the messages between these seconds, drawn"""
)
@click.argument("run", default="latest")
@click.option(
    "--window",
    metavar="FROM-TO",
    help="Draw the messages between two times, in seconds, where they were written down.",
)
@STORE
def command(run: str, window: str | None, store_path: Path) -> int:
    """Judge RUN (a folder, the beginning of its name, or 'latest') again and render its report."""
    folder = store.find(run, store_path)
    wanted = window_of(window) if window else None
    verdict = judge_again(folder)
    render(folder, sys.stdout)
    if wanted is not None:
        registry.load("reports", "html")(folder.path, wanted)
    registry.load("reports", "terminal").summarise(folder.path, sys.stdout)
    return verdict.exit_code


def window_of(text: str) -> tuple[float, float]:
    """``3-3.5`` as two numbers; ``UserError`` otherwise."""
    begin, dash, end = text.partition("-")
    try:
        window = float(begin), float(end)
    except ValueError:
        window = 0.0, 0.0
    if not dash or not 0 <= window[0] < window[1] < float("inf"):
        raise UserError(f"--window: expected two times in seconds such as 3-3.5, got {text!r}")
    return window
