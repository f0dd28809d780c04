"""Anomalies that any log of deliveries can show, explained."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..harness.verdict import Anomaly
from .delivered_logs import Delivery, Forgotten, NodeLog, Sent, key_of, ordinal
from .tally import Tally

DUPLICATE, PHANTOM, FORGOTTEN = "duplicate", "phantom", "forgotten-delivery"


def judge_integrity(log: NodeLog, sent: Mapping[Any, Sent], tally: Tally) -> None:
    """Whatever a node delivered was sent, is delivered once, and stays delivered."""
    for first, second in log.duplicates:
        tally.add(DUPLICATE, partial(_explain_duplicate, first, second, sent))
    for forgotten in log.forgotten:
        tally.add(FORGOTTEN, partial(_explain_forgotten, log, forgotten))
    for delivery in log.entries:
        origin = sent.get(key_of(delivery.message))
        refused = origin is not None and origin.told is not None and origin.told.type == "fail"
        if origin is None or refused or origin.asked.index > delivery.told.index:
            tally.add(PHANTOM, partial(_explain_phantom, delivery, origin))


def anomaly(name: str, text: str, *what: Sent | Delivery | None) -> Anomaly:
    """With the operations of all that is concerned, and the messages."""
    messages = [each.message for each in what if each is not None]
    unique = [each for at, each in enumerate(messages) if each not in messages[:at]]
    indices = sorted({each.asked.index for each in what if each is not None})
    return Anomaly(name, text, indices, details={"elements": unique})


def also(found: Anomaly, index: int) -> Anomaly:
    """The same with one more operation."""
    indices = sorted({*found.operations, index})
    return Anomaly(found.name, found.explanation, indices, found.key, found.details)


def _explain_duplicate(first: Delivery, second: Delivery, sent: Mapping[Any, Sent]) -> Anomaly:
    origin = sent.get(key_of(first.message))
    text = (
        f"{first.node} delivered {origin or first.message} twice: as its "
        f"{ordinal(first.position + 1)} and as its {ordinal(second.position + 1)} message."
    )
    return anomaly(DUPLICATE, text, origin, first, second)


def _explain_forgotten(log: NodeLog, forgotten: Forgotten) -> Anomaly:
    before = forgotten.before
    at = f"{forgotten.told.time / 1e9:.3f} s"
    text = f"{log.node} had delivered {before}, but at {at} "
    if forgotten.now is None:
        text += f"its log had only {forgotten.told.value['length']} entries."
    else:
        text += f"{forgotten.now} stood in its place."
    return also(anomaly(FORGOTTEN, text, before), forgotten.asked.index)


def _explain_phantom(delivery: Delivery, origin: Sent | None) -> Anomaly:
    text = f"{delivery.node} delivered {delivery}, "
    if origin is None:
        text += "which nobody ever sent."
    elif origin.told is not None and origin.told.type == "fail":
        text += "whose sender was told that it was not sent."
    else:
        text += f"before it was sent, at {origin.asked.time / 1e9:.3f} s."
    return anomaly(PHANTOM, text, origin, delivery)
