"""What a gate says of what was run: whether a change may pass, and what that means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Literal

import msgspec

from ... import __version__
from . import plan as plans
from .baseline import Accepted, Baseline
from .confidence import bound
from .ledger import Failure, Ledger
from .plan import Plan
from .results import INFRASTRUCTURE, INVALID, KILLED, UNKNOWN, VALID
from .summary import (
    FIXED,
    GONE,
    KNOWN,
    NEW,
    CellSummary,
    FailureSummary,
    Summary,
    summary_of,
)

EXPIRED = "expired"
PASS, VIOLATION, NOT_RUN, DOUBT = "pass", "violation", "infrastructure", "unknown"
EXIT_CODES = {PASS: 0, VIOLATION: 1, NOT_RUN: 3, DOUBT: 4}
"""By result. After the first, each outweighs those behind it."""

NO_REASON = "accepted without a reason"

DEFAULT_MINUTES = 5.0
SHRUNK_MAX = 3
"""So many new failures are shrunk: a gate is in a hurry."""


class Seen(msgspec.Struct, frozen=True):
    """A failure in a cell.

    ``state``      ``new``: fails the gate; ``known``: the baseline accepts it; ``expired``: it did,
                   up to a day that is over, so that it fails the gate.
    ``trials``     that showed it, of the ``judged`` ones of the cell.
    ``why``        it is accepted, ``expires``: until then (with that day).
    ``run``        folder of the first trial that is kept, in ``runs``; ``shrunk`` of the smallest.
    """

    signature: str
    name: str
    cell: str
    state: Literal["new", "known", "expired"]
    trials: int
    judged: int
    why: str = ""
    expires: date | None = None
    run: str = ""
    shrunk: str = ""


class Missed(msgspec.Struct, frozen=True):
    """A failure of the baseline that did not show.

    ``state``   ``fixed``: its cells were ``judged`` at least as often as when it was written; or
                ``not seen``: less often.
    ``then``    how often that was.
    """

    signature: str
    name: str
    cell: str
    state: Literal["fixed", "not seen"]
    judged: int
    then: int
    why: str = ""


class Confidence(msgspec.Struct, frozen=True):
    """What a pass means: of ``all`` trials, of a ``system``, or of a ``cell``.

    ``trials``  that were valid and independent: on sim, different ones.
    ``bound``   below which the chance of a new failure a trial is, with 95 % confidence; ``null``
                if there was a new one, or no valid trial.
    """

    of: Literal["all", "system", "cell"]
    name: str
    trials: int
    bound: float | None


class Report(msgspec.Struct, frozen=True):
    """A gate, as ``gate.json`` tells it.

    ``exit_code``  0 pass, 1 violation, 3 infrastructure, 4 unknown.
    ``why``        every reason for the result, the most important one first; empty for a pass.
    ``stopped``    what interrupted it; empty if nothing did.
    ``ended``      why it was over; empty if it was interrupted.
    ``planned``    trials, of which ``done`` came to an end, as ``outcomes`` counts them.
    ``retried``    trials that could not be run and were run again; ``retried_still`` of them that
                   could not be run in the end either.
    ``elsewhere``  how many failures the baseline has that are of no cell of this gate.
    """

    duress: str
    name: str
    result: Literal["pass", "violation", "infrastructure", "unknown"]
    exit_code: int
    why: list[str]
    stopped: str
    ended: str
    planned: int
    done: int
    outcomes: dict[str, int]
    seconds: float
    retried: int
    retried_still: int
    baseline: str
    failures: list[Seen]
    missed: list[Missed]
    elsewhere: int
    confidence: list[Confidence]


def boxed(plan: Plan, minutes: float | None = None) -> Plan:
    """A campaign's plan as a gate's: with an end, and under a name of its own, so that no campaign
    goes on with what a gate began."""
    name = f"{plan.name}-gate" if plan.name else "gate"
    minutes = minutes or plan.budget.minutes or DEFAULT_MINUTES
    budget = msgspec.structs.replace(plan.budget, minutes=minutes)
    return msgspec.structs.replace(plan, name=name, budget=budget)


def hurried(plan: Plan, fail_fast: bool, shrink: bool) -> Plan:
    """The plan that ends with its first new failure, or leaves new failures as they are."""
    if fail_fast:
        plan = msgspec.structs.replace(plan, stop=msgspec.structs.replace(plan.stop, failures=1))
    return msgspec.structs.replace(plan, shrink=plan.shrink and shrink)


def known_by(baseline: Baseline, today: date) -> Callable[[Failure], bool]:
    """Which failures it accepts wherever they were seen."""

    def is_known(failure: Failure) -> bool:
        entries = (baseline.entry(failure.signature, cell, today) for cell in failure.cells)
        return all(state_of(entry, today) == KNOWN for entry in entries)

    return is_known


def judged(
    ledger: Ledger, baseline: Baseline, path: str, today: date, stopped: str = ""
) -> tuple[Report, Summary]:
    """What the gate says, and the summary of its campaign with the baseline's word on failures.

    ``path``: of the baseline, empty if there is none.
    """
    plain = summary_of(ledger)
    seen = list(_seen(plain, baseline, today))
    missed, elsewhere = _missed(plain, baseline)
    summary = with_states(plain, seen, missed, path)
    reasons = list(_reasons(summary, seen, stopped, ledger))
    result = reasons[0][0] if reasons else PASS
    report = Report(
        duress=__version__,
        name=summary.name,
        result=result,
        exit_code=EXIT_CODES[result],
        why=[why for _, why in reasons],
        stopped=stopped,
        ended=summary.ended,
        planned=summary.planned,
        done=summary.done,
        outcomes=summary.outcomes,
        seconds=summary.seconds,
        retried=summary.retried,
        retried_still=summary.retried_still,
        baseline=path,
        failures=seen,
        missed=missed,
        elsewhere=elsewhere,
        confidence=_confidence(summary, ledger),
    )
    return report, summary


def updated(
    baseline: Baseline, report: Report, why: str, expires: date | None, today: date
) -> list[Accepted]:
    """The baseline's entries, without those that are fixed or over, with those that fail the gate.

    ``why``: of the new ones; one that is over keeps its own where none is given.
    """
    fixed = {(each.signature, each.cell) for each in report.missed if each.state == FIXED}
    kept = [each for each in baseline.known if (each.signature, each.cell) not in fixed]
    fresh = [each for each in report.failures if each.state != KNOWN]
    over = {(each.signature, each.cell) for each in fresh if each.state == EXPIRED}
    kept = [
        each
        for each in kept
        if not (
            each.is_over(today)
            and any(sign == each.signature and each.is_about(cell) for sign, cell in over)
        )
    ]
    added = [
        Accepted(
            signature=each.signature,
            cell=each.cell,
            why=why or each.why or NO_REASON,
            name=each.name,
            expires=expires,
            added=today,
            seen=each.trials,
            judged=each.judged,
        )
        for each in fresh
    ]
    return kept + added


def _seen(summary: Summary, baseline: Baseline, today: date) -> Iterator[Seen]:
    failures = {each.signature: each for each in summary.failures}
    for cell in summary.cells:
        for sign, trials in cell.signatures.items():
            entry = baseline.entry(sign, cell.cell, today)
            each = failures[sign]
            yield Seen(
                signature=sign,
                name=each.name,
                cell=cell.cell,
                state=state_of(entry, today),
                trials=trials,
                judged=_judged(cell),
                why=entry.why if entry else "",
                expires=entry.expires if entry else None,
                run=each.run,
                shrunk=each.shrunk,
            )


def state_of(entry: Accepted | None, today: date) -> Literal["new", "known", "expired"]:
    """Of a failure that a baseline has this entry for."""
    if entry is None:
        return NEW
    return EXPIRED if entry.is_over(today) else KNOWN


def _missed(summary: Summary, baseline: Baseline) -> tuple[list[Missed], int]:
    found, elsewhere = [], 0
    for entry in baseline.known:
        cells = [cell for cell in summary.cells if entry.is_about(cell.cell)]
        if not cells:
            elsewhere += 1
        elif not any(entry.signature in cell.signatures for cell in cells):
            now, then = sum(map(_judged, cells)), entry.judged
            state = FIXED if now >= max(1, then) else GONE
            what = (entry.signature, entry.name, entry.cell)
            found.append(Missed(*what, state, now, then, entry.why))
    return found, elsewhere


def with_states(summary: Summary, seen: list[Seen], missed: list[Missed], path: str) -> Summary:
    """With what the baseline of that path says in place of what the campaign before says."""
    bad = {each.signature for each in seen if each.state != KNOWN}
    known = {(each.cell, each.signature) for each in seen if each.state == KNOWN}
    replace = msgspec.structs.replace
    failures = [
        replace(each, state=NEW if each.signature in bad else KNOWN) for each in summary.failures
    ]
    for each in missed:
        if each.signature not in {other.signature for other in failures}:
            cells = [each.cell]
            failures.append(FailureSummary(each.signature, each.name, each.state, 0, cells))
    cells = [
        replace(cell, known=[sign for sign in cell.signatures if (cell.cell, sign) in known])
        for cell in summary.cells
    ]
    chance = None if bad else bound(summary.distinct)
    return replace(summary, failures=failures, cells=cells, bound=chance, baseline=path)


def _reasons(
    summary: Summary, seen: list[Seen], stopped: str, ledger: Ledger
) -> Iterator[tuple[Literal["violation", "infrastructure", "unknown"], str]]:
    for each in seen:
        if each.state != KNOWN:
            over = f", accepted until {each.expires}" if each.state == EXPIRED else ""
            yield VIOLATION, f"{each.name} ({each.signature}) in {each.cell}{over}"
    if stopped:
        yield NOT_RUN, stopped
    if number := summary.outcomes[INFRASTRUCTURE]:
        yield NOT_RUN, f"{_trials(number)} could not be run{_first(ledger, INFRASTRUCTURE)}"
    if number := summary.outcomes[KILLED]:
        yield DOUBT, f"{_trials(number)} had to be ended{_first(ledger, KILLED)}"
    if number := summary.outcomes[UNKNOWN]:
        yield DOUBT, f"{_trials(number)} ended without a verdict{_first(ledger, UNKNOWN)}"
    for cell in summary.cells:
        if not _judged(cell):
            yield DOUBT, f"no trial of {cell.cell} came to a verdict"


def _first(ledger: Ledger, outcome: str) -> str:
    """An example: of the first trial that ended so, what it said."""
    row = next(ledger.details([outcome]))
    return f"; {row['cell']} seed {row['seed']}: {row['error']}" if row["error"] else ""


def _trials(number: int) -> str:
    return "1 trial" if number == 1 else f"{number:,} trials"


def _judged(cell: CellSummary) -> int:
    return cell.outcomes.get(VALID, 0) + cell.outcomes.get(INVALID, 0)


def _confidence(summary: Summary, ledger: Ledger) -> list[Confidence]:
    subjects = {cell.name: cell.subject for cell in plans.cells(ledger.plan)}
    broken = [cell.cell for cell in summary.cells if set(cell.signatures) - set(cell.known)]
    broken_subjects = {subjects[cell] for cell in broken}
    found = [Confidence("all", "all", summary.distinct, summary.bound)]
    by_subject = ledger.distinct("system")
    if 1 < len(set(subjects.values())) < len(subjects):
        for name in dict.fromkeys(subjects.values()):
            trials = by_subject.get(name, 0)
            chance = None if name in broken_subjects else bound(trials)
            found.append(Confidence("system", name, trials, chance))
    if len(summary.cells) > 1:
        for cell in summary.cells:
            chance = None if cell.cell in broken else bound(cell.distinct)
            found.append(Confidence("cell", cell.cell, cell.distinct, chance))
    return found
