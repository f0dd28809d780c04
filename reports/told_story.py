"""A run in lines of text: the verdict in a sentence, and how each promise was broken."""

from __future__ import annotations

from pathlib import Path

from . import plain_story, run_folder, statistics, story, words


def tell(folder: Path, anomalies_max: int = 1) -> str:
    """The story of the run in a folder, whatever state that is in."""
    run = run_folder.load(folder)
    said = story.headline_of_run(run.spec, run.verdict, run.problems)
    lines = [said.sentence]
    anomalies = run.verdict.anomalies if run.verdict is not None else []
    if not anomalies:
        return "\n".join([*lines, *said.detail.splitlines()])
    figures = statistics.collect(run.history.columns(), run.faults, run.verdict)
    logged = plain_story.logged(run)
    for anomaly in anomalies[:anomalies_max]:
        lines += ["", plain_story.title(anomaly)]
        lines += [f"  {step}" for step in plain_story.tell(run, anomaly, figures, logged)]
    left_out = len(anomalies) - anomalies_max
    if left_out > 0:
        lines += ["", f"and {words.count(left_out, 'more anomaly', 'more anomalies')}"]
    signature = plain_story.signature(run.verdict)
    return "\n".join([*lines, *(["", f"signature: {signature}"] if signature else [])])
