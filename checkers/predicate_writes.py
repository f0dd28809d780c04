"""Did two transactions insert what each should have seen of the other? Adya's G2.

``insert`` ``[key, [id, null]]`` or ``[key, [null, id]]`` inserts a row on one side if a predicate
read finds no row of the key on either. If two of a key succeed, neither saw the other: each
has an anti-dependency on the other, a cycle that PL-3 (serializability) proscribes (Adya, "Weak
consistency", PhD thesis, MIT 1999, section 3.2.3). Only predicates show it; no item was read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly, Verdict
from .one_model import OneModel
from .tally import Tally, strange, who


class PredicateWrites(OneModel):
    """Judges ``insert`` ``[key, [id, null]]``: at most one of each key may be ``ok``.

    Anomaly: ``G2``, one for each key with several. Insertions whose outcome is unknown count
    neither way.
    """

    model = "adya-g2"
    about = "pairs of insertions that exclude each other: at most one of a key succeeds"

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every key."""
        inserted: dict[str, list[tuple[Operation, Operation]]] = {}
        counts = {"ok": 0, "fail": 0, "info": 0}
        for invoked, completion in history.pairs():
            if invoked.f != "insert":
                continue
            if not _is_insertion(invoked.value):
                return strange(
                    f"operation {invoked.index}: an insert is [key, [id, null]] or "
                    f"[key, [null, id]], not {json.dumps(invoked.value)}"
                )
            outcome = "info" if completion is None else completion.type
            counts[outcome] += 1
            of_key = inserted.setdefault(json.dumps(invoked.value[0], sort_keys=True), [])
            if completion is not None and outcome == "ok":
                of_key.append((invoked, completion))
        tally = Tally()
        for rows in inserted.values():
            if len(rows) > 1:
                tally.add("G2", lambda rows=rows: _skew(rows))
        statistics = {
            "operations": sum(counts.values()),
            "keys": len(inserted),
            "keys_with_a_row": sum(bool(rows) for rows in inserted.values()),
            "insertions": counts,
        }
        vacuous = "" if counts["ok"] else "no insert is known to have succeeded"
        return tally.verdict(statistics, vacuous=vacuous)


def _is_insertion(value: Any) -> bool:
    if type(value) is not list or len(value) != 2:
        return False
    row = value[1]
    return type(row) is list and len(row) == 2 and row.count(None) == 1


def _skew(rows: list[tuple[Operation, Operation]]) -> Anomaly:
    (one, one_done), (other, other_done) = rows[:2]
    key = one.value[0]
    text = (
        f"{who(one.process, one_done.node)} inserted {json.dumps(one.value[1])} for key {key} "
        f"because it found no row of it, and so did {who(other.process, other_done.node)} with "
        f"{json.dumps(other.value[1])}. Whichever is put first, the other must have found its row: "
        "no serial order explains both."
    )
    if one_done.index < other.index:
        text += " The first had been acknowledged before the second began."
    return Anomaly("G2", text, [row[0].index for row in rows], key=key)
