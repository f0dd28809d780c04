"""Chooses what a space-time diagram shows of an anomaly: the messages around its calls.

After Lamport (*Time, Clocks, and the Ordering of Events in a Distributed System*, 1978): a line
for each process, an arrow for each message. ``assets/space_time.js`` draws it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..harness.cluster.connection import PROBE
from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly
from . import evidence, story, trace_window, words
from .run_folder import NodeLog, Run
from .statistics import FaultWindow, Statistics
from .trace_window import Stretch, TracedMessage

MESSAGES_MAX = 4000
CLIENT_LANES_MAX = 8
NOTES_MAX = 300
TYPES_MAX = 40
BODY_LENGTH = 160
PAD_NS = 5_000_000
SPAN_MAX_NS, MOMENTS_MAX = 6_000_000_000, 12
"""Of a longer window only what is near to so many moments (begins and ends of calls) is read."""

BEFORE_MAX_NS = 2_000_000_000
"""A fault before the evidence is shown if it began at most so long before."""

OTHERS = "other clients"

_LOG_LINE = re.compile(r"^(\d+\.\d+) (\S+) (.*)$", re.MULTILINE)
_ROLES = re.compile(r"\b(lead\w*|candidate|elect\w*|primary|coordinator|view \d|promot\w*)", re.I)

Calls = list[tuple[Operation, Operation | None]]


def diagram(
    run: Run, anomaly: Anomaly, figures: Statistics, limit: int = MESSAGES_MAX
) -> dict[str, Any] | None:
    """Plain data for the drawing; ``None`` where there is no trace or the anomaly names no call.

    Times are ns after ``begin``, which is in history time. ``messages`` is columns of equal length:
    ``from`` and ``to`` (lanes), ``sent``, ``end`` (-1: unknown), ``type`` (of ``types``), ``why``
    (of ``whys``; 0: it arrived), ``cause`` (a message, or -1), ``story`` (1: a call of the anomaly
    brought it about) and ``body``. ``gaps`` are spans of which not all messages are among them.
    """
    path, origin = run.folder / "messages.jsonl", run.spec.get("history_origin_ns")
    calls = story.evidence_calls(run.history, anomaly)[-evidence.EVIDENCE_MAX :]
    if origin is None or not calls or not path.is_file():
        return None
    focus = _focus(calls)
    shown = _faults(figures.faults, *focus, figures.duration_ns)
    begin = min([focus[0], *(max(w.start, focus[0] - BEFORE_MAX_NS) for w in shown)]) - PAD_NS
    begin = max(begin, -origin)
    moments = sorted({o.time + origin for call in calls for o in call if o is not None})
    pieces = _pieces(moments, begin + origin, focus[1] + origin)
    try:
        stretch = trace_window.read_pieces(path, pieces)
    except OSError:
        return None
    under_way = [m for m in stretch.messages if PROBE not in (m.source, m.dest)]
    messages, pieces = _nearest(under_way, moments, limit, pieces)
    if not messages:
        return None
    lanes = _Lanes(run, calls, stretch, messages, origin)
    at = begin + origin
    return {
        "begin": begin,
        "end": focus[1] - begin,
        "focus": [max(0, focus[0] - begin), focus[1] - begin],
        "lanes": lanes.told(_roles_before(run.logs, at)),
        **_columns(messages, lanes, at, _of_the_story(messages, calls, lanes, origin)),
        "calls": _calls(calls, story.stuck_call(run.history, anomaly), lanes, begin),
        "marks": _marks(stretch, run.logs, lanes, at, focus[1] + origin),
        "faults": [_fault(w, run.nodes, lanes, begin, figures.duration_ns) for w in shown],
        "gaps": [[a - at, b - at] for a, b in _between(pieces, begin + origin, focus[1] + origin)],
        "is_whole": stretch.is_whole,
    }


def _pieces(moments: list[int], begin: int, end: int) -> list[tuple[int, int]]:
    """The spans to read: all of a short window, of a long one what is near to the last moments."""
    if end - begin <= SPAN_MAX_NS:
        return [(begin, end)]
    half = SPAN_MAX_NS // (2 * MOMENTS_MAX)
    return _joined([(m - half, m + half) for m in moments[-MOMENTS_MAX:]], begin, end)


def _joined(spans: Iterable[tuple[int, int]], begin: int, end: int) -> list[tuple[int, int]]:
    """Spans in order, those that touch as one, cut to a window."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted((max(a, begin), min(b, end)) for a, b in spans):
        if low >= high:
            continue
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def _between(pieces: Sequence[tuple[int, int]], begin: int, end: int) -> list[tuple[int, int]]:
    """What of a window lies in none of the pieces."""
    edges = [begin, *(edge for piece in pieces for edge in piece), end]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def _nearest(
    messages: list[TracedMessage],
    moments: list[int],
    limit: int,
    pieces: list[tuple[int, int]],
) -> tuple[list[TracedMessage], list[tuple[int, int]]]:
    """The messages nearest to where calls began and ended, and the spans of which all are
    among them."""
    if len(messages) <= limit:
        return messages, pieces

    def distance(message: TracedMessage) -> int:
        ends = (message.sent, message.sent if message.end is None else message.end)
        near: list[int] = []
        for time in ends:
            at = bisect_left(moments, time)
            near += (abs(time - moments[i]) for i in (at - 1, at) if 0 <= i < len(moments))
        return min(near)

    far = sorted(distance(m) for m in messages)[limit]
    kept = [m for m in messages if distance(m) < far]
    spans = [(max(low, m - far), min(high, m + far)) for m in moments for low, high in pieces]
    return kept, _joined(spans, pieces[0][0], pieces[-1][1])


