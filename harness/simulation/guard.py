"""Catches a protocol that asks the machine for time or chance, which no seed repeats.

While a simulated cluster is up, and its loop not closed, the functions of the standard library
that do so are replaced by ones that look up the stack: called from inside a protocol's handler
they raise, otherwise they work as ever. A handler therefore pays nothing. Names that a protocol's
module imported from elsewhere beforehand (``from time import monotonic``) are found when it is
started.
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
from pathlib import Path
from typing import Any, TypeVar

from ..errors import UserError
from . import lint

F = TypeVar("F", bound=Callable[..., Any])

_entrances: set[types.CodeType] = set()

_FORBIDDEN: tuple[tuple[Any, str], ...] = (
    (time, "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time sleep"),
    (random, "random randint randrange choice choices shuffle sample uniform expovariate gauss"),
    (random, "normalvariate betavariate triangular getrandbits seed randbytes"),
    (random.Random, "seed"),
    (random.SystemRandom, "random getrandbits"),
    (os, "urandom getrandom getpid"),
    (secrets, "token_bytes token_hex token_urlsafe randbelow randbits choice"),
    (uuid, "uuid1 uuid4"),
    (threading.Thread, "start"),
)

INSTEAD = "use context.now(), context.set_timer() and context.random"

_LIBRARY = str(Path(os.__file__).parent)

_wanted_by: set[object] = set()
_originals: list[tuple[Any, str, Any]] = []


class Nondeterminism(UserError):
    """A protocol did what makes runs differ; the message names it and the line."""


def enters_protocol(function: F) -> F:
    """Marks a function of the simulator below which the stack is the protocol's."""
    _entrances.add(function.__code__)
    return function


def install(watch: object) -> None:
    """Put the guard up, for as long as anybody who watches wants it."""
    was_up = bool(_wanted_by)
    _wanted_by.add(watch)
    if was_up:
        return
    for owner, names in _FORBIDDEN:
        for name in names.split():
            if name in vars(owner):
                original = vars(owner)[name]
                _originals.append((owner, name, original))
                setattr(owner, name, _guarded(owner, name, original))


def remove(watch: object) -> None:
    """Nobody need watch any more for this one's sake; takes the guard down if nobody does.
    Idempotent."""
    _wanted_by.discard(watch)
    if not _wanted_by:
        for owner, name, original in _originals:
            setattr(owner, name, original)
        _originals.clear()


def inspect(protocol: type) -> None:
    """Raise :class:`Nondeterminism` for what can be seen in a protocol's modules beforehand."""
    by_id = {id(original): (owner, name) for owner, name, original in _originals}
    for module in lint.modules_of(protocol):
        for problem in lint.problems(module):
            raise Nondeterminism(f"simulation: {protocol.__qualname__}: {problem}")
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
    """Raise if a protocol is on the stack; names its innermost line that is no library's."""
    frame: types.FrameType | None = sys._getframe(2)
    handler = where = None
    while frame is not None and frame.f_code not in _entrances:
        if where is None and not _is_library(frame):
            where = frame
        handler, frame = frame, frame.f_back
    if frame is None or handler is None:
        return  # nobody's, or the simulator's own
    where = where or handler
    file = where.f_code.co_filename.rpartition("/")[2]
    raise Nondeterminism(
        f"simulation: {handler.f_code.co_qualname} called {owner.__name__}.{name}() at "
        f"{file}:{where.f_lineno}; that differs from run to run: {INSTEAD}"
    )


def _is_library(frame: types.FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith((sys.prefix, sys.base_prefix, _LIBRARY))
