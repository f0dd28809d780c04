"""The promise that each anomaly breaks, in words for a reader who is no expert."""

from __future__ import annotations

from ..harness.verdict import Anomaly, Verdict

LINEARIZABILITY = (
    "linearizability",
    "every operation takes effect at one instant between its call and its answer, "
    "so all clients see one copy of the data that is never out of date",
)
SERIALIZABILITY = (
    "serializability",
    "transactions behave as if they had run one after another",
)
SNAPSHOT = (
    "snapshot isolation",
    "a transaction reads one unchanging state and never overwrites what it has not seen",
)
READ_COMMITTED = (
    "read committed",
    "transactions see only what other transactions have committed",
)
READ_UNCOMMITTED = (
    "read uncommitted",
    "the writes of transactions are not interleaved",
)
ATOMIC_COMMIT = (
    "atomic commit",
    "all participants of a transaction decide the same, and commit only if all agreed",
)
PROTOCOL = (
    "the rules of the protocol",
    "nodes say nothing but well-formed messages, answer each request once, and end when they are "
    "killed",
)
EXCLUSION = ("mutual exclusion", "no two clients hold the same lock at the same time")
READ_ATOMIC = (
    "read atomic",
    "of each other transaction, all is seen or nothing",
)
CAUSAL = ("causal consistency", "nobody sees an effect without its cause")
SEQUENTIAL = (
    "sequential consistency",
    "everyone sees what a client did in the order in which it did it",
)
CONSERVATION = (
    "the bank's invariant",
    "transfers neither make nor lose money, and overdraw no account",
)
DURABILITY = ("durability", "what was acknowledged is never lost")
AGREEMENT = ("agreement", "no two nodes decide differently")
ELECTION = ("election safety", "there is at most one leader in a term")
INTEGRITY = ("integrity", "what is delivered was sent, and is delivered once")
ORDER = ("ordering", "everyone sees things in the promised order")
CONVERGENCE = ("convergence", "once nothing changes any more, everyone sees the same")
UNIQUENESS = ("uniqueness", "no id is ever given out twice")
COUNTING = ("counting", "a counter shows what its additions add up to, each counted once")
VALIDITY = ("validity", "only what somebody proposed, wrote or sent is ever seen")
TERMINATION = ("termination", "once faults are over, everyone comes to a decision")
BROADCAST = (
    "reliable broadcast",
    "what one node delivers, all deliver, and each delivers what it broadcasts",
)
DELIVERY = ("reliable delivery", "what was sent is delivered in the end")
COMPLETENESS = ("completeness", "whoever has failed is in the end suspected by all")
ACCURACY = ("accuracy", "once faults are over, nobody who works is suspected")
SUSPICION = ("the suspicions that nodes tell", "a node tells the same of its past each time")
PLACEMENT = (
    "the placement of keys",
    "all nodes name the same owners of a key, and each has as many copies as was promised",
)
MOVEMENT = ("the bound on movement", "a change of one node moves only its own share of the keys")
BALANCE = ("balance", "no node owns much more than its share of the keys")
FENCING = (
    "fencing",
    "who was given the lock later has the higher number, and a lower one is not let in after it",
)
LIVENESS = ("liveness of locks", "a lock that nobody holds any more can be had again")
SESSIONS = (
    "session safety",
    "what belongs to a session lasts as long as the session, and caches are never out of date",
)
EVENTS = (
    "the events of sessions",
    "who asked to be told of changes is told of each, once it has happened, or of a fail-over",
)
WATCHING = ("watching", "who watches is told of every change, in order, and of nothing else")
REGULAR = (
    "regularity",
    "a read sees the last write that ended before it, or one that ran meanwhile",
)
RECOVERY = (
    "prefix-consistent recovery",
    "after a crash a node has what it acknowledged, in its order, and nothing else",
)
STALENESS = ("the bound on staleness", "no read is more out of date than was promised")
AVAILABILITY = ("the availability asked for", "enough is served, and service comes back in time")
SESSION = ("session guarantees", "a client never sees its own view of the data go backwards")

