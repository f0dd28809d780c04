"""Clients take locks, write what these protect, and stand still at the wrong moment.

Beside that they make ephemeral files that vanish with their session, read and write files that
they cache, and let themselves be told of what happens to files and locks. A client that holds a
lock goes on to use it; now and then it stands still for a while, as in a long garbage collection,
after it has seen that its lease is good and before it acts on that. At the end, when everything is
healed, every lock is claimed until it was granted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar, NamedTuple

from ..checkers.fencing import Fencing
from ..checkers.mutual_exclusion import MutualExclusion
from ..checkers.session_safety import SessionSafety
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator, each_thread
from ..harness.operation import Operation
from ..harness.option_values import real, share, whole

IDLE = {"acquire": 0.36, "look": 0.2, "read": 0.24, "announce": 0.08, "get": 0.05, "leave": 0.03}
"""What a client does that holds no lock and does not write a file: relative frequencies."""

BUSY = {"put": 0.45, "get": 0.1, "release": 0.25, "look": 0.08, "read": 0.09, "leave": 0.01}
"""The same for one that believes to hold a lock."""

EVENTS = {"subscribe": 0.35, "hear": 0.65}
"""The same for any client that wants to know what happens."""

WAIT_MS = (0, 200, 500)
"""For how long an acquire may wait."""

CLAIM_WAIT_MS = 2000
CLAIM_TRIES = 6
CLAIM_AGAIN_NS = 500_000_000
"""At the end: how long a claim may wait, how often each client tries, and after which time it tries
again: where nobody leads yet, it is refused at once."""


class Settings(NamedTuple):
    """How many locks, ephemeral and cached files there are, and how clients pause."""

    locks: int
    names: int
    files: int
    writes: float
    events: float
    pauses: float
    longest_pause_ms: float


class LockOperations(Generator):
    """``value`` is the last one that was written anywhere, ``holding`` the locks by thread."""

    __slots__ = ("_holding", "_settings", "_value")

    def __init__(
        self, settings: Settings, value: int = 0, holding: Mapping[int, str] | None = None
    ) -> None:
        self._settings = settings
        self._value = value
        self._holding = holding or {}

    def op(self, context: Context) -> Any:
        """One more operation by some free process."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        random, settings = context.random, self._settings
        lock = self._holding.get(context.thread_of(process))
        f, chance = "write", random.random()
        if chance >= settings.writes:
            is_news = chance >= 1 - settings.events
            f = _drawn(random, EVENTS if is_news else IDLE if lock is None else BUSY)
        key, value, written = None, {}, self._value
        if f in ("acquire", "put", "get", "release"):
            key = lock or f"lock-{int(random.random() * settings.locks)}"
        elif f in ("announce", "look"):
            key = f"name-{int(random.random() * settings.names)}"
        elif f in ("read", "write"):
            key = f"file-{int(random.random() * settings.files)}"
        elif f == "subscribe":
            key = _some_node(random, settings)
        if f == "acquire":
            value["wait_ms"] = WAIT_MS[int(random.random() * len(WAIT_MS))]
        if f in ("put", "write", "announce"):
            written += 1
            value["value"] = written
        if f in ("put", "release") and random.random() < settings.pauses:
            value["pause_ms"] = round(random.random() * settings.longest_pause_ms)
        operation = Operation(-1, context.time, process, "invoke", f, value or None, key=key)
        return operation, LockOperations(settings, written, self._holding)

    def update(self, context: Context, event: Operation) -> Generator:
        """Remember who believes to hold what."""
        if event.type == "invoke":
            return self
        thread, lock = context.thread_of(event.process), None
        before = self._holding.get(thread)
        if event.f == "acquire" and event.type == "ok":
            lock = event.key
        elif before is not None and not _is_over(event):
            lock = before
        if lock == before:
            return self
        holding = {at: held for at, held in self._holding.items() if at != thread}
        if lock is not None:
            holding[thread] = lock
        return LockOperations(self._settings, self._value, holding)


def _some_node(random: Random, settings: Settings) -> str:
    """A lock, an ephemeral file or a cached one."""
    kinds = {"lock": settings.locks, "name": settings.names, "file": settings.files}
    kind = list(kinds)[int(random.random() * len(kinds))]
    return f"{kind}-{int(random.random() * kinds[kind])}"


def _is_over(event: Operation) -> bool:
    """Whether a process that held a lock does not, or knows no more, after this."""
    if event.type == "ok":
        return event.f in ("release", "leave")
    if event.type == "info":
        return True
    word = event.error[0] if isinstance(event.error, list) and event.error else event.error
    return word in ("session-expired", "not-held", "not-the-holder")


