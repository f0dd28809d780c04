"""Lays out the cycle of an anomaly: a box for each transaction, an arrow for each dependency.

Positions come from networkx's circular layout, in which a cycle is a ring; boxes have different
sizes, so the ring is stretched until none touch. Drawn by ``assets/cycle.html.j2``, without a
script, as SVG in the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..harness.history import History
from ..harness.verdict import Anomaly
from . import evidence, micro_operations, words

NODES_MAX = 12
EDGES_LISTED_MAX = 40
LINES_MAX = 7
LINE_CHARACTERS = 34

CHARACTER, LINE, PAD = 6.65, 16, 9
GAP_ACROSS, GAP_DOWN, MARGIN = 96, 58, 14

KINDS = {
    "ww": "the second overwrote what the first wrote",
    "wr": "the second read what the first wrote",
    "rw": "the first read the state before the second wrote",
    "process": "one client ran them in this order",
    "realtime": "the first had ended before the second began",
}
"""What each kind of edge says, for the legend."""


@dataclass
class Box:
    """A transaction. ``x`` and ``y`` are its middle."""

    index: int
    title: str
    lines: list[dict[str, Any]]
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    edges: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        longest = max([len(self.title), *(len(line["text"]) + 1 for line in self.lines)])
        self.width = longest * CHARACTER + 2 * PAD
        self.height = (len(self.lines) + 1) * LINE + 2 * PAD


def graph(history: History, anomaly: Anomaly) -> dict[str, Any] | None:
    """Geometry and words of an anomaly's cycle; ``None`` if its details hold no edges.

    ``boxes`` is empty where the cycle is too large to draw; ``edges`` are there all the same.
    """
    edges = evidence.edges(anomaly.details, history)
    if not edges:
        return None
    names = list(dict.fromkeys(end for edge in edges for end in (edge["from"], edge["to"])))
    told = [_told(edge) for edge in edges[:EDGES_LISTED_MAX]]
    ring = f"{' → '.join(f'T{at}' for at in names[:NODES_MAX])}"
    found: dict[str, Any] = {
        "boxes": [],
        "edges": told,
        "edges_left_out": len(edges) - len(told),
        "size": len(names),
        "summary": f"A cycle of {words.count(len(names), 'transaction')}: {ring} → …",
        "legend": [(k, KINDS[k]) for k in KINDS if any(e["type"] == k for e in edges)],
    }
    if len(names) > NODES_MAX or len(edges) > 4 * NODES_MAX:
        return found
    boxes = {at: _box(history, at, edges) for at in names}
    _place(list(boxes.values()), edges)
    _route(boxes, edges, told)
    return found | _frame(list(boxes.values()), told)


def _told(edge: dict[str, Any]) -> dict[str, Any]:
    kind = edge["type"]
    key = "" if edge["key"] is None else micro_operations.bare(words.value(edge["key"], 16))
    return {
        "kind": kind if kind in KINDS else "other",
        "name": kind,
        "label": f"{kind} {key}".strip(),
        "from": f"T{edge['from']}",
        "to": f"T{edge['to']}",
        "why": edge["why"],
    }


def _box(history: History, at: int, edges: Sequence[dict[str, Any]]) -> Box:
    invocation, completion = history[at], history.completion(at)
    near = [e for e in edges if at in (e["from"], e["to"])]
    mops = micro_operations.micro_operations(invocation, completion)
    if mops is None:
        asked, answered = invocation.value, completion and completion.value
        is_known = completion is not None and completion.type == "ok"
        text = evidence.label(invocation.f, asked, answered, is_known)
        lines = [{"text": _cut(text), "hit": True}]
    else:
        lines = [
            {
                "text": _cut(micro_operations.say(mop, LINE_CHARACTERS - 6)),
                "hit": any(_concerns(mop, edge, at) for edge in near),
            }
            for mop in mops
        ]
        lines = _shortened(lines)
    outcome = completion.type if completion else "info"
    doubt = "" if outcome == "ok" else f" ({'unknown' if outcome == 'info' else outcome})"
    node = (completion or invocation).node or invocation.node
    where = f" on {words.line(str(node), 12)}" if node else ""
    return Box(at, f"T{at}  process {words.line(str(invocation.process), 8)}{where}{doubt}", lines)


def _concerns(mop: list[Any], edge: dict[str, Any], at: int) -> bool:
    """Whether an edge is there because of a micro-operation of one of its ends."""
    if edge["key"] is None or mop[1] != edge["key"]:
        return False
    is_read = mop[0] in ("r", "read")
    reads = (edge["type"] == "rw" and edge["from"] == at) or (
        edge["type"] == "wr" and edge["to"] == at
    )
    if is_read or reads:
        return is_read and reads
    names_value = edge["from"] == at if edge["type"] == "wr" else edge["to"] == at
    return not names_value or edge["value"] is None or mop[2:3] == [edge["value"]]


def _shortened(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that matter, and as many others as there is room for."""
    if len(lines) <= LINES_MAX:
        return lines
    hits = [i for i, line in enumerate(lines) if line["hit"]]
    rest = [i for i, line in enumerate(lines) if not line["hit"]]
    keep = sorted((hits + rest)[: LINES_MAX - 1])
    more = {"text": f"… {len(lines) - len(keep)} more", "hit": False}
    return [*(lines[i] for i in keep), more]


