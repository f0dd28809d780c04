"""Who has a line of their own in a space-time diagram, and which process a client is."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..harness.cluster.connection import PROBE
from ..harness.history import History
from ..harness.operation import NEMESIS
from ..harness.stdio.services import SERVICES
from . import words
from .run_folder import Run
from .trace_window import Stretch, TracedMessage
from .witnesses import Pair

CLIENT_LANES_MAX = 8
OTHERS = "other clients"
CONNECTING_NS = 2_000_000
"""So long after a call began its client may send, if it has to connect first."""


class Lanes:
    """Who has a line of their own: nodes, clients of the evidence, then other clients."""

    def __init__(
        self,
        run: Run,
        calls: Sequence[Pair],
        stretch: Stretch,
        messages: Sequence[TracedMessage],
        origin: int,
    ) -> None:
        nodes = list(run.nodes)
        ends = dict.fromkeys(end for m in messages for end in (m.source, m.dest))
        # Programs that run on nodes under names of their own would be mistaken for clients.
        known = {*nodes, *SERVICES, *(e.at for e in stretch.events)}
        nodes += [end for end in ends if end in known and end not in nodes]
        clients = [end for end in ends if end not in known]
        self.process_of = _processes(run.history, stretch.around, {*nodes, PROBE}, origin)
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
    """The process of each client: the one whose calls begin when that client sends, and end when
    it hears. One that has to connect first sends a little after the call began."""
    sent: dict[str, list[int]] = {}
    heard: dict[str, list[int]] = {}
    for message in messages:
        if message.source not in nodes:
            sent.setdefault(message.source, []).append(message.sent - origin)
        elif message.dest not in nodes and message.end is not None:
            heard.setdefault(message.dest, []).append(message.end - origin)
    times = [time for all_of in (*sent.values(), *heard.values()) for time in all_of]
    if not sent:
        return {}
    columns = history.columns()
    low, high = columns.time.searchsorted([min(times) - CONNECTING_NS, max(times) + 2])
    near = [history[at] for at in range(int(low), int(high))]
    begins = [(o.time, o.process) for o in near if o.type == "invoke" and o.process != NEMESIS]
    ends = [(o.time, o.process) for o in near if o.type in ("ok", "fail")]
    votes: Counter[tuple[str, Any]] = Counter()
    for told, all_times in ((begins, sent), (ends, heard)):
        at: dict[int, list[Any]] = {}
        for time, process in told:
            at.setdefault(time, []).append(process)
        for client, own in all_times.items():
            exact = (at.get(time + cut, ()) for time in own for cut in (-1, 0, 1))  # whole ns
            votes.update((client, process) for found in exact for process in found)
    starts = [time for time, _ in begins]
    for client, own in sent.items():
        if any(of == client for of, _ in votes):
            continue
        for time in own:
            first = bisect_left(starts, time - CONNECTING_NS)
            votes.update((client, p) for _, p in begins[first : bisect_left(starts, time)])
    found: dict[str, Any] = {}
    for (client, process), count in votes.most_common():
        if count and client not in found and process not in found.values():
            found[client] = process
    return found
