"""Did each instance decide one value, that somebody proposed, once and for all?

The properties of consensus, as in Cachin, Guerraoui and Rodrigues, "Introduction to Reliable and
Secure Distributed Programming", 2011, §5.1 (agreement among all nodes, also those that crash
later: *uniform* consensus), decided from what nodes answered their clients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly, Verdict
from .one_model import OneModel
from .tally import Tally, shown, strange, who

PROPOSALS = ("propose", "conclude")
"""Operations whose argument is proposed and whose result is the decision."""

_encode = msgspec.json.Encoder(order="deterministic").encode

Pair = tuple[Operation, Operation | None]
"""An invocation and its completion, if that came."""

Answer = tuple[Operation, Operation]
"""An invocation and the completion that gave a value."""


class Consensus(OneModel):
    """Judges ``propose`` v → decision, ``decided`` → decision or null; the key is the instance.

    ``conclude`` is a ``propose`` after everything was healed, which must be answered.

    Anomalies: ``disagreement`` (two answers about an instance differ; *agreement*),
    ``unproposed-value`` (nobody had proposed it by then; *validity*), ``changed-decision`` (a node
    answered one value, and later another or that it knows of none; *integrity*), ``undecided`` (a
    node answered none of the attempts to conclude an instance; *termination*).
    """

    model = "consensus"
    about = "proposals and decisions of many instances: agreement, validity, integrity"

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every instance."""
        instances: dict[bytes, list[Pair]] = {}
        for invoked, completion in history.pairs():
            if invoked.f in PROPOSALS or invoked.f == "decided":
                instances.setdefault(_encode(invoked.key), []).append((invoked, completion))
        tally = Tally()
        statistics = {
            "operations": sum(len(pairs) for pairs in instances.values()),
            "instances": len(instances),
            "contested": 0,
            "decided": 0,
            "answers": 0,
        }
        for pairs in instances.values():
            instance = Instance(pairs)
            if instance.nothing_proposed is not None:
                return strange(instance.nothing_proposed, statistics)
            instance.judge(tally)
            statistics["contested"] += len(instance.proposed) > 1
            statistics["decided"] += bool(instance.answers)
            statistics["answers"] += len(instance.answers)
        vacuous = "" if statistics["answers"] else "no node ever answered with a decision"
        return tally.verdict(statistics, vacuous=vacuous)


class Instance:
    """What clients saw of one instance.

    ``proposed``  the first invocation that proposed each value and did not definitely fail.
    ``answers``   operations that were answered with a decision, in the order of the answers.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = pairs
        self.nothing_proposed: str | None = None
        self.proposed: dict[bytes, Operation] = {}
        self.answers: list[Answer] = []
        for invoked, completion in pairs:
            if invoked.f in PROPOSALS:
                if invoked.value is None:
                    self.nothing_proposed = (
                        f"operation {invoked.index}: a {invoked.f} needs a value that is not null"
                    )
                if completion is None or completion.type != "fail":
                    self.proposed.setdefault(_encode(invoked.value), invoked)
            if completion is not None and completion.type == "ok" and completion.value is not None:
                self.answers.append((invoked, completion))
        self.answers.sort(key=lambda pair: pair[1].index)

    def judge(self, tally: Tally) -> None:
        """Add what is wrong to the tally."""
        self._judge_agreement(tally)
        self._judge_validity(tally)
        self._judge_integrity(tally)
        self._judge_termination(tally)

    def _judge_agreement(self, tally: Tally) -> None:
        told: dict[bytes, Answer] = {}
        for invoked, completion in self.answers:
            value = _encode(completion.value)
            if value not in told:
                if told:
                    first = next(iter(told.values()))
                    tally.add("disagreement", partial(_disagreement, first, (invoked, completion)))
                told[value] = invoked, completion

    def _judge_validity(self, tally: Tally) -> None:
        told: set[bytes] = set()
        for invoked, completion in self.answers:
            value = _encode(completion.value)
            proposal = self.proposed.get(value)
            if value not in told and (proposal is None or proposal.index > completion.index):
                told.add(value)
                tally.add("unproposed-value", partial(_unproposed, invoked, completion, proposal))

    def _judge_integrity(self, tally: Tally) -> None:
        told: dict[str, Answer] = {}
        for invoked, completion in self.answers:
            if completion.node is None:
                continue
            before = told.setdefault(completion.node, (invoked, completion))
            if _encode(before[1].value) != _encode(completion.value):
                tally.add("changed-decision", partial(_changed, before, (invoked, completion)))
                told[completion.node] = invoked, completion
        for invoked, completion in self._pairs:
            if completion is None or completion.type != "ok" or completion.value is not None:
                continue
            known = told.get(completion.node or "")
            if known is not None:
                # The earliest answer of that node; ``told`` may hold a later one.
                known = next(pair for pair in self.answers if pair[1].node == completion.node)
                if known[1].index < invoked.index:
                    tally.add("changed-decision", partial(_changed, known, (invoked, completion)))

    def _judge_termination(self, tally: Tally) -> None:
        tries: dict[str, list[Pair]] = {}
        for invoked, completion in self._pairs:
            if invoked.f == "conclude" and completion is not None and completion.node is not None:
                tries.setdefault(completion.node, []).append((invoked, completion))
        for node, pairs in tries.items():
            if not any(each is not None and each.type == "ok" for _, each in pairs):
                tally.add("undecided", partial(_undecided, node, pairs))


def _said(pair: Answer) -> str:
    invoked, completion = pair
    value = shown(completion.value) if completion.value is not None else "that it knew no decision"
    by = completion.node or who(invoked.process)
    return f"{by} answered {value} ({completion.time / 1e9:.3f} s, operation {completion.index})"


def _disagreement(first: Answer, other: Answer) -> Anomaly:
    key = first[0].key
    text = f"Instance {shown(key)} was decided twice: {_said(first)}, but {_said(other)}."
    values = [first[1].value, other[1].value]
    indices = [first[0].index, other[0].index]
    return Anomaly("disagreement", text, indices, key=key, details={"values": values})


def _unproposed(invoked: Operation, completion: Operation, later: Operation | None) -> Anomaly:
    text = f"About instance {shown(invoked.key)}, {_said((invoked, completion))}, "
    indices = [invoked.index]
    if later is None:
        text += "which nobody proposed there."
    else:
        text += f"which was proposed only later ({later.time / 1e9:.3f} s)."
        indices.append(later.index)
    return Anomaly("unproposed-value", text, indices, key=invoked.key)


def _changed(before: Answer, after: Answer) -> Anomaly:
    key = before[0].key
    text = f"About instance {shown(key)}, {_said(before)}, and later {_said(after)}."
    return Anomaly("changed-decision", text, sorted([before[0].index, after[0].index]), key=key)


def _undecided(node: str, pairs: Sequence[Pair]) -> Anomaly:
    first = pairs[0][0]
    text = (
        f"After everything was healed, {node} was asked {len(pairs)} times to conclude instance "
        f"{shown(first.key)}, first at {first.time / 1e9:.3f} s, and never answered."
    )
    return Anomaly("undecided", text, [invoked.index for invoked, _ in pairs], key=first.key)
