"""Did two clients ever hold a lock at once, for all that each of them could know?

A client holds a lock for certain from the completion of its acquire on, until it begins to give the
lock back, or its session's lease ends as the client knows it. Two of these intervals that overlap
prove that exclusion is broken; if none do, there is an order of grants and releases, each within
its operation, that explains the history. What is indeterminate proves nothing: such an acquire may
not have been granted, and such a release may have been done at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ..harness.history import History
from ..harness.verdict import Anomaly, Verdict
from .lock_history import NEVER, Hold, LockHistory, Pair, at, encode, said, shape_of
from .one_model import OneModel
from .tally import Tally, shown, who


class MutualExclusion(OneModel):
    """Judges ``acquire`` and ``release``; the key is the lock (see ``lock_history``).

    ``lock_delay_s``  for how long a lock stays closed whose holder's session expired (0: not at
                      all, or nobody promised that).

    Anomalies: ``two-holders``; ``lock-delay-cut-short`` (a lock that was not given back was granted
    again sooner after the end of its holder's lease); ``lost-lock`` (the service denied that a
    client held a lock whose lease had not ended); ``stuck-lock`` (after everything was healed,
    nobody was granted it, however often it was claimed).
    """

    model = "mutual-exclusion"
    about = "locks with leases: no two clients hold one at once"

    def __init__(self, lock_delay_s: float = 0.0) -> None:
        self.lock_delay_s = lock_delay_s

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every lock."""
        seen = LockHistory(history)
        locks: dict[bytes, list[Hold]] = {}
        for hold in seen.holds:
            locks.setdefault(encode(hold.lock), []).append(hold)
        tally = Tally()
        for holds in locks.values():
            holds.sort(key=lambda hold: hold.granted.index)
            _judge_overlaps(holds, tally)
            if self.lock_delay_s:
                _judge_delays(holds, self.lock_delay_s * 1e9, tally)
            for hold in holds:
                _judge_loss(hold, tally)
        _judge_claims(seen, tally)
        releases = sum(1 for _ in seen.pairs_of("release"))
        statistics = {
            "operations": seen.acquires + releases,
            "acquires": seen.acquires,
            "granted": len(seen.holds),
            "indeterminate": seen.indeterminate,
            "locks": len(locks),
            "expired": sum(hold.given_back is None for hold in seen.holds),
        }
        vacuous = "" if seen.holds else "no lock was ever granted"
        return tally.verdict(statistics, vacuous=vacuous)


def _judge_overlaps(holds: Sequence[Hold], tally: Tally) -> None:
    """``holds`` of one lock by the time of their grants."""
    longest: Hold | None = None
    for hold in holds:
        if longest is not None and hold.granted.time < min(longest.held_until, hold.held_until):
            tally.add("two-holders", partial(_two_holders, longest, hold))
        if longest is None or hold.held_until > longest.held_until:
            longest = hold


def _judge_delays(holds: Sequence[Hold], delay_ns: float, tally: Tally) -> None:
    latest: Hold | None = None  # of those that were not given back, whose lease ended last
    for hold in holds:
        if latest is not None:
            end = latest.tenure.lives_until
            if end <= hold.granted.time < end + delay_ns:
                tally.add("lock-delay-cut-short", partial(_cut_short, latest, hold, delay_ns))
        until = hold.tenure.lives_until
        is_later = latest is None or until > latest.tenure.lives_until
        if hold.given_back is None and until < NEVER and is_later:
            latest = hold


def _judge_loss(hold: Hold, tally: Tally) -> None:
    for invoked, completion in hold.releases:
        if completion is None or completion.type != "fail":
            return
        denied = said(completion) == "not-the-holder"
        if denied and completion.time < hold.tenure.lives_until < NEVER:
            tally.add("lost-lock", partial(_lost, hold, (invoked, completion)))
            return


def _judge_claims(seen: LockHistory, tally: Tally) -> None:
    claims: dict[bytes, list[Pair]] = {}
    for invoked, completion in seen.pairs_of("claim"):
        claims.setdefault(encode(invoked.key), []).append((invoked, completion))
    for pairs in claims.values():
        if not any(completion is not None and completion.type == "ok" for _, completion in pairs):
            tally.add("stuck-lock", partial(_stuck, pairs))


def _held(hold: Hold) -> str:
    number = "" if hold.sequencer is None else f" (sequencer {hold.sequencer})"
    text = f"{who(hold.tenure.process)} held lock {shown(hold.lock)}{number} from its grant "
    text += f"({at(hold.granted)}) "
    if hold.held_until == NEVER:
        return text + "on"
    back = hold.given_back
    if back is not None and back.time <= hold.held_until:
        return text + f"until it began to give it back ({at(back)})"
    expired = hold.tenure.expired
    if expired is not None and expired.time <= hold.held_until:
        return text + f"until it was told that its session had ended ({at(expired)})"
    return text + f"at least until its lease ended ({hold.held_until / 1e9:.3f} s)"


def _two_holders(first: Hold, second: Hold) -> Anomaly:
    text = f"{_held(first)}; but {_held(second)}."
    indices = sorted([first.invoked.index, second.invoked.index])
    details: dict[str, Any] = {"sequencers": [first.sequencer, second.sequencer]}
    if first.sequencer is not None and second.sequencer is not None:
        details["shape"] = shape_of(first.sequencer, second.sequencer)
    return Anomaly("two-holders", _sentence(text), indices, key=first.lock, details=details)


def _cut_short(first: Hold, second: Hold, delay_ns: float) -> Anomaly:
    end = first.tenure.lives_until
    text = (
        f"{who(first.tenure.process)} never gave back lock {shown(first.lock)}; its lease ended at "
        f"{end / 1e9:.3f} s at the earliest, so that the lock had to stay closed for "
        f"{delay_ns / 1e6:g} ms from then on; but it was granted to {who(second.tenure.process)} "
        f"({at(second.granted)})."
    )
    indices = sorted([first.invoked.index, second.invoked.index])
    return Anomaly("lock-delay-cut-short", _sentence(text), indices, key=first.lock)


def _lost(hold: Hold, denial: tuple[Any, Any]) -> Anomaly:
    invoked, completion = denial
    text = (
        f"{_held(hold)}, and its session had a lease until "
        f"{hold.tenure.lives_until / 1e9:.3f} s; but when it gave the lock back "
        f"({at(invoked)}), it was told that it did not hold it ({at(completion)})."
    )
    return Anomaly("lost-lock", _sentence(text), [hold.invoked.index, invoked.index], key=hold.lock)


def _stuck(pairs: Sequence[Pair]) -> Anomaly:
    first = pairs[0][0]
    text = (
        f"After everything was healed, lock {shown(first.key)} was claimed {len(pairs)} times, "
        f"first at {first.time / 1e9:.3f} s, and never granted."
    )
    return Anomaly("stuck-lock", text, [invoked.index for invoked, _ in pairs], key=first.key)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