def _cut(text: str) -> str:
    return text if len(text) <= LINE_CHARACTERS else f"{text[: LINE_CHARACTERS - 1]}…"


def _place(boxes: list[Box], edges: Sequence[dict[str, Any]]) -> None:
    """On a ring, clockwise from the left (two) or the top (more), no two boxes touching."""
    import networkx

    ring = networkx.DiGraph()
    ring.add_nodes_from(box.index for box in boxes)
    ring.add_edges_from((e["from"], e["to"]) for e in edges)
    places = networkx.circular_layout(ring)
    turn = {1: 0.0, 2: math.pi}.get(len(boxes), -math.pi * (0.5 + (len(boxes) % 2 == 0) / 4))
    across, down = 120.0, 70.0
    while True:
        for box in boxes:
            x, y = (float(v) for v in places[box.index])
            angle = math.atan2(y, x) + turn
            # Two stand side by side; more on an ellipse.
            box.x = across * math.cos(angle)
            box.y = 0.0 if len(boxes) <= 2 else down * math.sin(angle)
        if not _touching(boxes, GAP_ACROSS, GAP_DOWN):
            return
        across, down = across * 1.06, down * 1.06


def _touching(boxes: Sequence[Box], across: float, down: float) -> bool:
    return any(
        abs(a.x - b.x) < (a.width + b.width) / 2 + across
        and abs(a.y - b.y) < (a.height + b.height) / 2 + down
        for i, a in enumerate(boxes)
        for b in boxes[:i]
    )


def _route(
    boxes: dict[int, Box], edges: Sequence[dict[str, Any]], told: list[dict[str, Any]]
) -> None:
    """A curve for each edge, bent outwards, from the side of one box to that of the other."""
    seen: dict[tuple[int, int], int] = {}
    for edge, into in zip(edges, told, strict=False):
        a, b = boxes[edge["from"]], boxes[edge["to"]]
        number = seen[a.index, b.index] = seen.get((a.index, b.index), 0) + 1
        if a is b:
            continue
        dx, dy = b.x - a.x, b.y - a.y
        length = math.hypot(dx, dy)
        bend = (46 if len(boxes) == 2 else 22) + 40 * (number - 1)
        # To the left of the way, which on a clockwise ring is outside.
        cx = (a.x + b.x) / 2 + dy / length * bend * 2
        cy = (a.y + b.y) / 2 - dx / length * bend * 2
        x1, y1 = _border(a, cx, cy, 0)
        x2, y2 = _border(b, cx, cy, 3)
        angle = math.atan2(y2 - cy, x2 - cx)
        tips = [(x2 + 9 * math.cos(angle + t), y2 + 9 * math.sin(angle + t)) for t in (2.7, -2.7)]
        width = len(into["label"]) * CHARACTER + 12
        into |= {
            "path": f"M{x1:.1f} {y1:.1f}Q{cx:.1f} {cy:.1f} {x2:.1f} {y2:.1f}",
            "head": f"M{x2:.1f} {y2:.1f}" + "".join(f"L{x:.1f} {y:.1f}" for x, y in tips) + "Z",
            "x": (x1 + 2 * cx + x2) / 4,
            "y": (y1 + 2 * cy + y2) / 4,
            "width": width,
        }


def _border(box: Box, x: float, y: float, gap: float) -> tuple[float, float]:
    """Where the line from a point to the middle of a box meets its side."""
    dx, dy = x - box.x, y - box.y
    across = (box.width / 2 + gap) / abs(dx) if dx else math.inf
    down = (box.height / 2 + gap) / abs(dy) if dy else math.inf
    share = min(across, down, 1.0)
    return box.x + dx * share, box.y + dy * share


def _frame(boxes: Sequence[Box], edges: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Moves everything so that nothing lies outside, and says how large it is."""
    drawn = [e for e in edges if "path" in e]
    left = min([b.x - b.width / 2 for b in boxes] + [e["x"] - e["width"] / 2 for e in drawn])
    top = min([b.y - b.height / 2 for b in boxes] + [e["y"] - 12 for e in drawn])
    right = max([b.x + b.width / 2 for b in boxes] + [e["x"] + e["width"] / 2 for e in drawn])
    bottom = max([b.y + b.height / 2 for b in boxes] + [e["y"] + 12 for e in drawn])
    return {
        "boxes": [
            {
                "index": box.index,
                "title": box.title,
                "x": round(box.x - box.width / 2, 1),
                "y": round(box.y - box.height / 2, 1),
                "width": round(box.width, 1),
                "height": round(box.height, 1),
                "lines": [
                    {**line, "y": round(box.y - box.height / 2 + PAD + LINE * (i + 1) + 12, 1)}
                    for i, line in enumerate(box.lines)
                ],
            }
            for box in boxes
        ],
        "view": f"{left - MARGIN:.1f} {top - MARGIN:.1f} "
        f"{right - left + 2 * MARGIN:.1f} {bottom - top + 2 * MARGIN:.1f}",
        "width": round(right - left + 2 * MARGIN),
        "height": round(bottom - top + 2 * MARGIN),
    }
