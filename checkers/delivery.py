"""Did every message that was accepted arrive, once, where it was sent to, and in order?

The properties of perfect links (Cachin, Guerraoui and Rodrigues, "Introduction to Reliable and
Secure Distributed Programming", 2011, §2.4.4: reliable delivery, no duplication, no creation) with
FIFO order (§3.9.2), decided from what clients sent and what they read of the nodes' logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..harness.history import History
from ..harness.verdict import Anomaly, Verdict
from .delivered_logs import Delivery, NodeLog, Sent, key_of, logs_of, overtaken
from .delivery_evidence import also, anomaly, judge_integrity
from .tally import Tally, strange, wishes_of

MODELS = {"delivery": "messages between nodes: nothing lost, doubled, invented or overtaken"}

LOST, REORDERED, MISDELIVERED = "lost", "reordered", "misdelivery"


class PointToPoint:
    """Judges ``send`` ``{"to", "message"}``, and what nodes tell of their logs.

    ``delivered`` → ``{"from": 7, "messages": [["n1", 17], …], "length": 9}``: a part of the log of
    the node that is asked. ``all-delivered``: all of it, after everything was healed. Messages are
    sent once each.

    ``lost``: accepted, and not in its receiver's log at last. ``duplicate``: delivered twice.
    ``phantom``: never sent. ``misdelivery``: to somebody else. ``reordered``: after one that was
    sent later from the same node to the same node. ``forgotten-delivery``: was in a node's log,
    and is not any more.
    """

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every message and every log."""
        try:
            logs, sent = logs_of(history), sent_of(history)
        except ValueError as wrong:
            return strange(str(wrong))
        accepted = [each for each in sent.values() if each.is_acknowledged]
        statistics: dict[str, Any] = {
            "operations": sum(1 for _ in history.pairs()),
            "sent": len(sent),
            "accepted": len(accepted),
            "delivered": sum(len(log.entries) for log in logs.values()),
            "logs": len(logs),
        }
        tally = Tally()
        for log in logs.values():
            judge_integrity(log, sent, tally)
            _judge_places(log, sent, tally)
            _judge_order(log, sent, tally)
        unread = 0
        for each in accepted:
            receiver = logs.get(each.to or "")
            if receiver is None or receiver.final is None:
                unread += 1
            elif key_of(each.message) not in receiver.final:
                tally.add(LOST, partial(_explain_lost, each, receiver))
        statistics["not_judged"] = unread
        vacuous = ""
        if not statistics["delivered"]:
            vacuous = "no message was ever seen to be delivered"
        elif accepted and unread == len(accepted):
            vacuous = "no log was read at last, so that what was lost is not known"
        assumed = (
            f"{unread} messages went to nodes whose log was not read at last" if unread else ""
        )
        return tally.verdict(statistics, assumed, vacuous)

    @classmethod
    def models(cls) -> dict[str, str]:
        """The model by name, with a line on it."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> PointToPoint:
        """A checker; it has no options."""
        wishes_of(model, wishes)
        return cls()


def sent_of(history: History) -> dict[Any, Sent]:
    """All messages by key. ``ValueError`` for one that was sent twice, or to nobody."""
    sent: dict[Any, Sent] = {}
    for asked, told in history.pairs():
        if asked.f != "send":
            continue
        value = asked.value if told is None or told.type != "ok" else told.value
        if not isinstance(value, Mapping) or "to" not in value or "message" not in value:
            raise ValueError(f"operation {asked.index}: a send has to and message, got {value!r}")
        key = key_of(value["message"])
        if key in sent:
            raise ValueError(f"operation {asked.index}: {value['message']!r} was sent before")
        node = None if told is None else told.node
        sent[key] = Sent(value["message"], asked, told, node or asked.node, str(value["to"]))
    return sent


def _judge_places(log: NodeLog, sent: Mapping[Any, Sent], tally: Tally) -> None:
    for delivery in log.entries:
        each = sent.get(key_of(delivery.message))
        if each is not None and each.is_acknowledged and each.to != log.node:
            tally.add(MISDELIVERED, partial(_explain_misdelivery, each, delivery))


def _judge_order(log: NodeLog, sent: Mapping[Any, Sent], tally: Tally) -> None:
    of_sender: dict[str, list[Sent]] = {}
    for delivery in log.entries:
        each = sent.get(key_of(delivery.message))
        if each is not None and each.node is not None:
            of_sender.setdefault(each.node, []).append(each)
    for _, mine in sorted(of_sender.items()):
        unique = list({id(each): each for each in mine}.values())
        for first, second in overtaken(unique, log):
            tally.add(REORDERED, partial(explain_overtaken, REORDERED, first, second, log))


def explain_overtaken(name: str, first: Sent, second: Sent, log: NodeLog) -> Anomaly:
    """A message overtook another of the same sender."""
    before, after = log.of(second.message), log.of(first.message)
    assert first.told is not None
    text = (
        f"{log.node} delivered {second} before {first}, which had been accepted at "
        f"{first.told.time / 1e9:.3f} s already."
    )
    return anomaly(name, text, first, second, before, after)


def _explain_lost(each: Sent, log: NodeLog) -> Anomaly:
    assert each.told is not None
    assert log.final_read is not None
    asked, told = log.final_read
    text = (
        f"{each}, accepted at {each.told.time / 1e9:.3f} s, was never delivered: at "
        f"{told.time / 1e9:.3f} s, when everything was healed, it was not in {log.node}'s log."
    )
    return also(anomaly(LOST, text, each), asked.index)


def _explain_misdelivery(each: Sent, delivery: Delivery) -> Anomaly:
    text = f"{each} was for {each.to}, but {delivery.node} delivered it."
    return anomaly(MISDELIVERED, text, each, delivery)
