"""What subscribers of a lock service were told, and whether it was all and had happened.

Source: M. Burrows, "The Chubby lock service for loosely-coupled distributed systems", OSDI 2006,
§2.5: "Events are delivered after the corresponding action has taken place."

``subscribe`` (the key is a file or a lock) and ``hear``, which completes with ``{"events": [[kind,
node, value], …]}``: all that was done before ``hear`` was asked and not told to this session
before. ``["failed-over", null, null]`` tells that what happened lately may be missing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from typing import Any

from ..harness.operation import Operation
from ..harness.verdict import Anomaly
from .lock_history import Pair, at, encode, told
from .tally import Tally, shown, who

FAILED_OVER = "failed-over"

KINDS = {
    "write": "modified",
    "announce": "added",
    "acquire": "acquired",
    "claim": "acquired",
    "release": "freed",
}
"""The event that each change makes."""

Call = tuple[Operation, Operation]
"""An operation that was ok."""

Told = tuple[str, bytes, bytes]
"""The kind of an event, and its file or lock and its value as bytes."""


class LockEvents:
    """The subscriptions, changes and events of a history.

    Adds ``lost-event`` (a change was acknowledged after the subscription and before ``hear`` was
    asked, and neither it nor a fail-over was told) and ``phantom-event`` (what nobody had done, or
    what definitely failed, was told) to a tally.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.subscriptions: dict[tuple[bytes, bytes], Call] = {}
        self.hears: dict[bytes, list[Call]] = {}
        self._changes: dict[bytes, list[tuple[Told, Call]]] = {}
        self._tried: dict[Told, Pair] = {}
        for invoked, completion in pairs:
            if invoked.f in ("write", "announce"):
                self._tried[_told(invoked.f, invoked.key, _value(invoked))] = invoked, completion
            if completion is not None and completion.type == "ok":
                self._take((invoked, completion))

    def _take(self, call: Call) -> None:
        invoked, completion = call
        session = encode(told(completion).get("session"))
        if invoked.f == "subscribe":
            self.subscriptions.setdefault((session, encode(invoked.key)), call)
        elif invoked.f == "hear":
            self.hears.setdefault(session, []).append(call)
        elif invoked.f in KINDS:
            value = _value(completion)
            if value is not None:
                change = _told(invoked.f, invoked.key, value)
                self._changes.setdefault(change[1], []).append((change, call))

    def events(self) -> list[tuple[Any, Any, Any, Call]]:
        """Kind, file or lock, and value of every event, with the ``hear`` that told it."""
        return [
            (event[0], event[1], event[2], call)
            for calls in self.hears.values()
            for call in calls
            for event in _events(call)
        ]

    def judge(self, tally: Tally) -> dict[str, int]:
        """Add what is wrong to a tally; statistics."""
        for kind, node, value, call in self.events():
            if kind in ("modified", "added"):
                tried = self._tried.get((kind, encode(node), encode(value)))
                if tried is None or tried[0].index > call[1].index or _has_failed(tried):
                    event = (kind, node, value)
                    tally.add("phantom-event", partial(_phantom, event, tried, call))
        judged = 0
        for (session, node), subscribed in self.subscriptions.items():
            judged += self._judge(tally, subscribed, self.hears.get(session, []), node)
        return {
            "subscriptions": len(self.subscriptions),
            "events": len(self.events()),
            "changes_to_be_told": judged,
        }

    def _judge(self, tally: Tally, subscribed: Call, hears: Sequence[Call], node: bytes) -> int:
        """One session and one file or lock; how many changes had to be told."""
        hears = sorted(hears, key=lambda call: call[1].index)
        asked = [invoked.index for invoked, _ in hears]
        first: dict[Told, int] = {}
        fail_overs = []
        for position, call in enumerate(hears):
            for kind, of, value in _events(call):
                first.setdefault((kind, encode(of), encode(value)), position)
                if kind == FAILED_OVER:
                    fail_overs.append(position)
        judged = 0
        for change, (invoked, completion) in self._changes.get(node, ()):
            position = bisect_right(asked, completion.index)
            if invoked.index < subscribed[1].index or position == len(hears):
                continue
            judged += 1
            is_excused = any(
                at_hear <= position and hears[at_hear][1].index > invoked.index
                for at_hear in fail_overs
            )
            if first.get(change, len(hears)) > position and not is_excused:
                calls = (subscribed, (invoked, completion), hears[position])
                tally.add("lost-event", partial(_lost, *calls))
        return judged


def _value(operation: Operation) -> Any:
    fields = told(operation)
    return fields.get("sequencer" if operation.f in ("acquire", "claim", "release") else "value")


def _told(f: str, key: Any, value: Any) -> Told:
    return KINDS[f], encode(key), encode(value)


def _events(call: Call) -> list[Any]:
    events = told(call[1]).get("events")
    whole = events if isinstance(events, list) else []
    return [each for each in whole if isinstance(each, list) and len(each) == 3]


def _has_failed(pair: Pair) -> bool:
    return pair[1] is not None and pair[1].type == "fail"


def _lost(subscribed: Call, change: Call, hear: Call) -> Anomaly:
    invoked, completion = change
    text = (
        f"{who(subscribed[0].process).capitalize()} had asked to be told of what happens to "
        f"{shown(invoked.key)} ({at(subscribed[1])}). Then {who(invoked.process)}'s {invoked.f} of "
        f"{shown(_value(completion))} was acknowledged ({at(completion)}); but when "
        f"{who(hear[0].process)} asked later what was new ({at(hear[0])}), it was told neither of "
        "that nor of a fail-over."
    )
    indices = sorted({subscribed[0].index, invoked.index, hear[0].index})
    return Anomaly("lost-event", text, indices, key=invoked.key)


def _phantom(event: tuple[Any, Any, Any], tried: Pair | None, call: Call) -> Anomaly:
    kind, node, value = event
    text = (
        f"{who(call[0].process).capitalize()} was told that {shown(node)} was {kind}, with "
        f"{shown(value)} ({at(call[1])}), "
    )
    indices = [call[0].index]
    if tried is None:
        text += "which nobody had asked for."
    else:
        indices.append(tried[0].index)
        late = tried[0].index > call[1].index
        text += f"which {who(tried[0].process)} " + (
            f"asked for only later ({at(tried[0])})." if late else "was told had failed."
        )
    return Anomaly("phantom-event", text, sorted(indices), key=node)
