"""How long participants were seen in doubt, and whether their coordinator was down meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .commit_sightings import UNDECIDED, Fault, Record, Transaction

BLOCKED_S = 4.0
"""A doubt that lasts longer than this is more than timeouts that have to run out."""

DOWN = ("kill", "pause")
"""Kinds of faults during which a node does nothing."""

SILENT = (*DOWN, "partition")
"""Kinds of faults that keep a coordinator from answering (some of) the others."""

Span = tuple[int, int]
"""From when until when, in nanoseconds."""


def statistics_of_doubts(record: Record, faults: Sequence[Fault]) -> dict[str, Any]:
    """Of all nodes and transactions: doubts seen, the longest, and those without a coordinator.

    A doubt lasts at least from the first answer ``prepared`` of a node until the last time that it
    was asked and answered so, without the time that the node itself was down. These are lower
    bounds: nobody watches all the time.
    """
    total_s = without_s = 0.0
    count = 0
    blocked_at: dict[str, int] = {}
    longest: dict[str, Any] = {}
    for transaction in record.transactions.values():
        for node, span in doubts(transaction):
            awake = _without([span], _struck(node, DOWN, faults))
            silent = _struck(transaction.coordinator, SILENT, faults)
            seconds = _seconds(awake)
            alone_s = seconds - _seconds(_without(awake, silent))
            count, total_s, without_s = count + 1, total_s + seconds, without_s + alone_s
            if seconds >= BLOCKED_S:
                blocked_at[node] = blocked_at.get(node, 0) + 1
            if seconds > longest.get("seconds", 0.0):
                longest = {"txn": transaction.number, "node": node, "seconds": round(seconds, 3)}
                longest["coordinator"] = transaction.coordinator
                longest["coordinator_unreachable_s"] = round(alone_s, 3)
    return {
        "doubts_seen": count,
        "in_doubt_s": round(total_s, 3),
        "in_doubt_while_coordinator_unreachable_s": round(without_s, 3),
        "longest_doubt": longest,
        "blocked": sum(blocked_at.values()),
        "blocked_at": dict(sorted(blocked_at.items())),
    }


def doubts(transaction: Transaction) -> list[tuple[str, Span]]:
    """By node that was seen in doubt: since and until when, at least."""
    spans: dict[str, Span] = {}
    for sighting in transaction.sightings:
        if sighting.state in UNDECIDED:
            told, asked = sighting.told.time, sighting.asked.time
            first, last = spans.get(sighting.node, (told, asked))
            spans[sighting.node] = min(first, told), max(last, asked)
    return list(spans.items())


def _struck(node: str | None, kinds: Sequence[str], faults: Sequence[Fault]) -> list[Span]:
    return [(f.struck, f.healing) for f in faults if f.kind in kinds and node in f.targets]


def _without(spans: Sequence[Span], cuts: Sequence[Span]) -> list[Span]:
    """What is left of spans when others are cut out."""
    left = list(spans)
    for begin, end in cuts:
        pieces = []
        for since, until in left:
            pieces += [(since, min(until, begin)), (max(since, end), until)]
        left = [(since, until) for since, until in pieces if since < until]
    return left


def _seconds(spans: Sequence[Span]) -> float:
    return sum(max(0, until - since) for since, until in spans) / 1e9