def _focus(calls: Calls) -> tuple[int, int]:
    start = min(a.time for a, _ in calls)
    end = max((b or a).time for a, b in calls)
    pad = min(max((end - start) // 5, PAD_NS), 100 * PAD_NS)
    return start - pad, end + pad


def _faults(faults: Sequence[FaultWindow], begin: int, end: int, last: int) -> list[FaultWindow]:
    """Those that were active in the window, else the last one shortly before it."""
    active = [w for w in faults if w.injecting <= end and w.end(last) >= begin]
    if active:
        return active
    before = [w for w in faults if w.injecting <= end and begin - w.end(last) <= BEFORE_MAX_NS]
    return before[-1:]


class _Lanes:
    """Who has a line of their own: nodes, clients of the evidence, then other clients."""

    def __init__(
        self,
        run: Run,
        calls: Calls,
        stretch: Stretch,
        messages: Sequence[TracedMessage],
        origin: int,
    ) -> None:
        nodes = list(run.nodes)
        ends = dict.fromkeys(end for m in messages for end in (m.source, m.dest))
        # Programs that run on nodes under names of their own would be mistaken for clients.
        known = set(nodes) | {e.at for e in stretch.events}
        nodes += [end for end in ends if end in known and end not in nodes]
        clients = [end for end in ends if end not in known]
        self.process_of = _processes(run.history, stretch.around, set(nodes), origin)
        wanted = {a.process for a, _ in calls}
        mine = [c for c in clients if self.process_of.get(c) in wanted]
        mine = mine[:CLIENT_LANES_MAX]
        # The others share a line: what they do is rarely part of the story.
        drawn = mine if len(clients) - len(mine) > 1 else clients
        self.nodes = nodes
        self.names = drawn + ([OTHERS] if len(drawn) < len(clients) else []) + nodes
        self._at = {name: lane for lane, name in enumerate(self.names)}
        self._other = self._at.get(OTHERS, -1)
        self._of_process = {
            process: self._at[client]
            for client, process in self.process_of.items()
            if client in self._at
        }

    def of(self, name: str) -> int:
        """The lane of a node or a client."""
        return self._at.get(name, self._other)

    def of_process(self, process: Any) -> int | None:
        """The lane of a process of the history, if it has one."""
        return self._of_process.get(process)

    def told(self, roles: dict[str, str]) -> list[dict[str, str]]:
        """What stands at the left of each."""
        told = []
        for name in self.names:
            process = self.process_of.get(name)
            is_node = name in self.nodes
            told.append(
                {
                    "name": words.line(name if process is None else f"process {process}", 24),
                    "kind": "node" if is_node else "others" if name == OTHERS else "client",
                    "note": roles.get(name, "")
                    if is_node
                    else ("" if process is None else words.line(f"client {name}", 24)),
                }
            )
        return told


def _processes(
    history: History, messages: Iterable[TracedMessage], nodes: set[str], origin: int
) -> dict[str, Any]:
    """The process of each client: the one whose calls begin when that client sends.

    A client sends at the moment of the invocation, unless it has to connect first.
    """
    sends = [(m.sent - origin, m.source) for m in messages if m.source not in nodes]
    if not sends:
        return {}
    columns = history.columns()
    votes: dict[str, Counter[Any]] = {}
    times = [time for time, _ in sends]
    low, high = columns.time.searchsorted([min(times) - 2, max(times) + 2])
    began: dict[int, list[Any]] = {}
    for at in range(int(low), int(high)):
        operation = history[at]
        if operation.type == "invoke":
            for time in (operation.time, operation.time + 1):  # it was cut to whole ns
                began.setdefault(time, []).append(operation.process)
    for time, client in sends:
        for process in began.get(time, ()):
            votes.setdefault(client, Counter())[process] += 1
    return {client: count.most_common(1)[0][0] for client, count in votes.items()}


def _of_the_story(
    messages: Sequence[TracedMessage], calls: Calls, lanes: _Lanes, origin: int
) -> list[int]:
    """Which messages made the calls what they were: their requests and what these caused while the
    call lasted; and the answers, with what led to them since the call began."""
    last = max((b or a).time for a, b in calls) + origin
    spans: dict[Any, list[tuple[int, int]]] = {}
    for invocation, completion in calls:
        ended = last if completion is None else completion.time + origin
        # Times of the history are cut to whole ns, those of the trace are rounded.
        spans.setdefault(invocation.process, []).append((invocation.time + origin - 1, ended + 1))

    def call_of(client: str, time: int | None) -> tuple[int, int] | None:
        own = spans.get(lanes.process_of.get(client), ())
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
    return [int(id(message) in chosen) for message in messages]


def _columns(
    messages: Sequence[TracedMessage], lanes: _Lanes, at: int, story: list[int]
) -> dict[str, Any]:
    kinds = [_type(m.body) for m in messages]
    types = [name for name, _ in Counter(kinds).most_common(TYPES_MAX)]
    if len(set(kinds)) > TYPES_MAX:
        types.append("other")
    of_type = {name: code for code, name in enumerate(types)}
    whys = ["", *sorted({m.why for m in messages if m.why})]
    place = {id(m): number for number, m in enumerate(messages)}
    return {
        "types": [words.line(name, 40) for name in types],
        "whys": [words.line(why, 40) for why in whys],
        "messages": {
            "from": [lanes.of(m.source) for m in messages],
            "to": [lanes.of(m.dest) for m in messages],
            "sent": [m.sent - at for m in messages],
            "end": [-1 if m.end is None else m.end - at for m in messages],
            "type": [of_type.get(kind, len(types) - 1) for kind in kinds],
            "why": [whys.index(m.why) for m in messages],
            "cause": [-1 if m.cause is None else place.get(id(m.cause), -1) for m in messages],
            "story": story,
            "body": [words.value(m.body, BODY_LENGTH) for m in messages],
        },
    }


def _type(body: Any) -> str:
    kind = body.get("type") if isinstance(body, dict) else None
    return kind if isinstance(kind, str) and kind else "(no type)"


def _calls(calls: Calls, stuck: int | None, lanes: _Lanes, begin: int) -> list[dict[str, Any]]:
    told = []
    for invocation, completion in calls:
        lane = lanes.of_process(invocation.process)
        if lane is None:
            continue
        outcome = completion.type if completion else "info"
        ended = completion is not None and outcome != "info"
        told.append(
            {
                "lane": lane,
                "start": invocation.time - begin,
                "end": completion.time - begin if completion is not None and ended else -1,
                "outcome": outcome,
                "role": "stuck" if invocation.index == stuck else "evidence",
                "label": evidence.label(
                    invocation.f, invocation.value, completion and completion.value, outcome == "ok"
                ),
                "said": story.say_call(invocation, completion),
            }
        )
    return told


def _fault(
    window: FaultWindow, nodes: Sequence[str], lanes: _Lanes, begin: int, last: int
) -> dict[str, Any]:
    """A cut concerns every line, other faults those of their targets."""
    whole = "cut" in window.parameters
    targets = [] if whole else [lanes.of(t) for t in window.targets if t in lanes.nodes]
    return {
        "start": window.start - begin,
        "end": window.end(last) - begin,
        "said": story.describe_fault(window, nodes),
        "lanes": targets,
    }


def _marks(
    stretch: Stretch, logs: Sequence[NodeLog], lanes: _Lanes, begin: int, end: int
) -> list[dict[str, Any]]:
    """What nodes went through and what they logged; ``role`` where it tells of an election."""
    marks = [
        {
            "lane": lanes.of(event.at),
            "time": event.t - begin,
            "kind": "event",
            "text": words.line(event.e, 20),
        }
        for event in stretch.events
        if event.at in lanes.nodes and event.e != "timer" and event.e != "end"
    ]
    for node, time, text in _logged(logs):
        if begin <= time <= end and node in lanes.nodes:
            kind = "role" if _ROLES.search(text) else "log"
            marks.append(
                {
                    "lane": lanes.of(node),
                    "time": time - begin,
                    "kind": kind,
                    "text": words.line(text, 120),
                }
            )
    marks.sort(key=lambda mark: (mark["kind"] == "log", mark["time"]))
    return marks[:NOTES_MAX]


def _roles_before(logs: Sequence[NodeLog], time: int) -> dict[str, str]:
    """What each node last said of its role before a moment."""
    roles: dict[str, str] = {}
    for node, at, text in _logged(logs):
        if at <= time and _ROLES.search(text):
            roles[node] = words.line(text, 120)
    return roles


def _logged(logs: Sequence[NodeLog]) -> Iterable[tuple[str, int, str]]:
    """Lines of logs that begin with the simulation's time: node, ns of the trace, text."""
    for log in logs:
        for match in _LOG_LINE.finditer(log.text):
            if match[2] == log.node:
                yield log.node, round(float(match[1]) * 1e9), match[3]
