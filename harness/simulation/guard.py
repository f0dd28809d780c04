"""Catches a protocol that asks the machine for time or chance, which no seed repeats.

While a simulated cluster is up, the functions of the standard library that do so are replaced
by ones that look up the stack: called from inside a protocol's handler they raise, otherwise
they work as ever. A handler therefore pays nothing. Names that a protocol's module imported
from elsewhere beforehand (``from time import monotonic``) are found when it is started.
"""

from __future__ import annotations

import os
import random
import secrets
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import UserError

F = TypeVar("F", bound=Callable[..., Any])

_entrances: set[types.CodeType] = set()

_FORBIDDEN: dict[Any, tuple[str, ...]] = {
    time: (
        "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time sleep "
        "localtime gmtime"
    ).split(),
    random: (
        "random randint randrange choice choices shuffle sample uniform expovariate gauss "
        "normalvariate betavariate triangular getrandbits seed randbytes SystemRandom"
    ).split(),
    os: ["urandom", "getrandom", "getpid"],
    secrets: "token_bytes token_hex token_urlsafe randbelow randbits choice".split(),
    uuid: ["uuid1", "uuid4"],
    random.Random: ["seed"],
    threading.Thread: ["start"],
}  # type: ignore[assignment]

INSTEAD = "use context.now(), context.set_timer() and context.random"

_installed = 0
_originals: list[tuple[Any, str, Any]] = []


class Nondeterminism(UserError):
    """A protocol did what makes runs differ; the message names it and the line."""


def enters_protocol(function: F) -> F:
    """Marks a function of the simulator below which the stack is the protocol's."""
    _entrances.add(function.__code__)
    return function


def install() -> None:
    """Put the guard up; as often as called, it must be removed."""
    global _installed
    _installed += 1
    if _installed > 1:
        return
    for owner, names in _FORBIDDEN.items():
        for name in names:
            if name in vars(owner):
                original = vars(owner)[name]
                _originals.append((owner, name, original))
                setattr(owner, name, _guarded(owner, name, original))


def remove() -> None:
    """Take the guard down again."""
    global _installed
    _installed -= 1
    if _installed == 0:
        for owner, name, original in _originals:
            setattr(owner, name, original)
        _originals.clear()


def inspect(protocol: type) -> None:
    """Raise :class:`Nondeterminism` if a protocol's modules hold a forbidden function by name."""
    by_id = {id(original): (owner, name) for owner, name, original in _originals}
    for kind in protocol.__mro__:
        module = sys.modules.get(kind.__module__)
        if module is None or kind is object:
            continue
        for name, value in list(vars(module).items()):
            found = by_id.get(id(value))
            if found is not None:
                raise Nondeterminism(
                    f"simulation: {module.__name__}, of the protocol {protocol.__qualname__}, "
                    f"imports {found[0].__name__}.{found[1]} as {name!r}; {INSTEAD}"
                )


def _guarded(owner: Any, name: str, original: Any) -> Any:
    is_seeding = owner is random.Random

    def guarded(*args: Any, **kwargs: Any) -> Any:
        seeded = is_seeding and (len(args) > 1 or bool(kwargs)) and args[1:2] != (None,)
        if not seeded:
            _look(owner, name)
        return original(*args, **kwargs)

    guarded.__name__ = name
    return guarded


def _look(owner: Any, name: str) -> None:
    """Raise if a protocol is on the stack and its own code (or a library's) made this call."""
    caller = frame = sys._getframe(2)
    below: types.FrameType | None = None
    while frame is not None:
        if frame.f_code in _entrances:
            if below is None:
                return  # the simulator itself, for its own purposes
            where = below if _is_library(caller) else caller
            file = where.f_code.co_filename
            raise Nondeterminism(
                f"simulation: {below.f_code.co_qualname} called {owner.__name__}.{name}() at "
                f"{file.rpartition('/')[2]}:{where.f_lineno}; that differs from run to run: "
                f"{INSTEAD}"
            )
        below = frame
        frame = frame.f_back
    return


def _is_library(frame: types.FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith((sys.prefix, sys.base_prefix, os.path.dirname(os.__file__)))
