"""A gate in a sentence, its figures, and what each line of it says: the same in every report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...harness.campaign.confidence import rule
from ...harness.campaign.gate import (
    DOUBT,
    EXPIRED,
    NOT_RUN,
    PASS,
    VIOLATION,
    Confidence,
    Missed,
    Report,
    Seen,
)
from ...harness.campaign.results import INVALID
from ...harness.campaign.summary import FIXED, KNOWN, NEW, Summary
from .. import words
from . import sentences
from .sentences import Headline

STATES = {NEW: "new", KNOWN: "known", EXPIRED: "expired"}
CODES = {
    PASS: "pass",
    VIOLATION: "a new violation",
    NOT_RUN: "could not be run",
    DOUBT: "unknown",
}
BADGES = {PASS: "Pass", VIOLATION: "Fail", NOT_RUN: "Not run to its end", DOUBT: "Unknown"}

ROWS_MAX = 200


class Row(NamedTuple):
    """A failure: its state, what it is, how often it was seen, where, and what is said of it."""

    state: str
    failure: str
    seen: str
    cell: str
    remark: str
    run: str


def headline(report: Report) -> Headline:
    """What came out."""
    name = words.line(report.name, 80)
    known = sum(each.state == KNOWN for each in report.failures)
    besides = f", besides {words.count(known, 'known one')}" if known else ""
    detail = "; ".join(words.line(why, 200) for why in report.why[:3])
    if report.result == PASS:
        trials = words.count(report.confidence[0].trials, "valid trial")
        return Headline("valid", f"{name} passed: no new failure in {trials}{besides}.", "")
    if report.result == NOT_RUN:
        return Headline("unknown", f"{name} could not be run to its end.", f"{detail}.")
    if report.result == DOUBT:
        return Headline("unknown", f"{name}: nobody knows.", f"{detail}.")
    new = words.count(len(report.failures) - known, "new failure")
    trials = f"{report.outcomes[INVALID]:,} of {words.count(report.done, 'trial')}"
    return Headline("invalid", f"{name} failed: {new}{besides}.", f"{trials} were invalid.")


def facts(report: Report, summary: Summary) -> list[tuple[str, str]]:
    """The figures that matter most."""
    found = sentences.facts(summary)
    if report.stopped:
        found.append(("Stopped", words.line(report.stopped, 200)))
    if report.baseline:
        found.append(("Baseline", baseline(report)))
    found.append(("Exit code", f"{report.exit_code} ({CODES[report.result]})"))
    return found


def baseline(report: Report) -> str:
    """What became of the failures that it knows."""
    counts = {
        "seen": sum(each.state == KNOWN for each in report.failures),
        "expired": sum(each.state == EXPIRED for each in report.failures),
        "fixed": sum(each.state == FIXED for each in report.missed),
        "not seen": sum(each.state != FIXED for each in report.missed),
        "of other cells": report.elsewhere,
    }
    said = ", ".join(f"{number:,} {what}" for what, number in counts.items() if number)
    return f"{words.line(report.baseline, 200)}: {said or 'knows no failure'}"


def rows(report: Report) -> list[Row]:
    """Failures: those that fail the gate, those that are accepted, and those that did not show."""
    order = {NEW: 0, EXPIRED: 1, KNOWN: 2}
    seen = sorted(report.failures, key=lambda each: order[each.state])
    missed = sorted(report.missed, key=lambda each: each.state != FIXED)
    return [*map(_seen, seen), *map(_missed, missed)][:ROWS_MAX]


def _seen(each: Seen) -> Row:
    remark = words.line(each.why, 300)
    if each.expires is not None:
        until = f"accepted until {each.expires}"
        remark = f"{remark} ({until})" if remark else until
    return Row(
        STATES[each.state],
        failure(each),
        f"{each.trials:,} of {words.count(each.judged, 'trial')}",
        words.line(each.cell, 200),
        remark,
        each.shrunk or each.run,
    )


def _missed(each: Missed) -> Row:
    then = f"{each.then:,} when it was written" if each.then else "never counted before"
    remark = f"judged {each.judged:,} times, {then}"
    remark += "; remove it from the baseline" if each.state == FIXED else ""
    seen = f"0 of {words.count(each.judged, 'trial')}"
    return Row(each.state, failure(each), seen, words.line(each.cell, 200), remark, "")


def failure(each: Seen | Missed) -> str:
    """``broken (4cd03e45)``."""
    return words.line(f"{each.name} ({each.signature})" if each.name else each.signature, 200)


def meaning(report: Report) -> str:
    """What the figures of :func:`bounds` are."""
    if not any(each.bound is not None for each in report.confidence):
        return ""
    return (
        "With 95 % confidence, the chance that a trial shows a failure that is not known is below "
        "these figures: after n independent trials without one, 1 - 0.05^(1/n), which for many "
        "trials is 3/n. They hold for these systems, faults and lengths of trials; bugs that these "
        "never reach are not bounded. Trials on sim with the same flags and seed count once."
    )


def bounds(report: Report) -> list[tuple[str, str]]:
    """Of all trials, of each system and of each cell: what a pass means, or why nothing."""
    return [
        (
            "all trials" if each.of == "all" else words.line(each.name, 200),
            _bound(each),
        )
        for each in report.confidence
    ]


def _bound(each: Confidence) -> str:
    trials = words.count(each.trials, "valid trial")
    if each.bound is not None:
        return f"below {sentences.percent(each.bound)} ({rule(each.trials)}; {trials})"
    return f"no bound: there was a new failure ({trials})" if each.trials else "no valid trial"


def fixed(report: Report) -> Sequence[Missed]:
    """What may be removed from the baseline."""
    return [each for each in report.missed if each.state == FIXED]
