"""What clients of a lock service believed, and for how long: holds of locks, sessions.

Operations, with their values on completion (all fields but those asked for are optional):

``acquire``   ``{"sequencer": 7, "session": "s3", "lease_ms": 640.0}``; the key is the lock.
              ``claim`` is an ``acquire`` when everything is healed, which must be granted.
``release``   of the same lock by the same process.
``leave``     the process closes its session.

Any completion that is ``ok`` may tell the process's ``session`` and, as ``lease_ms``, for how long
the session lives from then on, for all that the client knows. A failure ``["session-expired",
session]`` tells that it has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..harness.history import History
from ..harness.operation import Operation

ACQUIRES = ("acquire", "claim")

NEVER = float("inf")

encode = msgspec.json.Encoder(order="deterministic").encode
"""Plain values as bytes: equal exactly if equal as JSON, and fit for the keys of a dict."""


@dataclass
class Tenure:
    """One session of one process (``name`` is ``None`` for a process that has no sessions).

    ``known_until``  the latest end of its lease that the client ever knew, in nanoseconds;
                     ``None`` if it never knew any.
    ``left``         the invocation of ``leave``, and ``left_ok`` its completion, if that was ok.
    ``expired``      the completion that told that the session has ended.
    """

    process: Any
    name: Any
    known_until: float | None = None
    left: Operation | None = None
    left_ok: Operation | None = None
    expired: Operation | None = None

    @property
    def over(self) -> Operation | None:
        """The completion by which the process knew that its session had ended."""
        return self.left_ok or self.expired

    @property
    def lives_until(self) -> float:
        """Until when it lived for certain."""
        end = NEVER if self.known_until is None else self.known_until
        if self.left is not None:
            end = min(end, self.left.time)
        return end


@dataclass
class Hold:
    """A lock that was granted. ``releases``: how its process tried to give it back.

    Each is an invocation and what became of it; one that failed did not give it back.
    """

    lock: Any
    tenure: Tenure
    invoked: Operation
    granted: Operation
    sequencer: int | None
    releases: list[tuple[Operation, Operation | None]] = field(default_factory=list)

    @property
    def given_back(self) -> Operation | None:
        """The first release that may have taken effect, or the end of the session by its owner."""
        released = [
            invoked
            for invoked, completion in self.releases
            if completion is None or completion.type != "fail"
        ]
        ends = [*released[:1], *([self.tenure.left] if self.tenure.left else [])]
        return min(ends, key=lambda end: end.index, default=None)

    @property
    def held_until(self) -> float:
        """Until when the process held it for certain, in nanoseconds."""
        back = self.given_back
        told = self.tenure.expired
        return min(
            self.tenure.lives_until,
            NEVER if back is None else back.time,
            NEVER if told is None else told.time,
        )


Pair = tuple[Operation, Operation | None]


class LockHistory:
    """A history's client operations (``pairs``), its sessions and the locks that were granted."""

    def __init__(self, history: History) -> None:
        self.pairs: list[Pair] = []
        self.holds: list[Hold] = []
        self.tenures: dict[tuple[Any, bytes], Tenure] = {}
        self.indeterminate = 0
        self.acquires = 0
        self._now: dict[Any, Tenure] = {}
        self._held: dict[tuple[Any, bytes], Hold] = {}
        for invoked, completion in history.pairs():
            self.pairs.append((invoked, completion))
            self._take(invoked, completion)

    def pairs_of(self, *fs: str) -> Iterator[Pair]:
        """The operations of some kinds, in the order of their invocations."""
        return (pair for pair in self.pairs if pair[0].f in fs)

    def tenure_of(self, completion: Operation) -> Tenure:
        """The session in which an operation was that ended ok."""
        return self._tenure(completion.process, told(completion).get("session"))

    def _tenure(self, process: Any, name: Any) -> Tenure:
        return self.tenures.setdefault((process, encode(name)), Tenure(process, name))

    def _take(self, invoked: Operation, completion: Operation | None) -> None:
        process = invoked.process
        is_ok = completion is not None and completion.type == "ok"
        if is_ok:
            assert completion is not None
            self._learn(process, completion)
        elif completion is not None and said(completion) == "session-expired":
            self._end(process, completion)
        tenure = self._now.get(process)
        if invoked.f == "leave" and tenure is not None:
            if completion is None or completion.type != "fail":
                tenure.left = tenure.left or invoked
            if is_ok:
                tenure.left_ok = completion
        elif invoked.f == "release":
            hold = self._held.get((process, encode(invoked.key)))
            if hold is not None:
                hold.releases.append((invoked, completion))
        elif invoked.f in ACQUIRES:
            self.acquires += 1
            self.indeterminate += completion is None or completion.type == "info"
            if is_ok:
                assert completion is not None
                hold = Hold(
                    invoked.key,
                    self.tenure_of(completion),
                    invoked,
                    completion,
                    told(completion).get("sequencer"),
                )
                self._held[process, encode(invoked.key)] = hold
                self.holds.append(hold)

    def _learn(self, process: Any, completion: Operation) -> None:
        known = told(completion)
        name = known.get("session")
        if name is None and process in self._now and completion.f not in ACQUIRES:
            return
        tenure = self._now[process] = self._tenure(process, name)
        lease_ms = known.get("lease_ms")
        if isinstance(lease_ms, int | float):
            end = completion.time + lease_ms * 1e6
            tenure.known_until = max(tenure.known_until or end, end)

    def _end(self, process: Any, completion: Operation) -> None:
        error = completion.error
        name = error[1] if isinstance(error, list | tuple) and len(error) > 1 else None
        tenure = self.tenures.get((process, encode(name)))
        if tenure is not None and tenure.expired is None:
            tenure.expired = completion


def told(completion: Operation) -> dict[str, Any]:
    """The fields of an operation's value; none if it is something else."""
    return completion.value if isinstance(completion.value, dict) else {}


def said(completion: Operation) -> str:
    """The first word of an error."""
    error = completion.error
    if isinstance(error, list | tuple):
        error = error[0] if error else ""
    return str(error)


def at(operation: Operation) -> str:
    """``1.234 s, operation 56``: where it stands."""
    return f"{operation.time / 1e9:.3f} s, operation {operation.index}"


def shape_of(first: int, second: int) -> str:
    """How the sequencers of two grants stand to each other, without the numbers: an older one, or
    the same again, tells of a service that forgot what it had granted."""
    if first == second:
        return "the same sequencer again"
    return "a later sequencer" if second > first else "an earlier sequencer"
