"""Do sequencers fence? Numbers that come with locks only grow, and nobody accepts an outdated one.

Sources: M. Burrows, "The Chubby lock service for loosely-coupled distributed systems", OSDI 2006,
§2.4 (sequencers); M. Kleppmann, "How to do distributed locking", 2016 (fencing tokens).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly, Verdict
from .lock_history import ACQUIRES, at, encode, shape_of, told
from .one_model import OneModel
from .tally import Tally, shown, strange, who

Sight = tuple[int, Operation, Operation]
"""A sequencer, and the operation whose completion told it."""


class Fencing(OneModel):
    """Judges ``acquire`` and the accesses to what a lock protects; the key names both.

    ``put`` → ``{"value": 5, "sequencer": 7}``: a write that was accepted with that sequencer;
    ``get`` → the value that the resource has, and the sequencer that it was written with.

    Anomalies: ``sequencer-regression`` (a lock was granted with a sequencer that it had been
    granted with before, or with a smaller one than that of a grant that was over by then),
    ``stale-sequencer-accepted`` (the resource has a smaller sequencer than it had had before).
    """

    model = "fencing"
    about = "sequencers of locks: they grow, and a resource accepts none that is outdated"

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every lock and its resource."""
        grants: dict[bytes, list[Sight]] = {}
        accesses: dict[bytes, list[Sight]] = {}
        operations = rejected = 0
        for invoked, completion in history.pairs():
            if invoked.f not in (*ACQUIRES, "put", "get"):
                continue
            operations += 1
            if completion is None:
                continue
            if completion.type != "ok":
                rejected += invoked.f == "put" and completion.type == "fail"
                continue
            sequencer = told(completion).get("sequencer")
            if type(sequencer) is not int:
                return strange(f"operation {completion.index}: {invoked.f} tells no sequencer")
            kept = grants if invoked.f in ACQUIRES else accesses
            kept.setdefault(encode(invoked.key), []).append((sequencer, invoked, completion))
        tally = Tally()
        for sights in grants.values():
            _judge_repetition(sights, tally)
            _judge(sights, tally, "sequencer-regression", _regression)
        for sights in accesses.values():
            _judge(sights, tally, "stale-sequencer-accepted", partial(_stale, sights))
        statistics = {
            "operations": operations,
            "grants": sum(len(sights) for sights in grants.values()),
            "accesses": sum(len(sights) for sights in accesses.values()),
            "puts_that_failed": rejected,
        }
        vacuous = "" if grants or accesses else "no sequencer was ever told"
        return tally.verdict(statistics, vacuous=vacuous)


def _judge_repetition(sights: Sequence[Sight], tally: Tally) -> None:
    """No two grants have one sequencer, whenever they were."""
    granted: dict[int, Sight] = {}
    for sight in sorted(sights, key=lambda sight: sight[2].index):
        before = granted.setdefault(sight[0], sight)
        if before is not sight:
            tally.add("sequencer-regression", partial(_regression, before, sight))


def _judge(
    sights: Sequence[Sight],
    tally: Tally,
    name: str,
    explain: Callable[[Sight, Sight], Anomaly],
) -> None:
    """Each against the largest sequencer that was told before it began."""
    told_first = sorted(sights, key=lambda sight: sight[2].index)
    position, largest = 0, None
    for sight in sorted(sights, key=lambda sight: sight[1].index):
        while told_first[position][2].index < sight[1].index:
            if largest is None or told_first[position][0] > largest[0]:
                largest = told_first[position]
            position += 1
        if largest is not None and sight[0] < largest[0]:
            tally.add(name, partial(explain, largest, sight))


def _regression(before: Sight, after: Sight) -> Anomaly:
    key = before[1].key
    text = (
        f"Lock {shown(key)} was granted to {who(before[1].process)} with sequencer {before[0]} "
        f"({at(before[2])}), and then to {who(after[1].process)} with sequencer {after[0]} "
        f"({at(after[2])}): who checks sequencers takes the later holder for the earlier one."
    )
    details = {"shape": shape_of(before[0], after[0])}
    return Anomaly("sequencer-regression", text, _indices(before, after), key, details)


def _stale(sights: Sequence[Sight], before: Sight, after: Sight) -> Anomaly:
    key = before[1].key
    saw = "accepted a write with" if before[1].f == "put" else "was read with"
    now = "accepted one by" if after[1].f == "put" else "was read by"
    text = (
        f"What lock {shown(key)} protects {saw} sequencer {before[0]} ({at(before[2])}, "
        f"{who(before[1].process)}), but later {now} {who(after[1].process)} with sequencer "
        f"{after[0]} ({at(after[2])}): an outdated holder was let through."
    )
    indices = _indices(before, after)
    if after[1].f == "get":
        # Whose write it was, if that is known.
        culprits = [
            sight[1].index
            for sight in sights
            if sight[1].f == "put" and sight[0] == after[0] and sight[1].index < after[2].index
        ]
        indices = sorted({*indices, *culprits[-1:]})
    return Anomaly("stale-sequencer-accepted", text, indices, key=key)


def _indices(before: Sight, after: Sight) -> list[int]:
    return sorted([before[1].index, after[1].index])
