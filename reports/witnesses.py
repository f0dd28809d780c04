"""The calls that an anomaly points at, and the one that cannot be explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..harness.history import INVOKE, OK, History
from ..harness.operation import NEMESIS, Operation
from ..harness.verdict import Anomaly

REACH = 3_000
"""So many operations around each of the evidence are looked at for what belongs to it."""

ORIGINS_MAX = 4
GRANTS = ("acquire", "claim")
SMALL_TRIAL = 8
"""A trial of so many calls on a key is told whole."""

Pair = tuple[Operation, Operation | None]
"""An invocation and its completion; ``None``: it never ended."""


def evidence_calls(history: History, anomaly: Anomaly) -> list[Pair]:
    """The client calls an anomaly points at, in order of invocation."""
    starts: set[int] = set()
    for index in anomaly.operations:
        if 0 <= index < len(history):
            operation = history[index]
            if operation.process == NEMESIS:
                continue
            if operation.type != "invoke":
                invocation = history.completion(index)
                if invocation is None:
                    continue
                index = invocation.index
            starts.add(index)
    return [(history[at], history.completion(at)) for at in sorted(starts)]


def calls_near(history: History, evidence: Sequence[Pair], fs: Sequence[str] = ()) -> list[Pair]:
    """The calls of clients (of some functions, or all); of a history too long to look at as a
    whole those that are not far from the evidence."""
    near: set[int] = set()
    for operation in (o for pair in evidence for o in pair if o is not None):
        near.update(range(max(0, operation.index - REACH), operation.index + REACH))
    return [
        (operation, history.completion(at))
        for at in sorted(near)
        if at < len(history)
        and (operation := history[at]).type == "invoke"
        and operation.process != NEMESIS
        and (not fs or operation.f in fs)
    ]


def completions_of(history: History, fs: Sequence[str]) -> list[int]:
    """Where the calls of some functions were answered ok."""
    import numpy as np

    columns = history.columns()
    codes = [code for code, f in enumerate(columns.fs) if f in fs]
    is_told = np.isin(columns.f, codes) & (columns.type == OK)
    return [int(at) for at in np.flatnonzero(is_told)]


def calls_of(
    history: History, fs: Sequence[str], key: Any = None, values: Sequence[Any] | None = None
) -> list[Pair]:
    """All calls of some functions, on one key (a number is as good as its text) and with some
    values, wherever in the history they are."""
    import numpy as np

    columns = history.columns()
    is_it = columns.type == INVOKE
    is_it &= np.isin(columns.f, [code for code, f in enumerate(columns.fs) if f in fs])
    if key is not None:
        text = str(key)
        is_it &= np.isin(
            columns.key, [c for c, each in enumerate(columns.keys) if c and str(each) == text]
        )
    if values is not None:
        codes = [code for code, each in enumerate(columns.values) if code and each in values]
        is_it &= np.isin(columns.value, codes)
    return [(history[int(at)], history.completion(int(at))) for at in np.flatnonzero(is_it)]


def told_calls(history: History, anomaly: Anomaly) -> list[Pair]:
    """The calls that a story tells: those of the evidence; of a small trial all calls on the same
    key, for they say where the state came from. What was aborted for no reason (AC4) may have
    been so because of any other transaction."""
    evidence = evidence_calls(history, anomaly)
    if not evidence:
        return []
    last = max((b or a).index for a, b in evidence)
    origins = (
        _grants(history, anomaly, evidence)
        or _appends(history, anomaly, evidence)
        or _writes(history, anomaly, evidence)
        or _refused(history, anomaly, evidence)
    )
    if origins:
        told = {pair[0].index: pair for pair in (*evidence, *origins)}
        return [told[index] for index in sorted(told)]
    pairs = list(history.pairs()) if len(history) <= 4 * SMALL_TRIAL else []
    alike = [
        (a, b)
        for a, b in pairs
        if a.key == evidence[0][0].key
        and a.index <= last
        and not (b is not None and b.type == "fail")
        and (anomaly.name.startswith("AC4") or _subject(a) in (None, anomaly.key))
    ]
    more = [pair for pair in alike if all(pair[0].index != a.index for a, _ in evidence)]
    if len(evidence) + len(more) > SMALL_TRIAL:
        return evidence
    return sorted([*evidence, *more], key=lambda pair: pair[0].index)


def _grants(history: History, anomaly: Anomaly, evidence: list[Pair]) -> list[Pair]:
    """Where the numbers of accesses to something locked come from."""
    numbers = {_sequencer(b) for _, b in evidence if b is not None} - {None}
    if not numbers or any(a.f in GRANTS for a, _ in evidence):
        return []
    return [
        (a, b)
        for a, b in calls_near(history, evidence, GRANTS)
        if a.key == anomaly.key and b is not None and _sequencer(b) in numbers
    ]


def _appends(history: History, anomaly: Anomaly, evidence: list[Pair]) -> list[Pair]:
    """Who appended what was read twice."""
    if anomaly.name != "duplicate-elements":
        return []
    reads = [mop for _, b in evidence if b is not None for mop in _micro_operations(b)]
    lists = [mop[2] for mop in reads if mop[1] == anomaly.key and isinstance(mop[2], list)]
    repeated = [each for found in lists for each in found if found.count(each) > 1][:ORIGINS_MAX]
    return [
        (a, b)
        for a, b in calls_near(history, evidence, ("txn",))
        if any(
            mop[0] == "append" and mop[1] == anomaly.key and mop[2] in repeated
            for mop in _micro_operations(a)
        )
    ][:ORIGINS_MAX]


def _writes(history: History, anomaly: Anomaly, evidence: list[Pair]) -> list[Pair]:
    """Who wrote what replicas hold of a key in the end, and do not agree on."""
    held = [b.value.get(str(anomaly.key)) for _, b in evidence if b is not None and _is_held(b)]
    lists = [each for each in held if isinstance(each, list)]
    differing = [v for mine in lists for v in mine if any(v not in other for other in lists)]
    if not differing or anomaly.key is None:
        return []
    return calls_of(history, ("write",), anomaly.key, differing)[-ORIGINS_MAX:]


def _refused(history: History, anomaly: Anomaly, evidence: list[Pair]) -> list[Pair]:
    """Who had asked for what a read saw, if all of them were refused."""
    at = stuck_call(history, anomaly)
    if at is None or history[at].f != "read" or not isinstance(anomaly.details.get("states"), list):
        return []
    end = history.completion(at)
    if end is None or end.type != "ok" or end.value is None:
        return []
    asked = [
        (a, b)
        for a, b in calls_near(history, evidence, ("write", "cas"))
        if a.key == history[at].key and a.index < end.index and _asks_for(a.value, end.value)
    ]
    return asked[-1:] if all(b is not None and b.type == "fail" for _, b in asked) else []


def _asks_for(asked: Any, wanted: Any) -> bool:
    return asked == wanted or (isinstance(asked, list) and bool(asked) and asked[-1] == wanted)


def _is_held(completion: Operation) -> bool:
    return completion.f == "final" and isinstance(completion.value, Mapping)


def _micro_operations(operation: Operation) -> list[Any]:
    value = operation.value
    mops = value if isinstance(value, list) else []
    return [mop for mop in mops if isinstance(mop, list) and len(mop) == 3]


def _sequencer(completion: Operation) -> Any:
    value = completion.value
    number = value.get("sequencer") if isinstance(value, Mapping) else None
    return number if isinstance(number, int) else None


def _subject(invocation: Operation) -> Any:
    """The transaction that a call is about, where its value says so."""
    value = invocation.value
    return value.get("txn") if isinstance(value, Mapping) else None


def stuck_call(history: History, anomaly: Anomaly) -> int | None:
    """The invocation that could not be explained: named by the checker, else the last to end;
    ``None`` for a cycle, in which no one call is to blame."""
    for name in ("failed_at", "stuck"):
        named = anomaly.details.get(name)
        if isinstance(named, int) and not isinstance(named, bool) and 0 <= named < len(history):
            operation = history[named]
            if operation.type == "invoke":
                return named
            invocation = history.completion(named)
            if invocation is not None:
                return invocation.index
    if isinstance(anomaly.details.get("cycle", anomaly.details.get("edges")), list):
        return None
    ended = [(b.index, a.index) for a, b in evidence_calls(history, anomaly) if b is not None]
    return max(ended)[1] if ended else None