PROMISES: dict[str, tuple[str, str]] = {
    "nonlinearizable": LINEARIZABILITY,
    "stale-read": LINEARIZABILITY,
    "g0": READ_UNCOMMITTED,
    "dirty-update": READ_COMMITTED,
    "g1a": READ_COMMITTED,
    "g1b": READ_COMMITTED,
    "g1c": READ_COMMITTED,
    "internal": READ_COMMITTED,
    "fractured-read": READ_ATOMIC,
    "observed-transaction-vanishes": READ_ATOMIC,
    "pram-violation": SESSION,
    "causal-violation": CAUSAL,
    "causal-reverse": CAUSAL,
    "nonsequential": SEQUENTIAL,
    "g-cursor": SNAPSHOT,
    "lost-update": SNAPSHOT,
    "g-single": SNAPSHOT,
    "g-nonadjacent": SNAPSHOT,
    "long-fork": SNAPSHOT,
    "write-skew": SERIALIZABILITY,
    "g2": SERIALIZABILITY,
    "g2-item": SERIALIZABILITY,
    "wrong-total": CONSERVATION,
    "negative-balance": CONSERVATION,
    "unknown-account": CONSERVATION,
    "missing-balance": CONSERVATION,
    "lost-write": DURABILITY,
    "lost": DURABILITY,
    "lost-element": DURABILITY,
    "diverged-element": CONVERGENCE,
    "duplicate": INTEGRITY,
    "duplicated-element": INTEGRITY,
    "unexpected-element": INTEGRITY,
    "duplicated-id": UNIQUENESS,
    "missing-id": UNIQUENESS,
    "below-bounds": COUNTING,
    "above-bounds": COUNTING,
    "impossible-value": COUNTING,
    "impossible-change": COUNTING,
    "low-availability": AVAILABILITY,
    "slow-recovery": AVAILABILITY,
    "agreement": BROADCAST,
    "validity": BROADCAST,
    "forgotten-delivery": BROADCAST,
    "misdelivery": INTEGRITY,
    "fifo-order": ORDER,
    "causal-order": ORDER,
    "strong-completeness": COMPLETENESS,
    "eventual-strong-accuracy": ACCURACY,
    "inconsistent-suspicions": SUSPICION,
    "two-holders": EXCLUSION,
    "lock-delay-cut-short": EXCLUSION,
    "lost-lock": EXCLUSION,
    "stuck-lock": LIVENESS,
    "sequencer-regression": FENCING,
    "stale-sequencer-accepted": FENCING,
    "lost-ephemeral": SESSIONS,
    "orphaned-ephemeral": SESSIONS,
    "lost-event": EVENTS,
    "phantom-event": EVENTS,
    "premature-event": EVENTS,
    "missed-event": WATCHING,
    "unordered-event": WATCHING,
    "invented-event": WATCHING,
    "differing-event": WATCHING,
    "ownership-disagreement": PLACEMENT,
    "foreign-owner": PLACEMENT,
    "under-replicated": PLACEMENT,
    "excess-movement": MOVEMENT,
    "imbalance": BALANCE,
    "lost-key": DURABILITY,
    "divergence": CONVERGENCE,
    "resurrected-element": CONVERGENCE,
    "resurrected-value": CONVERGENCE,
    "unadded-element": INTEGRITY,
    "unwritten-value": INTEGRITY,
    "garbage-read": INTEGRITY,
    "invented-value": INTEGRITY,
    "wrong-count": COUNTING,
    "too-stale": STALENESS,
    "duplicate-elements": INTEGRITY,
    "duplicate-write": RECOVERY,
    "hole": RECOVERY,
    "inconsistent-state": RECOVERY,
    "reordered-write": RECOVERY,
    "resurrected-write": RECOVERY,
    "rolled-back-read": RECOVERY,
    "unrecovered": RECOVERY,
    "changed-decision": AGREEMENT,
    "undecided": TERMINATION,
    "unproposed-value": VALIDITY,
    "phantom": INTEGRITY,
    "unexpected": INTEGRITY,
    "reordered": ORDER,
    "split-decision": ATOMIC_COMMIT,
    "disagreement": AGREEMENT,
    "ac1-agreement": ATOMIC_COMMIT,
    "ac2-stability": ATOMIC_COMMIT,
    "ac3-validity": ATOMIC_COMMIT,
    "ac4-non-triviality": ATOMIC_COMMIT,
    "ac5-termination": ATOMIC_COMMIT,
    "two-leaders": ELECTION,
    "overlapping-holders": EXCLUSION,
    "monotonic-reads": SESSION,
    "monotonic-writes": SESSION,
    "read-your-writes": SESSION,
    "writes-follow-reads": SESSION,
}

BY_CHECKER: dict[tuple[str, str], tuple[str, str]] = {
    ("session-safety", "stale-read"): SESSIONS,
    ("placement", "stale-read"): PLACEMENT,
    ("sessions", "stale-read"): SESSION,
    ("regular", "stale-read"): REGULAR,
    ("recovery", "lost-write"): RECOVERY,
    ("delivery", "lost"): DELIVERY,
}
"""Where a checker means something else by the name of an anomaly."""


def promise_of(anomaly: str, checker: str = "") -> tuple[str, str] | None:
    """The name of the promise and what it says; ``None`` for an anomaly that is not in the list.

    ``checker`` is the part of the verdict that it is from.

    Variants such as ``G1c-realtime`` or ``G-single-process`` break the strict form of the
    promise of the plain anomaly.
    """
    if checker == "protocol":
        return PROTOCOL
    name = anomaly.lower()
    if (checker, name) in BY_CHECKER:
        return BY_CHECKER[checker, name]
    for suffix, prefix, condition in (
        ("-realtime", "strict ", ", in the order of real time"),
        ("-process", "strong session ", ", in the order in which each client ran them"),
    ):
        if name.endswith(suffix):
            found = PROMISES.get(name.removesuffix(suffix))
            return (prefix + found[0], found[1] + condition) if found else None
    return PROMISES.get(name)


def part_of(verdict: Verdict | None, anomaly: Anomaly) -> str:
    """The part of a verdict that an anomaly is from; empty if that is not known."""
    parts = verdict.parts.items() if verdict is not None else ()
    return next((name for name, part in parts if anomaly in part.anomalies), "")
