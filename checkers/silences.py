"""When was a node silent to another, and when must it have been heard? By the nemesis's own words.

Whatever is not certain (a fault that is being injected or healed, faults on top of each other,
links that come and go) is neither.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .commit_sightings import FOREVER, Fault

SILENT, HEARD = "silent", "heard"

UP, UNCERTAIN = "up", "uncertain"
OPEN, CUT = "open", "cut"

STOPPING = {"kill": "killed", "pause": "stopped"}
"""Kinds of faults that silence a node, and what it then is."""

PARTITION = "partition"
MOVING = ("flapping", "leapfrog")


@dataclass(frozen=True)
class Stretch:
    """From ``start`` to ``end`` (nanoseconds) a node was surely silent to, or heard by, another.

    ``fault`` is what silenced it, if it was a single one.
    """

    start: int
    end: int
    status: str
    why: str
    fault: Fault | None = None


class Truth:
    """What a schedule of faults did to the nodes and links, at any moment up to ``end``."""

    def __init__(
        self, nodes: Iterable[str], faults: Sequence[Fault], end: int, relayed: bool = False
    ) -> None:
        self.nodes = sorted(nodes)
        self._faults = faults
        self._relayed = relayed
        moments = {0, end}
        for fault in faults:
            for moment in (fault.began, fault.struck, fault.healing, fault.ended):
                moments.add(min(max(moment, 0), end))
        self._moments = sorted(moments)
        self._states = [self._nodes_at(moment) for moment in self._moments]
        self._links = [self._links_at(moment) for moment in self._moments]

    def stretches(self, watcher: str, watched: str) -> list[Stretch]:
        """All that is certain of a pair of nodes. A new one begins whenever anything changes that
        could let something old through, such as a link that is healed while a node is dead.
        """
        found: list[Stretch] = []
        last_key: tuple[object, ...] | None = None
        for at, (start, end) in enumerate(itertools.pairwise(self._moments)):
            nodes, links = self._states[at], self._links[at]
            status, why = self._status(nodes, links, watcher, watched)
            link = links.get((watched, watcher), OPEN)
            key: tuple[object, ...] = (status, nodes[watcher], nodes[watched], link)
            if self._relayed:
                key = (status, *sorted(nodes.items()), *sorted(links.items()))
            if status and key == last_key:
                found[-1] = _longer(found[-1], end)
            elif status:
                found.append(Stretch(start, end, status, why, self._cause(start, status, watched)))
            last_key = key
        return found

    def _status(
        self,
        nodes: Mapping[str, str],
        links: Mapping[tuple[str, str], str],
        watcher: str,
        watched: str,
    ) -> tuple[str, str]:
        if nodes[watcher] != UP:
            return "", ""
        state, link = nodes[watched], links.get((watched, watcher), OPEN)
        if state not in (UP, UNCERTAIN):
            return SILENT, f"{watched} was {state}"
        if state == UP and link == OPEN:
            return HEARD, "nothing kept its heartbeats away"
        if self._relayed:
            if watcher in self._reached(nodes, links, watched):
                return "", ""
            return SILENT, f"no way led from {watched} to {watcher}"
        if link == CUT:
            return SILENT, f"the link from {watched} to {watcher} was cut"
        return "", ""

    def _reached(
        self, nodes: Mapping[str, str], links: Mapping[tuple[str, str], str], source: str
    ) -> list[str]:
        reached, waiting = [source], [source]
        while waiting:
            at = waiting.pop()
            for node in self.nodes:
                may = links.get((at, node), OPEN) != CUT and nodes[node] in (UP, UNCERTAIN)
                if may and node not in reached:
                    reached.append(node)
                    waiting.append(node)
        return reached

    def _cause(self, moment: int, status: str, watched: str) -> Fault | None:
        if status == HEARD:
            return None
        active = [f for f in self._faults if f.struck <= moment < f.healing]
        mine = [f for f in active if watched in f.targets]
        return mine[-1] if len(mine) == 1 else None

    def _nodes_at(self, moment: int) -> dict[str, str]:
        return {node: self._node_at(node, moment) for node in self.nodes}

    def _node_at(self, node: str, moment: int) -> str:
        active = [
            fault
            for fault in self._faults
            if fault.kind != PARTITION
            and (node in fault.targets or not fault.targets)
            and fault.began <= moment < self._ended(fault, node)
        ]
        if not active:
            return UP
        (fault, *more) = active
        if more or fault.kind not in STOPPING or self._is_mixed(fault, node, moment):
            return UNCERTAIN
        return STOPPING[fault.kind] if fault.struck <= moment < fault.healing else UNCERTAIN

    def _ended(self, fault: Fault, node: str) -> int:
        """When a fault on a node is over; two on top of each other are over together."""
        mixed = [other for other in self._others(fault, node) if other.began <= fault.ended]
        return max([fault.ended, *(other.ended for other in mixed if other.ended < FOREVER)])

    def _is_mixed(self, fault: Fault, node: str, moment: int) -> bool:
        """Whether another fault met it on this node before: who knows what it left behind."""
        return any(
            other.began <= moment and other.began <= fault.ended
            for other in self._others(fault, node)
        )

    def _others(self, fault: Fault, node: str) -> list[Fault]:
        return [
            other
            for other in self._faults
            if other is not fault
            and other.kind != PARTITION
            and (node in other.targets or not other.targets)
            and other.ended >= fault.began
        ]

    def _links_at(self, moment: int) -> dict[tuple[str, str], str]:
        """Links that are not surely open."""
        active = [f for f in self._faults if f.kind == PARTITION and f.began <= moment < f.ended]
        if not active:
            return {}
        fault = active[0]
        shape = fault.parameters.get("shape")
        moves = shape in MOVING or "moves" in fault.parameters or "period_s" in fault.parameters
        if len(active) > 1 or moves or "cut" not in fault.parameters:
            return {(a, b): UNCERTAIN for a in self.nodes for b in self.nodes if a != b}
        state = CUT if fault.struck <= moment < fault.healing else UNCERTAIN
        return {(link[0], link[1]): state for link in fault.parameters["cut"]}


def _longer(stretch: Stretch, end: int) -> Stretch:
    return Stretch(stretch.start, end, stretch.status, stretch.why, stretch.fault)
