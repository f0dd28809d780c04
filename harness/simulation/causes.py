"""What a trace tells about causes: how many messages each request of a client brought about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from ..errors import UserError

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a ``messages.jsonl`` (see :mod:`.trace`); ``UserError`` names a bad line."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield _decode(line)
            except msgspec.MsgspecError as error:
                raise UserError(f"{path}:{number}: {error}") from None


def messages_per_request(events: Iterable[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """By type of request: ``requests``, and ``mean`` and ``max`` of messages between nodes each.

    A message belongs to the request from which the chain of causes (handler of a delivery,
    timer that a handler set) leads to it. What requests share, a batch say, counts for the one
    that set it going; what no request caused (heartbeats, elections) counts for ``""``, which
    has no requests.
    """
    nodes: set[str] = set()
    root: dict[int, int] = {}  # of events: the request that they go back to
    kind: dict[int, str] = {}
    messages: dict[int, int] = {}
    unasked = 0
    for event in events:
        number, what = event["id"], event["e"]
        origin = root.get(event.get("of" if what == "deliver" else "cause", -1))
        if what == "start":
            nodes.add(event["at"])
        elif what == "send" and event["from"] not in nodes:
            origin = number
            kind[number], messages[number] = event["body"].get("type", ""), 0
        elif what == "send" and event["to"] in nodes:
            if origin is None:
                unasked += 1
            else:
                messages[origin] += 1
        if origin is not None:
            root[number] = origin
    found: dict[str, dict[str, float]] = {}
    for name in sorted(set(kind.values())):
        counts = [messages[number] for number in kind if kind[number] == name]
        mean = round(sum(counts) / len(counts), 3)
        found[name] = {"requests": len(counts), "mean": mean, "max": max(counts)}
    found[""] = {"requests": 0, "mean": 0.0, "max": unasked}
    return found
