"""Reads, writes and deletes of replicated registers, by sessions that pass on what they have seen.

A few keys are in use at a time, some more than others; each is retired for a new one after so many
operations. Every value is written once. At the end every node is asked what it holds of all keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.convergence import REGISTER, Convergence
from ..checkers.register_sessions import CONFLICTS, LAST_WRITE, SIBLINGS
from ..checkers.regular import Regular
from ..checkers.sessions import Sessions
from ..checkers.staleness import Staleness
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator
from ..harness.operation import Operation
from ..harness.option_values import flag, one_of, real, share, whole
from .final_questions import final_questions

NO_BOUND = 1e9


class SessionOperations(Generator):
    """``keys`` are those in use, each with the number of operations on it so far."""

    __slots__ = ("_deletes", "_fresh", "_keys", "_most", "_reads", "_value")

    ignores_updates = True

    def __init__(
        self,
        reads: float,
        deletes: float,
        most: int,
        keys: tuple[tuple[int, int], ...],
        fresh: int,
        value: int = 0,
    ) -> None:
        self._reads = reads
        self._deletes = deletes
        self._most = most
        self._keys = keys
        self._fresh = fresh
        self._value = value

    def op(self, context: Context) -> Any:
        """One more operation by some free session; the first key is the most popular."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        random = context.random
        place = min(int(random.random() * (len(self._keys) + 1)), len(self._keys) - 1)
        key, used = self._keys[place]
        f, written, value = "read", None, self._value
        if random.random() >= self._reads:
            f = "delete" if random.random() < self._deletes else "write"
            if f == "write":
                value += 1
                written = value
        keys, fresh = list(self._keys), self._fresh
        keys[place] = (key, used + 1)
        if used + 1 >= self._most:
            keys[place] = (fresh, 0)
            fresh += 1
        operation = Operation(-1, context.time, process, "invoke", f, written, key=key)
        return operation, SessionOperations(
            self._reads, self._deletes, self._most, tuple(keys), fresh, value
        )


class SessionsWorkload:
    """Registers under R/W/N quorums: session guarantees, convergence, regularity, staleness."""

    name: ClassVar[str] = "sessions"
    options: ClassVar[Mapping[str, str]] = {
        "key-count": "keys in use at a time (default 4)",
        "ops-per-key": "operations before a key is retired for a new one (default 120)",
        "read-share": "share of operations that read (default 0.5)",
        "delete-share": "share of the others that delete (default 0.1)",
        "newest": "how many keys every node is asked for at the end (default 300)",
        "most-stale-versions": "bound on how many writes a read may miss (default: none)",
        "most-stale-s": "bound on how many seconds a read may be behind (default: none)",
        "most-stale-share": "bound on the share of stale reads (default: 1)",
        "n": "of the system (3)",
        "r": "of the system (2); with w: reads must be regular if r + w > n",
        "w": "of the system (2)",
        "conflicts": "of the system (siblings)",
        "sloppy": "of the system (false); true: reads need not be regular",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {
        "key-count": ("1", "2"),
        "delete-share": ("0",),
    }
    """What ``duress shrink`` tries."""

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        keys = whole(options, "key-count", 4, 1, 1000)
        self._operations = SessionOperations(
            share(options, "read-share", 0.5),
            share(options, "delete-share", 0.1),
            whole(options, "ops-per-key", 120, 1),
            tuple((key, 0) for key in range(keys)),
            keys,
        )
        self._newest = whole(options, "newest", 300, 0, 10_000)
        self._conflicts = one_of(options, "conflicts", SIBLINGS, CONFLICTS)
        n, r, w = (whole(options, name, default, 1) for name, default in QUORUM.items())
        self._is_strict = r + w > n and not flag(options, "sloppy", False)
        self._staleness = Staleness(
            self._conflicts,
            real(options, "most-stale-versions", NO_BOUND),
            real(options, "most-stale-s", NO_BOUND),
            share(options, "most-stale-share", 1.0),
        )

    def generator(self) -> Generator:
        """Operations by whoever is free."""
        return self._operations

    def final_generator(self) -> Generator:
        """Every client asks its node for what it holds, until that changes no more."""
        return final_questions({"newest": self._newest})

    def checkers(self) -> Mapping[str, Checker]:
        """What is promised with these options."""
        is_ordered = self._is_strict and self._conflicts == LAST_WRITE
        checkers: dict[str, Checker] = {
            "sessions": Sessions(self._conflicts),
            "convergence": Convergence(REGISTER, self._conflicts, is_ordered),
            "staleness": self._staleness,
        }
        if self._is_strict:
            checkers["regular"] = Regular(self._conflicts)
        return checkers


QUORUM = {"n": 3, "r": 2, "w": 2}
"""What the system takes if nobody says otherwise."""
