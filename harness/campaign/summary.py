"""What a campaign found, next to the one before it."""

from __future__ import annotations

import msgspec

from .confidence import bound
from .ledger import Failure, Ledger
from .results import INFRASTRUCTURE, INVALID, KILLED, OUTCOMES, UNKNOWN, VALID

NEW, KNOWN, FIXED, GONE = "new", "known", "fixed", "not seen"


class CellSummary(msgspec.Struct, frozen=True):
    """A cell: how many trials were planned, how many ended how, which failures it had.

    ``distinct``  how many different valid trials there were (on sim, the same spec with the same
                  seed is the same trial).
    ``known``     those of the signatures that a baseline knows here.
    """

    cell: str
    planned: int
    outcomes: dict[str, int]
    signatures: dict[str, int]
    wall_s: float
    distinct: int = 0
    known: list[str] = []


class FailureSummary(msgspec.Struct, frozen=True):
    """A failure by its signature.

    ``state``   ``new``, ``known`` (the campaign before had it too), ``fixed`` (that one had it, and
                its cells were all tried at least as often now) or ``not seen`` (less often).
    ``trials``  how many showed it; ``cells`` those of the plan.
    ``run``     folder of the first such trial; ``shrunk`` of the smallest; empty if there is none.
    """

    signature: str
    name: str
    state: str
    trials: int
    cells: list[str]
    run: str = ""
    shrunk: str = ""


class Summary(msgspec.Struct, frozen=True):
    """A campaign.

    ``bound``     below which the chance of a failure a trial is, with 95 % confidence, if there was
                  none (a gate: none that its baseline does not know); ``None`` otherwise. See
                  :mod:`.confidence`.
    ``distinct``  how many different valid trials there were.
    ``retried``   how many could not be run and were run again; ``retried_still`` of them that
                  could not be run in the end either.
    ``before``    folder of the campaign that it is compared with; ``baseline``: or the file.
    """

    name: str
    folder: str
    ended: str
    planned: int
    done: int
    outcomes: dict[str, int]
    seconds: float
    sessions: int
    cells: list[CellSummary]
    failures: list[FailureSummary]
    bound: float | None
    before: str = ""
    distinct: int = 0
    retried: int = 0
    retried_still: int = 0
    baseline: str = ""


def summary_of(ledger: Ledger, before: Ledger | None = None) -> Summary:
    """The summary of a ledger, compared with that of the campaign before."""
    rows = ledger.rows()
    outcomes = dict.fromkeys(OUTCOMES, 0) | ledger.outcomes()
    distinct = ledger.distinct("all").get("all", 0)
    retried = ledger.retried()
    return Summary(
        name=ledger.plan.name,
        folder=str(ledger.path.parent),
        ended=ledger.ended,
        planned=ledger.planned,
        done=ledger.count("done"),
        outcomes=outcomes,
        seconds=ledger.seconds,
        sessions=ledger.sessions,
        cells=[CellSummary(*row) for row in rows],
        failures=_failures(ledger, before),
        bound=None if outcomes[INVALID] else bound(distinct),
        before=str(before.path.parent) if before is not None else "",
        distinct=distinct,
        retried=retried.trials,
        retried_still=retried.still,
    )


def _failures(ledger: Ledger, before: Ledger | None) -> list[FailureSummary]:
    now, then = ledger.failures(), before.failures() if before is not None else []
    known = {each.signature for each in then}
    found = [_told(each, KNOWN if each.signature in known else NEW) for each in now]
    seen = {each.signature for each in now}
    for each in then:
        if each.signature not in seen:
            assert before is not None
            state = FIXED if _tried_as_often(each, ledger, before) else GONE
            found.append(msgspec.structs.replace(_told(each, state), run="", shrunk=""))
    return found


def _told(each: Failure, state: str) -> FailureSummary:
    return FailureSummary(
        each.signature, each.name, state, each.trials, each.cells, each.run, each.shrunk or ""
    )


def _tried_as_often(failure: Failure, ledger: Ledger, before: Ledger) -> bool:
    def judged(of: Ledger) -> dict[str, int]:
        return {
            row.cell: row.outcomes.get(VALID, 0) + row.outcomes.get(INVALID, 0) for row in of.rows()
        }

    now, then = judged(ledger), judged(before)
    return all(now.get(cell, 0) >= then.get(cell, 0) for cell in failure.cells)


def said(summary: Summary) -> str:
    """How many trials ended how, in words."""
    words = {VALID: "valid", INVALID: "invalid", UNKNOWN: "unknown"}
    words |= {INFRASTRUCTURE: "could not be run", KILLED: "killed"}
    parts = [f"{summary.outcomes[k]:,} {w}" for k, w in words.items() if summary.outcomes.get(k)]
    return ", ".join(parts) or "nothing was run"
