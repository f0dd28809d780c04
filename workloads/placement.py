"""Puts and gets of a few keys through any node, while nodes join and leave the ring.

Every put has a higher number than those before it, and of two values the higher one stays. From
time to time a node is asked for its ring: who owns each of many keys. At the end every client asks
its node for the ring and for all keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.placement import BALANCE, MOVEMENT, REPLICAS, Placement
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator, each_thread
from ..harness.operation import Operation
from ..harness.option_values import real, share, whole

ANY_MOVEMENT = "any-movement"
"""As the level that a system promises: nothing about how many keys move."""

FINAL_TRIES = 3


class PlacementOperations(Generator):
    """``number`` is the last one put."""

    __slots__ = ("_keys", "_nodes", "_number", "_probes", "_shares")

    ignores_updates = True

    def __init__(
        self,
        shares: tuple[float, float, float],
        keys: int,
        probes: int,
        nodes: int,
        number: int = 0,
    ) -> None:
        self._shares = shares
        self._keys = keys
        self._probes = probes
        self._nodes = nodes
        self._number = number

    def op(self, context: Context) -> Any:
        """A put or a get; now and then a look at the ring, or a change of it."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        random, (puts, rings, changes) = context.random, self._shares
        drawn = random.random()
        if drawn < changes:
            kind = "join" if random.random() < 0.5 else "leave"
            value = [kind, f"n{1 + int(random.random() * self._nodes)}"]
            return _invoke(context, process, "change", value), self
        if drawn < changes + rings:
            return _invoke(context, process, "ring", self._probes), self
        key = int(random.random() * self._keys)
        if random.random() >= puts:
            return _invoke(context, process, "get", None, key), self
        number = self._number + 1
        successor = PlacementOperations(self._shares, self._keys, self._probes, self._nodes, number)
        return _invoke(context, process, "put", number, key), successor


class LastLooks(Generator):
    """One client asks its node for the ring and then for every key, each until it is answered."""

    __slots__ = ("_at", "_keys", "_probes", "_tries")

    def __init__(self, keys: int, probes: int, at: int = -1, tries: int = 0) -> None:
        self._keys = keys
        self._probes = probes
        self._at = at
        self._tries = tries

    def op(self, context: Context) -> Any:
        """The next question, if the one before has ended."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        if self._at == self._keys:
            return None
        successor = LastLooks(self._keys, self._probes, self._at, self._tries + 1)
        if self._at < 0:
            return _invoke(context, process, "last-ring", self._probes), successor
        return _invoke(context, process, "last-get", None, self._at), successor

    def update(self, context: Context, event: Operation) -> Generator | None:
        """On to the next once this one was answered, or asked often enough."""
        if event.type == "ok" or (event.type != "invoke" and self._tries >= FINAL_TRIES):
            return LastLooks(self._keys, self._probes, self._at + 1)
        return self


class PlacementWorkload:
    """A store on a ring: agreement on owners, no lost keys, few keys moved, balance."""

    name: ClassVar[str] = "placement"
    options: ClassVar[Mapping[str, str]] = {
        "keys": "keys that are put and got (default 60)",
        "probes": "keys whose owners are asked for (default 200)",
        "put-share": "share of the operations on keys that put (default 0.45)",
        "ring-share": "share of operations that ask for the ring (default 0.06)",
        "change-share": "share of operations by which a node joins or leaves (default 0.02)",
        "ring-nodes": "nodes that may join and leave: n1 to this number (default 5)",
        "movement": "at most so many times K·R/n keys may move in a change; 0: any number "
        f"(default {MOVEMENT}, if the system promises it)",
        "balance": f"at most so many times the mean one node may keep (default {BALANCE})",
        "replicas": f"of the system ({REPLICAS})",
        "promised-level": "what the system promises; said by the system itself",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {
        "keys": ("1", "5", "20"),
        "change-share": ("0.005",),
        "probes": ("20",),
    }

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._keys = whole(options, "keys", 60, 1)
        self._probes = whole(options, "probes", 200, 1)
        self._nodes = whole(options, "ring-nodes", 5, 1)
        self._shares = (
            share(options, "put-share", 0.45),
            share(options, "ring-share", 0.06),
            share(options, "change-share", 0.02),
        )
        movement = 0.0 if options.get("promised-level") == ANY_MOVEMENT else MOVEMENT
        self._checker = Placement(
            real(options, "movement", movement),
            real(options, "balance", BALANCE),
            whole(options, "replicas", REPLICAS, 1),
        )

    def generator(self) -> Generator:
        """Whoever is free does something, through its own node."""
        return PlacementOperations(self._shares, self._keys, self._probes, self._nodes)

    def final_generator(self) -> Generator:
        """Every client looks at the ring and at all keys."""
        return each_thread(LastLooks(self._keys, self._probes))

    def checkers(self) -> Mapping[str, Checker]:
        """Where keys are, and whether they are."""
        return {"placement": self._checker}


def _invoke(
    context: Context, process: Any, f: str, value: Any, key: int | None = None
) -> Operation:
    return Operation(-1, context.time, process, "invoke", f, value, key=key)
