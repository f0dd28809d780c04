"""Judges a saved run again, with today's checkers, without running it again."""

from __future__ import annotations

import msgspec

from . import judgement, message_counts, signature, store
from .formats import jsonl
from .spec import TrialSpec
from .verdict import Verdict, compose

NOT_IN_HISTORY = ("infrastructure", "protocol")
"""Parts of a verdict that cannot be judged again."""


def judge_again(folder: store.RunFolder) -> Verdict:
    """Check the saved history with today's checkers and write the new verdict."""
    spec = folder.read_json("trial.json", TrialSpec)
    history = jsonl.read(folder.file("history.jsonl")).history
    parts = dict(judgement.judge_history(spec, judgement.workload_of(spec), history))
    if folder.file("verdict.json").is_file():
        # What went wrong with the machine then, or on the wire, is not in the history.
        before = folder.read_json("verdict.json", Verdict).parts
        parts |= {name: before[name] for name in NOT_IN_HISTORY if name in before}
    counted = message_counts.of_trial(folder.path, history)
    verdict = msgspec.structs.replace(compose(parts), statistics=counted)
    verdict = signature.signed(verdict, spec, history)
    folder.write_json("verdict.json", verdict)
    info = folder.read_json("trial.json")
    if info.get("outcome") in (None, "valid", "invalid", "unknown"):
        info["outcome"] = {True: "valid", False: "invalid"}.get(verdict.valid, "unknown")  # type: ignore[call-overload]
        folder.write_json("trial.json", info)
    return verdict
