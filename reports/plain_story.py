"""The story of an anomaly in lines of text: the same on a terminal, in JUnit and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..harness.verdict import Anomaly, Verdict
from . import log_times, story, words
from .log_times import LogLine
from .run_folder import Run
from .statistics import Statistics

TEXT_LENGTH = 600


@dataclass(frozen=True)
class Told:
    """One line. ``mark`` is its number, ``∴`` for why it cannot be, ``→`` for what should have
    been, ``…`` for what is left out; ``when`` is empty for these three; ``kind`` as of
    :class:`.steps.Step`.
    """

    mark: str
    when: str
    text: str
    kind: str

    def __str__(self) -> str:
        return "  ".join(part for part in (self.mark, self.when, self.text) if part)


MARKS = {"end": "∴", "instead": "→", "more": "…"}


def logged(run: Run) -> list[LogLine]:
    """What the nodes logged; for :func:`tell`, read once."""
    return list(log_times.lines(run))


def tell(
    run: Run, anomaly: Anomaly, figures: Statistics, logged: Sequence[LogLine] = ()
) -> list[Told]:
    """The story of one anomaly."""
    lines: list[Told] = []
    number = 0
    for step in story.tell(run.history, anomaly, figures, run.nodes, logged):
        mark = MARKS.get(step.kind)
        if mark is None:
            number += 1
        when = step.when if mark is None else ""
        text = words.line(step.text.removeprefix("… "), TEXT_LENGTH)
        lines.append(Told(mark or f"{number}.", when, text, step.kind))
    return lines


def title(anomaly: Anomaly) -> str:
    """``nonlinearizable on key 3``."""
    where = "" if anomaly.key is None else f" on key {words.value(anomaly.key, 40)}"
    return f"{words.line(anomaly.name, 80)}{where}"


def signature(verdict: Verdict | None) -> str | None:
    """``4de14603 (nonlinearizable: saw an older state), under kill``: by which a bug is known."""
    found = None if verdict is None else verdict.signature
    if found is None:
        return None
    under = ""
    if found.faults is not None:
        under = f", under {words.names(found.faults)}" if found.faults else ", without a fault"
    return words.line(f"{found.id} ({found.name}){under}", 300)
