"""The end of a gate, for every way to ask for one: its word, the baseline brought up to date, its
pages and artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from .. import registry
from . import baseline as baselines
from . import gate as gates
from . import session
from .baseline import Accepted, Baseline
from .gate import Report
from .ledger import Ledger
from .summary import Summary


@dataclass(frozen=True)
class Wanted:
    """What is to be compared with and left behind.

    ``baseline``   the file of failures that are known, if there is one.
    ``update``     add to it what is new, with the reason ``why`` and up to the day ``expires``,
                   and remove what is fixed.
    ``artifacts``  the folder for what CI keeps.
    """

    baseline: Path | None
    update: bool = False
    why: str = ""
    expires: date | None = None
    artifacts: Path | None = None

    def known(self, today: date) -> Baseline:
        """What the file holds. Raises ``UserError`` for whatever makes no sense, before any trial
        has run."""
        baselines.check_update(self.update, self.baseline, self.why, self.expires, today)
        known = baselines.known_in(self.baseline, may_be_new=self.update)
        if self.artifacts is not None:
            registry.load("reports", "campaign").check_artifacts(self.artifacts)
        return known


@dataclass(frozen=True)
class Concluded:
    """What the gate says; ``entries`` is the baseline as it was written, if it was."""

    report: Report
    summary: Summary
    entries: Sequence[Accepted] | None


def conclude(
    ledger: Ledger, known: Baseline, today: date, wanted: Wanted, stopped: str = ""
) -> Concluded:
    """Say what came of it and write that down. What was ``stopped`` changes no baseline."""
    pages = registry.load("reports", "campaign")
    path = wanted.baseline
    name = "" if path is None else str(path)
    report, summary = gates.judged(ledger, known, name, today, stopped)
    entries = None
    if wanted.update and path is not None and not stopped:
        entries = gates.updated(known, report, wanted.why, wanted.expires, today)
        baselines.write(path, entries)
        report, summary = gates.judged(ledger, Baseline(entries), name, today)
    pages.write(ledger, summary, session.with_earlier(ledger)[1], report)
    if wanted.artifacts is not None:
        pages.gather(ledger, summary, report, wanted.artifacts)
    return Concluded(report, summary, entries)
