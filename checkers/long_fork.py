"""Do all readers agree in which order writes happened? Keys that are each written once.

A *long fork* (Sovran et al., "Transactional storage for geo-replicated systems", SOSP 2011,
section 3.2): one read sees the write of x but not that of y, another that of y but not that of
x. Parallel snapshot isolation allows it; snapshot isolation and all that is stronger do not
(Cerone and Gotsman, "Analysing snapshot isolation", JACM 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from ..harness.history import History
from ..harness.verdict import Anomaly, Verdict
from .one_model import OneModel
from .register_transactions import Key, StrangeHistory, Transaction, transactions, writers_once
from .tally import Tally, strange


class LongFork(OneModel):
    """Judges ``txn`` with ``["w", key, value]``, one write a key, and reads of several keys.

    Anomalies: ``long-fork``, for each pair of keys on which two reads disagree; ``G1a``, a
    read of a write that failed; ``garbage-read``, of a value that nobody wrote.
    """

    model = "long-fork"
    about = "keys written once, read in groups: all reads agree on the writes' order"

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every pair of keys that were read together."""
        try:
            found = list(transactions(history))
            writers = writers_once(found)
        except StrangeHistory as odd:
            return strange(str(odd))
        tally = Tally()
        _check_values(found, tally)
        # (x, y) → the first read that saw the write of x but not that of y
        only_first: dict[tuple[Key, Key], Transaction] = {}
        reported: set[frozenset[Key]] = set()
        for txn in found:
            for (one, seen_one), (two, seen_two) in combinations(txn.reads, 2):
                if one == two or (seen_one is None) == (seen_two is None):
                    continue
                newer, older = (one, two) if seen_two is None else (two, one)
                only_first.setdefault((newer, older), txn)
                other = only_first.get((older, newer))
                pair = frozenset((one, two))
                if other is not None and pair not in reported:
                    reported.add(pair)
                    parties = (other, txn, older, newer)
                    tally.add("long-fork", lambda p=parties: _fork(*p, writers))
        return tally.verdict(_statistics(found, writers), vacuous=_vacuous(found))


def _check_values(found: list[Transaction], tally: Tally) -> None:
    written: dict[tuple[Key, str], Transaction] = {}
    for txn in found:
        for key, value in txn.writes:
            known = written.setdefault((key, repr(value)), txn)
            if known.outcome == "fail":
                written[key, repr(value)] = txn
    for txn in found:
        for key, value in txn.reads:
            writer = written.get((key, repr(value)))
            if value is None or (writer is not None and writer.outcome != "fail"):
                continue
            if writer is None:
                text = f"{txn.who} read {value!r} from key {key}, which nobody ever wrote."
                tally.add(
                    "garbage-read",
                    lambda x=(text, txn): Anomaly("garbage-read", x[0], [x[1].invoked]),
                )
            else:
                text = (
                    f"{txn.who} read {value!r} from key {key}, which {writer.who} wrote in a "
                    "transaction that failed."
                )
                at = sorted((writer.invoked, txn.invoked))
                tally.add("G1a", lambda x=(text, at): Anomaly("G1a", *x))


def _fork(
    one: Transaction, two: Transaction, x: Key, y: Key, writers: Mapping[Key, Transaction]
) -> Anomaly:
    text = (
        f"{one.who} saw the write of key {x} but not that of key {y}: so {x} was written first. "
        f"{two.who} saw the write of {y} but not that of {x}: so {y} was written first. "
        "Both cannot be true in any one order of the writes."
    )
    involved = {one.invoked, two.invoked}
    involved |= {writers[key].invoked for key in (x, y) if key in writers}
    return Anomaly("long-fork", text, sorted(involved), details={"keys": [x, y]})


def _statistics(found: list[Transaction], writers: Mapping[Key, Transaction]) -> dict[str, Any]:
    reads = [txn for txn in found if txn.committed and len(txn.reads) > 1]
    seen = [sum(value is not None for _, value in txn.reads) for txn in reads]
    partial = sum(0 < some < len(txn.reads) for some, txn in zip(seen, reads, strict=True))
    return {
        "operations": len(found),
        "keys": len(writers),
        "reads": len(reads),
        "reads_before_any_write": seen.count(0),
        "reads_between_writes": partial,
    }


def _vacuous(found: list[Transaction]) -> str:
    """Why the history says nothing, if it does not."""
    if not any(txn.committed and len(txn.reads) > 1 for txn in found):
        return "no read of several keys ever succeeded"
    if not any(value is not None for txn in found for _, value in txn.reads):
        return "no read ever saw a write"
    return ""
