"""Does what clients see ever go backwards? Registers whose values only grow.

Each register has one writer, which writes 1, 2, 3, …; so a smaller value is an older one. Session
guarantees: Terry et al., "Session guarantees for weakly consistent replicated data", PDIS 1994.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ..harness.history import History
from ..harness.verdict import Anomaly, Verdict
from .one_model import OneModel
from .orders import REALTIME, SESSION, checked_order
from .register_transactions import Key, StrangeHistory, Transaction, transactions
from .tally import Tally, strange

Seen = tuple[int, Transaction, bool]
"""A value of a key, in which transaction, and whether that wrote it (else read it)."""


class Monotonic(OneModel):
    """Judges ``txn`` on registers with one writer each, whose writes grow.

    ``order``  ``session``: what one process saw; ``realtime``: also what anyone saw in a
               transaction that was over before the read began, and whether any two agree.

    Anomalies: ``monotonic-reads`` (less than the same process read before),
    ``read-your-writes`` (less than it wrote before), ``garbage-read``; by real time also
    ``monotonic-reads-realtime`` and ``stale-read`` (less than another process had read, or
    written, before) and ``long-fork`` (each of two reads has one key newer than the other).
    """

    model = "monotonic"
    about = "registers whose values only grow: no client sees them go backwards"
    takes = ("order",)

    def __init__(self, order: str = REALTIME) -> None:
        self.order = checked_order(order)

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every read."""
        try:
            found = list(transactions(history))
            written = _checked_writes(found)
        except StrangeHistory as odd:
            return strange(str(odd))
        tally = Tally()
        floors: dict[Any, dict[Key, Seen]] = {}
        everyone: dict[Key, Seen] = {}
        noted: dict[int, dict[Key, Seen]] = {}
        reads = 0
        for position, txn in _events(found):
            if position == txn.invoked:
                if self.order == REALTIME:
                    keys = {key for key, _ in txn.reads}
                    noted[position] = {key: everyone[key] for key in keys if key in everyone}
                continue
            mine = floors.setdefault(txn.process, {})
            for key, value in txn.reads:
                reads += 1
                self._judge(tally, txn, key, value, written, (mine, noted.get(txn.invoked, {})))
            for floor in (mine, everyone):
                _raise(floor, txn)
            noted.pop(txn.invoked, None)
        if self.order == REALTIME:
            _disagreements(found, tally)
        statistics = {"operations": len(found), "reads": reads, "keys": len(written)}
        saw = any(value is not None for txn in found for _, value in txn.reads)
        vacuous = "" if saw else "no read ever saw a write"
        return tally.verdict(statistics | {"order": self.order}, vacuous=vacuous)

    def _judge(
        self,
        tally: Tally,
        txn: Transaction,
        key: Key,
        value: Any,
        written: Mapping[Key, Mapping[int, Transaction]],
        floors: tuple[Mapping[Key, Seen], Mapping[Key, Seen]],
    ) -> None:
        if value is not None and value not in written.get(key, {}):
            text = f"{txn.who} read {value!r} from key {key}, which nobody can have written."
            tally.add("garbage-read", lambda: Anomaly("garbage-read", text, [txn.invoked]))
            return
        for order, floor in zip((SESSION, REALTIME), floors, strict=True):
            seen = floor.get(key)
            if seen is not None and (value or 0) < seen[0]:
                name = _NAMES[order, seen[2]]
                tally.add(name, partial(_backwards, name, txn, key, value, seen))
                return


_NAMES = {
    (SESSION, False): "monotonic-reads",
    (SESSION, True): "read-your-writes",
    (REALTIME, False): "monotonic-reads-realtime",
    (REALTIME, True): "stale-read",
}


def _checked_writes(found: Sequence[Transaction]) -> dict[Key, dict[int, Transaction]]:
    """key → value → who can have written it; :class:`StrangeHistory` if values do not grow."""
    written: dict[Key, dict[int, Transaction]] = {}
    last: dict[Key, tuple[Any, int]] = {}
    for txn in found:
        for key, value in txn.writes:
            if type(value) is not int or value < 1:
                raise StrangeHistory(
                    f"operation {txn.invoked} writes {value!r} to key {key}: expected 1, 2, 3, …"
                )
            process, before = last.get(key, (txn.process, 0))
            if process != txn.process or value <= before:
                raise StrangeHistory(
                    f"operation {txn.invoked}: process {txn.process} writes {value} to key {key} "
                    f"after process {process} wrote {before}; each key needs one writer whose "
                    "values grow"
                )
            last[key] = txn.process, value
            if txn.outcome != "fail":
                written.setdefault(key, {})[value] = txn
    return written


def _events(found: Sequence[Transaction]) -> Iterator[tuple[int, Transaction]]:
    """Invocations and completions of committed transactions by position."""
    events = [(txn.invoked, txn) for txn in found if txn.committed]
    events += [(txn.completed, txn) for txn in found if txn.completed is not None]
    return iter(sorted(events, key=lambda event: event[0]))


def _raise(floor: dict[Key, Seen], txn: Transaction) -> None:
    for wrote, pairs in ((False, txn.reads), (True, txn.writes)):
        for key, value in pairs:
            if value is not None and (key not in floor or value > floor[key][0]):
                floor[key] = value, txn, wrote


def _backwards(name: str, txn: Transaction, key: Key, value: Any, seen: Seen) -> Anomaly:
    before, other, wrote = seen
    same = other.process == txn.process
    text = (
        f"{txn.who} read {'nothing' if value is None else value} from key {key}, although "
        f"{'it' if same else other.who} had {'written' if wrote else 'read'} {before} "
        f"{'before' if same else 'in a transaction that was over before this one began'}"
    )
    text += f" (through {other.node})." if same and other.node else "."
    return Anomaly(name, text, [other.invoked, txn.invoked], key=key)


def _disagreements(found: Sequence[Transaction], tally: Tally) -> None:
    """Pairs of reads of which each has one of two keys newer than the other has.

    For every two keys: reads by the first one's value; one disagrees with all before it that saw
    less of the first but more of the second.
    """
    together: dict[tuple[Any, Any], list[tuple[int, int, Transaction]]] = {}
    for txn in found:
        seen = {key: value or 0 for key, value in txn.reads if type(value) in (int, type(None))}
        keys = sorted(seen, key=str)
        for at, one in enumerate(keys):
            for two in keys[at + 1 :]:
                together.setdefault((one, two), []).append((seen[one], seen[two], txn))
    for (one, two), reads in together.items():
        reads.sort(key=lambda read: (read[0], read[1]))
        most: tuple[int, int, Transaction] | None = None
        group: tuple[int, int, Transaction] | None = None
        for read in reads:
            if group is not None and group[0] < read[0]:
                most = group if most is None or group[1] > most[1] else most
                group = None
            if most is not None and most[1] > read[1]:
                tally.add("long-fork", partial(_fork, one, two, most, read))
                break
            group = read if group is None or read[1] > group[1] else group


def _fork(one: Key, two: Key, a: Any, b: Any) -> Anomaly:
    text = (
        f"{a[2].who} read {a[0]} from key {one} and {a[1]} from key {two}; {b[2].who} read "
        f"{b[0]} and {b[1]}. Each saw something older than the other and something newer, so "
        "they cannot be put in any order."
    )
    return Anomaly("long-fork", text, sorted((a[2].invoked, b[2].invoked)), key=[one, two])
