"""Judges a whole history: object by object, then one verdict."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...harness.errors import UserError
from ...harness.verdict import Anomaly, Verdict, merge_valid
from .algorithms import Judged, decide
from .evidence import explain
from .explanation import anomaly
from .models import model_named
from .preparation import Problem, StrangeHistory, prepare
from .search import Budget
from .settings import checked

if TYPE_CHECKING:
    from ...harness.history import History
    from . import Linearizable

MEMORY_LIMIT_BYTES = 2 << 30
"""What a check may use unless told otherwise."""

EXPLAINED = 16
"""How many failing objects are explained in full; the others are named."""


def judge(settings: Linearizable, history: History, options: Mapping[str, Any]) -> Verdict:
    """The verdict of :meth:`Linearizable.check`."""
    checked(
        failed_cas=settings.failed_cas,
        none_reads=settings.none_reads,
        algorithm=settings.algorithm,
    )
    model = model_named(settings.model, settings.initial)
    budget = Budget(
        time_limit_s=options.get("time_limit_s"),
        memory_limit_bytes=options.get("memory_limit_bytes") or MEMORY_LIMIT_BYTES,
        clock=options.get("clock") or time.monotonic,
    )
    try:
        problems = prepare(history, model, settings.failed_cas, settings.none_reads)
        return _verdict(settings, problems, budget, bool(options.get("first", settings.first)))
    except StrangeHistory as strange:
        return Verdict(valid="unknown", reason=str(strange))
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        return Verdict(
            valid="unknown",
            reason=f"the model {settings.model!r} could not take a value of the history: {error!r}",
        )


def _verdict(
    settings: Linearizable, problems: Sequence[Problem], budget: Budget, first: bool
) -> Verdict:
    anomalies: list[Anomaly] = []
    judged: list[Judged] = []
    for answer in decide(problems, settings.algorithm, budget, first):
        judged.append(answer)
        if answer.valid is False:
            anomalies.append(_anomaly(answer, len(anomalies) < EXPLAINED))
    unknown = [each for each in judged if each.valid is None]
    valid = merge_valid({True: True, False: False, None: "unknown"}[each.valid] for each in judged)
    reason = ""
    if unknown:
        reason = f"{len(unknown)} of {len(problems)} objects undecided; first: {unknown[0].note}"
    elif len(judged) < len(problems):
        reason = f"stopped at the first failing object, {len(judged)} of {len(problems)} decided"
    algorithms = Counter(each.algorithm for each in judged)
    return Verdict(
        valid=valid,
        anomalies=anomalies,
        reason=reason,
        statistics={
            "operations": sum(len(problem) for problem in problems),
            "keys": len(problems),
            "algorithm": "+".join(sorted(algorithms)) or "none",
            "algorithms": dict(sorted(algorithms.items())),
            "configurations": sum(each.explored for each in judged),
            "frontier": max((each.frontier for each in unknown), default=0),
            "decided_up_to": min((each.position for each in unknown), default=None),
        },
    )


def _anomaly(answer: Judged, explained: bool) -> Anomaly:
    if explained:
        evidence = explain(answer.problem, answer.position, answer.certificate, answer.final)
        return anomaly(answer.problem, evidence)
    return Anomaly(
        name="nonlinearizable",
        explanation=f"No order explains the results up to index {answer.position}.",
        operations=[int(answer.position)],
        key=answer.problem.key,
    )
