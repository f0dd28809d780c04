"""A campaign in a sentence, and its figures."""

from __future__ import annotations

from typing import NamedTuple

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
    """What it means that nothing failed (the rule of three)."""
    if summary.bound is None:
        return ""
    if summary.bound >= 1:
        return "So few trials say next to nothing about how rare a failure is."
    return (
        f"If trials fail independently with some probability, it is below {summary.bound:.2g} "
        f"(3/{summary.outcomes[VALID]}) with 95 % confidence, for these systems, faults and "
        "lengths of trials. Bugs that these never reach are not bounded by it."
    )


def facts(summary: Summary) -> list[tuple[str, str]]:
    """The figures that matter most."""
    found = [
        ("Trials", f"{summary.done:,} of {summary.planned:,}"),
        ("Ended", said(summary)),
        ("Took", f"{summary.seconds / 60:.1f} minutes"),
    ]
    if summary.sessions > 1:
        found.append(("Sessions", str(summary.sessions)))
    if summary.ended:
        found.append(("Why it ended", words.line(summary.ended, 120)))
    return found
