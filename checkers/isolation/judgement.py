"""From a history to a verdict: what was found, which levels that leaves, which were asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...harness.errors import UserError
from ...harness.verdict import Anomaly, Verdict
from . import levels as lattice
from .evidence import described
from .findings import Findings
from .settings import checked_anomalies, checked_level, checked_order
from .transactions import OK, StrangeHistory, Transactions, flatten

if TYPE_CHECKING:
    from ...harness.history import History
    from . import Isolation


@dataclass
class Analysis:
    """What a model's inference says of a history.

    ``findings``   the anomalies.
    ``undecided``  levels that no anomaly rules out but that are not known to hold, with why.
    ``algorithm``  how it was decided, in a few words.
    ``strange``    what breaks the assumptions of the checker; nothing is valid then.
    ``assumed``    what was assumed in the history's favour.
    """

    findings: Findings
    algorithm: str
    undecided: dict[str, str] = field(default_factory=dict)
    strange: str = ""
    assumed: str = ""


def judge(checker: Isolation, history: History, options: Mapping[str, Any]) -> Verdict:
    """Judge a history. A strange one is unknown, with the operation that is strange."""
    try:
        txns = flatten(history, checker.model)
    except StrangeHistory as strange:
        return Verdict(
            "unknown",
            reason=f"not a history of {checker.model} transactions: {strange}",
            statistics=_statistics(0, 0, "none"),
        )
    given = options.get("transaction_order", checker.transaction_order)
    if given is not None:
        ranks = ranks_of(checked_order(given), history, txns)
        options = {**options, "transaction_order": ranks}
    return judge_transactions(checker, txns, options)


def ranks_of(order: Mapping[int, int], history: History, txns: Transactions) -> Any:
    """int64 per transaction: its place in the given order, or -1.

    ``order``: the place of each operation, by the index of its invocation or completion.
    :class:`UserError` for an index that is not one of a transaction.
    """
    import numpy as np

    ranks = np.full(len(txns), -1, np.int64)
    for index, rank in order.items():
        begun = history[index] if 0 <= index < len(history) else None
        if begun is not None and begun.type != "invoke":
            begun = history.completion(index)
        at = int(np.searchsorted(txns.invoked, -1 if begun is None else begun.index))
        if begun is None or at == len(txns) or txns.invoked[at] != begun.index:
            raise UserError(
                f"transaction order: {index} is not the index of a transaction in the history "
                f"(0 to {len(history) - 1})"
            )
        if ranks[at] >= 0:
            raise UserError(f"transaction order: operation {int(txns.invoked[at])} stands twice")
        ranks[at] = rank
    return ranks


def judge_transactions(
    checker: Isolation, txns: Transactions, options: Mapping[str, Any]
) -> Verdict:
    """Judge transactions that are arrays already.

    ``transaction_order`` of the options: int64 per transaction, -1 where it is not known.
    """
    realtime = bool(options.get("realtime", checker.realtime))
    level = checked_level(options.get("level")) or checker.level
    anomalies = options.get("anomalies") or checker.anomalies
    level = level or ("strict-serializable" if realtime else "serializable")
    wanted = set(checked_anomalies(anomalies)) if anomalies else lattice.forbidden(level)
    if not (txns.kind == OK).any():
        return Verdict(
            "unknown",
            reason=f"none of {len(txns)} transactions is known to have committed",
            statistics=_statistics(len(txns), len(txns.keys), "none"),
        )
    if checker.model == "list-append":
        from .list_append import analyse
    else:
        from .rw_register import analyse
    analysis = analyse(checker, txns, realtime, options)
    return _verdict(checker.model, txns, analysis, level if not anomalies else None, wanted)


def _verdict(
    model: str, txns: Transactions, analysis: Analysis, level: str | None, wanted: set[str]
) -> Verdict:
    findings = analysis.findings
    out = lattice.ruled_out(findings)
    undecided = {name: why for name, why in analysis.undecided.items() if name not in out}
    holding = [name for name in lattice.LEVELS if name not in out and name not in undecided]
    guilty = [name for name in findings if lattice.violates(name, wanted)]
    valid: Any = not guilty
    reason = ""
    if valid and analysis.strange:
        valid, reason = "unknown", analysis.strange
    elif valid and level in undecided:
        valid, reason = "unknown", f"{level}: {undecided[level]}"
    elif valid:
        reason = analysis.assumed
    counts = {name: findings[name].count for name in sorted(findings)}
    result: dict[str, Any] = {
        "anomalies": counts,
        "ruled_out": out,
        "strongest": [] if analysis.strange else lattice.strongest(holding),
    }
    if undecided:
        result["undecided"] = sorted(undecided)
    statistics = _statistics(len(txns), len(txns.keys), analysis.algorithm)
    statistics |= {"level": level, "anomaly_counts": counts, "result": result}
    return Verdict(valid, _anomalies(model, txns, findings, guilty), reason, statistics)


def _anomalies(
    model: str, txns: Transactions, findings: Findings, guilty: list[str]
) -> list[Anomaly]:
    """Those that make the history invalid; gravest first; each with its examples."""
    listed = []
    for name in sorted(guilty, key=lambda n: (-len(lattice.ruled_out([n])), n)):
        for example in findings[name].examples:
            members = list(dict.fromkeys(example.txns))
            details = {
                "count": findings[name].count,
                "rules_out": lattice.ruled_out([name]),
                "transactions": described(txns, members, model),
            }
            listed.append(
                Anomaly(
                    name=name,
                    explanation=example.text,
                    operations=[int(txns.invoked[t]) for t in members],
                    key=example.key,
                    details=details | example.details,
                )
            )
    return listed


def _statistics(operations: int, keys: int, algorithm: str) -> dict[str, Any]:
    return {
        "operations": operations,
        "keys": keys,
        "algorithm": algorithm,
        "anomaly_counts": {},
        "result": {"anomalies": {}, "ruled_out": [], "strongest": []},
    }
