"""Chooses what a space-time diagram shows of an anomaly: the messages around its calls.

After Lamport (*Time, Clocks, and the Ordering of Events in a Distributed System*, 1978): a line
for each process, an arrow for each message. ``assets/space_time.js`` draws it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..harness.cluster.connection import PROBE
from ..harness.verdict import Anomaly
from . import (
    call_words,
    evidence,
    fault_words,
    message_story,
    moment,
    node_notes,
    trace_window,
    words,
)
from .call_words import About
from .log_times import LogLine
from .run_folder import Run
from .space_time_lanes import Lanes
from .statistics import FaultWindow, Statistics
from .story import Step
from .trace_window import Stretch, TracedMessage
from .witnesses import Pair, evidence_calls, stuck_call, told_calls

MESSAGES_MAX = 4000
NOTES_MAX = 300
TYPES_MAX = 40
BODY_LENGTH = 160
PAD_NS = 5_000_000
SPAN_MAX_NS, MOMENTS_MAX = 6_000_000_000, 12
"""Of a longer window only what is near to so many moments (begins and ends of calls) is read."""

BEFORE_MAX_NS = 2_000_000_000
"""A fault before the evidence is shown if it began at most so long before."""

ALONE_MAX = 4
"""Of so many calls of the evidence it is told if a node answered them all by itself."""

Calls = list[Pair]


class Diagram(NamedTuple):
    """``data`` is plain, for the drawing; ``steps`` tell the ``messages`` of the story."""

    data: dict[str, Any]
    steps: list[Step]
    messages: list[TracedMessage]


def diagram(
    run: Run,
    anomaly: Anomaly,
    figures: Statistics,
    logged: Sequence[LogLine] = (),
    limit: int = MESSAGES_MAX,
) -> Diagram | None:
    """The drawing, and the story that its messages tell; ``None`` where there is no trace or the
    anomaly names no call, moment or window.

    Times of its data are ns after ``begin``, which is in history time. ``messages`` is columns of
    equal length: ``from`` and ``to`` (lanes), ``sent``, ``end`` (-1: unknown), ``type`` (of
    ``types``), ``why`` (of ``whys``; 0: it arrived), ``cause`` (a message, or -1), ``story`` (1: a
    call of the anomaly brought it about) and ``body``. ``gaps`` are spans of which not all messages
    are among them.
    """
    path, origin = run.folder / "messages.jsonl", run.spec.get("history_origin_ns")
    own_calls = evidence_calls(run.history, anomaly)
    calls = told_calls(run.history, anomaly)[-evidence.EVIDENCE_MAX :]
    window = None if calls else moment.window_of(anomaly)
    if window is not None:
        calls = moment.calls_in(run.history, window)[: evidence.EVIDENCE_MAX]
    about = About.of(anomaly, own_calls)
    if origin is None or not (calls or window) or not path.is_file():
        return None
    focus = window or _focus(calls)
    shown = _faults(figures.faults, *focus, figures.duration_ns)
    begin = min([focus[0], *(max(w.start, focus[0] - BEFORE_MAX_NS) for w in shown)]) - PAD_NS
    begin = max(begin, -origin)
    times = window or [o.time for call in calls for o in call if o is not None]
    moments = sorted({time + origin for time in times})
    pieces = _pieces(moments, begin + origin, focus[1] + origin)
    try:
        stretch = trace_window.read_pieces(path, pieces)
    except OSError:
        return None
    under_way = [m for m in stretch.messages if PROBE not in (m.source, m.dest)]
    messages, pieces = _nearest(under_way, moments, limit, pieces)
    if not messages:
        return None
    lanes = Lanes(run, calls, stretch, messages, origin)
    at = begin + origin
    chosen = [0] * len(messages)
    if window is None:
        chosen = message_story.of_the_story(
            messages, calls, lanes.process_of, origin, about, set(lanes.nodes)
        )
    data = {
        "begin": begin,
        "end": focus[1] - begin,
        "focus": [max(0, _since(focus[0], begin, logged, shown) - begin), focus[1] - begin],
        "lanes": lanes.told(_roles_before(logged, begin)),
        **_columns(messages, lanes, at, chosen),
        "calls": _calls(calls, stuck_call(run.history, anomaly), lanes, begin, about),
        "marks": _marks(stretch, logged, lanes, origin, (begin, focus[1])),
        "faults": [_fault(w, run.nodes, lanes, begin, figures.duration_ns) for w in shown],
        "gaps": [[a - at, b - at] for a, b in _between(pieces, begin + origin, focus[1] + origin)],
        "is_whole": stretch.is_whole,
    }
    own = [m for m, is_of_it in zip(messages, chosen, strict=True) if is_of_it]
    steps = message_story.steps(own, set(lanes.nodes), origin)
    for call in own_calls[:ALONE_MAX]:
        roles = _roles_before(logged, (call[1] or call[0]).time)
        alone = message_story.answered_alone(messages, call, lanes.process_of, origin, roles)
        steps += [alone] if alone else []
    return Diagram(data, steps, own)


def _since(focus: int, begin: int, logged: Sequence[LogLine], shown: Sequence[FaultWindow]) -> int:
    """From when on the diagram shows the story: what nodes told and faults did before its calls
    belongs to it."""
    notes = [note.time for note in node_notes.notes(logged, begin, focus) if note.time >= begin]
    faults = [window.start for window in shown if window.start >= begin]
    return min([focus, *(time - PAD_NS for time in (*notes, *faults))])


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


def _columns(
    messages: Sequence[TracedMessage], lanes: Lanes, at: int, story: list[int]
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


def _calls(
    calls: Calls, stuck: int | None, lanes: Lanes, begin: int, about: About
) -> list[dict[str, Any]]:
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
                "label": evidence.label_of(invocation, completion, about),
                "said": call_words.sentence(invocation, completion, about),
            }
        )
    return told


def _fault(
    window: FaultWindow, nodes: Sequence[str], lanes: Lanes, begin: int, last: int
) -> dict[str, Any]:
    """A cut concerns every line, other faults those of their targets."""
    whole = "cut" in window.parameters
    targets = [] if whole else [lanes.of(t) for t in window.targets if t in lanes.nodes]
    return {
        "start": window.start - begin,
        "end": window.end(last) - begin,
        "said": fault_words.fault(window.kind, window.targets, window.parameters, nodes),
        "lanes": targets,
    }


def _marks(
    stretch: Stretch, logged: Sequence[LogLine], lanes: Lanes, origin: int, span: tuple[int, int]
) -> list[dict[str, Any]]:
    """What nodes went through and what they logged; ``role`` where it tells of an election."""
    begin, end = span
    marks = [
        {
            "lane": lanes.of(event.at),
            "time": event.t - origin - begin,
            "kind": "event",
            "text": words.line(event.e, 20),
        }
        for event in stretch.events
        if event.at in lanes.nodes and event.e != "timer" and event.e != "end"
    ]
    said: set[tuple[str, str]] = set()
    for line in logged:
        if not begin <= line.time <= end or line.node not in lanes.nodes:
            continue
        tells = node_notes.tells(line.text) and (line.node, line.text) not in said
        said.add((line.node, line.text))  # who says it again and again says it once
        marks.append(
            {
                "lane": lanes.of(line.node),
                "time": line.time - begin,
                "kind": "role" if tells else "log",
                "text": words.line(line.text, 120),
            }
        )
    marks.sort(key=lambda mark: (mark["kind"] == "log", mark["time"]))
    return marks[:NOTES_MAX]


def _roles_before(logged: Sequence[LogLine], time: int) -> dict[str, str]:
    """What each node last said of its role before a moment."""
    return {
        line.node: words.line(line.text, 120)
        for line in logged
        if line.time <= time and node_notes.ROLES.search(line.text)
    }