def _drawn(random: Random, shares: Mapping[str, float]) -> str:
    left = random.random() * sum(shares.values())
    for f, each in shares.items():
        left -= each
        if left < 0:
            return f
    return next(iter(shares))


class Claims(Generator):
    """One client leaves with all that it has, claims a lock until it is granted, gives it back, and
    looks at all files.

    ``steps`` are what is left to do after that; ``tries`` how often it left or claimed in vain;
    ``due`` when to do it again.
    """

    __slots__ = ("_due", "_lock", "_state", "_steps", "_tries")

    def __init__(
        self,
        lock: str | None,
        steps: Sequence[tuple[str, str]],
        state: str = "leave",
        tries: int = 0,
        due: int = 0,
    ) -> None:
        self._due = due
        self._lock = lock
        self._steps = steps
        self._state = state
        self._tries = tries

    def op(self, context: Context) -> Any:
        """The next step."""
        process = context.some_free_process()
        if process is None or self._state == "wait":
            return PENDING, self
        if self._state in ("leave", "claim", "release"):
            value = {"wait_ms": CLAIM_WAIT_MS} if self._state == "claim" else None
            key = None if self._state == "leave" else self._lock
            time = max(context.time, self._due)
            step = Operation(-1, time, process, "invoke", self._state, value, key)
            return step, Claims(self._lock, self._steps, "wait", self._tries)
        if not self._steps:
            return None
        f, key = self._steps[0]
        step = Operation(-1, context.time, process, "invoke", f, None, key)
        return step, Claims(self._lock, self._steps[1:], "look", self._tries)

    def update(self, context: Context, event: Operation) -> Generator:
        """What the outcome of a claim leads to."""
        if self._state != "wait" or event.type == "invoke":
            return self
        if event.f == "release":
            return Claims(self._lock, self._steps, "look")
        tries, due = self._tries + 1, event.time + CLAIM_AGAIN_NS
        may_try = tries < CLAIM_TRIES
        if event.f == "leave":
            # Who stays would keep what it holds for as long as it lives.
            if event.type == "fail" and not _is_over(event) and may_try:
                return Claims(self._lock, self._steps, "leave", tries, due)
            return Claims(self._lock, self._steps, "claim")
        if event.type == "ok":
            return Claims(self._lock, self._steps, "release")
        return Claims(self._lock, self._steps, "claim" if may_try else "look", tries, due)


class LockWorkload:
    """Locks with sequencers, what they protect, ephemeral and cached files, clients that pause."""

    name: ClassVar[str] = "lock"
    options: ClassVar[Mapping[str, str]] = {
        "locks": "how many locks there are (default 3)",
        "names": "how many ephemeral files there may be (default 3)",
        "files": "how many files there are that clients cache (default 2)",
        "write-share": "share of operations that write such a file (default 0.04)",
        "event-share": "share of operations that subscribe to events or hear them (default 0.05)",
        "pause-share": "share of writes and releases by lock holders before which the client "
        "stands still (default 0.08)",
        "longest-pause": "seconds for which it does so at most (default 3.5)",
        "lock_delay_ms": "of the system (500)",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {
        "locks": ("1",),
        "names": ("1",),
        "files": ("1",),
    }

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._settings = Settings(
            locks=whole(options, "locks", 3, 1),
            names=whole(options, "names", 3, 1),
            files=whole(options, "files", 2, 1),
            writes=share(options, "write-share", 0.04),
            events=share(options, "event-share", 0.05),
            pauses=share(options, "pause-share", 0.08),
            longest_pause_ms=real(options, "longest-pause", 3.5) * 1000,
        )
        self._lock_delay_s = real(options, "lock_delay_ms", 500) / 1000

    def generator(self) -> Generator:
        """Operations by whoever is free."""
        return LockOperations(self._settings)

    def final_generator(self) -> Generator:
        """Every lock is claimed until it was granted; then every file is read."""
        settings = self._settings
        steps = [("look", f"name-{at}") for at in range(settings.names)]
        steps += [("read", f"file-{at}") for at in range(settings.files)]
        return each_thread(ClaimsInTurn(settings.locks, steps))

    def checkers(self) -> Mapping[str, Checker]:
        """Exclusion, fencing, sessions."""
        return {
            "mutual-exclusion": MutualExclusion(self._lock_delay_s),
            "fencing": Fencing(),
            "session-safety": SessionSafety(),
        }


class ClaimsInTurn(Generator):
    """Gives each thread the lock of its number to claim."""

    __slots__ = ("_locks", "_steps")

    def __init__(self, locks: int, steps: Sequence[tuple[str, str]]) -> None:
        self._locks = locks
        self._steps = steps

    def op(self, context: Context) -> Any:
        """As the claims of that lock."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        lock = f"lock-{context.thread_of(process) % self._locks}"
        return Claims(lock, self._steps).op(context)
