"""A run in which nothing happened is not a pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .history import INVOKE, NEMESIS_PROCESS, OK, TYPE_NAMES, History
from .verdict import Verdict


def outcomes(history: History) -> dict[str, dict[str, int]]:
    """Client operations by ``f`` and outcome; never completed ones count as ``info``."""
    columns = history.columns()
    counts: dict[str, Counter[str]] = {}
    clients = columns.process != NEMESIS_PROCESS
    for code, f in enumerate(columns.fs):
        if f is None:
            continue
        mine = clients & (columns.f == code)
        if not mine.any():
            continue
        by_type: Counter[str] = Counter()
        for type_code, name in enumerate(TYPE_NAMES):
            if type_code != INVOKE:
                by_type[name] = int((mine & (columns.type == type_code)).sum())
        by_type["info"] += int((mine & (columns.type == INVOKE) & (columns.pair < 0)).sum())
        counts[f] = by_type
    return {f: dict(by_type) for f, by_type in counts.items()}


def _one_sided_transactions(history: History) -> list[str]:
    """Why the transactions that succeeded say nothing: none of them wrote, or none read."""
    # What no successful transaction did so far, and whether any tried to.
    missing = {"writes": False, "reads": False}
    for invoked, completion in history.pairs():
        if invoked.f != "txn" or not isinstance(invoked.value, list):
            continue
        succeeded = completion is not None and completion.type == TYPE_NAMES[OK]
        for step in invoked.value:
            is_read = isinstance(step, list) and step[:1] in (["r"], ["read"])
            does = "reads" if is_read else "writes"
            if does in missing:
                missing[does] = True
                if succeeded:
                    del missing[does]
        if not missing:
            break
    return [f"no 'txn' that {does} ever succeeded" for does, tried in missing.items() if tried]


def check(history: History, nemeses: Sequence[str]) -> Verdict:
    """Unknown if some kind of operation never succeeded, or if a wanted fault never took effect."""
    counts = outcomes(history)
    reasons = [
        f"no {f!r} ever succeeded ({sum(by_type.values())} tried)"
        for f, by_type in counts.items()
        if not by_type[TYPE_NAMES[OK]]
    ]
    if counts.get("txn", {}).get(TYPE_NAMES[OK]):
        reasons += _one_sided_transactions(history)
    if not counts:
        reasons.append("no operation was ever invoked")
    effective = {
        operation.value["kind"]
        for operation in history.nemesis()
        if operation.f == "inject"
        and operation.type != "invoke"
        and operation.error is None
        and "id" in (operation.value or {})
    }
    missing = [name for name in nemeses if name not in effective]
    if missing:
        reasons.append(f"no fault of these kinds ever took effect: {', '.join(missing)}")
    return Verdict(
        valid="unknown" if reasons else True,
        reason="; ".join(reasons),
        statistics={"outcomes": counts, "faults": sorted(effective)},
    )
