"""Once all is healed and quiet, do all replicas hold the same, and is it what it must be?

Strong eventual consistency (M. Shapiro, N. Preguiça, C. Baquero and M. Zawirski, "Conflict-free
Replicated Data Types", SSS 2011), decided from what every node answers in the end: all that hold a
thing agree on it, every acknowledged update is in it, and nothing that never was or is surely gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..harness.errors import UserError
from ..harness.history import History
from ..harness.verdict import Anomaly, Verdict
from . import convergence_counters, convergence_registers, convergence_sets
from .final_answers import FinalAnswers, final_answers
from .register_sessions import LAST_WRITE, SIBLINGS
from .tally import Tally, shown, strange, wishes_of

MODELS = {
    "converging-register": "replicated registers: all agree in the end, nothing is lost",
    "converging-siblings": "the same; writes that did not know of each other stay side by side",
    "converging-set": "a replicated set with adds and observed removes",
    "converging-counter": "a replicated counter",
}

REGISTER, SET, COUNTER = "register", "set", "counter"

UPDATES_NAMED = 4
"""So many updates of an element on which replicas differ are named, the last ones."""


VALUES_NAMED = 6


class Convergence:
    """Judges the ``final`` answers of all nodes against all updates.

    ``kind``       what is replicated: ``register`` (``write``, ``delete`` by key; answers ``{key:
                   [values]}``), ``set`` (``add``, ``remove``; ``[elements]``) or ``counter``
                   (``add``; a number).
    ``conflicts``  of registers, as for :class:`~.regular.Regular`.
    ``real_time``  of registers of which the last write stays: whether one that began after
                   another was acknowledged must win (it must where quorums overlap).

    Anomalies: ``divergence``; of registers ``lost-write``, ``resurrected-value``,
    ``unwritten-value``; of sets ``lost-element``, ``resurrected-element``, ``unadded-element``; of
    counters ``wrong-count``.
    """

    def __init__(
        self, kind: str = REGISTER, conflicts: str = LAST_WRITE, real_time: bool = True
    ) -> None:
        self.kind = kind
        self.conflicts = conflicts
        self.real_time = real_time

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Compare the last answer of each node."""
        answers = final_answers(history)
        statistics: dict[str, Any] = {"nodes": len(answers.by_node), "silent": answers.silent}
        if not answers.by_node:
            return strange("no node was asked in the end, or none answered", statistics)
        tally = Tally()
        self._agreement(tally, answers, history)
        judges: Mapping[str, Callable[[], dict[str, Any]]] = {
            REGISTER: partial(
                convergence_registers.judge, tally, history, answers, self.conflicts, self.real_time
            ),
            SET: partial(convergence_sets.judge, tally, history, answers),
            COUNTER: partial(convergence_counters.judge, tally, history, answers),
        }
        try:
            statistics |= judges[self.kind]()
        except UserError as wrong:
            return strange(str(wrong), statistics)
        names = ", ".join(answers.silent)
        return tally.verdict(statistics, vacuous=f"never answered: {names}" if names else "")

    def _agreement(self, tally: Tally, answers: FinalAnswers, history: History) -> None:
        if self.kind == REGISTER:
            for key, held in answers.by_key().items():
                values = {node: each.value[key] for node, each in held.items()}
                _compare(tally, values, answers, None, key)
        else:
            held_by = {n: each.value for n, each in answers.by_node.items()}
            _compare(tally, held_by, answers, history if self.kind == SET else None)

    @classmethod
    def models(cls) -> dict[str, str]:
        """The models by name, with a line on each."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> Convergence:
        """A checker; it has no options."""
        wishes_of(model, wishes)
        if model == "converging-siblings":
            return cls(REGISTER, SIBLINGS)
        return cls(model.removeprefix("converging-"))


def _compare(
    tally: Tally,
    held: Mapping[str, Any],
    answers: FinalAnswers,
    history: History | None,
    key: str | None = None,
) -> None:
    """All equal? A list counts as a set. Of a set, the ``history`` says how they came to differ."""
    first = next(iter(held))
    for node, value in held.items():
        if _plain(value) != _plain(held[first]):
            indices = [answers.by_node[first].index, answers.by_node[node].index]
            if history is not None:
                indices += _updates(history, _one_of_difference(held[first], value))
            explain = partial(_divergence, key, (first, held[first]), (node, value), indices)
            tally.add("divergence", explain)
            return


def _plain(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, list) else value


def _one_of_difference(one: Any, other: Any) -> Any:
    """An element that one of two sets lacks."""
    if not isinstance(one, list) or not isinstance(other, list):
        return None
    return next((v for a, b in ((one, other), (other, one)) for v in a if v not in b), None)


def _updates(history: History, element: Any) -> list[int]:
    """The last few updates of an element of a set that may have taken effect."""
    found = [
        invoked.index
        for invoked, completion in history.pairs()
        if invoked.f in ("add", "remove")
        and invoked.value == element
        and (completion is None or completion.type != "fail")
    ]
    return found[-UPDATES_NAMED:]


def _listed(values: list[Any]) -> str:
    named = ", ".join(shown(value) for value in values[:VALUES_NAMED])
    more = len(values) - VALUES_NAMED
    return f"{named} and {more} more" if more > 0 else named


def _divergence(
    key: str | None, one: tuple[str, Any], other: tuple[str, Any], indices: list[int]
) -> Anomaly:
    what = "" if key is None else f" of key {key}"
    text = f"After everything was healed and quiet, {one[0]} and {other[0]} still differ{what}: "
    if key is not None and isinstance(one[1], list) and isinstance(other[1], list):
        held = [f"{node} holds {_listed(values) or 'nothing'}" for node, values in (one, other)]
        text += f"{', '.join(held)}."
    elif isinstance(one[1], list) and isinstance(other[1], list):
        parts = []
        for (has, mine), (lacks, others) in ((one, other), (other, one)):
            if missing := sorted((v for v in mine if v not in others), key=str):
                parts.append(f"{has} has {_listed(missing)}, which {lacks} has not")
        text += "; ".join(parts) + "."
    else:
        text += f"{one[0]} holds {shown(one[1])}, {other[0]} holds {shown(other[1])}."
    return Anomaly("divergence", text, sorted(indices), key=key)
