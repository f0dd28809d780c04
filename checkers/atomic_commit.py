"""Atomic commit: do all participants of a transaction decide alike, for good, and by the votes?

Source: P. Bernstein, V. Hadzilacos and N. Goodman, "Concurrency Control and Recovery in Database
Systems", 1987, §7.3, with its five conditions AC1 to AC5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ..harness.errors import UserError
from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly, Verdict
from .commit_doubts import statistics_of_doubts
from .commit_sightings import (
    DECIDED,
    UNDECIDED,
    Fault,
    LastAnswer,
    Sighting,
    Transaction,
    faults_of,
    read,
)
from .one_model import OneModel
from .tally import Tally, strange, who, wishes_of

AC1, AC2, AC3 = "AC1-agreement", "AC2-stability", "AC3-validity"
AC4, AC5 = "AC4-non-triviality", "AC5-termination"


class AtomicCommit(OneModel):
    """Judges what nodes told of transactions.

    ``begin``   ``{"txn": 17, "refusals": 1}`` → ``{"txn": 17, "outcome": "aborted", …}``, told by
                the coordinator, the operation's node; ``refusals`` is how many nodes vote no.
    ``state``   ``{"txn": 17}`` → ``{"txn": 17, "state": "prepared"}``: ``unknown``,
                ``prepared`` or ``precommitted`` (in doubt), ``committed``, ``aborted``.
    ``states``  → ``{"from": 1, "committed": [17, …], …}``: all that a node knows of the
                transactions from a number on. Asked when everything is repaired: the last answer
                of each node must leave nothing in doubt.

    ``AC1-agreement``: two nodes decided differently. ``AC2-stability``: a node went back on its
    decision. ``AC3-validity``: committed although a node voted no, or nobody began it.
    ``AC4-non-triviality``: all voted yes and nothing had failed for ``quiet_s`` seconds, and yet it
    was aborted, in less than ``at_once_s`` seconds. That must be less than the system's timeouts:
    later, a vote may have been late without any fault that the history knows of.
    ``AC5-termination``: a node is in doubt at the end, or has never heard of what others committed.
    """

    model = "atomic-commit"
    about = "transactions that all nodes vote on: AC1 to AC5"

    def __init__(self, quiet_s: float = 3.0, at_once_s: float = 0.4) -> None:
        self.quiet_s = quiet_s
        self.at_once_s = at_once_s

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every transaction that was begun or heard of."""
        try:
            record = read(history)
        except ValueError as wrong:
            return strange(str(wrong))
        faults = faults_of(history)
        statistics = record.statistics()
        if not record.transactions:
            return strange("no transaction was ever begun", statistics)
        tally = Tally()
        for transaction in record.transactions.values():
            for name, explain in self._violations(transaction, record.last_answers, faults):
                tally.add(name, explain)
        statistics |= statistics_of_doubts(record, faults)
        vacuous = ""
        if not record.any_seen("committed"):
            vacuous = "no transaction was ever seen to be committed"
        silent = sorted(record.nodes - record.last_answers.keys())
        assumed = ""
        if silent:
            assumed = f"termination (AC5) was not judged at {', '.join(silent)}: not asked at last"
        return tally.verdict(statistics, assumed, vacuous)

    def _violations(
        self,
        transaction: Transaction,
        last_answers: Mapping[str, LastAnswer],
        faults: list[Fault],
    ) -> Iterator[tuple[str, Any]]:
        committed = transaction.first("committed")
        conflict = disagreement(transaction)
        if conflict is not None:
            yield AC1, partial(_explain_disagreement, transaction, conflict)
        for before, after in reversals(transaction):
            yield AC2, partial(_explain_reversal, transaction, before, after)
        if committed is not None and (transaction.begun is None or transaction.refusals):
            yield AC3, partial(_explain_invalid, transaction, committed)
        if self._is_trivial(transaction, faults):
            yield AC4, partial(_explain_trivial, transaction, self.quiet_s)
        for node, last in last_answers.items():
            state = last.state(transaction.number)
            if state in UNDECIDED or (state == "unknown" and committed is not None):
                yield AC5, partial(_explain_blocked, transaction, node, state, last)

    def _is_trivial(self, transaction: Transaction, faults: list[Fault]) -> bool:
        begun, answer = transaction.begun, transaction.answer
        if begun is None or answer is None or transaction.refusals:
            return False
        if transaction.outcome != "aborted" or answer.time - begun.time >= self.at_once_s * 1e9:
            return False
        quiet_ns = int(self.quiet_s * 1e9)
        return not any(fault.touches(begun.time - quiet_ns, answer.time) for fault in faults)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> AtomicCommit:
        """A checker with options as the command line has them. :class:`UserError` for others."""
        taken = wishes_of(model, wishes, ("quiet_s", "at_once_s"))
        seconds = {"quiet_s": 3.0, "at_once_s": 0.4}
        for name, value in taken.items():
            try:
                seconds[name] = float(value)
            except (TypeError, ValueError):
                option = name.replace("_", "-")
                raise UserError(f"{option}: expected seconds, got {value!r}") from None
        return cls(**seconds)


