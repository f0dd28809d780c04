"""Watches a simulated trial from outside and notes what states it goes through.

It changes nothing: it draws no random number and schedules no event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..coverage import Kind, feature, kind_of, pairs_of

if TYPE_CHECKING:
    from .network import SimNetwork
    from .wire import Wire

FILE = "coverage.json"

EVERY_S = 0.02
"""How often to look at all nodes, beside the deliveries of rare messages."""

RARE = 400
"""A kind of message is rare until so many were delivered."""


class Seen(msgspec.Struct, frozen=True):
    """What ``coverage.json`` holds: sorted features, and the kinds of messages with their counts.

    A kind is ``[type, fields]``, the fields being those that are true or false.
    """

    features: list[int]
    kinds: list[tuple[str, dict[str, bool], int]]


class Sightings:
    """What was seen so far."""

    def __init__(self, network: SimNetwork) -> None:
        self._network = network
        self._loop = network.loop
        self._before: dict[str, Kind] = {}
        self._kinds: Counter[Kind] = Counter()
        self._sequences: set[tuple[Kind, Kind]] = set()
        self._states: set[tuple[Any, ...]] = set()
        self._pairs: set[tuple[Any, ...]] = set()
        self._look_at = 0.0

    def observed(self, place: str, wire: Wire) -> Callable[[Any], None]:
        """The arrival of messages on a wire, observed."""
        arrive = wire.arrive

        def arrive_observed(what: Any) -> None:
            arrive(what)
            self._received(place, (what if type(what) is dict else what[1])["body"])

        return arrive_observed

    def _received(self, place: str, body: dict[str, Any]) -> None:
        kind = kind_of(body)
        self._kinds[kind] += 1
        before = self._before.get(place)
        if before is not None:
            self._sequences.add((before, kind))
        self._before[place] = kind
        if self._kinds[kind] < RARE or self._loop.now >= self._look_at:
            self._look_at = self._loop.now + EVERY_S
            self._look()

    def _look(self) -> None:
        nodes = self._network.observe()
        state = tuple(None if told is None else tuple(told.values()) for told in nodes)
        if state not in self._states:  # as most of the time
            self._states.add(state)
            self._pairs |= pairs_of(nodes)

    def write(self, folder: Path) -> None:
        """Save what was seen."""
        features = {feature(("pair", *pair)) for pair in self._pairs}
        features |= {feature(("sequence", *pair)) for pair in self._sequences}
        kinds = [(str(k[0]), dict(k[1:]), n) for k, n in sorted(self._kinds.items(), key=repr)]
        (folder / FILE).write_bytes(msgspec.json.encode(Seen(sorted(features), kinds)))
