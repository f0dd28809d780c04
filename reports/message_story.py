"""Which messages made the calls of an anomaly what they were, and their story in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import micro_operations, words
from .call_words import About
from .story import Step
from .trace_window import TracedMessage
from .witnesses import Pair

STEPS_MAX, FIRST_STEPS = 13, 4
TOGETHER_NS = 300_000_000
"""Messages of one kind that were sent so soon one after another are told as one step."""

SUBJECTS = ("txn", "instance", "lock", "name", "session")
"""Fields by which a message says what it is about."""

QUESTIONS = (
    "state",
    "states",
    "suspects",
    "delivered",
    "status",
    "put",
    "get",
    "final",
    "all-delivered",
    "outstanding",
    "recovered",
)
"""Functions by which a node is asked what it knows itself, or what it alone keeps."""

READS = ("read", "drain", "dequeue")

TELLING = ("term", "ballot", "view", "yes", "granted", "success", "outcome", "state", "refused")
"""Fields of a message that are told with it."""


def of_the_story(
    messages: Sequence[TracedMessage],
    calls: Sequence[Pair],
    process_of: Mapping[str, Any],
    origin: int,
    about: About,
    nodes: set[str],
) -> list[int]:
    """For each message 1 if it is part of it: requests of the calls and what these caused while
    the call lasted; answers, with what led to them since the call began; and what nodes told each
    other about what the anomaly is about."""
    last = max((b or a).time for a, b in calls) + origin
    spans: dict[Any, list[tuple[int, int]]] = {}
    for invocation, completion in calls:
        ended = last if completion is None else completion.time + origin
        # Times of the history are cut to whole ns, those of the trace are rounded.
        spans.setdefault(invocation.process, []).append((invocation.time + origin - 1, ended + 1))

    def call_of(client: str, time: int | None) -> tuple[int, int] | None:
        own = spans.get(process_of.get(client), ())
        return next((s for s in own if time is not None and s[0] <= time <= s[1]), None)

    until: dict[int, int] = {}  # of messages that a call brought about: when the call ended
    chosen: set[int] = set()
    for message in messages:
        asked = call_of(message.source, message.sent)
        ends = asked[1] if asked else until.get(id(message.cause), -1)
        if message.sent <= ends:
            until[id(message)] = ends
            chosen.add(id(message))
        answered = call_of(message.dest, message.end)
        before: TracedMessage | None = message
        while answered and before is not None and before.sent >= answered[0]:
            chosen.add(id(before))
            before = before.cause
    for message in messages:
        if {message.source, message.dest} <= nodes and _mentions(message.body, about.key):
            chosen.add(id(message))
    return [int(id(message) in chosen) for message in messages]


def _mentions(body: Any, key: Any) -> bool:
    if key is None or isinstance(key, bool) or not isinstance(body, Mapping):
        return False
    return any(name in body and body[name] == key for name in SUBJECTS)


@dataclass
class _Group:
    """Messages of one kind from one node, or to one node, told as one."""

    kind: str
    gist: str
    messages: list[TracedMessage] = field(default_factory=list)

    def takes(self, message: TracedMessage) -> bool:
        """Whether it is from the same node as all of these, or to the same."""
        if message.sent - self.messages[-1].sent > TOGETHER_NS:
            return False
        return self._common("source", message) or self._common("dest", message)

    def _common(self, end: str, *more: TracedMessage) -> bool:
        return len({getattr(m, end) for m in (*self.messages, *more)}) == 1

    def step(self, origin: int) -> Step:
        """``n1 sent prepare to n2 and n3 (n3: lost, partition)``."""
        sources = list(dict.fromkeys(m.source for m in self.messages))
        dests = list(dict.fromkeys(m.dest for m in self.messages))
        sent = len({m.id for m in self.messages})
        often = f", {sent} times in all" if sent > len(sources) * len(dests) else ""
        if len(self.messages) > sent:
            often += f"; {words.count(len(self.messages) - sent, 'doubled copy', 'doubled copies')}"
        what = f"{self.kind} ({self.gist})" if self.gist else self.kind
        text = f"{words.names(sources)} sent {what} to {words.names(dests)}{often}{self._lost()}"
        begin = min(m.sent for m in self.messages) - origin
        arrived = [m.end for m in self.messages if m.end is not None]
        end = max(arrived) - origin if arrived else None
        return Step(begin, "messages", text, end)

    def _lost(self) -> str:
        lost = [m for m in self.messages if m.why]
        if not lost:
            return ""
        whys = words.names(sorted({m.why for m in lost}), 3)
        if len(lost) == len(self.messages):
            return f"; lost ({whys})" if len(lost) == 1 else f"; all lost ({whys})"
        sources, dests = ({getattr(m, end) for m in lost} for end in ("source", "dest"))
        one_source = self._common("source")
        ends = sorted(dests if one_source else sources)
        where = "to" if one_source else "from"
        return f"; lost {where} {words.names(ends)} ({whys})"


def steps(messages: Sequence[TracedMessage], nodes: set[str], origin: int) -> list[Step]:
    """What nodes said to each other, in order; of a long talk both ends. ``messages`` are those of
    the story, by time of sending; times of steps are those of the history."""
    groups: list[_Group] = []
    open_ones: dict[tuple[str, str], _Group] = {}
    for message in messages:
        if not {message.source, message.dest} <= nodes or not isinstance(message.body, Mapping):
            continue
        kind, gist = words.line(str(message.body.get("type", "a message")), 40), _gist(message.body)
        group = open_ones.get((kind, gist))
        if group is None or not group.takes(message):
            group = open_ones[kind, gist] = _Group(kind, gist, [message])
            groups.append(group)
        else:
            group.messages.append(message)
    left_out = len(groups) - STEPS_MAX
    if left_out <= 1:
        return [group.step(origin) for group in groups]
    first = [group.step(origin) for group in groups[:FIRST_STEPS]]
    last = [group.step(origin) for group in groups[FIRST_STEPS - STEPS_MAX :]]
    between = f"… {left_out} more exchanges, in the diagram below …"
    return [*first, Step(last[0].time - 1, "messages", between), *last]


def answered_alone(
    messages: Sequence[TracedMessage],
    call: Pair,
    process_of: Mapping[str, Any],
    origin: int,
    roles: Mapping[str, str],
) -> Step | None:
    """That a node answered a call without a word to or from another node, if it did so. ``roles``:
    what each had last said of itself by then."""
    invocation, completion = call
    if completion is None or completion.type != "ok":
        return None
    begin, end = invocation.time + origin - 1, completion.time + origin + 1
    mine = [
        m for m in messages if m.end is not None and begin <= m.sent and m.end <= end and not m.why
    ]
    asked = [m for m in mine if process_of.get(m.source) == invocation.process]
    answers = [m for m in mine if process_of.get(m.dest) == invocation.process]
    if not answers or not any(answers[-1].cause is each for each in asked):
        return None
    node = answers[-1].source
    if invocation.f in QUESTIONS:
        return None
    if node in roles:
        node += f" (which had last said “{roles[node]}”)"
    mops = micro_operations.listed(invocation.value)
    if invocation.f in READS or (mops and all(mop[0] in ("r", "read") for mop in mops)):
        text = f"{node} answered from what it had itself: no other node was asked in between"
    else:
        text = f"{node} acknowledged it at once, before any other node could have answered"
    return Step(answers[-1].sent - origin, "messages", text)


def _gist(body: Mapping[str, Any]) -> str:
    parts = []
    for name in TELLING:
        given = body.get(name)
        if name == "yes" and isinstance(given, bool):
            parts.append("yes" if given else "no")
        elif isinstance(given, bool):
            parts.append(name if given else f"not {name}")
        elif isinstance(given, str | int | float):
            parts.append(words.line(f"{name} {given}", 40))
    return ", ".join(parts[:3])