def disagreement(transaction: Transaction) -> tuple[Sighting, Sighting] | None:
    """The earliest commit and abort that were seen on two different nodes (AC1)."""
    found = None
    for commit in transaction.firsts("committed"):
        for abort in transaction.firsts("aborted"):
            pair = (commit, abort)
            if commit.node != abort.node and (
                found is None or _completed(pair) < _completed(found)
            ):
                found = pair
    return found


def _completed(pair: tuple[Sighting, Sighting]) -> int:
    return max(each.told.index for each in pair)


def reversals(transaction: Transaction) -> Iterator[tuple[Sighting, Sighting]]:
    """For each node that went back on its decision: where it was seen, and what came instead."""
    decided: dict[str, Sighting] = {}
    gone_back: dict[str, bool] = {}
    for sighting in sorted(transaction.sightings, key=lambda each: each.asked.index):
        node = sighting.node
        before = decided.get(node)
        # Answers to questions that were open at once may have been given in either order.
        is_later = before is not None and before.told.index < sighting.asked.index
        is_other = before is not None and before.state != sighting.state
        contradicts = is_other and (is_later or sighting.state in DECIDED)
        if before is not None and contradicts and node not in gone_back:
            gone_back[node] = True
            yield before, sighting
        if sighting.state in DECIDED and (
            before is None or sighting.told.index < before.told.index
        ):
            decided[node] = sighting


def _name(transaction: Transaction) -> str:
    begun = transaction.begun
    if begun is None:
        return f"Transaction {transaction.number}, which nobody began,"
    coordinator = f", coordinated by {transaction.coordinator}" if transaction.coordinator else ""
    return f"Transaction {transaction.number} (of {who(begun.process)}{coordinator})"


def _at(operation: Operation) -> str:
    return f"at {operation.time / 1e9:.3f} s"


def _said(sighting: Sighting) -> str:
    told = sighting.told
    if told.f == "begin":
        return f"{sighting.node} answered its client {sighting.state!r} {_at(told)}"
    return f"{sighting.node} told {who(told.process)} {sighting.state!r} {_at(told)}"


def _anomaly(
    name: str, transaction: Transaction, text: str, *operations: Operation | None, shape: str = ""
) -> Anomaly:
    indices = {each.index for each in (transaction.begun, *operations) if each is not None}
    details = {"shape": shape} if shape else {}
    return Anomaly(name, text, sorted(indices), key=transaction.number, details=details)


def _by_the_coordinator(transaction: Transaction) -> str:
    """Whether the coordinator was seen to commit, at last: tells who went astray, whatever the
    seed. Whether it was seen to abort depends on who asked it."""
    decided = [
        each.state
        for each in sorted(transaction.sightings, key=lambda each: each.told.index)
        if each.node == transaction.coordinator and each.state in DECIDED
    ]
    if decided[-1:] != ["committed"]:
        return "the coordinator did not commit"
    return f"the coordinator committed{' against a no' if transaction.refusals else ''}"


def _explain_disagreement(transaction: Transaction, conflict: tuple[Sighting, Sighting]) -> Anomaly:
    commit, abort = conflict
    text = (
        f"{_name(transaction)} was committed by one node and aborted by another: "
        f"{_said(commit)}, and {_said(abort)}."
    )
    seen = (commit.asked, commit.told, abort.asked, abort.told)
    return _anomaly(AC1, transaction, text, *seen, shape=_by_the_coordinator(transaction))


def _explain_reversal(transaction: Transaction, before: Sighting, after: Sighting) -> Anomaly:
    text = f"{_name(transaction)}: {_said(before)}, but {_said(after)}. A decision is for good."
    seen = (before.asked, before.told, after.asked, after.told)
    who_it_was = "the coordinator" if before.node == transaction.coordinator else "a participant"
    return _anomaly(AC2, transaction, text, *seen, shape=f"{who_it_was} went back on it")


def _explain_invalid(transaction: Transaction, commit: Sighting) -> Anomaly:
    if transaction.begun is None:
        text = f"{_name(transaction)} was committed: {_said(commit)}."
    else:
        refusing = transaction.refusing or [f"{transaction.refusals} of the nodes"]
        text = (
            f"{_name(transaction)} was committed although {', '.join(refusing)} voted no: "
            f"{_said(commit)}."
        )
    return _anomaly(AC3, transaction, text, commit.asked, commit.told)


def _explain_trivial(transaction: Transaction, quiet_s: float) -> Anomaly:
    begun, answer = transaction.begun, transaction.answer
    assert begun is not None
    assert answer is not None
    took_ms = (answer.time - begun.time) / 1e6
    text = (
        f"{_name(transaction)} was aborted {_at(answer)}, {took_ms:.0f} ms after it began, "
        f"although every node was to vote yes and nothing had failed for {quiet_s:g} s."
    )
    return _anomaly(AC4, transaction, text, answer)


def _explain_blocked(transaction: Transaction, node: str, state: str, last: LastAnswer) -> Anomaly:
    if state == "unknown":
        text = f"{_name(transaction)} was committed, but {node} has never heard of it"
    else:
        text = f"{_name(transaction)} is still in doubt at {node} ({state})"
    text += f", asked {_at(last.told)}, when everything was repaired."
    commit = transaction.first("committed")
    also = () if commit is None else (commit.asked, commit.told)
    return _anomaly(AC5, transaction, text, last.asked, last.told, *also)
