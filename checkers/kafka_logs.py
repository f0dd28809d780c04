"""Logs of messages as clients saw them: what was sent, at which offset it is, who polled it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..harness.errors import UserError
from ..harness.history import History
from ..harness.operation import Operation
from .elements import identity
from .tally import shown

BEGINNING = "beginning"


@dataclass(frozen=True)
class Send:
    """One message to one log; ``offset`` where it was acknowledged."""

    invoked: Operation
    completion: Operation | None
    message: Any
    offset: int | None

    @property
    def outcome(self) -> str:
        """``info`` if nobody knows what became of it."""
        return "info" if self.completion is None else self.completion.type

    @property
    def evidence(self) -> int:
        """The index of its completion, or else of its invocation."""
        return self.invoked.index if self.completion is None else self.completion.index


@dataclass
class Log:
    """One key.

    ``at``     by offset, the messages that were seen there (by identity), each with the first
               operation that shows it and the message.
    ``where``  by message, its offsets, each with the first operation that shows it.
    ``polled`` by offset, the first poll that got something there.
    """

    key: str
    sends: list[Send] = field(default_factory=list)
    at: dict[int, dict[Any, tuple[int, Any]]] = field(default_factory=dict)
    where: dict[Any, dict[int, int]] = field(default_factory=dict)
    polled: dict[int, int] = field(default_factory=dict)
    seen: set[Any] = field(default_factory=set)

    def show(self, offset: int, message: Any, index: int) -> None:
        """An operation shows that a message is at an offset."""
        known = identity(message)
        self.at.setdefault(offset, {}).setdefault(known, (index, message))
        self.where.setdefault(known, {}).setdefault(offset, index)

    @cached_property
    def offsets(self) -> list[int]:
        """All that are known to hold something, in order. To be asked when all was shown."""
        return sorted(self.at)

    def between(self, low: int, high: int) -> list[int]:
        """Known offsets strictly between two others."""
        return self.offsets[bisect_right(self.offsets, low) : bisect_left(self.offsets, high)]


@dataclass(frozen=True)
class Poll:
    """What one poll got of one log: ``pairs`` of offset and message, in order."""

    operation: Operation
    pairs: list[tuple[int, Any]]


@dataclass
class Consumer:
    """One process between two assignments, on one log.

    ``from_beginning_at`` is the index of the invocation that assigned it from offset 0, if so.
    ``ended`` whether the last poll, which was asked for this log, got nothing of it.
    """

    key: str
    from_beginning_at: int | None
    polls: list[Poll] = field(default_factory=list)
    ended: Operation | None = None


@dataclass
class Everything:
    """All logs, and all consumers in the order of their assignments."""

    logs: dict[str, Log] = field(default_factory=dict)
    consumers: list[Consumer] = field(default_factory=list)
    polls: int = 0

    def log(self, key: Any) -> Log:
        """The log of a key; made if there was none."""
        return self.logs.setdefault(str(key), Log(str(key)))


def read(history: History) -> Everything:
    """Collect. ``UserError`` names an operation whose value has another shape."""
    found = Everything()
    assigned: dict[Any, dict[str, Consumer]] = {}
    for invoked, completion in history.pairs():
        if invoked.f == "send":
            key, *_ = _list(invoked, invoked.value, 2)
            found.log(key).sends.append(_send(invoked, completion))
    for operation in history:
        if operation.type != "ok" or operation.f not in ("assign", "poll"):
            continue
        mine = assigned.setdefault(operation.process, {})
        if operation.f == "assign":
            mine.clear()
            mine.update(_assigned(history, operation))
            found.consumers += mine.values()
        else:
            found.polls += 1
            _poll(found, mine, operation)
    for log in found.logs.values():
        for send in log.sends:
            if send.offset is not None:
                log.show(send.offset, send.message, send.evidence)
    return found


def _send(invoked: Operation, completion: Operation | None) -> Send:
    _, message = _list(invoked, invoked.value, 2)
    offset = None
    if completion is not None and completion.type == "ok":
        _, _, offset = _list(completion, completion.value, 3)
        if type(offset) is not int:
            raise _odd(completion, "a whole number as offset", offset)
    return Send(invoked, completion, message, offset)


def _assigned(history: History, operation: Operation) -> Iterator[tuple[str, Consumer]]:
    value = operation.value
    if not isinstance(value, dict) or not isinstance(value.get("keys"), list):
        raise _odd(operation, 'an object with "keys", a list', value)
    invoked = history.completion(operation.index)
    begun = operation.index if invoked is None else invoked.index
    begins = begun if value.get("from") == BEGINNING else None
    for key in value["keys"]:
        yield str(key), Consumer(str(key), begins)


def _poll(found: Everything, mine: dict[str, Consumer], operation: Operation) -> None:
    if not isinstance(operation.value, dict):
        raise _odd(operation, "an object from key to [[offset, message], …]", operation.value)
    got = {str(key): value for key, value in operation.value.items()}
    for key, value in got.items():
        pairs = []
        if not isinstance(value, list):
            raise _odd(operation, "a list of [offset, message]", value)
        for pair in value:
            offset, message = _list(operation, pair, 2)
            if type(offset) is not int:
                raise _odd(operation, "a whole number as offset", offset)
            pairs.append((offset, message))
        log = found.log(key)
        for offset, message in pairs:
            log.show(offset, message, operation.index)
            log.polled.setdefault(offset, operation.index)
            log.seen.add(identity(message))
        consumer = mine.get(key)
        if consumer is None:
            consumer = mine[key] = Consumer(key, None)
            found.consumers.append(consumer)
        if pairs:
            consumer.polls.append(Poll(operation, pairs))
    for key, consumer in mine.items():
        consumer.ended = None if got.get(key) else operation


def _list(operation: Operation, value: Any, length: int) -> list[Any]:
    if not isinstance(value, list | tuple) or len(value) != length:
        raise _odd(operation, f"a list of {length}", value)
    return list(value)


def _odd(operation: Operation, expected: str, got: Any) -> UserError:
    return UserError(
        f"operation {operation.index}, {operation.type} {operation.f}: expected {expected}, got "
        f"{shown(got)}"
    )
