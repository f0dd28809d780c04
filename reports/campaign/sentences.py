"""A campaign in a sentence, and its figures."""

from __future__ import annotations

import math
from typing import NamedTuple

from ...harness.campaign.confidence import rule
from ...harness.campaign.results import INVALID, VALID
from ...harness.campaign.summary import KNOWN, NEW, Summary, said
from .. import words


class Headline(NamedTuple):
    """``state``: ``valid``, ``invalid``, ``unknown`` or ``none`` (nothing was run)."""

    state: str
    sentence: str
    detail: str


def headline(summary: Summary) -> Headline:
    """What came out, and how far it can be relied on."""
    name = words.line(summary.name, 80)
    seen = [each for each in summary.failures if each.state in (NEW, KNOWN)]
    if seen:
        new = sum(each.state == NEW for each in seen)
        kinds = words.count(len(seen), "way", "ways")
        sentence = f"{name}: promises were broken in {kinds}"
        if summary.before:
            sentence += f", {new or 'none'} of them new"
        trials = words.count(summary.outcomes[INVALID], "trial", "trials")
        return Headline("invalid", f"{sentence}.", f"{trials} of {summary.done:,} were invalid.")
    if summary.outcomes[VALID] and summary.bound is not None:
        sentence = f"{name}: no promise was broken in {summary.outcomes[VALID]:,} valid trials."
        return Headline("valid", sentence, meaning(summary))
    if summary.done:
        return Headline("unknown", f"{name}: no trial came to a verdict.", said(summary))
    return Headline("none", f"{name}: nothing was run.", "")


def meaning(summary: Summary) -> str:
    """What it means that nothing failed."""
    if summary.bound is None:
        return ""
    trials = words.count(summary.distinct, "independent trial")
    return (
        f"With 0 failures in {trials}, the chance of one is below {percent(summary.bound)} a trial "
        f"({rule(summary.distinct)}) with 95 % confidence, for these systems, faults and lengths "
        "of trials. Bugs that these never reach are not bounded by it."
    )


def percent(chance: float) -> str:
    """Three digits of it, never less than it is."""
    digits = 2 - math.floor(math.log10(100 * chance))
    return f"{math.ceil(100 * chance * 10**digits - 1e-6) / 10**digits:g} %"


def facts(summary: Summary) -> list[tuple[str, str]]:
    """The figures that matter most."""
    found = [
        ("Trials", f"{summary.done:,} of {summary.planned:,}"),
        ("Ended", said(summary)),
        ("Took", took(summary.seconds)),
    ]
    if summary.sessions > 1:
        found.append(("Sessions", str(summary.sessions)))
    if summary.retried:
        found.append(("Run again", run_again(summary.retried, summary.retried_still)))
    if summary.ended:
        found.append(("Why it ended", words.line(summary.ended, 120)))
    return found


def took(seconds: float) -> str:
    """``41 s`` or ``12.3 minutes``."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} minutes"


def run_again(trials: int, still: int) -> str:
    """``2 trials that could not be run``, and what became of them."""
    then = f"{still:,} of them not then either" if still else "then they could"
    return f"{words.count(trials, 'trial')} that could not be run; {then}"
