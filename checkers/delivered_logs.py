"""What nodes delivered, put together from what clients read of their logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..harness.history import History
from ..harness.operation import Operation

READS = ("delivered", "all-delivered")

_encode = msgspec.json.Encoder(order="deterministic").encode


def key_of(message: Any) -> Any:
    """A message as the key of a dictionary."""
    return message if type(message) in (int, str) else _encode(message)


@dataclass(frozen=True)
class Delivery:
    """A node told that it delivered ``message``, of ``sender``, at ``position`` (from 0)."""

    node: str
    position: int
    sender: str
    message: Any
    asked: Operation
    told: Operation

    def __str__(self) -> str:
        seen = f"{self.told.time / 1e9:.3f} s"
        return f"{self.message} as its {ordinal(self.position + 1)} (told at {seen})"


@dataclass(frozen=True)
class Forgotten:
    """A node's log is not what it was: what was there, and the answer that shows it is gone."""

    before: Delivery
    asked: Operation
    told: Operation
    now: Any = None


@dataclass
class NodeLog:
    """All that is known of one node's log. ``final`` is what it was at last, if that was asked."""

    node: str
    entries: list[Delivery] = field(default_factory=list)
    forgotten: list[Forgotten] = field(default_factory=list)
    final: dict[Any, int] | None = None
    final_read: tuple[Operation, Operation] | None = None
    lengths: list[tuple[int, int]] = field(default_factory=list)
    """``(index of the answer, length)``: so many entries were there by then. Both only grow."""
    duplicates: list[tuple[Delivery, Delivery]] = field(default_factory=list)
    positions: dict[Any, int] = field(default_factory=dict)
    """Where each message is first."""

    def of(self, message: Any) -> Delivery | None:
        """The first delivery of a message here."""
        position = self.positions.get(key_of(message))
        return None if position is None else self.entries[position]

    def length_before(self, index: int) -> int:
        """How many entries it surely had when the operation of this index was invoked."""
        low, high = 0, len(self.lengths)
        while low < high:
            middle = (low + high) // 2
            if self.lengths[middle][0] < index:
                low = middle + 1
            else:
                high = middle
        return self.lengths[low - 1][1] if low else 0

    def take(self, asked: Operation, told: Operation) -> None:
        """Add what one answer tells. ``ValueError`` if it leaves a gap."""
        start, messages, length = told.value["from"], told.value["messages"], told.value["length"]
        if start > len(self.entries):
            raise ValueError(
                f"operation {told.index}: {self.node} told of its log from {start} on, but only "
                f"{len(self.entries)} entries are known"
            )
        known_length = self.length_before(asked.index)
        if length < known_length:
            self.forgotten.append(Forgotten(self.entries[length], asked, told))
        for position, (sender, message) in enumerate(messages, start):
            if position < len(self.entries):
                before = self.entries[position]
                if (before.sender, key_of(before.message)) != (sender, key_of(message)):
                    self.forgotten.append(Forgotten(before, asked, told, message))
                    return
            else:
                self._add(Delivery(self.node, position, sender, message, asked, told))
        if length > (self.lengths[-1][1] if self.lengths else 0):
            self.lengths.append((told.index, length))

    def _add(self, delivery: Delivery) -> None:
        self.entries.append(delivery)
        key = key_of(delivery.message)
        first = self.positions.setdefault(key, delivery.position)
        if first != delivery.position:
            self.duplicates.append((self.entries[first], delivery))


def logs_of(history: History) -> dict[str, NodeLog]:
    """Every node's log. ``ValueError`` for an answer that is strange."""
    logs: dict[str, NodeLog] = {}
    reads = [
        (asked, told)
        for asked, told in history.pairs()
        if asked.f in READS and told is not None and told.type == "ok"
    ]
    for asked, told in sorted(reads, key=lambda pair: pair[1].index if pair[1] else 0):
        node = told.node
        if node is None:
            raise ValueError(f"operation {told.index}: it is not known which node answered")
        _check(told)
        log = logs.setdefault(node, NodeLog(node))
        log.take(asked, told)
        if asked.f == "all-delivered":
            messages = (message for _, message in told.value["messages"])
            log.final = {key_of(message): at for at, message in enumerate(messages)}
            log.final_read = (asked, told)
    return dict(sorted(logs.items()))


def _check(told: Operation) -> None:
    value: Any = told.value
    fine = (
        isinstance(value, Mapping)
        and type(value.get("from")) is int
        and type(value.get("length")) is int
        and isinstance(value.get("messages"), list)
        and all(isinstance(each, list) and len(each) == 2 for each in value["messages"])
    )
    if not fine:
        raise ValueError(
            f"operation {told.index}: expected from, length and messages, got {str(value)[:80]}"
        )


@dataclass(frozen=True)
class Sent:
    """A message that a client handed to a node, ``to`` another or to all (``None``)."""

    message: Any
    asked: Operation
    told: Operation | None
    node: str | None
    to: str | None = None

    @property
    def is_acknowledged(self) -> bool:
        """Whether the node promised to deliver it."""
        return self.told is not None and self.told.type == "ok"

    def __str__(self) -> str:
        times = f"at {self.asked.time / 1e9:.3f} s"
        return f"{self.message} (sent by process {self.asked.process} through {self.node} {times})"


def overtaken(sent: list[Sent], log: NodeLog) -> Iterator[tuple[Sent, Sent]]:
    """Pairs of one sender's messages that a node delivered in the wrong order: (first, second).

    The first one was acknowledged before the second was handed over. For each second one that
    first is named which was delivered last.
    """
    events: list[tuple[int, bool, Sent]] = []
    for each in sent:
        events.append((each.asked.index, False, each))
        if each.is_acknowledged and each.told is not None:
            events.append((each.told.index, True, each))
    last: tuple[int, Sent] | None = None
    for _, is_done, each in sorted(events, key=lambda event: event[0]):
        position = log.positions.get(key_of(each.message))
        if position is None:
            continue
        if is_done:
            if last is None or position > last[0]:
                last = (position, each)
        elif last is not None and last[0] > position:
            yield last[1], each


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, …"""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
