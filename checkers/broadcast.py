"""Does everybody deliver the same messages, once, and none before what it answers?

The properties of uniform reliable broadcast (validity, no duplication, no creation, uniform
agreement: Cachin, Guerraoui and Rodrigues, "Introduction to Reliable and Secure Distributed
Programming", 2011, §3.4) and of FIFO and causal order (§3.9; Birman, Schiper and Stephenson 1991),
decided from what clients broadcast and what they read of the nodes' logs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ..harness.errors import UserError
from ..harness.history import History
from ..harness.verdict import Anomaly, Verdict
from .delivered_logs import Delivery, NodeLog, Sent, key_of, logs_of, overtaken
from .delivery import explain_overtaken
from .delivery_evidence import also, anomaly, judge_integrity
from .tally import Tally, strange, wishes_of

MODELS = {"broadcast": "messages to all nodes: validity, agreement, integrity, order"}

VALIDITY, AGREEMENT, FIFO, CAUSAL = "validity", "agreement", "fifo-order", "causal-order"

ORDERS = {
    "none": "any",
    "fifo": "each node's messages in the order in which they were broadcast",
    "causal": "none before those that had been delivered where and when it was broadcast",
}


class Broadcast:
    """Judges ``broadcast`` message, and what nodes tell of their logs, as :mod:`.delivery` has it.

    ``order``: ``none``, ``fifo`` or ``causal``, which includes FIFO.

    ``validity``: an accepted message is not in the log of the node that accepted it, at last.
    ``agreement``: a message that a node delivered is not in another's log at last. ``duplicate``,
    ``phantom``, ``forgotten-delivery``: as with :mod:`.delivery`. ``fifo-order``: two of a node's
    messages are in the wrong order. ``causal-order``: a message comes before one that its
    sender had delivered (as a client had seen there) when it was broadcast.
    """

    def __init__(self, order: str = "fifo") -> None:
        if order not in ORDERS:
            raise UserError(f"order: expected one of {', '.join(ORDERS)}, got {order!r}")
        self.order = order

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every message and every log."""
        try:
            logs, sent = logs_of(history), sent_of(history)
        except ValueError as wrong:
            return strange(str(wrong))
        tally = Tally()
        for log in logs.values():
            judge_integrity(log, sent, tally)
        _judge_validity(logs, sent, tally)
        _judge_agreement(logs, sent, tally)
        if self.order != "none":
            _judge_fifo(logs, sent, tally)
        edges = 0
        if self.order == "causal":
            edges = _judge_causes(logs, sent, tally)
        statistics: dict[str, Any] = {
            "operations": sum(1 for _ in history.pairs()),
            "broadcast": len(sent),
            "accepted": sum(each.is_acknowledged for each in sent.values()),
            "delivered": sum(len(log.entries) for log in logs.values()),
            "logs": len(logs),
            "order": self.order,
        }
        if self.order == "causal":
            statistics["causes_known"] = edges
        return tally.verdict(statistics, *_reservations(logs, statistics))

    @classmethod
    def models(cls) -> dict[str, str]:
        """The model by name, with a line on it."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> Broadcast:
        """A checker with options as the command line has them. :class:`UserError` for others."""
        return cls(str(wishes_of(model, wishes, ("order",)).get("order", "fifo")))


def _reservations(logs: Mapping[str, NodeLog], statistics: Mapping[str, Any]) -> tuple[str, str]:
    """What was assumed, and why the verdict says nothing."""
    if not statistics["delivered"]:
        return "", "no message was ever seen to be delivered"
    silent = [log.node for log in logs.values() if log.final is None]
    if len(silent) == len(logs):
        return "", "no log was read at last, so that what is missing is not known"
    if statistics["order"] == "causal" and not statistics["causes_known"]:
        return "", "no message was broadcast where another was seen before"
    if silent:
        return f"agreement was not judged at {', '.join(silent)}: not asked at last", ""
    return "", ""


def sent_of(history: History) -> dict[Any, Sent]:
    """All messages by key. ``ValueError`` for one that was broadcast twice."""
    sent: dict[Any, Sent] = {}
    for asked, told in history.pairs():
        if asked.f == "broadcast":
            key = key_of(asked.value)
            if key in sent:
                raise ValueError(f"operation {asked.index}: {asked.value!r} was broadcast before")
            node = None if told is None else told.node
            sent[key] = Sent(asked.value, asked, told, node or asked.node)
    return sent


def _judge_validity(logs: Mapping[str, NodeLog], sent: Mapping[Any, Sent], tally: Tally) -> None:
    for key, each in sent.items():
        log = logs.get(each.node or "")
        if not each.is_acknowledged or log is None or log.final is None:
            continue
        if key not in log.final:
            tally.add(VALIDITY, partial(_explain_invalid, each, log))


def _judge_agreement(logs: Mapping[str, NodeLog], sent: Mapping[Any, Sent], tally: Tally) -> None:
    first: dict[Any, Delivery] = {}
    for log in logs.values():
        for key, position in log.positions.items():
            first.setdefault(key, log.entries[position])
    for key, delivery in first.items():
        for log in logs.values():
            if log.final is not None and key not in log.final:
                tally.add(AGREEMENT, partial(_explain_missing, delivery, sent.get(key), log))


def _judge_fifo(logs: Mapping[str, NodeLog], sent: Mapping[Any, Sent], tally: Tally) -> None:
    of_sender: dict[str, list[Sent]] = {}
    for each in sent.values():
        if each.node is not None:
            of_sender.setdefault(each.node, []).append(each)
    for log in logs.values():
        for _, mine in sorted(of_sender.items()):
            for first, second in overtaken(mine, log):
                tally.add(FIFO, partial(explain_overtaken, FIFO, first, second, log))


def _judge_causes(logs: Mapping[str, NodeLog], sent: Mapping[Any, Sent], tally: Tally) -> int:
    """The first so many entries of its sender's log come before each message, in every log.

    Returns of how many messages such causes are known.
    """
    causes = {key: _causes(each, logs) for key, each in sent.items()}
    for log in logs.values():
        latest = {origin.node: list(_latest(origin, log)) for origin in logs.values()}
        for delivery in log.entries:
            key = key_of(delivery.message)
            if key not in sent or log.positions[key] != delivery.position:
                continue
            node, count = causes[key]
            if count:
                position, cause = latest[node][count - 1]
                if position > delivery.position:
                    there = logs[node].entries[cause]
                    explain = partial(_explain_effect, sent[key], there, delivery, log)
                    tally.add(CAUSAL, explain)
    return sum(count > 0 for _, count in causes.values())


def _causes(each: Sent, logs: Mapping[str, NodeLog]) -> tuple[str, int]:
    """The node where a message was broadcast, and how many it had surely delivered by then."""
    log = logs.get(each.node or "")
    if log is None:
        return "", 0
    return log.node, min(log.length_before(each.asked.index), len(log.entries))


def _latest(origin: NodeLog, log: NodeLog) -> Iterator[tuple[int, int]]:
    """For each count of first entries of one log, which of them comes last in another: where it
    is there, and where in its own. What is not there at all comes after everything.
    """
    latest = (-1, 0)
    for at, delivery in enumerate(origin.entries):
        position = log.positions.get(key_of(delivery.message), len(log.entries))
        latest = max(latest, (position, at), key=lambda each: each[0])
        yield latest


def _explain_invalid(each: Sent, log: NodeLog) -> Anomaly:
    assert each.told is not None
    text = (
        f"{each}, accepted at {each.told.time / 1e9:.3f} s, was never delivered by {log.node} "
        f"itself{_asked_at(log)}."
    )
    return _with_final(anomaly(VALIDITY, text, each), log)


def _explain_missing(delivery: Delivery, origin: Sent | None, log: NodeLog) -> Anomaly:
    text = (
        f"{delivery.node} delivered {origin or delivery.message}, told at "
        f"{delivery.told.time / 1e9:.3f} s, but {log.node} never did{_asked_at(log)}."
    )
    return _with_final(anomaly(AGREEMENT, text, origin, delivery), log)


def _asked_at(log: NodeLog) -> str:
    assert log.final_read is not None
    return f", asked at {log.final_read[1].time / 1e9:.3f} s, when everything was healed"


def _with_final(found: Anomaly, log: NodeLog) -> Anomaly:
    assert log.final_read is not None
    return also(found, log.final_read[0].index)


def _explain_effect(effect: Sent, cause: Delivery, delivery: Delivery, log: NodeLog) -> Anomaly:
    there = log.of(cause.message)
    late = "without" if there is None else "before"
    text = (
        f"{log.node} delivered {effect} {late} {cause.message}. But {cause.node} had delivered "
        f"{cause}, before {effect.message} was broadcast there."
    )
    return anomaly(CAUSAL, text, effect, cause, delivery, there)
