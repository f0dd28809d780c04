"""What a bug looks like from outside, in a few words and a number: the same bug found twice is one.

A signature is a pure function of the system's name, the workload, and the smallest evidence of the
verdict's first anomaly, from which everything is left out that another seed would change: names of
nodes, processes and keys, values, times, how many calls there are. What remains is the symptom: the
name of the anomaly and, where there is one, the shape of its evidence. That is the kinds of edges
of a cycle; of a call that cannot be explained, where what it saw came from; else what a checker
says in ``details["shape"]``, a text without names and numbers.

Two bugs can have one symptom. The faults that it took tell some of them apart, but only of a trial
that has none to spare, and less reliably: one bug may show under a kill or under a partition. So
they stand beside the id and are not part of it. ``benchmarks/signatures.py`` measures both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from .history import FAIL, INFO, INVOKE, NEMESIS_PROCESS, UNPAIRED, History
from .operation import Operation
from .spec import TrialSpec
from .verdict import Anomaly, Signature, Verdict

VERSION = 1
"""Part of what is hashed: signatures of different rules are never taken for one."""

ID_LENGTH = 8
ORDERS = {"process", "realtime"}
"""Kinds of edges that say who ran after whom; another seed has more or fewer of them."""

WRITERS_SOUGHT_MAX = 200_000


def of(
    system: str,
    workload: str,
    verdict: Verdict,
    history: History,
    needed: Iterable[str] | None = None,
) -> Signature | None:
    """The signature of an invalid verdict; ``None`` if it has no anomaly.

    ``needed``: the kinds of the faults without which the trial would not have failed, if that is
    known, as of one that was shrunk; ``None`` where it is not, which is another thing than none.
    """
    if not verdict.anomalies:
        return None
    anomaly = smallest(verdict)
    shape = _shape(anomaly, history)
    number = _hash([VERSION, system, workload, anomaly.name, shape])
    name = f"{anomaly.name}: {shape}" if shape else anomaly.name
    return Signature(number, name, None if needed is None else sorted(set(needed)))


def signed(verdict: Verdict, spec: TrialSpec, history: History) -> Verdict:
    """The verdict of a trial with its signature, if it is invalid.

    The faults are known to have been needed if the trial is one that was shrunk.
    """
    needed = None
    if spec.shrunk and spec.schedule is not None:
        needed = [fault.kind for fault in spec.schedule]
    found = of(spec.system, spec.workload, verdict, history, needed)
    return msgspec.structs.replace(verdict, signature=found)


def smallest(verdict: Verdict) -> Anomaly:
    """Of the anomalies of the first one's name, the one with the least evidence."""
    named = [each for each in verdict.anomalies if each.name == verdict.anomalies[0].name]
    return min(named, key=lambda each: len(each.operations))


def _hash(facts: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:ID_LENGTH]


def _shape(anomaly: Anomaly, history: History) -> str:
    """What is said of the evidence; nothing where the anomaly's name says it all."""
    cycle = _cycle(anomaly.details)
    if cycle:
        return f"cycle of {' '.join(cycle)}"
    stuck = _stuck(anomaly.details, history)
    if stuck is not None:
        return _say(stuck, history)
    told = anomaly.details.get("shape", "")
    return told if isinstance(told, str) else ""


def _cycle(details: Mapping[str, Any]) -> list[str]:
    """The kinds of a cycle's edges, each once: what depends on data, if any does."""
    given = details.get("edges", details.get("cycle"))
    edges = [edge for edge in given if isinstance(edge, dict)] if isinstance(given, list) else []
    kinds = {str(edge.get("type", edge.get("kind", ""))) for edge in edges} - {""}
    return sorted(kinds - ORDERS) or sorted(kinds)


def _stuck(details: Mapping[str, Any], history: History) -> Operation | None:
    """The invocation that the checker could not explain."""
    for name in ("failed_at", "stuck"):
        at = details.get(name)
        if isinstance(at, int) and not isinstance(at, bool) and 0 <= at < len(history):
            found = history[at] if history[at].type == "invoke" else history.completion(at)
            if found is not None:
                return found
    return None


def _say(call: Operation, history: History) -> str:
    """A call, how it ended and, if it says what it saw, where that came from."""
    completion = history.completion(call.index)
    if completion is None or completion.type != "ok":
        return f"{call.f} {'info' if completion is None else completion.type}"
    if call.f == "cas" and isinstance(call.value, list) and len(call.value) == 2:
        return f"saw {_origin(call, completion, call.value[0], history)}"
    if call.value is not None and completion.value == call.value:
        return f"{call.f} ok"
    return f"saw {_origin(call, completion, completion.value, history)}"


def _origin(call: Operation, completion: Operation, seen: Any, history: History) -> str:
    """What became of the write of the value that a call saw, and of what was written later."""
    import numpy as np

    columns = history.columns()
    mine = (columns.type == INVOKE) & (columns.process != NEMESIS_PROCESS)
    mine &= (columns.key == columns.key[call.index]) & (columns.value != 0)
    mine[completion.index :] = False
    writes = np.flatnonzero(mine)[-WRITERS_SOUGHT_MAX:].tolist()
    writers = [at for at in writes if at != call.index and _asks_for(history[at].value, seen)]
    if not writers:
        return "an older state" if seen is None else "what nobody wrote"
    if all(_fate(at, columns) == FAIL for at in writers):
        return "what was refused"
    return "an older state"


def _fate(at: int, columns: Any) -> int:
    pair = int(columns.pair[at])
    return INFO if pair == UNPAIRED else int(columns.type[pair])


def _asks_for(asked: Any, wanted: Any) -> bool:
    return asked == wanted or (isinstance(asked, list) and bool(asked) and asked[-1] == wanted)
