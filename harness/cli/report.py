"""``duress report``: judges and renders a saved run again, without running it again."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from .. import judgement, message_counts, registry, store
from ..formats import jsonl
from ..spec import TrialSpec
from ..verdict import Verdict, compose
from .trial_options import STORE


@click.command(
    epilog="""\b
Examples:
  duress report                 the latest run
  duress report runs/2026…      another one"""
)
@click.argument("run", default="latest")
@STORE
def command(run: str, store_path: Path) -> int:
    """Judge RUN (a folder, the beginning of its name, or 'latest') again and render its report."""
    folder = store.find(run, store_path)
    verdict = judge_again(folder)
    for name in ("html", "junit"):
        registry.load("reports", name)(folder.path)
    registry.load("reports", "terminal").summarise(folder.path, sys.stdout)
    return verdict.exit_code


def judge_again(folder: store.RunFolder) -> Verdict:
    """Check the saved history with today's checkers and write the new verdict."""
    spec = folder.read_json("trial.json", TrialSpec)
    history = jsonl.read(folder.file("history.jsonl")).history
    parts = dict(judgement.judge_history(spec, judgement.workload_of(spec), history))
    if folder.file("verdict.json").is_file():
        # What went wrong with the machine then is not in the history.
        before = folder.read_json("verdict.json", Verdict).parts.get("infrastructure")
        if before is not None:
            parts["infrastructure"] = before
    counted = message_counts.of_trial(folder.path, history)
    verdict = msgspec.structs.replace(compose(parts), statistics=counted)
    folder.write_json("verdict.json", verdict)
    info = folder.read_json("trial.json")
    if info.get("outcome") in (None, "valid", "invalid", "unknown"):
        info["outcome"] = {True: "valid", False: "invalid"}.get(verdict.valid, "unknown")  # type: ignore[call-overload]
        folder.write_json("trial.json", info)
    return verdict
