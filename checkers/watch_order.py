"""Does every watcher see every change, in order, and nothing else?

A store numbers its changes (``revision``). Whoever watches from some revision on must be told of a
gapless run of what comes after it, in order: what anybody knows to lie between the first and the
last event of a watcher must be among its events (etcd's manual, "Watch API guarantees": ordered,
unique, reliable, resumable).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly, Verdict
from .lock_history import told
from .one_model import OneModel
from .tally import Tally, shown, strange, who

WATCHES = ("watch", "catch-up")

Known = tuple[Any, Operation]
"""A value, and the completion that told that it was written with some revision."""


class WatchOrder(OneModel):
    """Judges ``write`` ``{"value": 5}`` → ``{…, "revision": 12}``; values are unique.

    ``watch`` → ``{"after": 11, "events": [[12, 5], …]}``: what was told of the changes after a
    revision. ``catch-up`` is a ``watch`` that goes on until it has everything that was written
    before it was asked for.

    Anomalies: ``missed-event`` (a change that lies between two others that were told, or was
    acknowledged before a catch-up began, was not), ``unordered-event`` (a revision is not larger
    than the one before), ``invented-event`` (nobody had asked for that, or it had failed),
    ``differing-event`` (one revision, two values).
    """

    model = "watch-order"
    about = "watchers: each is told of every change, in order, and of nothing else"

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every watcher."""
        known: dict[int, Known] = {}
        written: dict[Any, tuple[Operation, Operation | None]] = {}
        acknowledged: list[tuple[Operation, int]] = []
        watches: list[tuple[Operation, Operation]] = []
        tally, total = Tally(), 0
        for invoked, completion in history.pairs():
            is_ok = completion is not None and completion.type == "ok"
            if invoked.f == "write":
                if not isinstance(invoked.value, dict) or "value" not in invoked.value:
                    return strange(f"operation {invoked.index}: write needs a value")
                written[invoked.value["value"]] = invoked, completion
                if is_ok and completion is not None:
                    revision = told(completion).get("revision")
                    if type(revision) is not int:
                        return strange(f"operation {completion.index}: write tells no revision")
                    acknowledged.append((completion, revision))
                    _learn(known, revision, invoked.value["value"], completion, tally)
            elif invoked.f in WATCHES and is_ok and completion is not None:
                if not {"after", "events"} <= told(completion).keys():
                    return strange(f"operation {completion.index}: {invoked.f} tells no events")
                watches.append((invoked, completion))
        for _, completion in watches:
            total += len(completion.value["events"])
            for revision, value in completion.value["events"]:
                _learn(known, revision, value, completion, tally)
                _judge_origin(revision, value, completion, written, tally)
        revisions = sorted(known)
        for invoked, completion in watches:
            _judge_watch(invoked, completion, revisions, known, tally)
        _judge_catching_up(watches, acknowledged, tally)
        statistics = {
            "operations": len(written) + len(watches),
            "writes": len(acknowledged),
            "watches": len(watches),
            "events": total,
            "changes": len(known),
        }
        return tally.verdict(statistics, vacuous="" if total else "no watcher was told of anything")


def _learn(
    known: dict[int, Known], revision: int, value: Any, completion: Operation, tally: Tally
) -> None:
    before = known.setdefault(revision, (value, completion))
    if before[0] != value:
        tally.add("differing-event", partial(_differing, revision, before, (value, completion)))


def _judge_origin(
    revision: int,
    value: Any,
    completion: Operation,
    written: Mapping[Any, tuple[Operation, Operation | None]],
    tally: Tally,
) -> None:
    by = written.get(value)
    had_failed = by is not None and by[1] is not None and by[1].type == "fail"
    if by is None or by[0].index > completion.index or had_failed:
        tally.add("invented-event", partial(_invented, revision, value, completion, by))


def _judge_watch(
    invoked: Operation,
    completion: Operation,
    revisions: Sequence[int],
    known: Mapping[int, Known],
    tally: Tally,
) -> None:
    after, events = completion.value["after"], completion.value["events"]
    for one, two in pairwise([after, *(revision for revision, _ in events)]):
        if two <= one:
            tally.add("unordered-event", partial(_unordered, invoked, completion, one, two))
            continue
        for at in range(bisect_right(revisions, one), bisect_right(revisions, two - 1)):
            missed = revisions[at]
            tally.add("missed-event", partial(_missed, invoked, completion, missed, known[missed]))


def _judge_catching_up(
    watches: Sequence[tuple[Operation, Operation]],
    acknowledged: Sequence[tuple[Operation, int]],
    tally: Tally,
) -> None:
    """What was acknowledged before it began must have been told when it ends."""
    newest: list[tuple[int, int, Operation]] = []  # when, the largest revision by then, and whose
    for completion, revision in sorted(acknowledged, key=lambda each: each[0].index):
        if not newest or revision > newest[-1][1]:
            newest.append((completion.index, revision, completion))
    times = [each[0] for each in newest]
    for invoked, completion in watches:
        at = bisect_right(times, invoked.index) - 1
        if invoked.f != "catch-up" or at < 0:
            continue
        events = completion.value["events"]
        last = max([completion.value["after"], *(each[0] for each in events)])
        _, revision, write = newest[at]
        if last < revision:
            known = write.value["value"], write
            tally.add("missed-event", partial(_missed, invoked, completion, revision, known))


def _missed(invoked: Operation, completion: Operation, revision: int, known: Known) -> Anomaly:
    value, by = known
    how = "was acknowledged to" if by.f == "write" else "was told to"
    text = (
        f"The change to {shown(value)} (revision {revision}) {how} {who(by.process, by.node)} "
        f"({by.time / 1e9:.3f} s); but {who(completion.process, completion.node)} was not told of "
        f"it when it watched from revision {completion.value['after'] + 1} on, though of later "
        f"ones, or it asked for everything ({completion.time / 1e9:.3f} s)."
    )
    return Anomaly("missed-event", text, sorted([by.index, invoked.index]))


def _unordered(invoked: Operation, completion: Operation, one: int, two: int) -> Anomaly:
    text = (
        f"{who(completion.process, completion.node).capitalize()} was told of revision {two} "
        f"after revision {one} ({completion.time / 1e9:.3f} s)."
    )
    return Anomaly("unordered-event", text, [invoked.index])


def _invented(
    revision: int,
    value: Any,
    completion: Operation,
    by: tuple[Operation, Operation | None] | None,
) -> Anomaly:
    why = "which nobody had asked for by then"
    if by is not None and by[0].index < completion.index:
        why = f"whose write by {who(by[0].process)} had failed"
    text = (
        f"{who(completion.process, completion.node).capitalize()} was told of a change to "
        f"{shown(value)} (revision {revision}, {completion.time / 1e9:.3f} s), {why}."
    )
    indices = [completion.index] if by is None else sorted([completion.index, by[0].index])
    return Anomaly("invented-event", text, indices)


def _differing(revision: int, before: Known, after: Known) -> Anomaly:
    text = (
        f"Revision {revision} is the change to {shown(before[0])} for {who(before[1].process)} "
        f"({before[1].time / 1e9:.3f} s), and to {shown(after[0])} for {who(after[1].process)} "
        f"({after[1].time / 1e9:.3f} s)."
    )
    return Anomaly("differing-event", text, sorted([before[1].index, after[1].index]))
