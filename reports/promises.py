"""The promise that each anomaly breaks, in words for a reader who is no expert."""

from __future__ import annotations

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
    "duplicate": INTEGRITY,
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


def promise_of(anomaly: str) -> tuple[str, str] | None:
    """The name of the promise and what it says; ``None`` for an anomaly that is not in the list.

    Variants such as ``G1c-realtime`` or ``G-single-process`` break the strict form of the
    promise of the plain anomaly.
    """
    name = anomaly.lower()
    for suffix, prefix, condition in (
        ("-realtime", "strict ", ", in the order of real time"),
        ("-process", "strong session ", ", in the order in which each client ran them"),
    ):
        if name.endswith(suffix):
            found = PROMISES.get(name.removesuffix(suffix))
            return (prefix + found[0], found[1] + condition) if found else None
    return PROMISES.get(name)
