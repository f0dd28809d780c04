"""Locks and semaphores."""

from __future__ import annotations

from typing import Any

from ...harness.operation import Operation


class Mutex:
    """A lock: acquire, release, whoever asks. ``initial``: true if it starts held."""

    functions = frozenset({"acquire", "release"})

    def __init__(self, initial: Any = False) -> None:
        self.initial = bool(initial)

    def step(self, state: bool, operation: Operation) -> bool | None:
        """Acquire needs it free, release needs it held."""
        if operation.f == "acquire":
            return None if state else True
        return False if state else None


class OwnerMutex:
    """A lock that knows its owner: only the process that acquired it may release it."""

    owner_aware = True
    functions = frozenset({"acquire", "release"})

    def __init__(self, initial: Any = None) -> None:
        self.initial = (initial,)

    def step(self, state: tuple[Any], operation: Operation) -> tuple[Any] | None:
        """Acquire needs it free; release needs it held by the same process."""
        if operation.f == "acquire":
            return (operation.process,) if state[0] is None else None
        return (None,) if state[0] == operation.process else None


class FencedMutex:
    """An owned lock whose acquire returns a fencing token; tokens must always grow.

    ``initial`` is the last token given before the history. An acquire whose token is
    unknown took a larger one: the smallest such is assumed, which rules out least.
    """

    owner_aware = True
    observers = frozenset({"acquire"})
    functions = frozenset({"acquire", "release"})

    def __init__(self, initial: Any = None) -> None:
        self.initial = (None, initial)

    def step(self, state: tuple[Any, Any], operation: Operation) -> tuple[Any, Any] | None:
        """As the owned lock; the token must exceed every earlier one."""
        owner, last = state
        if operation.f == "release":
            return (None, last) if owner == operation.process else None
        if owner is not None:
            return None
        token = operation.value
        if token is None:
            return operation.process, None if last is None else last + 1
        return (operation.process, token) if last is None or token > last else None


class Semaphore:
    """Permits: acquire and release of ``value`` (default 1). ``initial``: how many there are."""

    functions = frozenset({"acquire", "release"})

    def __init__(self, initial: Any = 1) -> None:
        self.initial = initial
        self._capacity = initial

    def step(self, state: int, operation: Operation) -> int | None:
        """Acquire needs that many free; release must not make more than there are."""
        permits = 1 if operation.value is None else operation.value
        if operation.f == "acquire":
            return state - permits if state >= permits else None
        return state + permits if state + permits <= self._capacity else None
