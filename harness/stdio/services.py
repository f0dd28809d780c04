"""The services that Maelstrom offers to nodes: three stores and a clock, as pure state machines.

Source: Maelstrom, ``doc/services.md`` and ``src/maelstrom/service.clj``. Each answers one request
at a time: ``answer(client, body)`` gives the body of the reply.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Protocol

import msgspec

MISSING, TAKEN, MALFORMED, UNKNOWN_REQUEST = 20, 22, 12, 10
"""Error codes: key-does-not-exist, precondition-failed, malformed-request, not-supported."""

STATES_KEPT = 32
"""By how many changes ``seq-kv`` may be behind for a client."""

REPLICAS = 2

Body = dict[str, Any]

_encode = msgspec.json.Encoder(order="deterministic").encode


class Service(Protocol):
    """Answers requests of nodes."""

    def answer(self, client: str, body: Mapping[str, Any]) -> Body | None:
        """The reply to a request, without ``in_reply_to``."""
        ...


class Store:
    """Keys and values, any JSON. A change makes a new one, so that old ones can be kept."""

    def __init__(self, values: Mapping[bytes, Any] | None = None) -> None:
        self.values = dict(values or {})

    def apply(self, body: Mapping[str, Any], creates: bool = True) -> tuple[Store, Body]:
        """What is there after a request, and the reply to it."""
        kind = body.get("type")
        needed = {"read": ("key",), "write": ("key", "value"), "cas": ("key", "from", "to")}
        if not isinstance(kind, str) or kind not in needed:
            known = ", ".join(needed)
            return self, _error(UNKNOWN_REQUEST, f"expected type {known}; got {kind!r}")
        missing = [field for field in needed[kind] if field not in body]
        if missing:
            text = f"a {kind} needs the fields {', '.join(needed[kind])}; got none named {missing}"
            return self, _error(MALFORMED, text)
        key = _encode(body["key"])
        has = key in self.values
        value = self.values.get(key)
        if kind == "read":
            if not has:
                return self, _error(MISSING, "key does not exist")
            return self, {"type": "read_ok", "value": value}
        if kind == "write":
            return self._with(key, body["value"]), {"type": "write_ok"}
        if not has and not (creates and body.get("create_if_not_exists")):
            return self, _error(MISSING, "key does not exist")
        if has and _encode(value) != _encode(body["from"]):
            text = f"expected {body['from']!r}, but had {value!r}"
            return self, _error(TAKEN, text)
        return self._with(key, body["to"]), {"type": "cas_ok"}

    def _with(self, key: bytes, value: Any) -> Store:
        changed = Store(self.values)
        changed.values[key] = value
        return changed


class LinearizableStore:
    """``lin-kv``: every request sees all that were answered before it began."""

    def __init__(self, random: Random) -> None:
        self._store = Store()

    def answer(self, client: str, body: Mapping[str, Any]) -> Body | None:
        """Answer from the one store that there is."""
        self._store, reply = self._store.apply(body)
        return reply


class SequentialStore:
    """``seq-kv``: one order of all changes, in which each client goes forward only.

    A request that would change nothing may be answered from a state that is up to
    :data:`STATES_KEPT` changes old, but none older than what its client has seen.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._states: deque[Store] = deque([Store()], maxlen=STATES_KEPT)
        self._newest = 0
        self._seen: dict[str, int] = {}

    def answer(self, client: str, body: Mapping[str, Any]) -> Body | None:
        """Answer from an old state, if that makes no difference to anybody else."""
        oldest = self._newest - len(self._states) + 1
        at = self._random.randint(max(oldest, self._seen.get(client, 0)), self._newest)
        old = self._states[at - oldest]
        changed, reply = old.apply(body)
        if changed is old:
            self._seen[client] = at
            return reply
        newest = self._states[-1]
        changed, reply = newest.apply(body)
        if changed is not newest:
            self._newest += 1
            self._states.append(changed)
        self._seen[client] = self._newest
        return reply


class LastWriteStore:
    """``lww-kv``: replicas that agree only at times; of two writes the one with the later time
    stays, which may be the one that was made first."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._replicas: list[dict[bytes, tuple[int, Any]]] = [{} for _ in range(REPLICAS)]
        self._clocks = [0] * REPLICAS

    def answer(self, client: str, body: Mapping[str, Any]) -> Body | None:
        """Let one replica, perhaps, learn from another; then answer at a random one."""
        learner, teacher = (self._random.randrange(REPLICAS) for _ in range(2))
        mine, others = self._replicas[learner], self._replicas[teacher]
        for key, stamped in others.items():
            if key not in mine or mine[key][0] < stamped[0]:
                mine[key] = stamped
        self._clocks[learner] = max(self._clocks[learner], self._clocks[teacher])
        at = self._random.randrange(REPLICAS)
        replica = self._replicas[at]
        before = Store({key: value for key, (_, value) in replica.items()})
        after, reply = before.apply(body, creates=False)
        if after is not before:
            self._clocks[at] += 1
            key = _encode(body["key"])
            replica[key] = (self._clocks[at], after.values[key])
        return reply


class TimestampOracle:
    """``lin-tso``: whole numbers, each larger than all before it."""

    def __init__(self, random: Random) -> None:
        self._next = 0

    def answer(self, client: str, body: Mapping[str, Any]) -> Body | None:
        """The next number."""
        if body.get("type") != "ts":
            return _error(UNKNOWN_REQUEST, f"expected type ts; got {body.get('type')!r}")
        self._next += 1
        return {"type": "ts_ok", "ts": self._next - 1}


SERVICES: Mapping[str, Callable[[Random], Service]] = {
    "lin-kv": LinearizableStore,
    "seq-kv": SequentialStore,
    "lww-kv": LastWriteStore,
    "lin-tso": TimestampOracle,
}
"""By the name under which nodes write to them."""


def services(seed: str) -> dict[str, Service]:
    """All of them, each with a stream of chance of its own."""
    return {name: make(Random(f"{seed}/service/{name}")) for name, make in SERVICES.items()}


def _error(code: int, text: str) -> Body:
    return {"type": "error", "code": code, "text": text}
