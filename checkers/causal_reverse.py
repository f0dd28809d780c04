"""Does anyone see a write but not one that was over before it began? Keys written once.

The *causal reverse*: T1 commits, T2 begins after that, and a read sees T2 but not T1. Serializable
stores without real-time order do that (Jepsen's ``causal-reverse`` test of CockroachDB and YugaByte
DB); strict serializability forbids it. Within one process it breaks causal consistency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ..harness.history import History
from ..harness.verdict import Anomaly, Verdict
from .one_model import OneModel
from .orders import REALTIME, checked_order
from .register_transactions import Key, StrangeHistory, Transaction, transactions
from .tally import Tally, strange


class CausalReverse(OneModel):
    """Judges ``txn`` with ``["w", key, value]`` and reads of several keys.

    Keys that were written more than once are passed over.

    ``order``  ``realtime``: a write comes before another if it had ended when that began;
               ``session``: only if the same process made both.

    Anomaly: ``causal-reverse``.
    """

    model = "causal-reverse"
    about = "keys written once: who sees a write sees all that ended before it"
    takes = ("order",)

    def __init__(self, order: str = REALTIME) -> None:
        self.order = checked_order(order)

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every read of several keys."""
        try:
            found = list(transactions(history))
        except StrangeHistory as odd:
            return strange(str(odd))
        writers = _only_writers(found)
        tally, reads, saw = Tally(), 0, False
        for txn in found:
            judged = [(key, value) for key, value in txn.reads if key in writers]
            if len(judged) < 2:
                continue
            reads += 1
            seen = [writers[key] for key, value in judged if value is not None]
            saw = saw or bool(seen)
            for key, value in judged:
                later = self._seen_after(writers[key], seen) if value is None else None
                if later is not None:
                    tally.add("causal-reverse", partial(_reverse, txn, key, writers[key], later))
        statistics = {
            "operations": len(found),
            "keys": len(writers),
            "reads": reads,
            "order": self.order,
        }
        vacuous = "" if saw else "no read of several keys, each written once, ever saw a write"
        return tally.verdict(statistics, vacuous=vacuous)

    def _seen_after(self, missed: Transaction, seen: Sequence[Transaction]) -> Transaction | None:
        if missed.completed is None:
            return None
        for other in seen:
            ordered = missed.completed < other.invoked
            if ordered and (self.order == REALTIME or missed.process == other.process):
                return other
        return None


def _only_writers(found: Sequence[Transaction]) -> dict[Key, Transaction]:
    """Who wrote each key that was written once, failures aside."""
    writers: dict[Key, list[Transaction]] = {}
    for txn in found:
        if txn.outcome != "fail":
            for key, _ in txn.writes:
                writers.setdefault(key, []).append(txn)
    return {key: txns[0] for key, txns in writers.items() if len(txns) == 1}


def _reverse(txn: Transaction, key: Key, missed: Transaction, later: Transaction) -> Anomaly:
    same = missed.process == later.process
    text = (
        f"{txn.who} saw {later.who}'s write of key {later.writes[-1][0]}, but not "
        f"{'its' if same else missed.who + chr(39) + 's'} write of key {key}, which had been "
        "acknowledged before the other one began."
    )
    involved = sorted({missed.invoked, later.invoked, txn.invoked})
    return Anomaly("causal-reverse", text, involved, key=key)
