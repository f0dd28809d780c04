"""Does anyone see a later write of a client but not an earlier one? Keys written once, in order.

What a process wrote must become visible in the order in which it wrote: part of PRAM (Lipton and
Sandberg, 1988), which sequential consistency (Lamport, 1979) implies. For keys that are written
once by one process and only read by others, what is judged here is exactly PRAM: at each read, what
a reader has seen of a writer so far is a prefix of that writer's writes. Source of the test:
Jepsen's ``sequential`` test of CockroachDB.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..harness.history import History
from ..harness.verdict import Anomaly, Verdict
from .one_model import OneModel
from .register_transactions import Key, StrangeHistory, Transaction, transactions, writers_once
from .tally import Tally, strange


class Sequential(OneModel):
    """Judges ``txn`` with ``["w", key, value]``, each key written once, and reads.

    Anomalies: ``nonsequential``, a read that missed a write although its process had seen (or
    made) a later one, or that one, before; ``garbage-read``, of a key that nobody had written.
    """

    model = "sequential"
    about = "keys written once in order: no one sees a later write but not an earlier"

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every read, process by process."""
        try:
            found = list(transactions(history))
            writers = writers_once(found)
        except StrangeHistory as odd:
            return strange(str(odd))
        tally = Tally()
        # What a reader has seen of a writer: the latest of its transactions, and where.
        frontiers: dict[Any, dict[Any, tuple[Transaction, Transaction]]] = {}
        counts = {"all": 0, "some": 0, "none": 0}
        for txn in found:
            if not txn.committed:
                continue
            frontier = frontiers.setdefault(txn.process, {})
            for key, value in txn.reads:
                writer = writers.get(key)
                if value is None:
                    continue
                if writer is None or writer.invoked > (txn.completed or 0):
                    text = f"{txn.who} read {value!r} from key {key}, which nobody had written."
                    tally.add("garbage-read", partial(Anomaly, "garbage-read", text, [txn.invoked]))
                elif _is_later(writer, frontier.get(writer.process)):
                    frontier[writer.process] = writer, txn
            missed = [(key, writers.get(key)) for key, value in txn.reads if value is None]
            for key, writer in missed:
                seen = frontier.get(writer.process) if writer else None
                if writer and seen and seen[0].invoked >= writer.invoked:
                    tally.add("nonsequential", partial(_missed, txn, key, writer, *seen))
            if txn.reads:
                seen_some = len(missed) < len(txn.reads)
                counts["none" if not seen_some else "some" if missed else "all"] += 1
            if txn.writes:
                frontier[txn.process] = txn, txn
        statistics = {"operations": len(found), "keys": len(writers), "reads": counts}
        vacuous = "" if counts["all"] + counts["some"] else "no read ever saw a write"
        return tally.verdict(statistics, vacuous=vacuous)


def _is_later(writer: Transaction, seen: tuple[Transaction, Transaction] | None) -> bool:
    return seen is None or writer.invoked > seen[0].invoked


def _missed(
    txn: Transaction, key: Key, writer: Transaction, later: Transaction, saw: Transaction
) -> Anomaly:
    text = f"{txn.who} read nothing from key {key}"
    if later is writer:
        text += f", although it had seen {writer.who}'s write of it before."
    else:
        text += (
            f", which {writer.who} wrote before key {later.writes[-1][0]}; but the latter "
            f"{'it had read before' if saw is not txn else 'it read at the same time'}."
        )
    involved = {writer.invoked, later.invoked, saw.invoked, txn.invoked}
    return Anomaly("nonsequential", text, sorted(involved), key=key)
