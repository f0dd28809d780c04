"""Where a message was sent, and where and in which order it was delivered: a line for each node.

From what clients sent and from what nodes told of their logs. A node tells only what it has
delivered by then, so that the moment of a delivery is known as the answer that told of it first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly
from . import call_words, tracks, words
from .statistics import Statistics
from .tracks import Drawing, Link, Moment, Row, Stretch
from .witnesses import Pair, calls_near, completions_of, evidence_calls

SENDS, LOGS, LAST = ("send", "broadcast"), ("delivered", "all-delivered"), "all-delivered"
MESSAGES_MAX, DELIVERIES_MAX = 4, 40

CAPTION = (
    "A line for each node. ▷ a client handed it the message to send; ▼ the message was in its log, "
    "as one of its answers tells first, with its place there. Lines lead from where a message was "
    "sent to where it was delivered, a broken one to where it was not. Of what one answer tells "
    "the order is that of the log. Time is stretched where much happens."
)
LEGEND = [("held", "has delivered it"), ("missing", "has not, asked at last")]


@dataclass(frozen=True)
class Delivered:
    """A node's log had a message at ``position`` (from 0), as an answer told first at ``told``;
    an answer of ``since`` did not have it yet. Times in ns."""

    node: str
    message: Any
    position: int
    since: int
    told: int
    index: int


@dataclass(frozen=True)
class Sent:
    """A message that was handed to a node, for ``to`` or for all (empty)."""

    node: str
    message: Any
    to: str
    time: int
    index: int
    said: str


def drawing(
    history: History, anomaly: Anomaly, figures: Statistics, nodes: Sequence[str]
) -> Drawing | None:
    """The drawing of an anomaly about messages and logs; ``None`` if it is about something else."""
    evidence = evidence_calls(history, anomaly)
    if not any(a.f in (*SENDS, *LOGS) for a, _ in evidence):
        return None
    given = anomaly.details.get("elements")
    messages = [each.message for each in _sent(evidence)]
    messages += given if isinstance(given, list) else []
    wanted = [m for at, m in enumerate(messages) if m not in messages[:at]][:MESSAGES_MAX]
    if not wanted:
        return None
    sent = [each for each in _sent(calls_near(history, evidence, SENDS)) if each.message in wanted]
    asked = calls_near(history, evidence, LOGS)
    known = {a.index for a, _ in asked}
    last = [(history.completion(at), history[at]) for at in completions_of(history, (LAST,))]
    asked += [(a, b) for a, b in last if a is not None and a.index not in known]
    found = sorted(_delivered(asked, wanted), key=lambda d: (d.told, d.node, d.position))
    rows = {node: Row(node) for node in nodes}
    own = set(anomaly.operations)
    places = _places(found, figures)
    times = [s.time for s in sent] + list(places.values())
    times += [o.time for a, b in evidence if a.f in LOGS for o in (b or a,)]
    if not times:
        return None
    begin, end = min(times), max(times)
    for each in sent:
        if each.node in rows:
            to = f" to {each.to}" if each.to else ""
            label = f"sends {words.plain(each.message, 14)}{to}"
            moment = Moment(each.time, "sent", label, each.said, each.index)
            rows[each.node].moments.append(moment)
    wrong = _wrong(anomaly, found, sent, own)
    for each in found[:DELIVERIES_MAX]:
        if each.node in rows:
            kind = "delivered evidence" if id(each) in wrong else "delivered"
            rows[each.node].moments.append(_moment(each, kind, places[id(each)]))
    links = _links(list(rows), sent, found, places, wrong)
    if len(wanted) == 1:
        links += _held(rows, _last_logs(last, wanted[0]), sent, found, places, end)
    for node, row in rows.items():
        row.stretches += tracks.down(node, figures.faults, begin, end, figures.duration_ns)
        row.moments.sort(key=lambda moment: moment.time)
    shown = words.names([words.plain(message, 20) for message in wanted])
    noun = "message" if len(wanted) == 1 else "messages"
    title = f"Where {noun} {shown} went"
    legend = list(LEGEND) if len(wanted) == 1 else []
    if any(s.kind == "down" for row in rows.values() for s in row.stretches):
        legend.append(("down", "not running"))
    return Drawing(title, CAPTION, list(rows.values()), [], legend, links=links)


def _sent(evidence: Sequence[Pair]) -> Iterator[Sent]:
    for invocation, completion in evidence:
        if invocation.f not in SENDS:
            continue
        asked = invocation.value
        is_object = isinstance(asked, Mapping)
        message = asked.get("message") if is_object else asked
        done = completion or invocation
        answer = done.value if isinstance(done.value, Mapping) else {}
        to = answer.get("to", asked.get("to", "")) if is_object else ""
        said = words.line(call_words.sentence(invocation, completion), 300)
        node = words.line(str(done.node or invocation.node or ""), 60)
        where = words.line(str(to), 20) if isinstance(to, str) else ""
        yield Sent(node, message, where, invocation.time, invocation.index, said)


def _delivered(asked: Sequence[Pair], wanted: Sequence[Any]) -> Iterator[Delivered]:
    """Each place of each message in each log, as it was told first."""
    ended = [(a, b) for a, b in asked if b is not None and b.type == "ok" and b.node]
    since: dict[str, int] = {}
    seen: set[tuple[str, int, int]] = set()
    for invocation, completion in sorted(ended, key=lambda pair: pair[1].index):  # type: ignore[union-attr]
        assert completion is not None
        node = str(completion.node)
        for position, message in _entries(completion):
            if message not in wanted:
                continue
            place = (node, position, wanted.index(message))
            if place not in seen:
                seen.add(place)
                before = since.get(node, invocation.time)
                yield Delivered(node, message, position, before, completion.time, invocation.index)
        since[node] = max(since.get(node, 0), invocation.time)


def _entries(completion: Operation) -> Iterator[tuple[int, Any]]:
    value = completion.value if isinstance(completion.value, Mapping) else {}
    start, messages = value.get("from"), value.get("messages")
    if not isinstance(start, int) or isinstance(start, bool) or not isinstance(messages, list):
        return
    for position, each in enumerate(messages, start):
        if isinstance(each, list) and len(each) == 2:
            yield position, each[1]


def _places(found: Sequence[Delivered], figures: Statistics) -> dict[int, int]:
    """When each is drawn (ns, by ``id``): as it was told, but of several that one answer told in
    the order of the log, between that answer and the one before, when the node ran again."""
    groups: dict[tuple[str, int], list[Delivered]] = {}
    for each in found:
        groups.setdefault((each.node, each.told), []).append(each)
    times: dict[int, int] = {}
    for (node, told), mine in groups.items():
        mine.sort(key=lambda each: each.position)
        ends = [w.end(told) for w in figures.faults if w.kind in tracks.DOWN and node in w.targets]
        begin = max([each.since for each in mine] + [end for end in ends if end < told])
        for number, each in enumerate(mine, 1):
            times[id(each)] = begin + (told - begin) * number // len(mine)
    return times


def _wrong(
    anomaly: Anomaly, found: Sequence[Delivered], sent: Sequence[Sent], own: set[int]
) -> set[int]:
    """The deliveries (by ``id``) that should not have been as they were: those that the evidence
    read, of a message that came twice the later ones, of two in the wrong order the first."""
    mine = [each for each in found if each.index in own] or list(found)
    if len({each.node for each in mine}) > 1 and sent:
        # Of several logs the one in which it is wrong was read last of all.
        last = max(mine, key=lambda each: (each.index, each.told)).node
        mine = [each for each in mine if each.node == last]
    name = anomaly.name
    if name == "duplicate":
        return {id(d) for d in mine for e in mine if e.node == d.node and e.position < d.position}
    if name in ("misdelivery", "phantom", "forgotten-delivery"):
        return {id(each) for each in mine}
    if name in ("reordered", "fifo-order", "causal-order") and mine:
        return {id(min(mine, key=lambda each: each.position))}
    return set()


def _moment(each: Delivered, kind: str, time: int) -> Moment:
    message, place = words.plain(each.message, 14), words.ordinal(each.position + 1)
    said = f"{each.node} told that {message} is the {place} message in its log"
    return Moment(time, kind, f"{message} as its {place}", words.line(said, 300), each.index)


def _links(
    nodes: Sequence[str],
    sent: Sequence[Sent],
    found: Sequence[Delivered],
    places: Mapping[int, int],
    wrong: set[int],
) -> list[Link]:
    links = []
    for each in found[:DELIVERIES_MAX]:
        origin = next((s for s in sent if s.message == each.message and s.node in nodes), None)
        if origin is None or each.node not in nodes or origin.node == each.node:
            continue
        kind = "evidence" if id(each) in wrong else ""
        at = places[id(each)]
        links.append(Link(nodes.index(origin.node), origin.time, nodes.index(each.node), at, kind))
    return links


def _last_logs(last: Sequence[tuple[Any, Operation]], message: Any) -> dict[str, tuple[Any, Any]]:
    """By node, the last answer with its whole log, and whether the message was in it."""
    found: dict[str, tuple[Any, Any]] = {}
    for _, completion in last:
        if completion.node:
            held = any(each == message for _, each in _entries(completion))
            found[str(completion.node)] = (completion, held)
    return found


def _held(
    rows: Mapping[str, Row],
    last: Mapping[str, tuple[Any, Any]],
    sent: Sequence[Sent],
    found: Sequence[Delivered],
    places: Mapping[int, int],
    end: int,
) -> list[Link]:
    """Of one message, since when each node has it, or that it has it not in the end."""
    nodes, links = list(rows), []
    origin = next((each for each in sent if each.node in rows), None)
    wanted = {origin.to} if origin is not None and origin.to else set(nodes)
    for node, row in rows.items():
        mine = [each for each in found if each.node == node]
        if mine:
            first = min(places[id(each)] for each in mine)
            text = f"{node} has delivered it"
            row.stretches.append(Stretch(first, max(end, first + 1), "held", "", text))
        if node in last and not last[node][1] and node in wanted:
            told = last[node][0]
            said = f"{node} was asked for its whole log in the end, and it is not in it"
            moment = Moment(told.time, "missing evidence", "not in its log", said, told.index)
            row.moments.append(moment)
            if origin is not None and origin.node != node:
                start, end_row = nodes.index(origin.node), nodes.index(node)
                links.append(Link(start, origin.time, end_row, told.time, "missing"))
    return links
