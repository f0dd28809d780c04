"""Is a program a function of what it hears? It hears the same again, and what it says is compared.

Each node's program is started again, alone, and fed with the very lines that its node was fed with,
in the same order and at the same times, up to the first fault of that node. Nothing that it says
goes anywhere. (The idea of running twice to find what is not deterministic is madsim's.)
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ..cluster import Process
from ..errors import UserError
from .envelope import encode, shown
from .node import PipeNode
from .pipes import Pipes

QUIET_S = 1.0
"""How long it is waited for more after the last line."""

FAULTS = ("kill", "pause")

_canonical = msgspec.json.Encoder(order="deterministic").encode


@dataclass
class Transcript:
    """What one node heard (when, in seconds, and what) before its first fault.

    ``said`` is what it said by then, in canonical form; later than half of :data:`QUIET_S` after
    the last that it heard, nothing counts.
    """

    heard: list[tuple[float, bytes]] = field(default_factory=list)
    spoken: list[tuple[float, bytes]] = field(default_factory=list)
    is_over: bool = False

    @property
    def said(self) -> list[bytes]:
        """Its messages, in order."""
        end_s = (self.heard[-1][0] if self.heard else 0.0) + QUIET_S / 2
        return [said for when, said in self.spoken if when < end_s]


@dataclass(frozen=True)
class Difference:
    """The first message that was another one the second time; ``None``: there was none."""

    node: str
    number: int
    first: bytes
    second: bytes | None

    def __str__(self) -> str:
        then = "nothing more" if self.second is None else shown(self.second)
        return (
            f"{self.node}, message {self.number + 1}: first {shown(self.first)}, then {then}, "
            "after hearing the same"
        )


def transcripts(path: Path, nodes: Sequence[str]) -> dict[str, Transcript]:
    """By node, from a run's ``messages.jsonl``. ``UserError`` if there is none."""
    found = {node: Transcript() for node in nodes}
    sent: dict[int, dict[str, Any]] = {}
    if not path.is_file():
        raise UserError(f"{path}: expected the messages of the run; leave trace=false out")
    with path.open("rb") as file:
        for line in file:
            try:
                event = msgspec.json.decode(line)
            except (msgspec.MsgspecError, ValueError):
                continue  # with bytes in it that are no text
            kind = event["e"]
            if kind == "send":
                message = {"src": event["from"], "dest": event["to"], "body": event["body"]}
                sent[event["id"]] = message
                speaker = found.get(message["src"])
                if speaker is not None and not speaker.is_over:
                    said = _canonical([message["dest"], message["body"]])
                    speaker.spoken.append((event["t"] / 1e9, said))
            elif kind == "deliver":
                message = sent.get(event["of"], {})
                hearer = found.get(message.get("dest", ""))
                if hearer is not None and not hearer.is_over:
                    hearer.heard.append((event["t"] / 1e9, encode(message)))
            elif kind in FAULTS and event.get("at") in found:
                found[event["at"]].is_over = True
    return found


class _Listener:
    """Stands in for the router: keeps what programs say."""

    def __init__(self) -> None:
        self.lives: dict[str, Pipes] = {}
        self.said: dict[str, list[bytes]] = {}

    def heard(self, life: Pipes, data: bytes) -> None:
        for line in data.splitlines():
            try:
                message = msgspec.json.decode(line)
                line = _canonical([message["dest"], message["body"]])
            except (msgspec.MsgspecError, KeyError, TypeError, RecursionError):
                pass
            self.said.setdefault(life.name, []).append(line)

    def too_long(self, life: Pipes, begin: bytes) -> None:
        self.said.setdefault(life.name, []).append(begin)

    def complain(self, kind: str, node: str, text: str) -> None:
        pass

    def happened(self, event: str, **fields: Any) -> None:
        pass


async def compare(
    transcript_of: Mapping[str, Transcript],
    argv: Sequence[str],
    env: Mapping[str, Mapping[str, str]],
) -> list[Difference]:
    """Feed a program for each node with what that heard; the first difference of each."""
    listener = _Listener()
    with tempfile.TemporaryDirectory(prefix="duress-twice-") as name:
        nodes = {
            node: PipeNode(node, Path(name) / node / "data", listener, f"{name}-{node}")  # type: ignore[arg-type]
            for node in transcript_of
        }
        try:
            for node in nodes.values():
                log = str(Path(name) / node.name / "node.log")
                await node.processes.start(Process("node", argv, log, env.get(node.name)))
            await _feed(transcript_of, listener)
            await asyncio.sleep(QUIET_S)
        finally:
            for node in nodes.values():
                await node.processes.kill()
    differences = (
        _difference(node, transcript.said, listener.said.get(node, []))
        for node, transcript in transcript_of.items()
    )
    return [each for each in differences if each is not None]


async def _feed(transcript_of: Mapping[str, Transcript], listener: _Listener) -> None:
    loop = asyncio.get_running_loop()
    lines = sorted(
        (when, number, node, line)
        for node, transcript in transcript_of.items()
        for number, (when, line) in enumerate(transcript.heard)
    )
    began = loop.time() - (lines[0][0] if lines else 0)
    for when, _, node, line in lines:
        if (wait_s := began + when - loop.time()) > 0:
            await asyncio.sleep(wait_s)
        if (life := listener.lives.get(node)) is not None:
            life.put(line)
            life.flush()


def _difference(node: str, first: Sequence[bytes], second: Sequence[bytes]) -> Difference | None:
    for number, said in enumerate(first):
        again = second[number] if number < len(second) else None
        if again != said:
            return Difference(node, number, said, again)
    return None
